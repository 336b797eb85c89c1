import BinanceWire
import Market
import Simulator

// Orders: place, ask, cancel, lists, trades.
extension ExchangeCore {
  static func orderRoute(_ method: String, _ path: String) -> RestRoute? {
    switch (method, path) {
    case ("POST", "/fapi/v1/order"):
      return RestRoute(.signed, weight: 0, orders: 1) { core, parameters throws(RestFailure) in
        try core.placeOrder(parameters)
      }
    case ("GET", "/fapi/v1/order"):
      return RestRoute(.signed, weight: 1) { core, parameters throws(RestFailure) in
        let order = try core.order(parameters, missing: .unknownOrderQueried)
        return RestAnswer(core.message(order, as: .query))
      }
    case ("DELETE", "/fapi/v1/order"):
      return RestRoute(.signed, weight: 1) { core, parameters throws(RestFailure) in
        try core.cancelOrder(parameters)
      }
    case ("DELETE", "/fapi/v1/allOpenOrders"):
      return RestRoute(.signed, weight: 1) { core, parameters throws(RestFailure) in
        try core.cancelAll(parameters)
      }
    case ("GET", "/fapi/v1/openOrder"):
      return RestRoute(.signed, weight: 1) { core, parameters throws(RestFailure) in
        let order = try core.order(parameters, missing: .unknownOrderQueried)
        guard order.status.isOpen else { throw RestFailure(.unknownOrderQueried) }
        return RestAnswer(core.message(order, as: .query))
      }
    case ("GET", "/fapi/v1/openOrders"):
      return RestRoute(.signed, weight: { $0["symbol"] == nil ? 40 : 1 }) {
        core, parameters throws(RestFailure) in
        let orders = core.exchange.openOrders(try core.instrumentIfAny(parameters))
        return RestAnswer(orders.map { core.message($0, as: .query) })
      }
    case ("GET", "/fapi/v1/allOrders"):
      return RestRoute(.signed, weight: 5) { core, parameters throws(RestFailure) in
        try core.allOrders(parameters)
      }
    case ("GET", "/fapi/v1/userTrades"):
      return RestRoute(.signed, weight: 5) { core, parameters throws(RestFailure) in
        try core.userTrades(parameters)
      }
    default: return nil
    }
  }

  /// Which of the exchange's three shapes of one order is written.
  enum OrderShape { case placed, cancelled, query }

  private static let conditionalTypes: Set<String> = [
    "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET",
  ]

  // MARK: Placing

  private func placeOrder(_ parameters: RequestParameters) throws(RestFailure) -> RestAnswer {
    let instrument = try instrument(parameters)
    let now = clock.now
    let command = try command(parameters, instrument, now)
    let isResult: Bool
    switch parameters["newOrderRespType"] {
    case nil, "ACK": isResult = false
    case "RESULT": isResult = true
    default: throw RestFailure(-1136, "Invalid newOrderRespType.")
    }
    exchange.submit(command)
    let reports = drainAccount(now: now).filter { $0.id == command.id }
    if let refused = reports.first(where: { $0.kind == .rejected }) {
      let refusal = OrderRefusal(rawValue: refused.code)
      throw RestFailure(refused.code, refusal?.message ?? "Order refused.")
    }
    // With latency 0 the exchange has spoken by now.
    guard let accepted = reports.first, var order = exchange.order(orderID: accepted.orderID) else {
      throw RestFailure(-1000, "An unknown error occurred while processing the request.", status: 500)
    }
    if !isResult {
      order.status = .new
      order.filled = .zero
      order.filledNotional = .zero
      order.updatedTime = order.createdTime
    }
    return RestAnswer(message(order, as: .placed))
  }

