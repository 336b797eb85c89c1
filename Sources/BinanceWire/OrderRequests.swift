public import Market

/// Builds every REST call the engine makes, with its price in weight and order counts.
///
/// Answers are asked for as `ACK`: a fill price never comes from an order answer, so waiting for one buys
/// nothing.
public struct OrderRequests: Sendable {
  public enum ResponseType: String, Sendable { case acknowledgement = "ACK", result = "RESULT" }

  public let table: InstrumentTable

  public init(table: InstrumentTable) { self.table = table }

  /// The call for a decided command.
  /// - Precondition: the instrument is in the table.
  public func request(for command: OrderCommand) -> RestRequest {
    switch command.action {
    case .place: newOrder(command)
    case .cancel: cancel(command.instrument, command.id)
    case .query: query(command.instrument, command.id)
    }
  }

  /// POST `/fapi/v1/order`, LIMIT or MARKET.
  public func newOrder(_ command: OrderCommand, response: ResponseType = .acknowledgement) -> RestRequest {
    let instrument = table[command.instrument]
    var query = QueryText()
    query.append("symbol", instrument.symbol)
    query.append("side", command.side.name)
    query.append("type", command.kind == .market ? "MARKET" : "LIMIT")
    if command.kind == .limit { query.append("timeInForce", command.timeInForce.wireName) }
    query.append("quantity", instrument.rules.text(command.quantity))
    if command.kind == .limit { query.append("price", instrument.rules.text(command.price)) }
    if command.reduceOnly { query.append("reduceOnly", "true") }
    query.append("newClientOrderId", command.id.text)
    query.append("newOrderRespType", response.rawValue)
    return RestRequest(
      .post, "/fapi/v1/order", query: query.text, isSigned: true, weight: 0, orderCost: 1,
      lane: lane(of: command))
  }

  /// GET `/fapi/v1/order` by client id. Settles an unknown outcome, so it goes before new exposure.
  public func query(_ instrument: InstrumentID, _ id: ClientOrderID) -> RestRequest {
    RestRequest(
      .get, "/fapi/v1/order", query: identified(instrument, id), isSigned: true, weight: 1, lane: .protect)
  }

  /// DELETE `/fapi/v1/order` by client id.
  public func cancel(_ instrument: InstrumentID, _ id: ClientOrderID) -> RestRequest {
    RestRequest(
      .delete, "/fapi/v1/order", query: identified(instrument, id), isSigned: true, weight: 1, lane: .cancel)
  }

  /// GET `/fapi/v1/openOrders`; all symbols (weight 40) when none is given.
  public func openOrders(_ instrument: InstrumentID? = nil) -> RestRequest {
    RestRequest(
      .get, "/fapi/v1/openOrders", query: symbolText(instrument), isSigned: true,
      weight: instrument == nil ? 40 : 1, lane: .protect)
  }

  /// POST `/fapi/v1/leverage`.
  /// - Precondition: 1 ≤ leverage ≤ 125.
  public func leverage(_ instrument: InstrumentID, _ leverage: Int) -> RestRequest {
    precondition((1...125).contains(leverage), "leverage is 1 to 125")
    return RestRequest(
      .post, "/fapi/v1/leverage", query: symbolText(instrument) + "&leverage=\(leverage)", isSigned: true,
      lane: .open)
  }

  /// GET `/fapi/v3/account`.
  public func account() -> RestRequest {
    RestRequest(.get, "/fapi/v3/account", isSigned: true, weight: 5, lane: .protect)
  }

  /// GET `/fapi/v3/balance`.
  public func balance() -> RestRequest {
    RestRequest(.get, "/fapi/v3/balance", isSigned: true, weight: 5, lane: .protect)
  }

  /// GET `/fapi/v3/positionRisk`.
  public func positionRisk(_ instrument: InstrumentID? = nil) -> RestRequest {
    RestRequest(
      .get, "/fapi/v3/positionRisk", query: symbolText(instrument), isSigned: true, weight: 5, lane: .protect)
  }

