import Market

// Margin: what an order may use, and when the account can bear its positions no longer.
extension SimulatedExchange {
  /// Whether the account can bear a placement: initial margin, fee and the loss against the mark it starts with.
  ///
  /// An order that only shrinks the position needs none. Without any price the answer is yes; the order waits and is
  /// asked again at its first price. Estimate and booking may differ by a few roundings of 1e-8.
  func hasMargin(for command: OrderCommand, _ state: InstrumentState) -> Bool {
    let steps = command.quantity.steps
    let plan = takerPlan(command, state)
    let ticks = command.kind == .limit ? command.price.ticks : plan.worstTicks
    guard ticks > 0 else { return true }
    let rules = state.rules
    let (notionalE16, overflow) = (Int128(ticks) * Int128(rules.tickE8)).multipliedReportingOverflow(
      by: Int128(steps) * Int128(rules.stepE8))
    guard !overflow, notionalE16 <= Int128(OrderFilters.notionalE8Max) * Int128(FixedPoint.one) else {
      return false
    }
    let notional = rules.notional(Price(ticks: ticks), command.quantity)
    let markE8 = state.valuationE8 > 0 ? state.valuationE8 : ticks * rules.tickE8
    let (markE16, markOverflow) = Int128(markE8).multipliedReportingOverflow(
      by: Int128(steps) * Int128(rules.stepE8))
    guard !markOverflow, markE16 <= Int128(OrderFilters.notionalE8Max) * Int128(FixedPoint.one) else {
      return false  // a low limit for a size no account could hold at the mark
    }
    let markNotional = Quote(e8: FixedPoint.divided(markE16, by: Int128(FixedPoint.one)))
    let exposure = plan.steps > 0 ? max(notional, markNotional) : notional
    let before = state.initialMargin()
    let after =
      command.side == .buy
      ? state.initialMargin(extraBuy: exposure) : state.initialMargin(extraSell: exposure)
    let isShrinking = state.position.steps * command.side.sign < 0 && steps <= abs(state.position.steps)
    if after <= before && isShrinking { return true }
    let fee = plan.steps > 0 ? notional.times(rateE8: settings.takerFeeE8) : .zero
    let adverse = command.side == .buy ? notional - markNotional : markNotional - notional
    let cost = after - before + fee + max(adverse, .zero)
    return cost <= marginSummary().headroom
  }

  /// Every sum margin needs, over the instruments with a position or an open order.
  public func marginSummary() -> MarginSummary {
    var summary = MarginSummary(
      wallet: wallet, unrealized: .zero, positionInitialMargin: .zero, orderInitialMargin: .zero,
      maintenanceMargin: .zero)
    for place in 0..<activeCount {
      let state = states.pointer(Int(active[place])).pointee
      let positionMargin = state.positionInitialMargin
      summary.unrealized =
        summary.unrealized + state.position.unrealized(atMarkE8: state.valuationE8, rules: state.rules)
      summary.positionInitialMargin = summary.positionInitialMargin + positionMargin
      summary.orderInitialMargin = summary.orderInitialMargin + state.initialMargin() - positionMargin
      summary.maintenanceMargin =
        summary.maintenanceMargin + state.positionNotional.times(rateE8: settings.maintenanceRateE8)
    }
    return summary
  }

  /// Liquidates when the margin balance has fallen to the maintenance margin, else computes how far each mark may
  /// move before the question needs asking again.
  mutating func checkLiquidation() {
    areSafeBandsStale = false
    let summary = marginSummary()
    var positionCount: Int64 = 0
    for place in 0..<activeCount where !states.pointer(Int(active[place])).pointee.position.isFlat {
      positionCount += 1
    }
    if positionCount > 0 && summary.marginBalance <= summary.maintenanceMargin {
      liquidate()
      return
    }
    for place in 0..<activeCount {
      refreshSafeBand(
        states.pointer(Int(active[place])),
        allowance: Quote(
          e8: (summary.marginBalance - summary.maintenanceMargin).e8 / max(positionCount, 1)))
    }
  }

  /// The marks at which this instrument alone would use up its share of the account's excess. While every
  /// instrument stays inside its own band, the sum of losses stays below the excess, so one comparison per event
  /// replaces the whole sum.
  private func refreshSafeBand(_ state: UnsafeMutablePointer<InstrumentState>, allowance: Quote) {
    state.pointee.safeLowE8 = .min
    state.pointee.safeHighE8 = .max
    let steps = state.pointee.position.steps
    guard steps != 0 else { return }
    let one = Int128(FixedPoint.one)
    // A rising short loses its move and must hold more maintenance margin; a falling long needs less.
    let weight = steps > 0 ? one : one + Int128(settings.maintenanceRateE8)
    let sizeE8 = Int128(abs(steps)) * Int128(state.pointee.rules.stepE8)
    // Two units less for the roundings of value and margin.
    let room = max(Int128(allowance.e8) - 2, 0) * one / sizeE8 * one / weight
    let distance = Int64(min(room, Int128(Int64.max / 2)))
    let mark = state.pointee.valuationE8
    if steps > 0 {
      state.pointee.safeLowE8 = mark - distance
    } else {
      state.pointee.safeHighE8 = mark.addingReportingOverflow(distance).overflow ? .max : mark + distance
    }
  }

  /// Closes everything: open orders expire, then each position is filled at its mark price, rounded against us,
  /// with the liquidation fee instead of the taker fee. The orders are the exchange's own: client id `.none`,
  /// purpose `venue`, reported as one final `filled` each, ended by a `balance`. A loss beyond the wallet is taken
  /// over by the insurance fund, so the wallet ends at zero at worst.
  private mutating func liquidate() {
    for index in 0..<states.count {
      while states.pointer(index).pointee.firstOpen >= 0 {
        close(states.pointer(index).pointee.firstOpen, .expired)
      }
    }
    for index in 0..<states.count where !states.pointer(index).pointee.position.isFlat {
      let state = states.pointer(index)
      let side: Side = state.pointee.position.steps > 0 ? .sell : .buy
      let tick = state.pointee.tickE8
      let mark = state.pointee.valuationE8
      let ticks = max(side == .sell ? mark / tick : (mark + tick - 1) / tick, 1)
      let quantity = state.pointee.position.quantity
      let command = OrderCommand(
        id: .none, instrument: InstrumentID(index), timeInForce: .immediateOrCancel, side: side,
        reduceOnly: true, purpose: .venue, quantity: quantity, price: Price(ticks: ticks), time: time)
      var order = SimulatedOrder(command, orderID: nextOrderID, createdTime: time)
      nextOrderID += 1
      fill(&order, Price(ticks: ticks), quantity, rateE8: settings.liquidationFeeE8, isMaker: false)
      closedOrderHistory.appendDroppingOldest(order)
      state.pointee.safeLowE8 = .min
      state.pointee.safeHighE8 = .max
    }
    if wallet < .zero {
      totals.insurance = totals.insurance - wallet
      wallet = .zero
    }
    push(ExchangeReport(kind: .balance, instrument: .none, amount: wallet, time: time))
    areSafeBandsStale = false
  }
}
