import GRDB
public import Market

/// The questions people and the next start ask.
extension SQLiteStore {
  public func trades(_ scope: StoreScope, run: Int64?, limit: Int) async throws(StoreError) -> [TradeRow] {
    try await select("trades", "closed_ns DESC, run DESC, journal_index DESC", scope, run, limit) { row in
      TradeRow(
        journalIndex: row["journal_index"], symbol: row["symbol"], plugin: row["plugin"], side: row["side"],
        quantity: row["quantity"], entryPrice: row["entry_price"], exitPrice: row["exit_price"],
        openedNanoseconds: row["opened_ns"], closedNanoseconds: row["closed_ns"],
        profit: ExactAmount(e8: row["profit_e8"]), fees: ExactAmount(e8: row["fees_e8"]),
        net: ExactAmount(e8: row["net_e8"]), reason: row["reason"])
    }
  }

  public func signals(_ scope: StoreScope, run: Int64?, limit: Int) async throws(StoreError) -> [SignalRow] {
    try await select("signals", "run DESC, journal_index DESC", scope, run, limit) { row in
      SignalRow(
        journalIndex: row["journal_index"], timeNanoseconds: row["time_ns"],
        position: row["position"], symbol: row["symbol"], plugin: row["plugin"],
        returnFraction: row["return_fraction"], confidence: row["confidence"],
        stopFraction: row["stop_fraction"], targetFraction: row["target_fraction"],
        horizonNanoseconds: row["horizon_ns"], isObservation: row["is_observation"], tag: row["tag"],
        outcome: row["outcome"])
    }
  }

  public func orders(_ scope: StoreScope, run: Int64?, limit: Int) async throws(StoreError) -> [OrderRow] {
    try await select("orders", "run DESC, journal_index DESC", scope, run, limit) { row in
      let status: String = row["status"]
      guard let known = OrderStatus(rawValue: status) else {
        throw StoreError.damaged(path: "orders", detail: "status \(status)")
      }
      return OrderRow(
        journalIndex: row["journal_index"], clientID: row["client_id"], orderID: row["order_id"],
        symbol: row["symbol"], side: row["side"], kind: row["kind"], purpose: row["purpose"],
        reduceOnly: row["reduce_only"], quantity: row["quantity"], price: row["price"], status: known,
        filledQuantity: row["filled_quantity"], averagePrice: row["average_price"],
        fees: ExactAmount(e8: row["fees_e8"]), code: row["code"], decidedNanoseconds: row["decided_ns"],
        updatedNanoseconds: row["updated_ns"])
    }
  }

  public func fills(_ scope: StoreScope, run: Int64?, limit: Int) async throws(StoreError) -> [FillRow] {
    try await select("fills", "run DESC, journal_index DESC", scope, run, limit) { row in
      FillRow(
        journalIndex: row["journal_index"], timeNanoseconds: row["time_ns"], clientID: row["client_id"],
        orderID: row["order_id"], tradeID: row["trade_id"], symbol: row["symbol"], side: row["side"],
        price: row["price"], quantity: row["quantity"], notional: ExactAmount(e8: row["notional_e8"]),
        fee: ExactAmount(e8: row["fee_e8"]), realized: ExactAmount(e8: row["realized_e8"]),
        isMaker: row["is_maker"])
    }
  }

  public func lots(_ scope: StoreScope, run: Int64?, limit: Int) async throws(StoreError) -> [LotRow] {
    try await select("virtual_trades", "opened_ns DESC, lot_id DESC", scope, run, limit) { row in
      LotRow(
        lotID: row["lot_id"], symbol: row["symbol"], plugin: row["plugin"], side: row["side"],
        quantity: row["quantity"], notional: ExactAmount(e8: row["notional_e8"]),
        entryPrice: row["entry_price"], stopPrice: row["stop_price"], targetPrice: row["target_price"],
        openedNanoseconds: row["opened_ns"], refusal: row["refusal"], confidence: row["confidence"],
        closing: (row["closed_ns"] as Int64?).map { closed in
          LotRow.Closing(
            exitPrice: row["exit_price"], closedNanoseconds: closed, net: ExactAmount(e8: row["net_e8"]),
            fees: ExactAmount(e8: row["fees_e8"]), funding: ExactAmount(e8: row["funding_e8"]),
            reason: row["reason"])
        })
    }
  }

  public func equity(_ run: RunKey, limit: Int) async throws(StoreError) -> [EquityRow] {
    let newestFirst = try await select("equity", "journal_index DESC", run.scope, run.run, limit) { row in
      EquityRow(
        journalIndex: row["journal_index"], timeNanoseconds: row["time_ns"],
        equity: ExactAmount(e8: row["equity_e8"]), wallet: ExactAmount(e8: row["wallet_e8"]),
        unrealized: ExactAmount(e8: row["unrealized_e8"]), openPositions: row["open_positions"])
    }
    return newestFirst.reversed()
  }

  public func positions(atEndOf run: RunKey) async throws(StoreError) -> [PositionRow] {
    try await select("positions", "symbol", run.scope, run.run, storeRowsMax) { row in
      PositionRow(
        journalIndex: row["journal_index"], timeNanoseconds: row["time_ns"], symbol: row["symbol"],
        quantity: row["quantity"], entryPrice: row["entry_price"], cost: ExactAmount(e8: row["cost_e8"]),
        stopPrice: row["stop_price"], targetPrice: row["target_price"])
    }.filter { !$0.isFlat }
  }