  /// GET `/fapi/v1/userTrades` of one instrument, from an id or a start time (not both; the id wins).
  /// - Parameter limit: 1 to 1000.
  public func userTrades(
    _ instrument: InstrumentID, fromID: Int64? = nil, start: Instant? = nil, limit: Int = 500
  ) -> RestRequest {
    precondition((1...1000).contains(limit), "limit is 1 to 1000")
    var query = QueryText()
    query.append("symbol", table[instrument].symbol)
    query.append("fromId", fromID)
    if fromID == nil { query.append("startTime", start?.milliseconds) }
    query.append("limit", Int64(limit))
    return RestRequest(
      .get, "/fapi/v1/userTrades", query: query.text, isSigned: true, weight: 5, lane: .protect)
  }

  private func identified(_ instrument: InstrumentID, _ id: ClientOrderID) -> String {
    var query = QueryText()
    query.append("symbol", table[instrument].symbol)
    query.append("origClientOrderId", id.text)
    return query.text
  }

  private func symbolText(_ instrument: InstrumentID?) -> String {
    guard let instrument else { return "" }
    var query = QueryText()
    query.append("symbol", table[instrument].symbol)
    return query.text
  }

  private func lane(of command: OrderCommand) -> RequestLane {
    switch command.purpose {
    case .stop: .protect
    case .entry: command.reduceOnly ? .close : .open
    case .target, .time, .reversal, .flatten, .venue: .close
    }
  }
}

/// Calls without an account: prices, candles, the universe, and the listen key.
extension OrderRequests {
  /// GET `/fapi/v1/time`. Signing depends on it, so it is never shed.
  public static func time() -> RestRequest { RestRequest(.get, "/fapi/v1/time", lane: .protect) }

  /// GET `/fapi/v1/exchangeInfo`.
  public static func exchangeInfo() -> RestRequest { RestRequest(.get, "/fapi/v1/exchangeInfo") }

  /// POST makes or renews the key, PUT extends it, DELETE ends it.
  public static func listenKey(_ method: RestRequest.Method) -> RestRequest {
    RestRequest(method, "/fapi/v1/listenKey", needsKey: true, lane: .protect)
  }

  /// GET `/fapi/v1/klines`, oldest first; the last one may be running.
  /// - Parameter limit: 1 to 1500; decides the weight.
  public func klines(
    _ instrument: InstrumentID, _ timeframe: Timeframe, start: Instant? = nil, end: Instant? = nil,
    limit: Int = 500
  ) -> RestRequest {
    precondition((1...1500).contains(limit), "limit is 1 to 1500")
    var query = QueryText()
    query.append("symbol", table[instrument].symbol)
    query.append("interval", timeframe.name)
    query.append("startTime", start?.milliseconds)
    query.append("endTime", end?.milliseconds)
    query.append("limit", Int64(limit))
    return RestRequest(.get, "/fapi/v1/klines", query: query.text, weight: Self.klineWeight(limit: limit))
  }

  /// 1 below 100 candles, 2 below 500, 5 up to 1000, 10 above.
  public static func klineWeight(limit: Int) -> Int {
    switch limit {
    case ..<100: 1
    case ..<500: 2
    case ...1000: 5
    default: 10
    }
  }

  /// GET `/fapi/v1/premiumIndex`; all symbols (weight 10) when none is given.
  public func premiumIndex(_ instrument: InstrumentID? = nil) -> RestRequest {
    RestRequest(
      .get, "/fapi/v1/premiumIndex", query: symbolText(instrument), weight: instrument == nil ? 10 : 1)
  }

  /// GET `/fapi/v1/ticker/bookTicker`; all symbols (weight 5) when none is given.
  public func bookTicker(_ instrument: InstrumentID? = nil) -> RestRequest {
    RestRequest(
      .get, "/fapi/v1/ticker/bookTicker", query: symbolText(instrument), weight: instrument == nil ? 5 : 2)
  }
}

extension OrderCommand.TimeInForce {
  /// The exchange's word.
  public var wireName: String {
    switch self {
    case .goodTillCancelled: "GTC"
    case .immediateOrCancel: "IOC"
    case .fillOrKill: "FOK"
    case .postOnly: "GTX"
    }
  }

  public init?(wireName: some StringProtocol) {
    switch wireName {
    case "GTC", "GTD", "GTE_GTC", "RPI": self = .goodTillCancelled
    case "IOC": self = .immediateOrCancel
    case "FOK": self = .fillOrKill
    case "GTX": self = .postOnly
    default: return nil
    }
  }
}
