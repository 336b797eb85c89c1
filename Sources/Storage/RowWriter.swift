import GRDB
import Market

/// Writes facts into an open transaction. Every statement is an upsert keyed by what the fact is, so that a stretch of
/// the journal can be stored again without a trace.
struct RowWriter {
  let db: Database
  let run: RunKey

  private var venue: String { run.scope.venue }
  private var mode: String { run.scope.mode.rawValue }

  func registerUnknownRun() throws {
    try execute(
      """
      INSERT INTO runs (venue, mode, run, started_ns, version, settings) VALUES (?, ?, ?, 0, '', '{}')
      ON CONFLICT DO NOTHING
      """, [venue, mode, run.run])
  }

  func advance(to next: UInt64) throws {
    try execute(
      "UPDATE runs SET cursor = max(cursor, ?) WHERE venue = ? AND mode = ? AND run = ?",
      [Int64(next), venue, mode, run.run])
  }

  mutating func write(_ change: StoreChange) throws {
    switch change {
    case .signal(let row): try write(row)
    case .verdict(let row): try write(row)
    case .order(let row): try write(row)
    case .orderUpdate(let update): try write(update)
    case .fill(let row): try write(row)
    case .trade(let row): try write(row)
    case .lot(let row): try write(row)
    case .equity(let row): try write(row)
    case .position(let row): try write(row)
    case .candle(let row): try write(row)
    case .ended(let time):
      try execute(
        "UPDATE runs SET ended_ns = ? WHERE venue = ? AND mode = ? AND run = ?", [time, venue, mode, run.run])
    }
  }

  private func execute(_ sql: String, _ arguments: [(any DatabaseValueConvertible)?]) throws {
    try db.cachedStatement(sql: sql).execute(arguments: StatementArguments(arguments))
  }

  private func write(_ row: SignalRow) throws {
    try execute(
      """
      INSERT INTO signals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT DO NOTHING
      """,
      [
        venue, mode, run.run, row.journalIndex, row.timeNanoseconds, row.position, row.symbol, row.plugin,
        row.returnFraction, row.confidence, row.stopFraction, row.targetFraction, row.horizonNanoseconds,
        row.isObservation, row.tag, row.outcome,
      ])
  }

  /// A verdict answers the signals of its instrument that came with the same input, a little before it in the journal.
  private func write(_ row: VerdictRow) throws {
    try execute(
      "INSERT INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
      [
        venue, mode, run.run, row.journalIndex, row.timeNanoseconds, row.position, row.symbol, row.plugin,
        row.side, row.outcome, row.isRefusal, row.quantity, row.notional.description, row.notional.e8,
        row.risk.description, row.risk.e8, row.measured, row.limit,
      ])
    try execute(
      """
      UPDATE signals SET outcome = ? WHERE venue = ? AND mode = ? AND run = ?
        AND position = ? AND symbol = ? AND journal_index < ? AND outcome IS NULL
      """,
      [
        row.outcome, venue, mode, run.run, row.position, row.symbol, row.journalIndex,
      ])
  }

  private func write(_ row: OrderRow) throws {
    try execute(
      """
      INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT DO NOTHING
      """,
      [
        venue, mode, row.clientID, run.run, row.journalIndex, row.orderID, row.symbol, row.side, row.kind,
        row.purpose,
        row.reduceOnly, row.quantity, row.price, row.status.rawValue, row.status.rank, row.filledQuantity,
        row.averagePrice, row.fees.description, row.fees.e8, row.code, row.decidedNanoseconds,
        row.updatedNanoseconds,
      ])
  }

  /// Reports come from two channels in any order: the state only moves forward, and the first end stays.
  private func write(_ update: OrderUpdate) throws {
    try execute(
      """
      UPDATE orders SET status = ?, status_rank = ?, code = ?, updated_ns = max(updated_ns, ?)
      WHERE venue = ? AND mode = ? AND client_id = ? AND status_rank < ?
      """,
      [
        update.status.rawValue, update.status.rank, update.code, update.timeNanoseconds, venue, mode,
        update.clientID, update.status.rank,
      ])
    try execute(
      "UPDATE orders SET order_id = ? WHERE venue = ? AND mode = ? AND client_id = ? AND order_id = 0",
      [update.orderID, venue, mode, update.clientID])
  }

  /// A fill is counted once; the order's totals are sums over what is stored, never increments.
  private func write(_ row: FillRow) throws {
    try execute(
      """
      INSERT INTO fills VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT DO NOTHING
      """,
      [
        venue, mode, row.clientID, row.symbol, row.tradeID, run.run, row.journalIndex, row.orderID,
        row.timeNanoseconds, row.side, row.price, row.quantity, row.notional.description, row.notional.e8,
        row.fee.description, row.fee.e8, row.realized.description, row.realized.e8, row.isMaker,
      ])
    guard db.changesCount > 0 else { return }
    let fills = try FillTotals.of(db, venue: venue, mode: mode, clientID: row.clientID)
    try execute(
      """
      UPDATE orders SET filled_quantity = ?, average_price = ?, fees = ?, fees_e8 = ?,
        updated_ns = max(updated_ns, ?)
      WHERE venue = ? AND mode = ? AND client_id = ?
      """,
      [
        fills.quantity, fills.averagePrice, fills.fees.description, fills.fees.e8, row.timeNanoseconds, venue,
        mode, row.clientID,
      ])
  }

