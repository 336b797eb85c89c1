import Market

// How the desk books what the exchange says, and takes over what an earlier run left.
extension Desk {
  /// Books one new fill: position, wallet, bracket, journal.
  mutating func book(_ report: ExchangeReport, _ number: Int, _ index: Int, _ out: inout DeskOutput) {
    counts.fills += 1
    let slot = slots.base + index
    let holding = portfolio.holdings.base + index
    var purpose = OrderPurpose.venue
    var plugin: UInt16 = 0
    var stopFraction = settings.defaultStopFraction
    var targetFraction = settings.defaultTargetFraction
    if number >= 0 {
      let order = orders.base + number
      purpose = order.pointee.command.purpose
      plugin = order.pointee.plugin
      if !order.pointee.command.reduceOnly {
        stopFraction = order.pointee.stopFraction
        targetFraction = order.pointee.targetFraction
      }
    } else {
      counts.foreignFills += 1
    }
    let before = holding.pointee.position.steps
    let effect = portfolio.apply(
      report.side, report.price, report.quantity, fee: report.fee, at: clock, plugin: plugin,
      purpose: purpose, index: index)
    if report.amount != .zero, report.amount != effect.realized { counts.profitDifferences += 1 }
    let grew = abs(holding.pointee.position.steps) > abs(before) || effect.closed != nil
    if !holding.pointee.position.isFlat {
      activate(index)
      if grew {
        slot.pointee.stopFraction = stopFraction
        slot.pointee.targetFraction = targetFraction
        protect(index)
      }
    }
    out.record(.positionChanged(portfolio.record(index, purpose: purpose), time: clock))
    guard let closed = effect.closed else { return }
    slot.pointee.cooldownUntil = clock.advanced(byNanoseconds: settings.cooldownNanoseconds)
    out.record(.tradeClosed(TradeRecord(closing: closed, at: clock)))
    sampleEquity(afterTrade: true, &out)
  }

  /// Sets stop and target of an open position from its average entry. Where no bracket fits the grid the position
  /// cannot be protected, so it is closed with the next input.
  private mutating func protect(_ index: Int) {
    let slot = slots.base + index
    let holding = portfolio.holdings.base + index
    let rules = portfolio.rules(at: index)
    let entry = Double(holding.pointee.position.entryPriceE8(rules: rules)) / 1e8
    if let bracket = Bracket(
      entry: entry, side: holding.pointee.position.side, stopFraction: slot.pointee.stopFraction,
      targetFraction: slot.pointee.targetFraction, rules: rules, rounding: settings.bracketRounding)
    {
      holding.pointee.stop = bracket.stop
      holding.pointee.target = bracket.target
    } else {
      holding.pointee.stop = .none
      holding.pointee.target = .none
      slot.pointee.exitPurpose = OrderPurpose.stop.rawValue
      slot.pointee.exitLevel = .none
      slot.pointee.nextExit = .never
      nextSweep = .never
    }
  }

  /// The exchange's own view of a position wins, unless an order is still on its way and explains the difference.
  mutating func adoptPosition(_ report: ExchangeReport, _ index: Int, _ out: inout DeskOutput) {
    guard !hasWorkingOrders(index) else { return }
    let holding = portfolio.holdings.base + index
    dropEndedOrders(index)
    if holding.pointee.position.steps != report.quantity.steps {
      counts.adoptedPositions += 1
      portfolio.adopt(
        steps: report.quantity.steps, cost: report.amount.magnitude, at: clock, index: index)
      if report.quantity.steps != 0 {
        activate(index)
        let slot = slots.base + index
        if slot.pointee.stopFraction == 0 {
          slot.pointee.stopFraction = settings.defaultStopFraction
          slot.pointee.targetFraction = settings.defaultTargetFraction
        }
        if holding.pointee.stop == .none { protect(index) }
      }
      out.record(.positionChanged(portfolio.record(index, purpose: .venue), time: clock))
    }
    followUp(index, &out)
  }

  mutating func sampleEquity(afterTrade: Bool, _ out: inout DeskOutput) {
    let unrealized = portfolio.unrealized()
    let equity = portfolio.wallet + unrealized
    if dayOpened.nanoseconds != day(clock) {
      dayOpened = Instant(nanoseconds: day(clock))
      dayOpeningEquity = equity
    }
    var margin = Quote.zero
    for position in 0..<activeCount { margin = margin + usedMargin(Int(active.base[position])) }
    out.record(
      .equity(
        EquityRecord(
          equity: equity, wallet: portfolio.wallet, unrealized: unrealized, usedMargin: margin,
          openPositions: Int64(portfolio.openCount), dayOpeningEquity: dayOpeningEquity,
          dayOpened: dayOpened, tradeCount: Int64(portfolio.tradeCount), realizedNet: portfolio.realizedNet,
          fees: portfolio.fees), afterTrade: afterTrade, time: clock))
  }

  mutating func applyState(_ mode: DeskMode, isDraining: Bool) {
    self.mode = mode
    self.isDraining = isDraining
    guard mode != .normal || isDraining else { return }
    for position in 0..<activeCount { slots[Int(active[position])].hasPending = false }
  }

  /// Takes over one fact an earlier run left, or a request of `.control`. Other kinds change nothing.
  ///
  /// Restored orders are unknown until the exchange has been asked, which happens with the next input. A `.control`
  /// entry's flatten is carried out with the next input too.
  public mutating func restore(from entry: JournalEntry) {
    if entry.time > clock { clock = entry.time }
    nextSweep = .never
    if let opening = entry.runOpening {
      portfolio.restore(wallet: opening.wallet)
      dayOpeningEquity = opening.dayOpeningEquity
      dayOpened = opening.dayOpened
      lastTradeID = opening.lastTradeID
      lastOrderID = opening.lastOrderID
      mode = opening.mode
      return
    }
    if let request = entry.controlRequest {
      applyState(request.mode, isDraining: request.isDraining)
      guard request.flattens else { return }
      for position in 0..<activeCount {
        let index = Int(active[position])
        slots.base[index].hasPending = false
        if !portfolio.holdings.base[index].position.isFlat, slots.base[index].exitPurpose == 0 {
          slots.base[index].exitPurpose = OrderPurpose.flatten.rawValue
          slots.base[index].exitLevel = .none
          slots.base[index].nextExit = .never
        }
      }
      return
    }
    let index = Int(entry.instrument.index)
    guard index < slots.count else { return }
    if entry.kind == .openingPosition, let record = entry.positionRecord {
      portfolio.restore(record, index: index)
      filter.raiseFloor(entry.instrument, to: entry.openingTradeID)
      guard record.steps != 0 else { return }
      slots.base[index].stopFraction = settings.defaultStopFraction
      slots.base[index].targetFraction = settings.defaultTargetFraction
      activate(index)
      if record.stop == .none { protect(index) }
    } else if entry.kind == .openingOrder, let command = entry.orderCommand, var context = entry.orderContext,
      firstFreeOrder >= 0
    {
      if !context.state.isTerminal { context.state = .unknown }
      addOrder(command, context, index)
      if command.reduceOnly, !portfolio.holdings.base[index].position.isFlat {
        slots.base[index].exitPurpose = command.purpose.rawValue
      }
    }
  }
}
