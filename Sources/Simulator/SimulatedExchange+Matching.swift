import Market

/// Where one event's prices reached, for resting orders.
struct Reach {
  /// Buys at or above this are reached.
  var lowTicks: Int64
  /// Sells at or below this are reached.
  var highTicks: Int64
  /// The opposite side stood there, so an equal price counts whatever our place in the queue.
  var isQuote = false
  var lowSteps: Int64
  var highSteps: Int64
  /// Orders younger than this saw only a part of the bar and are left alone.
  var sinceNanoseconds: Int64 = .max

  init(quoteBid bid: Int64, bidSteps: Int64, ask: Int64, askSteps: Int64) {
    lowTicks = ask
    highTicks = bid
    lowSteps = askSteps
    highSteps = bidSteps
    isQuote = true
  }

  init(trade ticks: Int64, steps: Int64) {
    lowTicks = ticks
    highTicks = ticks
    lowSteps = steps
    highSteps = steps
  }

  init(barLow low: Int64, high: Int64, openTime: Int64) {
    lowTicks = low
    highTicks = high
    lowSteps = .max
    highSteps = .max
    sinceNanoseconds = openTime
  }
}

/// What a taker would get now.
struct TakerPlan {
  /// Steps that can be filled, at most the order's quantity.
  var steps: Int64 = 0
  /// The price of the last piece.
  var worstTicks: Int64 = 0
}

extension SimulatedExchange {
  // MARK: Takers

  /// The price a taker sees first, without slippage; nil when the instrument has no price yet.
  func takerTicks(_ order: SimulatedOrder, _ state: InstrumentState) -> Int64? {
    takerTicks(order.side, order.kind, order.purpose, order.price.ticks, state)
  }

  private func takerTicks(
    _ side: Side, _ kind: OrderCommand.Kind, _ purpose: OrderPurpose, _ priceTicks: Int64,
    _ state: InstrumentState
  ) -> Int64? {
    if settings.matching.fillModel == .barClose && state.hasBar {
      guard kind == .market, priceTicks > 0 else { return state.barCloseTicks }
      let isOpenBeyondStop =
        purpose == .stop
        && (side == .sell ? state.barOpenTicks <= priceTicks : state.barOpenTicks >= priceTicks)
      let isInside = state.barLowTicks <= priceTicks && priceTicks <= state.barHighTicks
      return isInside && !isOpenBeyondStop ? priceTicks : state.barOpenTicks
    }
    if state.askTicks > 0 { return side == .buy ? state.askTicks : state.bidTicks }
    return state.lastTicks > 0 ? state.lastTicks : nil
  }

  /// Size of each piece a taker gets, and how much worse the next one is.
  private func takerLevels(_ side: Side, _ state: InstrumentState) -> (steps: Int64, walkTicks: Int64) {
    guard case .topOfBook(let walkTicks) = settings.matching.sizeModel, state.askTicks > 0,
      !(settings.matching.fillModel == .barClose && state.hasBar)
    else { return (.max, 0) }
    return (max(side == .buy ? state.askSteps : state.bidSteps, 1), walkTicks)
  }

  /// Slippage moves a price against the taker: never beyond a limit, never below one tick.
  private func slipped(_ ticks: Int64, _ side: Side, limit: Int64?) -> Int64 {
    let worse = max(ticks + side.sign * settings.matching.slippageTicks, 1)
    guard let limit else { return worse }
    return side == .buy ? min(worse, limit) : max(worse, limit)
  }

  func takerPlan(_ command: OrderCommand, _ state: InstrumentState) -> TakerPlan {
    guard
      let first = takerTicks(command.side, command.kind, command.purpose, command.price.ticks, state)
    else { return TakerPlan() }
    let limit = command.kind == .limit ? command.price.ticks : nil
    let levels = takerLevels(command.side, state)
    var plan = TakerPlan()
    for level in 0..<MatchingRules.walkLevelsMax {
      let ticks = first + command.side.sign * levels.walkTicks * Int64(level)
      if ticks < 1 || isBeyond(limit, ticks, command.side) { break }
      plan.worstTicks = slipped(ticks, command.side, limit: limit)
      let wanted = command.quantity.steps - plan.steps
      plan.steps += min(wanted, levels.steps)
      if plan.steps == command.quantity.steps { break }
    }
    return plan
  }

  private func isBeyond(_ limit: Int64?, _ ticks: Int64, _ side: Side) -> Bool {
    guard let limit else { return false }
    return side == .buy ? ticks > limit : ticks < limit
  }

  /// Fills what the market offers now. The order is not in the pool; it ends only by being full.
  mutating func take(_ order: inout SimulatedOrder, _ index: Int) {
    let state = states.pointer(index)
    guard let first = takerTicks(order, state.pointee) else { return }
    let limit = order.kind == .limit ? order.price.ticks : nil
    let levels = takerLevels(order.side, state.pointee)
    for level in 0..<MatchingRules.walkLevelsMax {
      let ticks = first + order.side.sign * levels.walkTicks * Int64(level)
      if ticks < 1 || isBeyond(limit, ticks, order.side) { break }
      let steps = min(fillableSteps(order, state), levels.steps)
      if steps <= 0 { break }
      let price = Price(ticks: slipped(ticks, order.side, limit: limit))
      fill(&order, price, Quantity(steps: steps), rateE8: settings.takerFeeE8, isMaker: false)
      if !order.status.isOpen {
        closedOrderHistory.appendDroppingOldest(order)
        break
      }
    }
  }

