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
    var json = JSONText()
    json.object { json in
      json.text("e", "ACCOUNT_UPDATE")
      json.number("E", time.milliseconds)
      json.number("T", time.milliseconds)
      json.object("a") { json in
        json.text("m", reason)
        if let fundingOf { json.text("S", table[fundingOf].symbol) }
        json.array("B") { json in
          json.object { json in
            json.text("a", "USDT")
            json.quote("wb", exchange.wallet)
            json.quote("cw", exchange.wallet)
            json.text("bc", "0")
          }
        }
        json.array("P") { json in
          for instrument in instruments {
            let numbers = positionNumbers(instrument)
            json.object { json in
              json.text("s", table[instrument].symbol)
              json.text("pa", numbers.amount)
              json.decimal("ep", e8: numbers.entryE8)
              json.decimal("bep", e8: numbers.breakEvenE8)
              json.quote("cr", realized[Int(instrument.index)])
              json.quote("up", numbers.unrealized)
              json.text("mt", "cross")
              json.text("iw", "0")
              json.text("ps", "BOTH")
              json.text("ma", "USDT")
            }
          }
        }
      }
    }
    sendPrivate("ACCOUNT_UPDATE", json.bytes)
  }

  private func sendOrderUpdate(_ report: ExchangeReport) {
    let execution: String
    let status: String
    switch report.kind {
    case .accepted: (execution, status) = ("NEW", "NEW")
    case .filled: (execution, status) = ("TRADE", report.isFinal ? "FILLED" : "PARTIALLY_FILLED")
    case .cancelled: (execution, status) = ("CANCELED", "CANCELED")
    case .expired: (execution, status) = ("EXPIRED", "EXPIRED")
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
    let isVenueOrder = report.id == .none
    var json = JSONText()
    json.object { json in
      json.text("e", "ORDER_TRADE_UPDATE")
      json.number("E", report.time.milliseconds)
      json.number("T", report.time.milliseconds)
      json.object("o") { json in
        json.text("s", table[report.instrument].symbol)
        json.text("c", names.text(report.id, orderID: report.orderID))
        json.text("S", order.side.name)
        json.text("o", isVenueOrder ? "LIQUIDATION" : order.kind == .market ? "MARKET" : "LIMIT")
        json.text("f", order.timeInForce.wireName)
        json.text("q", rules.text(order.quantity))
        json.text("p", rules.text(order.kind == .market ? .none : order.price))
        json.decimal("ap", e8: averageE8)
        json.text("sp", "0")
        json.text("x", isVenueOrder && filledNow ? "CALCULATED" : execution)
        json.text("X", status)
        json.number("i", report.orderID)
        json.text("l", filledNow ? rules.text(report.quantity) : "0")
        json.text("z", rules.text(report.filledTotal))
        json.text("L", filledNow ? rules.text(report.price) : "0")
        if filledNow {
          json.quote("n", report.fee)
          json.text("N", "USDT")
        }
        json.number("T", report.time.milliseconds)
        json.number("t", report.tradeID)
        json.quote("b", open.buys)
        json.quote("a", open.sells)
        json.flag("m", report.isMaker)
        json.flag("R", order.reduceOnly)
        json.text("wt", "CONTRACT_PRICE")
        json.text("ot", isVenueOrder ? "LIQUIDATION" : order.kind == .market ? "MARKET" : "LIMIT")
        json.text("ps", "BOTH")
        json.flag("cp", false)
        json.flag("pP", false)
        json.number("si", 0)
        json.number("ss", 0)
        json.quote("rp", filledNow ? report.amount : .zero)
        json.text("V", "EXPIRE_MAKER")
        json.text("pm", "NONE")
        json.number("gtd", 0)
        json.text("er", expiryReason(report, order))
      }
    }
    sendPrivate("ORDER_TRADE_UPDATE", json.bytes)
  }

  private func expiryReason(_ report: ExchangeReport, _ order: SimulatedOrder) -> String {
    guard report.kind == .expired else { return "0" }
    if order.kind == .market { return "9" }
    return order.timeInForce == .immediateOrCancel ? "2" : order.reduceOnly ? "4" : "0"
  }

  /// Tells the clients of a key that it ended; their sockets stay open and silent.
  func sendKeyExpired(_ key: String, _ now: Instant) {
    var json = JSONText()
    json.object { json in
      json.text("e", "listenKeyExpired")
      json.number("E", now.milliseconds)
      json.text("listenKey", key)
    }
    send("listenKeyExpired", json.bytes, key: key)
  }

  private func sendPrivate(_ event: String, _ payload: [UInt8]) {
    guard let key = listenKeys.active else { return }
    send(event, payload, key: key)
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
