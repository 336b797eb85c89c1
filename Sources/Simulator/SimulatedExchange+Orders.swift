import Market

// Commands: checks in the exchange's order, then acceptance, taking, resting.
extension SimulatedExchange {
  mutating func execute(_ command: OrderCommand) {
    switch command.action {
    case .place: place(command)
    case .cancel: cancel(command)
    case .query: answer(command, missing: .unknownOrderQueried)
    }
  }

  mutating func refuse(_ command: OrderCommand, _ refusal: OrderRefusal) {
    push(
      ExchangeReport(
        kind: .rejected, side: command.side, isFinal: true, instrument: command.instrument, id: command.id,
        price: command.price, quantity: command.quantity, time: time, code: refusal.rawValue))
  }

  private mutating func place(_ command: OrderCommand) {
    let index = Int(command.instrument.index)
    guard index < states.count else {
      refuse(command, .unknownSymbol)
      return
    }
    let state = states.pointer(index)
    if let refusal = refusal(of: command, state) {
      refuse(command, refusal)
      return
    }
    var order = SimulatedOrder(command, orderID: nextOrderID, createdTime: time)
    nextOrderID += 1
    if command.reduceOnly {
      order.quantity = min(order.quantity, state.pointee.position.quantity)
    }
    push(report(.accepted, order))
    if order.kind == .market && takerTicks(order, state.pointee) == nil {
      rest(order, state)
      let deadline = time.nanoseconds + settings.matching.marketWaitNanoseconds
      marketDeadlineNanoseconds = min(marketDeadlineNanoseconds, deadline)
      wakeNanoseconds = min(wakeNanoseconds, deadline)
      return
    }
    take(&order, index)
    if order.status.isOpen {
      if order.kind == .limit && (order.timeInForce == .goodTillCancelled || order.timeInForce == .postOnly) {
        rest(order, state)
      } else {
        finish(&order, .expired)
      }
    }
    if order.filled.steps > 0 { knockOutReduceOnly(index) }
  }

  /// The first check a placement fails, in the exchange's order: status, filters, identity, feasibility,
  /// reduce-only, margin, counts.
  private func refusal(
    of command: OrderCommand, _ state: UnsafeMutablePointer<InstrumentState>
  ) -> OrderRefusal? {
    switch state.pointee.status {
    case .trading: break
    case .reducing: if !command.reduceOnly { return .openingForbidden }
    case .closed: return .symbolClosed
    }
    if let broken = OrderFilters.refusal(
      of: command, rules: state.pointee.rules, markE8: state.pointee.markE8)
    {
      return broken
    }
    if command.id == .none { return .clientOrderIDInvalid }
    if openSlot(of: command.id, state.pointee) != nil { return .clientOrderIDDuplicate }
    if command.kind == .limit {
      let takeable = takerPlan(command, state.pointee).steps
      if command.timeInForce == .postOnly && takeable > 0 { return .postOnlyWouldTake }
      if command.timeInForce == .fillOrKill && takeable < command.quantity.steps {
        return .fillOrKillUnfillable
      }
    }
    if command.reduceOnly {
      if state.pointee.position.steps * command.side.sign >= 0 { return .reduceOnlyRejected }
    } else if !hasMargin(for: command, state.pointee) {
      return .marginInsufficient
    }
    if openOrderPool.isFull
      || state.pointee.openCount >= SimulatedExchangeSettings.openOrdersPerInstrumentMax
    {
      return .openOrderLimit
    }
    return nil
  }

  private mutating func cancel(_ command: OrderCommand) {
    let index = Int(command.instrument.index)
    guard index < states.count, let slot = openSlot(of: command.id, states.pointer(index).pointee) else {
      answer(command, missing: .unknownOrderCancelled)
      return
    }
    close(slot, .cancelled)
  }

  /// Repeats the last word on an order, as a question gets it.
  private mutating func answer(_ command: OrderCommand, missing: OrderRefusal) {
    if let order = order(id: command.id, command.instrument) {
      switch order.status {
      case .new, .partiallyFilled: push(report(.accepted, order))
      case .cancelled: push(report(.cancelled, order))
      case .expired: push(report(.expired, order))
      case .filled:
        var last = report(.filled, order)
        if let trade = trade(order.lastTradeID, order.instrument) {
          last.isMaker = trade.isMaker
          last.fee = trade.fee
          last.amount = trade.realized
        }
        last.tradeID = order.lastTradeID
        last.price = order.lastPrice
        last.quantity = order.lastQuantity
        push(last)
      }
      return
    }
    push(
      ExchangeReport(
        kind: .missing, side: command.side, isFinal: true, instrument: command.instrument, id: command.id,
        time: time, code: missing.rawValue))
  }

