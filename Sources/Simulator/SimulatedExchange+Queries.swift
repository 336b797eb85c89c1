public import Market

// Questions of the server, of screens and of tests. Those that return arrays allocate; none changes anything.
extension SimulatedExchange {
  public var instrumentCount: Int { states.count }

  /// Reports waiting to be polled.
  public var waitingReportCount: Int { reports.count }

  /// - Precondition: the instrument is listed, here and below.
  public func position(_ instrument: InstrumentID) -> NetPosition { state(instrument).position }

  /// Mark price × 10^8: the last mark event's, before the first the last price; 0 without any.
  public func markE8(_ instrument: InstrumentID) -> Int64 { state(instrument).markE8 }

  /// Profit of the position at its mark price.
  public func unrealized(_ instrument: InstrumentID) -> Quote {
    let state = state(instrument)
    return state.position.unrealized(atMarkE8: state.valuationE8, rules: state.rules)
  }

  /// Initial margin of the position alone, and of position and open orders together.
  public func initialMargin(_ instrument: InstrumentID) -> (position: Quote, total: Quote) {
    let state = state(instrument)
    return (state.positionInitialMargin, state.initialMargin())
  }

  public func maintenanceMargin(_ instrument: InstrumentID) -> Quote {
    state(instrument).positionNotional.times(rateE8: settings.maintenanceRateE8)
  }

  /// Open notional per side that could open exposure: reduce-only orders are left out.
  public func openNotional(_ instrument: InstrumentID) -> (buys: Quote, sells: Quote) {
    let state = state(instrument)
    return (state.buyNotional, state.sellNotional)
  }

  public func leverage(_ instrument: InstrumentID) -> Int64 { state(instrument).leverage }

  /// - Throws: `leverageInvalid` outside 1…125, `unknownSymbol` for an instrument not listed, `marginInsufficient`
  ///   when the account could not bear its position and orders at the lower leverage.
  public mutating func setLeverage(_ instrument: InstrumentID, _ leverage: Int64) throws(OrderRefusal) {
    guard Int(instrument.index) < states.count else { throw .unknownSymbol }
    guard (1...SimulatedExchangeSettings.leverageMax).contains(leverage) else { throw .leverageInvalid }
    let state = states.pointer(Int(instrument.index))
    let previous = state.pointee.leverage
    state.pointee.leverage = leverage
    if leverage < previous && state.pointee.activePlace >= 0 && marginSummary().headroom < .zero {
      state.pointee.leverage = previous
      throw .marginInsufficient
    }
  }

  public func status(_ instrument: InstrumentID) -> TradingStatus { state(instrument).status }

  /// Changes what the instrument's life allows from the next order on; open orders stay.
  public mutating func setStatus(_ instrument: InstrumentID, _ status: TradingStatus) {
    precondition(Int(instrument.index) < states.count, "an instrument of this exchange")
    states.pointer(Int(instrument.index)).pointee.status = status
  }

  /// Rate × 10^8 and time of the next funding; nil until a mark event told them.
  public func nextFunding(_ instrument: InstrumentID) -> (rateE8: Int64, time: Instant)? {
    let state = state(instrument)
    guard state.fundingDueNanoseconds < .max else { return nil }
    return (state.fundingRateE8, Instant(nanoseconds: state.fundingDueNanoseconds))
  }

  /// The latest quote, or nil before the first.
  public func lastQuote(_ instrument: InstrumentID) -> SimulatedQuote? {
    let state = state(instrument)
    guard state.askTicks > 0 else { return nil }
    return SimulatedQuote(
      bid: Price(ticks: state.bidTicks), bidQuantity: Quantity(steps: state.bidSteps),
      ask: Price(ticks: state.askTicks), askQuantity: Quantity(steps: state.askSteps))
  }

  /// The latest trade's or bar's price, or nil before the first.
  public func lastPrice(_ instrument: InstrumentID) -> Price? {
    let ticks = state(instrument).lastTicks
    return ticks > 0 ? Price(ticks: ticks) : nil
  }

  /// Open orders, by instrument, then by arrival; of all instruments for nil.
  public func openOrders(_ instrument: InstrumentID? = nil) -> [SimulatedOrder] {
    var orders: [SimulatedOrder] = []
    let indices = instrument.map { Int($0.index)..<Int($0.index) + 1 } ?? 0..<states.count
    for index in indices {
      var slot = states.pointer(index).pointee.firstOpen
      while slot >= 0 {
        let entry = openOrderPool.slot(slot)
        orders.append(entry.pointee.order)
        slot = entry.pointee.next
      }
    }
    return orders
  }

  /// Whether an instrument has an open order, without building the list.
  public func openOrderCount(_ instrument: InstrumentID) -> Int { Int(state(instrument).openCount) }

  /// An order by client id: the open one, else the one closed last that the history still has.
  /// - Complexity: O(closed orders kept) when it is not open.
  public func order(id: ClientOrderID, _ instrument: InstrumentID) -> SimulatedOrder? {
    guard Int(instrument.index) < states.count else { return nil }
    if let slot = openSlot(of: id, states.pointer(Int(instrument.index)).pointee) {
      return openOrderPool.slot(slot).pointee.order
    }
    return closedOrder { $0.id == id && $0.instrument == instrument }
  }

  /// An order by the exchange's own id, open or still in the history.
  /// - Complexity: O(open orders + closed orders kept).
  public func order(orderID: Int64) -> SimulatedOrder? {
    for place in 0..<activeCount {
      var slot = states.pointer(Int(active[place])).pointee.firstOpen
      while slot >= 0 {
        let entry = openOrderPool.slot(slot)
        if entry.pointee.order.orderID == orderID { return entry.pointee.order }
        slot = entry.pointee.next
      }
    }
    return closedOrder { $0.orderID == orderID }
  }

  /// Closed orders still in the history, oldest end first; of all instruments for nil.
  public func closedOrders(_ instrument: InstrumentID? = nil) -> [SimulatedOrder] {
    var orders: [SimulatedOrder] = []
    for place in 0..<closedOrderHistory.count {
      let order = closedOrderHistory[place]
      if instrument == nil || order.instrument == instrument { orders.append(order) }
    }
    return orders
  }

  /// Trades of an instrument still in the history, from an id upward.
  public func trades(_ instrument: InstrumentID, fromID: Int64 = 1) -> [SimulatedTrade] {
    var trades: [SimulatedTrade] = []
    for place in 0..<tradeHistory.count {
      let trade = tradeHistory[place]
      if trade.instrument == instrument && trade.tradeID >= fromID { trades.append(trade) }
    }
    return trades
  }

  /// One trade still in the history.
  func trade(_ tradeID: Int64, _ instrument: InstrumentID) -> SimulatedTrade? {
    var place = tradeHistory.count
    while place > 0 {
      place -= 1
      let trade = tradeHistory[place]
      if trade.instrument == instrument && trade.tradeID == tradeID { return trade }
    }
    return nil
  }

  private func closedOrder(where matches: (SimulatedOrder) -> Bool) -> SimulatedOrder? {
    var place = closedOrderHistory.count
    while place > 0 {
      place -= 1
      let order = closedOrderHistory[place]
      if matches(order) { return order }
    }
    return nil
  }

  private func state(_ instrument: InstrumentID) -> InstrumentState {
    states[Int(instrument.index)]
  }
}

/// Best bid and ask with their sizes.
public struct SimulatedQuote: Sendable, BitwiseCopyable, Hashable {
  public var bid: Price
  public var bidQuantity: Quantity
  public var ask: Price
  public var askQuantity: Quantity
}