  /// - Parameters: `table` and `order` are constants of this file; what people name travels as arguments only.
  private func select<Value: Sendable>(
    _ table: StaticString, _ order: StaticString, _ scope: StoreScope, _ run: Int64?, _ limit: Int,
    _ decode: @escaping @Sendable (Row) throws -> Value
  ) async throws(StoreError) -> [Value] {
    try await read { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT * FROM \(table) WHERE venue = ? AND mode = ? AND (?3 IS NULL OR run = ?3)
          ORDER BY \(order) LIMIT ?
          """, arguments: [scope.venue, scope.mode.rawValue, run, min(max(limit, 0), storeRowsMax)]
      ).map(decode)
    }
  }

  public func candles(
    _ scope: StoreScope, symbol: String, timeframe: Timeframe, fromNanoseconds: Int64, limit: Int
  ) async throws(StoreError) -> [CandleRow] {
    try await read { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT * FROM candles
          WHERE venue = ? AND mode = ? AND symbol = ? AND timeframe = ? AND open_time_ns >= ?
          ORDER BY open_time_ns LIMIT ?
          """,
        arguments: [
          scope.venue, scope.mode.rawValue, symbol, Int(timeframe.rawValue), fromNanoseconds,
          min(max(limit, 0), storeRowsMax),
        ]
      ).map { row in
        CandleRow(
          symbol: symbol, timeframe: timeframe, openTimeNanoseconds: row["open_time_ns"], open: row["open"],
          high: row["high"], low: row["low"], close: row["close"], volume: row["volume"],
          tradeCount: row["trade_count"], flags: row["flags"])
      }
    }
  }

  public func runs(_ scope: StoreScope?, limit: Int) async throws(StoreError) -> [RunInfo] {
    try await read { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT * FROM runs WHERE (?1 IS NULL OR (venue = ?1 AND mode = ?2)) ORDER BY run DESC LIMIT ?3
          """, arguments: [scope?.venue, scope?.mode.rawValue, min(max(limit, 0), storeRowsMax)]
      ).map { row in
        let mode: String = row["mode"]
        guard let known = TradingMode(rawValue: mode) else {
          throw StoreError.damaged(path: "runs", detail: "mode \(mode)")
        }
        return RunInfo(
          key: RunKey(scope: StoreScope(venue: row["venue"], mode: known), run: row["run"]),
          startedNanoseconds: row["started_ns"], version: row["version"], settings: row["settings"])
      }
    }
  }

  public func summary(of run: RunKey) async throws(StoreError) -> RunSummary? {
    try await read { db in
      let key: StatementArguments = [run.scope.venue, run.scope.mode.rawValue, run.run]
      func one(_ sql: String) throws -> Row? {
        try Row.fetchOne(db, sql: "\(sql) WHERE venue = ? AND mode = ? AND run = ?", arguments: key)
      }
      guard let known = try one("SELECT started_ns, ended_ns, version FROM runs") else { return nil }
      // Sums over integers of 1e-8: exact, and SQLite reports an overflow instead of rounding.
      let trades = try one(
        """
        SELECT count(*) AS count, coalesce(sum(net_e8 > 0), 0) AS wins,
          coalesce(sum(profit_e8), 0) AS profit, coalesce(sum(net_e8), 0) AS net FROM trades
        """)
      let fills = try one("SELECT count(*) AS count, coalesce(sum(fee_e8), 0) AS fees FROM fills")
      let open = try one("SELECT coalesce(sum(closed_ns IS NULL), 0) AS open FROM virtual_trades")
      let closed = try Row.fetchOne(
        db,
        sql: """
          SELECT count(*) AS count, coalesce(sum(net_e8), 0) AS net FROM virtual_trades
          WHERE venue = ? AND mode = ? AND closed_run = ?
          """, arguments: key)
      let refusals = try Row.fetchAll(
        db,
        sql: """
          SELECT outcome, count(*) AS count FROM verdicts
          WHERE venue = ? AND mode = ? AND run = ? AND is_refusal
          GROUP BY outcome ORDER BY count DESC, outcome
          """, arguments: key)
      return RunSummary(
        run: run, version: known["version"], startedNanoseconds: known["started_ns"],
        endedNanoseconds: known["ended_ns"],
        signals: try one("SELECT count(*) AS count FROM signals")?["count"] ?? 0,
        orders: try one("SELECT count(*) AS count FROM orders")?["count"] ?? 0,
        fills: fills?["count"] ?? 0, trades: trades?["count"] ?? 0, wins: trades?["wins"] ?? 0,
        profit: ExactAmount(e8: trades?["profit"] ?? 0), fees: ExactAmount(e8: fills?["fees"] ?? 0),
        net: ExactAmount(e8: trades?["net"] ?? 0), lotsOpen: open?["open"] ?? 0,
        lotsClosed: closed?["count"] ?? 0, virtualProfit: ExactAmount(e8: closed?["net"] ?? 0),
        refusals: refusals.map { RunSummary.RefusalCount(name: $0["outcome"], count: $0["count"]) })
    }
  }
}