  private func command(
    _ parameters: RequestParameters, _ instrument: InstrumentID, _ now: Instant
  ) throws(RestFailure) -> OrderCommand {
    guard let side = Side(name: try parameters.required("side")) else {
      throw RestFailure(-1117, "Invalid side.")
    }
    let type = try parameters.required("type")
    if Self.conditionalTypes.contains(type) {
      throw RestFailure(
        -4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.")
    }
    guard type == "MARKET" || type == "LIMIT" else { throw RestFailure(-1116, "Invalid orderType.") }
    guard ["BOTH", nil].contains(parameters["positionSide"]) else {
      throw RestFailure(-4061, "Order's position side does not match user's setting.")
    }
    if parameters["priceMatch"].map({ $0 != "NONE" }) == true
      || parameters["goodTillDate"].map({ $0 != "0" }) == true
    {
      throw RestFailure(-1128, "This simulator takes neither priceMatch nor goodTillDate.")
    }
    let rules = table[instrument].rules
    let quantityText = try parameters.required("quantity")
    let quantity = try grid(quantityText, "quantity") { value, decimals throws(OrderRefusal) in
      try OrderFilters.quantity(e8: value, decimalCount: decimals, rules: rules)
    }
    var price = Price.none
    var timeInForce = OrderCommand.TimeInForce.goodTillCancelled
    if type == "LIMIT" {
      price = try grid(try parameters.required("price"), "price") { value, decimals throws(OrderRefusal) in
        try OrderFilters.price(e8: value, decimalCount: decimals, rules: rules)
      }
      guard let known = OrderCommand.TimeInForce(wireName: try parameters.required("timeInForce")) else {
        throw RestFailure(-1115, "Invalid timeInForce.")
      }
      timeInForce = known
    } else {
      for name in ["price", "timeInForce"] where parameters[name] != nil {
        throw RestFailure(-1106, "Parameter '\(name)' sent when not required.")
      }
    }
    let reduceOnly = try parameters.flag("reduceOnly") ?? false
    return OrderCommand(
      id: try clientID(parameters["newClientOrderId"], instrument), instrument: instrument,
      kind: type == "MARKET" ? .market : .limit, timeInForce: timeInForce, side: side,
      reduceOnly: reduceOnly, purpose: reduceOnly ? .flatten : .entry, quantity: quantity, price: price,
      time: now)
  }

  /// A decimal from the wire on the instrument's grid.
  private func grid<Value>(
    _ text: String, _ name: String, _ convert: (Int64, Int) throws(OrderRefusal) -> Value
  ) throws(RestFailure) -> Value {
    guard let value = FixedPoint.parse(text) else {
      let isNumber = Double(text) != nil
      throw isNumber ? RestFailure(.precision) : RestFailure.illegal(name)
    }
    // Zeros at the end carry no precision.
    var decimals = 0
    if let point = text.firstIndex(of: ".") {
      decimals = text[text.index(after: point)...].reversed().drop { $0 == "0" }.count
    }
    do {
      return try convert(value, decimals)
    } catch {
      throw RestFailure(error)
    }
  }

  private func clientID(_ text: String?, _ instrument: InstrumentID) throws(RestFailure) -> ClientOrderID {
    guard let text else {
      inventedCount += 1
      return names.add(names.invented(orderNumber: inventedCount), instrument)
    }
    guard OrderNames.isValid(text) else { throw RestFailure(.clientOrderIDInvalid) }
    // Unique among open orders only.
    if let earlier = names.handle(text, instrument),
      let order = exchange.order(id: earlier, instrument), order.status.isOpen
    {
      throw RestFailure(.clientOrderIDDuplicate)
    }
    return names.add(text, instrument)
  }

  // MARK: Asking and cancelling

  private func order(
    _ parameters: RequestParameters, missing: OrderRefusal
  ) throws(RestFailure) -> SimulatedOrder {
    let instrument = try instrument(parameters)
    if let orderID = try parameters.integer("orderId") {
      guard let order = exchange.order(orderID: orderID), order.instrument == instrument else {
        throw RestFailure(missing)
      }
      return order
    }
    guard let text = parameters["origClientOrderId"] else {
      throw RestFailure(
        -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
    }
    guard let id = names.handle(text, instrument), let order = exchange.order(id: id, instrument) else {
      throw RestFailure(missing)
    }
    return order
  }

  private func cancelOrder(_ parameters: RequestParameters) throws(RestFailure) -> RestAnswer {
    let order = try order(parameters, missing: .unknownOrderCancelled)
    guard order.status.isOpen else { throw RestFailure(.unknownOrderCancelled) }
    cancel(order)
    guard let cancelled = exchange.order(orderID: order.orderID), cancelled.status == .cancelled else {
      throw RestFailure(.unknownOrderCancelled)
    }
    return RestAnswer(message(cancelled, as: .cancelled))
  }

  private func cancelAll(_ parameters: RequestParameters) throws(RestFailure) -> RestAnswer {
    for order in exchange.openOrders(try instrument(parameters)) { cancel(order) }
    return RestAnswer(ErrorBody(code: 200, message: "The operation of cancel all open order is done."))
  }

  private func cancel(_ order: SimulatedOrder) {
    let now = clock.now
    exchange.submit(
      OrderCommand(
        id: order.id, instrument: order.instrument, action: .cancel, side: order.side,
        reduceOnly: order.reduceOnly, purpose: order.purpose, quantity: order.quantity, time: now))
    drainAccount(now: now)
  }

  private func allOrders(_ parameters: RequestParameters) throws(RestFailure) -> RestAnswer {
    let instrument = try instrumentIfAny(parameters)
    let limit = try parameters.limit(usual: 500, max: 1_000)
    let first = try parameters.integer("orderId")
    let start = try parameters.integer("startTime") ?? 0
    let end = try parameters.integer("endTime") ?? .max
    let all = (exchange.closedOrders(instrument) + exchange.openOrders(instrument))
      .filter {
        $0.orderID >= first ?? 0 && $0.createdTime.milliseconds >= start && $0.createdTime.milliseconds <= end
      }
      .sorted { $0.orderID < $1.orderID }
    let chosen = first == nil ? all.suffix(limit) : all.prefix(limit)
    return RestAnswer(chosen.map { message($0, as: .query) })
  }

  private func userTrades(_ parameters: RequestParameters) throws(RestFailure) -> RestAnswer {
    let instrument = try instrument(parameters)
    let limit = try parameters.limit(usual: 500, max: 1_000)
    let first = try parameters.integer("fromId")
    let orderID = try parameters.integer("orderId")
    let start = try parameters.integer("startTime") ?? 0
    let end = try parameters.integer("endTime") ?? .max
    let all = exchange.trades(instrument, fromID: first ?? 1).filter {
      (orderID == nil || $0.orderID == orderID) && $0.time.milliseconds >= start
        && $0.time.milliseconds <= end
    }
    let chosen = first == nil ? all.suffix(limit) : all.prefix(limit)
    return RestAnswer(chosen.map(message))
  }

  // MARK: Shapes

  private func message(_ order: SimulatedOrder, as shape: OrderShape) -> RestMessages.Order {
    let rules = table[order.instrument].rules
    let isQuery = shape == .query
    let zero = rules.text(Price.none)
    return RestMessages.Order(
      orderId: order.orderID, symbol: table[order.instrument].symbol, status: order.status.word.rawValue,
      clientOrderId: names.text(order.id, orderID: order.orderID),
      price: order.kind == .market ? zero : rules.text(order.price), origQty: rules.text(order.quantity),
      executedQty: rules.text(order.filled), cumQty: isQuery ? nil : rules.text(order.filled),
      avgPrice: isQuery ? FixedPoint.text(order.averagePriceE8(rules: rules), decimals: 8) : nil,
      cumQuote: isQuery ? order.filledNotional.description : nil, timeInForce: order.timeInForce.wireName,
      type: order.typeName, reduceOnly: order.reduceOnly, side: order.side.name, stopPrice: zero,
      time: isQuery ? order.createdTime.milliseconds : nil, updateTime: order.updatedTime.milliseconds)
  }

  private func message(_ trade: SimulatedTrade) -> RestMessages.UserTrade {
    let rules = table[trade.instrument].rules
    return RestMessages.UserTrade(
      symbol: table[trade.instrument].symbol, id: trade.tradeID, orderId: trade.orderID,
      side: trade.side.name, price: rules.text(trade.price), qty: rules.text(trade.quantity),
      quoteQty: trade.notional.description, realizedPnl: trade.realized.description,
      commission: trade.fee.description, time: trade.time.milliseconds, maker: trade.isMaker)
  }
}

extension SimulatedOrder {
  /// The exchange's word; orders of its own carry no client's id.
  var typeName: String { id == .none ? "LIQUIDATION" : kind == .market ? "MARKET" : "LIMIT" }
}

extension SimulatedOrder.Status {
  var word: OrderStatus {
    switch self {
    case .new: .new
    case .partiallyFilled: .partiallyFilled
    case .filled: .filled
    case .cancelled: .cancelled
    case .expired: .expired
    }
  }
}