  /// A report about an order as it stands; `price` and `quantity` are the order's own.
  func report(_ kind: ExchangeReport.Kind, _ order: SimulatedOrder, code: Int32 = 0) -> ExchangeReport {
    ExchangeReport(
      kind: kind, side: order.side, isFinal: !order.status.isOpen, instrument: order.instrument,
      id: order.id, orderID: order.orderID, price: order.price, quantity: order.quantity,
      filledTotal: order.filled, time: time, code: code)
  }

  // MARK: Life of an open order

  mutating func rest(_ order: SimulatedOrder, _ state: UnsafeMutablePointer<InstrumentState>) {
    openOrderPool.append(order, to: state)
    refreshOpenOrders(state)
    refreshActive(Int(order.instrument.index))
  }

  /// Ends an order that is not in the pool.
  mutating func finish(_ order: inout SimulatedOrder, _ status: SimulatedOrder.Status, code: Int32 = 0) {
    order.status = status
    order.updatedTime = time
    switch status {
    case .cancelled: push(report(.cancelled, order, code: code))
    case .expired: push(report(.expired, order, code: code))
    case .filled: break  // the last fill said it
    case .new, .partiallyFilled: preconditionFailure("an order ends in a final state")
    }
    closedOrderHistory.appendDroppingOldest(order)
  }

  /// Ends an open order: out of the pool, into the history.
  mutating func close(_ slot: Int32, _ status: SimulatedOrder.Status, code: Int32 = 0) {
    var order = openOrderPool.slot(slot).pointee.order
    let index = Int(order.instrument.index)
    openOrderPool.remove(slot, from: states.pointer(index))
    refreshOpenOrders(states.pointer(index))
    refreshActive(index)
    finish(&order, status, code: code)
  }

  /// Market orders that saw no price for too long expire; the next deadline is found.
  mutating func expireWaitingMarketOrders() {
    marketDeadlineNanoseconds = .max
    for index in 0..<states.count where states.pointer(index).pointee.openCount > 0 {
      var slot = states.pointer(index).pointee.firstOpen
      while slot >= 0 {
        let entry = openOrderPool.slot(slot).pointee
        if entry.order.kind == .market {
          let deadline = entry.order.createdTime.nanoseconds + settings.matching.marketWaitNanoseconds
          if deadline <= time.nanoseconds {
            close(slot, .expired)
          } else {
            marketDeadlineNanoseconds = min(marketDeadlineNanoseconds, deadline)
          }
        }
        slot = entry.next
      }
    }
  }

  /// Expires reduce-only orders that could no longer reduce: the position is gone or turned.
  mutating func knockOutReduceOnly(_ index: Int) {
    let state = states.pointer(index)
    var slot = state.pointee.firstOpen
    while slot >= 0 {
      let entry = openOrderPool.slot(slot).pointee
      if entry.order.reduceOnly && state.pointee.position.steps * entry.order.side.sign >= 0 {
        close(slot, .expired)
      }
      slot = entry.next
    }
  }

  /// Recomputes what the instrument's open orders mean for prices and margin.
  func refreshOpenOrders(_ state: UnsafeMutablePointer<InstrumentState>) {
    var highestBuy: Int64 = 0
    var lowestSell: Int64 = .max
    var buys: Quote = .zero
    var sells: Quote = .zero
    var slot = state.pointee.firstOpen
    while slot >= 0 {
      let entry = openOrderPool.slot(slot)
      let order = entry.pointee.order
      let isWaiting = order.kind == .market
      let notional =
        order.reduceOnly || isWaiting ? .zero : state.pointee.rules.notional(order.price, order.remaining)
      if order.side == .buy {
        highestBuy = isWaiting ? .max : max(highestBuy, order.price.ticks)
        buys = buys + notional
      } else {
        lowestSell = isWaiting ? 0 : min(lowestSell, order.price.ticks)
        sells = sells + notional
      }
      slot = entry.pointee.next
    }
    state.pointee.highestBuyTicks = highestBuy
    state.pointee.lowestSellTicks = lowestSell
    state.pointee.buyNotional = buys
    state.pointee.sellNotional = sells
  }

  /// Keeps the list of instruments with a position or an open order.
  mutating func refreshActive(_ index: Int) {
    let state = states.pointer(index)
    let isActive = !state.pointee.position.isFlat || state.pointee.openCount > 0
    let place = Int(state.pointee.activePlace)
    if isActive && place < 0 {
      active[activeCount] = Int32(index)
      state.pointee.activePlace = Int32(activeCount)
      activeCount += 1
    } else if !isActive && place >= 0 {
      activeCount -= 1
      let moved = active[activeCount]
      active[place] = moved
      states.pointer(Int(moved)).pointee.activePlace = Int32(place)
      state.pointee.activePlace = -1
    }
  }

  func openSlot(of id: ClientOrderID, _ state: InstrumentState) -> Int32? {
    var slot = state.firstOpen
    while slot >= 0 {
      let entry = openOrderPool.slot(slot)
      if entry.pointee.order.id == id { return slot }
      slot = entry.pointee.next
    }
    return nil
  }
}