  private func write(_ row: TradeRow) throws {
    try execute(
      """
      INSERT INTO trades VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT DO NOTHING
      """,
      [
        venue, mode, run.run, row.journalIndex, row.symbol, row.plugin, row.side, row.quantity,
        row.entryPrice, row.exitPrice, row.openedNanoseconds, row.closedNanoseconds, row.profit.description,
        row.profit.e8, row.fees.description, row.fees.e8, row.net.description, row.net.e8, row.reason,
      ])
  }

  private func write(_ row: LotRow) throws {
    let end = row.closing
    try execute(
      """
      INSERT INTO virtual_trades VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET exit_price = excluded.exit_price, closed_ns = excluded.closed_ns,
        closed_run = excluded.closed_run, net = excluded.net, net_e8 = excluded.net_e8, fees = excluded.fees,
        fees_e8 = excluded.fees_e8, funding = excluded.funding, funding_e8 = excluded.funding_e8,
        reason = excluded.reason
      WHERE closed_ns IS NULL AND excluded.closed_ns IS NOT NULL
      """,
      [
        venue, mode, row.openedNanoseconds, row.lotID, run.run, row.symbol, row.plugin, row.side,
        row.quantity, row.notional.description, row.notional.e8, row.entryPrice, row.stopPrice,
        row.targetPrice, row.refusal, row.confidence, end?.exitPrice, end?.closedNanoseconds,
        end == nil ? nil : run.run, end?.net.description, end?.net.e8, end?.fees.description, end?.fees.e8,
        end?.funding.description, end?.funding.e8, end?.reason,
      ])
  }

  private func write(_ row: EquityRow) throws {
    try execute(
      "INSERT INTO equity VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
      [
        venue, mode, run.run, row.journalIndex, row.timeNanoseconds, row.equity.description, row.equity.e8,
        row.wallet.description, row.wallet.e8, row.unrealized.description, row.unrealized.e8,
        row.openPositions,
      ])
  }

  private func write(_ row: PositionRow) throws {
    try execute(
      """
      INSERT INTO positions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET journal_index = excluded.journal_index, time_ns = excluded.time_ns,
        quantity = excluded.quantity, entry_price = excluded.entry_price, cost = excluded.cost,
        cost_e8 = excluded.cost_e8, stop_price = excluded.stop_price, target_price = excluded.target_price
      WHERE excluded.journal_index > journal_index
      """,
      [
        venue, mode, run.run, row.symbol, row.journalIndex, row.timeNanoseconds, row.quantity, row.entryPrice,
        row.cost.description, row.cost.e8, row.stopPrice, row.targetPrice,
      ])
  }

  /// A complete candle is never replaced by an incomplete one; among equals the newer account wins.
  private func write(_ row: CandleRow) throws {
    try execute(
      """
      INSERT INTO candles VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET run = excluded.run, open = excluded.open, high = excluded.high,
        low = excluded.low, close = excluded.close, volume = excluded.volume,
        trade_count = excluded.trade_count, flags = excluded.flags
      WHERE (excluded.flags & 1) >= (flags & 1)
      """,
      [
        venue, mode, row.symbol, Int(row.timeframe.rawValue), row.openTimeNanoseconds, run.run, row.open,
        row.high, row.low, row.close, row.volume, row.tradeCount, row.flags,
      ])
  }
}

/// What the stored fills of one order add up to, exactly: quantities are summed as decimals, not as binary fractions.
private struct FillTotals {
  var quantity: String
  var averagePrice: String?
  var fees: ExactAmount

  static func of(_ db: Database, venue: String, mode: String, clientID: String) throws -> FillTotals {
    let rows = try Row.fetchAll(
      db.cachedStatement(
        sql: """
          SELECT quantity, notional_e8, fee_e8 FROM fills WHERE venue = ? AND mode = ? AND client_id = ?
          """), arguments: [venue, mode, clientID])
    var quantityE8: Int128 = 0
    var decimals = 0
    var notionalE8: Int128 = 0
    var feesE8: Int64 = 0
    for row in rows {
      let text: String = row[0]
      guard let e8 = ExactText.e8(text) else {
        throw StoreError.damaged(path: "fills", detail: "quantity \(text) is not a decimal")
      }
      quantityE8 += e8
      decimals = max(decimals, ExactText.decimals(text))
      notionalE8 += Int128(row[1] as Int64)
      feesE8 += row[2] as Int64
    }
    let average: String? =
      quantityE8 > 0
      ? ExactText.text(
        (notionalE8 * Int128(FixedPoint.one) + quantityE8 / 2) / quantityE8, decimals: 8) : nil
    return FillTotals(
      quantity: ExactText.text(quantityE8, decimals: decimals), averagePrice: average,
      fees: ExactAmount(e8: feesE8))
  }
}
