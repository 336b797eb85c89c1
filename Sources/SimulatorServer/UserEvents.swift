import BinanceWire
import Market
import Simulator

// What the account's owner is told: orders, fills, balances and positions, on the private entry.
extension ExchangeCore {
  /// Takes every report the exchange has and tells the private connections.
  ///
  /// The account's change goes out before the orders', as at the exchange, and shows the state after all of them.
  @discardableResult
  func drainAccount(now: Instant) -> [ExchangeReport] {
    guard let first = exchange.poll(now: now) else { return [] }
    var reports = [first]
    while let report = exchange.poll(now: now) { reports.append(report) }
    sendAccountUpdates(reports)
    for report in reports { sendOrderUpdate(report) }
    return reports
  }

  private func sendAccountUpdates(_ reports: [ExchangeReport]) {
    var traded: [InstrumentID] = []
    for report in reports {
      switch report.kind {
      case .filled:
        realized[Int(report.instrument.index)] = realized[Int(report.instrument.index)] + report.amount
        if !traded.contains(report.instrument) { traded.append(report.instrument) }
      case .balance: sendAccountUpdate(reason: "FUNDING_FEE", [], report.time, fundingOf: report.instrument)
      case .accepted, .cancelled, .rejected, .expired, .unknown, .position, .missing: break
      }
    }
    if let time = reports.last?.time, !traded.isEmpty { sendAccountUpdate(reason: "ORDER", traded, time) }
  }

  private func sendAccountUpdate(
    reason: String, _ instruments: [InstrumentID], _ time: Instant, fundingOf: InstrumentID? = nil
  ) {
    let wallet = exchange.wallet.description
    let milliseconds = time.milliseconds
    let positions = instruments.map { instrument in
      let numbers = positionNumbers(instrument)
      return UserMessages.Position(
        s: table[instrument].symbol, pa: numbers.amount, ep: FixedPoint.text(numbers.entryE8, decimals: 8),
        bep: FixedPoint.text(numbers.breakEvenE8, decimals: 8),
        cr: realized[Int(instrument.index)].description, up: numbers.unrealized.description)
    }
    sendPrivate(
      "ACCOUNT_UPDATE",
      UserMessages.AccountUpdate(
        E: milliseconds, T: milliseconds,
        a: UserMessages.Account(
          m: reason, S: fundingOf.map { table[$0].symbol },
          B: [UserMessages.Balance(a: "USDT", wb: wallet, cw: wallet)], P: positions)))
  }

  private func sendOrderUpdate(_ report: ExchangeReport) {
    let execution: ExecutionType
    let status: OrderStatus
    switch report.kind {
    case .accepted: (execution, status) = (.new, .new)
    case .filled:
      execution = report.id == .none ? .calculated : .trade
      status = report.isFinal ? .filled : .partiallyFilled
    case .cancelled: (execution, status) = (.cancelled, .cancelled)
    case .expired: (execution, status) = (.expired, .expired)
    case .rejected, .unknown, .balance, .position, .missing: return
    }
    guard let order = exchange.order(orderID: report.orderID) else { return }
    let rules = table[report.instrument].rules
    let filledNow = report.kind == .filled
    let notional = names.book(
      report.id, fill: filledNow ? rules.notional(report.price, report.quantity) : .zero)
    let averageE8 =
      report.filledTotal.steps == 0
      ? 0
      : FixedPoint.divided(
        Int128(notional.e8) * Int128(FixedPoint.one),
        by: Int128(report.filledTotal.steps) * Int128(rules.stepE8))
    let open = exchange.openNotional(report.instrument)
    let update = UserMessages.Order(
      symbol: table[report.instrument].symbol, clientID: names.text(report.id, orderID: report.orderID),
      side: order.side.name, type: order.typeName, timeInForce: order.timeInForce.wireName,
      quantity: rules.text(order.quantity), price: rules.text(order.kind == .market ? .none : order.price),
      averagePrice: FixedPoint.text(averageE8, decimals: 8), executionType: execution.rawValue,
      status: status.rawValue, orderID: report.orderID,
      lastQuantity: filledNow ? rules.text(report.quantity) : "0",
      filledQuantity: rules.text(report.filledTotal), lastPrice: filledNow ? rules.text(report.price) : "0",
      commissionAsset: filledNow ? "USDT" : nil, commission: filledNow ? report.fee.description : nil,
      time: report.time.milliseconds, tradeID: report.tradeID, isMaker: report.isMaker,
      reduceOnly: order.reduceOnly, realizedProfit: (filledNow ? report.amount : .zero).description,
      openBuys: open.buys.description, openSells: open.sells.description,
      expiryReason: expiryReason(report, order))
    sendPrivate(
      "ORDER_TRADE_UPDATE",
      UserMessages.OrderTradeUpdate(E: report.time.milliseconds, T: report.time.milliseconds, o: update))
  }

  private func expiryReason(_ report: ExchangeReport, _ order: SimulatedOrder) -> String {
    guard report.kind == .expired else { return "0" }
    if order.kind == .market { return "9" }
    return order.timeInForce == .immediateOrCancel ? "2" : order.reduceOnly ? "4" : "0"
  }

  /// Tells the clients of a key that it ended; their sockets stay open and silent.
  func sendKeyExpired(_ key: String, _ now: Instant) {
    send(
      "listenKeyExpired",
      JSONText.encode(UserMessages.ListenKeyExpired(E: now.milliseconds, listenKey: key)), key: key)
  }

  private func sendPrivate(_ event: String, _ message: some Encodable) {
    guard let key = listenKeys.active else { return }
    send(event, JSONText.encode(message), key: key)
  }

  private func send(_ event: String, _ payload: [UInt8], key: String) {
    for connection in hub.connections where connection.entry == .private && connection.streams.contains(key) {
      if let allowed = connection.allowedEvents[key], !allowed.contains(event) { continue }
      if connection.isCombined {
        connection.append(bytes: Array("{\"stream\":\"\(key)\",\"data\":".utf8) + payload + [0x7D])
      } else {
        connection.append(bytes: payload)
      }
    }
  }

  // MARK: Numbers that events and answers share

  struct PositionNumbers {
    var amount: String
    var entryE8: Int64
    var breakEvenE8: Int64
    var markE8: Int64
    var unrealized: Quote
    /// Signed like the amount.
    var notional: Quote
  }

  func positionNumbers(_ instrument: InstrumentID) -> PositionNumbers {
    let rules = table[instrument].rules
    let position = exchange.position(instrument)
    let entry = position.entryPriceE8(rules: rules)
    let fee = FixedPoint.scaled(entry, by: options.exchange.takerFeeE8)
    let mark = exchange.markE8(instrument)
    let value = FixedPoint.divided(
      Int128(mark) * Int128(position.steps) * Int128(rules.stepE8), by: Int128(FixedPoint.one))
    return PositionNumbers(
      amount: rules.text(Quantity(steps: position.steps)), entryE8: entry,
      breakEvenE8: position.isFlat ? 0 : position.steps > 0 ? entry + fee : entry - fee, markE8: mark,
      unrealized: exchange.unrealized(instrument), notional: Quote(e8: value))
  }
}
