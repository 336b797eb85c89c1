public import Market

/// What the journal knows of one instrument of a paper account.
public struct RestoredInstrument: Sendable, Hashable {
  public var instrument: InstrumentID
  public var position: NetPosition
  /// Highest trade id ever reported for it; 0 for none.
  public var lastTradeID: Int64

  public init(instrument: InstrumentID, position: NetPosition, lastTradeID: Int64) {
    self.instrument = instrument
    self.position = position
    self.lastTradeID = lastTradeID
  }
}

extension SimulatedExchange {
  /// Puts an account back as the journal left it, so that no order id and no trade id is ever given twice.
  ///
  /// Replaces wallet, positions and open orders; totals start anew at `wallet`; history is empty. A funding that fell
  /// due in between is not charged. Leverage, status and prices known so far stay.
  ///
  /// - Parameters:
  ///   - lastOrderID: highest order id ever reported; 0 for none.
  ///   - openOrders: orders that rested, oldest first; they keep their ids and places.
  /// - Precondition: nothing waits to be polled or is on its way; instruments are listed and named once.
  public mutating func restore(
    wallet: Quote, instruments: [RestoredInstrument], lastOrderID: Int64, openOrders: [SimulatedOrder] = [],
    time: Instant
  ) {
    precondition(reports.count == 0, "no report waits")
    precondition(inFlight.nextDueNanoseconds == .max, "no command is on its way")
    for index in 0..<states.count {
      let state = states.pointer(index)
      while state.pointee.firstOpen >= 0 { openOrderPool.remove(state.pointee.firstOpen, from: state) }
      state.pointee.position = NetPosition()
      refreshOpenOrders(state)
      refreshActive(index)
    }
    while closedOrderHistory.popFirst() != nil {}
    while tradeHistory.popFirst() != nil {}
    self.wallet = wallet
    totals = AccountTotals(opening: wallet)
    if time > self.time { self.time = time }
    for restored in instruments {
      let state = states.pointer(Int(restored.instrument.index))
      state.pointee.position = restored.position
      state.pointee.nextTradeID = max(state.pointee.nextTradeID, restored.lastTradeID + 1)
      refreshActive(Int(restored.instrument.index))
    }
    nextOrderID = max(nextOrderID, lastOrderID + 1)
    marketDeadlineNanoseconds = .max
    for order in openOrders where order.status.isOpen {
      nextOrderID = max(nextOrderID, order.orderID + 1)
      rest(order, states.pointer(Int(order.instrument.index)))
      if order.kind == .market {
        marketDeadlineNanoseconds = min(
          marketDeadlineNanoseconds,
          order.createdTime.nanoseconds + settings.matching.marketWaitNanoseconds)
      }
    }
    wakeNanoseconds = marketDeadlineNanoseconds
    areSafeBandsStale = true
  }
}