  /// What an order may still fill: a reduce-only order never more than the position.
  private func fillableSteps(
    _ order: SimulatedOrder, _ state: UnsafeMutablePointer<InstrumentState>
  ) -> Int64 {
    guard order.reduceOnly else { return order.remaining.steps }
    guard state.pointee.position.steps * order.side.sign < 0 else { return 0 }
    return min(order.remaining.steps, abs(state.pointee.position.steps))
  }

  // MARK: Resting orders

  /// Fills every order the event reached: better prices first, then older orders.
  mutating func match(_ index: Int, _ reach: Reach) {
    let state = states.pointer(index)
    var budget = (low: reach.lowSteps, high: reach.highSteps)
    if case .unlimited = settings.matching.sizeModel { budget = (.max, .max) }
    while let slot = bestReached(state.pointee, reach, budget) {
      let entry = openOrderPool.slot(slot)
      if entry.pointee.order.kind == .market {
        executeWaiting(slot, index)
        continue
      }
      let order = entry.pointee.order
      let offered = order.side == .buy ? budget.low : budget.high
      let steps = min(fillableSteps(order, state), offered)
      guard steps > 0 else {  // reduce-only without anything to reduce
        close(slot, .expired)
        continue
      }
      if offered < .max {
        if order.side == .buy { budget.low -= steps } else { budget.high -= steps }
      }
      fill(
        &entry.pointee.order, order.price, Quantity(steps: steps), rateE8: settings.makerFeeE8, isMaker: true)
      if entry.pointee.order.status.isOpen {
        refreshOpenOrders(state)
      } else {
        close(slot, .filled)
      }
      knockOutReduceOnly(index)
    }
  }

  /// The order to fill next, or nil. Waiting market orders come first.
  private func bestReached(
    _ state: InstrumentState, _ reach: Reach, _ budget: (low: Int64, high: Int64)
  ) -> Int32? {
    let isStrict = settings.matching.queueModel == .conservative && !reach.isQuote
    var best: Int32?
    var bestDistance: Int64 = -1
    var slot = state.firstOpen
    while slot >= 0 {
      let entry = openOrderPool.slot(slot)
      let order = entry.pointee.order
      if order.kind == .market { return slot }
      let distance =
        order.side == .buy ? order.price.ticks - reach.lowTicks : reach.highTicks - order.price.ticks
      let offered = order.side == .buy ? budget.low : budget.high
      if distance >= (isStrict ? 1 : 0), offered > 0, distance > bestDistance,
        order.createdTime.nanoseconds <= reach.sinceNanoseconds
      {
        best = slot
        bestDistance = distance
      }
      slot = entry.pointee.next
    }
    return best
  }

  /// A market order that waited for a price takes it now, or expires if the account cannot bear it.
  private mutating func executeWaiting(_ slot: Int32, _ index: Int) {
    let state = states.pointer(index)
    var order = openOrderPool.slot(slot).pointee.order
    openOrderPool.remove(slot, from: state)
    refreshOpenOrders(state)
    refreshActive(index)
    let command = OrderCommand(
      id: order.id, instrument: order.instrument, side: order.side, reduceOnly: order.reduceOnly,
      purpose: order.purpose, quantity: order.quantity, price: order.price, time: order.createdTime)
    var code: Int32 = 0
    if let broken = OrderFilters.refusal(
      of: command, rules: state.pointee.rules, markE8: state.pointee.markE8)
    {
      code = broken.rawValue
    } else if !order.reduceOnly && !hasMargin(for: command, state.pointee) {
      code = OrderRefusal.marginInsufficient.rawValue
    } else {
      take(&order, index)
    }
    if order.status.isOpen { finish(&order, .expired, code: code) }
    if order.filled.steps > 0 { knockOutReduceOnly(index) }
  }

  // MARK: Booking

  /// Books one fill: position, wallet, trade, report. An order that became full is `filled` and its report final.
  mutating func fill(
    _ order: inout SimulatedOrder, _ price: Price, _ quantity: Quantity, rateE8: Int64, isMaker: Bool
  ) {
    let index = Int(order.instrument.index)
    let state = states.pointer(index)
    let notional = state.pointee.rules.notional(price, quantity)
    let fee = notional.times(rateE8: rateE8)
    let realized = state.pointee.position.apply(order.side, price, quantity, rules: state.pointee.rules)
    wallet = wallet + realized - fee
    totals.realized = totals.realized + realized
    totals.fees = totals.fees + fee
    let tradeID = state.pointee.nextTradeID
    state.pointee.nextTradeID = tradeID + 1
    order.filled = Quantity(steps: order.filled.steps + quantity.steps)
    order.filledNotional = order.filledNotional + notional
    order.lastTradeID = tradeID
    order.lastPrice = price
    order.lastQuantity = quantity
    order.updatedTime = time
    order.status = order.filled == order.quantity ? .filled : .partiallyFilled
    push(
      ExchangeReport(
        kind: .filled, side: order.side, isMaker: isMaker, isFinal: order.status == .filled,
        instrument: order.instrument, id: order.id, orderID: order.orderID, tradeID: tradeID, price: price,
        quantity: quantity, filledTotal: order.filled, fee: fee, amount: realized, time: time))
    tradeHistory.appendDroppingOldest(
      SimulatedTrade(
        tradeID: tradeID, orderID: order.orderID, id: order.id, instrument: order.instrument,
        side: order.side, isMaker: isMaker, price: price, quantity: quantity, notional: notional,
        realized: realized, fee: fee, time: time))
    areSafeBandsStale = true
    refreshActive(index)
  }
}
