import Market

// How the desk places, follows and repeats orders.
extension Desk {
  /// Market orders one attempt to close may be split into; the rest follows when they are settled.
  static var exitLegsMax: Int { 16 }
  /// Backoff of failed exits: doubled from the first to the last value, for as long as the position exists.
  static var exitBackoffNanosecondsMin: Int64 { 200_000_000 }
  static var exitBackoffNanosecondsMax: Int64 { 5_000_000_000 }

  // MARK: Entries

  func hasRoom(forLegsOf quantity: Quantity, _ index: Int, _ out: borrowing DeskOutput) -> Bool {
    let leg = PositionSizing.legSteps(portfolio.rules(at: index))
    let legCount = Int((quantity.steps + leg - 1) / leg)
    var free = firstFreeOrder
    for _ in 0..<legCount {
      guard free >= 0 else { return false }
      free = orders[Int(free)].next
    }
    return out.commandCount + legCount <= DeskOutput.commandsPerInputMax && out.hasCommandRoom
  }

  mutating func openEntry(_ index: Int, _ idea: Signal, _ verdict: Verdict, _ out: inout DeskOutput) {
    let fractions = RiskGate.bracketFractions(idea, settings)
    let rules = portfolio.rules(at: index)
    let leg = PositionSizing.legSteps(rules)
    var remaining = verdict.quantity.steps
    while remaining > 0, out.hasCommandRoom, firstFreeOrder >= 0 {
      var steps = min(remaining, leg)
      // A last leg below the minimum would be refused: the one before it leaves enough.
      let rest = remaining - steps
      if rest > 0, rest < rules.quantityStepsMin { steps -= rules.quantityStepsMin - rest }
      guard steps >= 1 else { return }
      let quantity = Quantity(steps: steps)
      let share = Int128(verdict.margin.e8) * Int128(steps) / Int128(verdict.quantity.steps)
      place(
        index, side: verdict.side, quantity, reduceOnly: false, .entry, price: .none,
        OrderContext(stopFraction: fractions.stop, targetFraction: fractions.target, plugin: idea.plugin),
        margin: Quote(e8: Int64(share)), &out)
      remaining -= steps
    }
  }

  /// The entry that waited for the close of the opposite position.
  private mutating func openPending(_ index: Int, _ out: inout DeskOutput) {
    let slot = slots.base + index
    slot.pointee.hasPending = false
    let idea = slot.pointee.pending
    var state = riskState(index, idea, IdeaContext())  // its context was good when it was put aside
    state.cooldownUntil = .never
    var verdict = RiskGate.verdict(on: idea, state: state, settings: settings)
    if verdict.action == .open, !hasRoom(forLegsOf: verdict.quantity, index, out) {
      verdict.action = .refuse
      verdict.refusal = .instrumentBusy
    }
    out.record(.verdict(verdict, instrument: idea.instrument, time: clock))
    if verdict.action == .open { openEntry(index, idea, verdict, &out) } else { counts.refusals += 1 }
  }

  mutating func cancelEntries(_ index: Int, _ out: inout DeskOutput) {
    var order = slots.base[index].firstOrder
    while order >= 0 {
      let entry = orders.base + Int(order)
      order = entry.pointee.next
      let state = entry.pointee.lifecycle.state
      guard !entry.pointee.command.reduceOnly, state == .resting || state == .partlyFilled else { continue }
      ask(.cancel, entry, &out)
    }
  }

  // MARK: Exits

  mutating func requestExit(
    _ index: Int, _ purpose: OrderPurpose, level: Price, _ out: inout DeskOutput
  ) {
    let slot = slots.base + index
    slot.pointee.exitPurpose = purpose.rawValue
    slot.pointee.exitLevel = level
    slot.pointee.exitFailures = 0
    slot.pointee.nextExit = .never
    activate(index)
    continueExit(index, &out)
  }

  /// Sends what is still to be closed, once nothing that closes is on its way.
  mutating func continueExit(_ index: Int, _ out: inout DeskOutput) {
    let slot = slots.base + index
    guard let purpose = OrderPurpose(rawValue: slot.pointee.exitPurpose), !hasExitOrders(index) else {
      return
    }
    let position = portfolio.holdings.base[index].position
    if position.isFlat {
      slot.pointee.exitPurpose = 0
      return
    }
    guard clock >= slot.pointee.nextExit else { return }
    let rules = portfolio.rules(at: index)
    let leg = PositionSizing.legSteps(rules)
    let context = OrderContext(
      stopFraction: 0, targetFraction: 0, plugin: portfolio.holdings.base[index].plugin)
    var remaining = abs(position.steps)
    for _ in 0..<Self.exitLegsMax {
      guard remaining > 0 else { break }
      guard out.hasCommandRoom, firstFreeOrder >= 0 else {
        nextSweep = .never  // with the next input
        break
      }
      let steps = min(remaining, leg)
      place(
        index, side: position.side.opposite, Quantity(steps: steps), reduceOnly: true, purpose,
        price: slot.pointee.exitLevel, context, margin: .zero, &out)
      remaining -= steps
    }
    slot.pointee.exitLevel = .none  // a later attempt meets later prices
  }

  private func hasExitOrders(_ index: Int) -> Bool {
    var order = slots.base[index].firstOrder
    while order >= 0 {
      let entry = orders.base + Int(order)
      if entry.pointee.command.reduceOnly { return true }
      order = entry.pointee.next
    }
    return false
  }

  // MARK: Orders

  private mutating func place(
    _ index: Int, side: Side, _ quantity: Quantity, reduceOnly: Bool, _ purpose: OrderPurpose, price: Price,
    _ context: OrderContext, margin: Quote, _ out: inout DeskOutput
  ) {
    let command = OrderCommand(
      id: out.nextID(run: run), instrument: InstrumentID(index), side: side, reduceOnly: reduceOnly,
      purpose: purpose, quantity: quantity, price: price, time: clock)
    let order = addOrder(command, context, index)
    orders[order].lifecycle.markSent()
    orders[order].margin = margin
    orders[order].nextQuery = clock.advanced(byNanoseconds: settings.orderSilenceNanosecondsMax)
    out.record(.command(command, context: context, time: clock))
    out.send(command)
    counts.orders += 1
  }

  /// - Precondition: there is a free order.
  @discardableResult
  mutating func addOrder(_ command: OrderCommand, _ context: OrderContext, _ index: Int) -> Int {
    precondition(firstFreeOrder >= 0, "asked for a free order first")
    let number = Int(firstFreeOrder)
    let order = orders.base + number
    firstFreeOrder = order.pointee.next
    order.pointee = DeskOrder(
      command: command,
      lifecycle: OrderLifecycle(
        quantity: command.quantity, state: context.state, filled: Quantity(steps: context.filledSteps)))
    order.pointee.stopFraction = context.stopFraction
    order.pointee.targetFraction = context.targetFraction
    order.pointee.plugin = context.plugin
    order.pointee.next = slots.base[index].firstOrder
    slots.base[index].firstOrder = Int32(number)
    activate(index)
    return number
  }

  func findOrder(_ id: ClientOrderID, _ index: Int) -> Int {
    var order = slots.base[index].firstOrder
    while order >= 0 {
      if orders.base[Int(order)].command.id == id { return Int(order) }
      order = orders.base[Int(order)].next
    }
    return -1
  }

  func removeOrder(_ number: Int, _ index: Int) {
    var link = slots.base[index].firstOrder
    if link == Int32(number) {
      slots.base[index].firstOrder = orders.base[number].next
      return
    }
    while link >= 0 {
      let order = orders.base + Int(link)
      if order.pointee.next == Int32(number) {
        order.pointee.next = orders.base[number].next
        return
      }
      link = order.pointee.next
    }
  }

  private mutating func release(_ number: Int, _ index: Int) {
    removeOrder(number, index)
    orders.base[number].next = firstFreeOrder
    firstFreeOrder = Int32(number)
  }

  /// Moves an order on by one report, and lets go of it when nothing more can come.
  mutating func settle(_ number: Int, _ report: ExchangeReport, _ index: Int) {
    let order = orders.base + number
    order.pointee.lifecycle.receive(report)
    let lifecycle = order.pointee.lifecycle
    if lifecycle.state == .unknown {
      order.pointee.nextQuery = min(order.pointee.nextQuery, clock.advanced(byNanoseconds: 200_000_000))
      nextSweep = min(nextSweep, order.pointee.nextQuery)
    }
    guard lifecycle.isSettled else { return }
    let isShort = lifecycle.filled < lifecycle.quantity
    let slot = slots.base + index
    if lifecycle.state == .rejected { counts.rejections += 1 }
    if order.pointee.command.reduceOnly {
      if isShort {
        let failures = slot.pointee.exitFailures
        let backoff = min(
          Self.exitBackoffNanosecondsMin << Int64(min(failures, 5)), Self.exitBackoffNanosecondsMax)
        slot.pointee.exitFailures = failures + 1
        slot.pointee.nextExit = clock.advanced(byNanoseconds: backoff)
        nextSweep = min(nextSweep, slot.pointee.nextExit)
        counts.exitRetries += 1
      } else {
        slot.pointee.exitFailures = 0
        slot.pointee.nextExit = .never
      }
    } else if lifecycle.state == .rejected {
      slot.pointee.cooldownUntil = clock.advanced(byNanoseconds: settings.cooldownNanoseconds)
    }
    release(number, index)
  }

  /// Drops every order of an instrument that has ended but still waits for fills: the position is known otherwise.
  mutating func dropEndedOrders(_ index: Int) {
    var order = slots.base[index].firstOrder
    while order >= 0 {
      let next = orders.base[Int(order)].next
      if orders.base[Int(order)].lifecycle.state.isTerminal { release(Int(order), index) }
      order = next
    }
  }

  func hasWorkingOrders(_ index: Int) -> Bool {
    var order = slots.base[index].firstOrder
    while order >= 0 {
      if !orders.base[Int(order)].lifecycle.state.isTerminal { return true }
      order = orders.base[Int(order)].next
    }
    return false
  }

  private func ask(
    _ action: OrderCommand.Action, _ order: UnsafeMutablePointer<DeskOrder>, _ out: inout DeskOutput
  ) {
    guard out.commandCount < DeskOutput.commandsPerInputMax else { return }
    var command = order.pointee.command
    command.action = action
    command.time = clock
    let context = OrderContext(
      stopFraction: order.pointee.stopFraction, targetFraction: order.pointee.targetFraction,
      filledSteps: order.pointee.lifecycle.filled.steps, state: order.pointee.lifecycle.state,
      plugin: order.pointee.plugin)
    out.record(.command(command, context: context, time: clock))
    out.send(command)
  }

  // MARK: Following up

  /// What a report makes possible: the next exit, or the entry that waited.
  mutating func followUp(_ index: Int, _ out: inout DeskOutput) {
    let slot = slots.base + index
    continueExit(index, &out)
    if slot.pointee.hasPending, slot.pointee.exitPurpose == 0, slot.pointee.firstOrder < 0,
      portfolio.holdings.base[index].position.isFlat
    {
      openPending(index, &out)
    }
    deactivateIfIdle(index)
  }

  mutating func sweep(_ out: inout DeskOutput) {
    nextSweep = clock.advanced(byNanoseconds: Self.sweepNanoseconds)
    var position = activeCount - 1
    while position >= 0 {
      let index = Int(active.base[position])
      let slot = slots.base + index
      let holding = portfolio.holdings.base + index
      if !holding.pointee.position.isFlat, slot.pointee.exitPurpose == 0,
        clock >= holding.pointee.opened.advanced(byNanoseconds: settings.holdingNanosecondsMax)
      {
        slot.pointee.hasPending = false
        requestExit(index, .time, level: .none, &out)
      }
      if slot.pointee.firstOrder >= 0 { askForSilentOrders(index, &out) }
      if slot.pointee.exitPurpose != 0 {
        continueExit(index, &out)
        if slot.pointee.nextExit > clock { nextSweep = min(nextSweep, slot.pointee.nextExit) }
      }
      if slot.pointee.hasPending, clock > slot.pointee.pending.expiry { slot.pointee.hasPending = false }
      deactivateIfIdle(index)
      position -= 1
    }
    if settings.equitySampleNanoseconds > 0, clock >= nextEquitySample {
      let period = settings.equitySampleNanoseconds
      nextEquitySample = Instant(nanoseconds: clock.nanoseconds - clock.nanoseconds % period + period)
      sampleEquity(afterTrade: false, &out)
    }
  }

  /// Orders without an answer become unknown, and unknown ones are asked for, less and less often.
  private mutating func askForSilentOrders(_ index: Int, _ out: inout DeskOutput) {
    var number = slots.base[index].firstOrder
    while number >= 0 {
      let order = orders.base + Int(number)
      number = order.pointee.next
      guard clock >= order.pointee.nextQuery else {
        nextSweep = min(nextSweep, order.pointee.nextQuery)
        continue
      }
      order.pointee.lifecycle.markUnknown()
      ask(.query, order, &out)
      let delay: Int64
      switch order.pointee.queryCount {
      case 0: delay = 200_000_000
      case 1: delay = 500_000_000
      case 2: delay = 1_000_000_000
      case 3: delay = 2_000_000_000
      default: delay = 5_000_000_000
      }
      order.pointee.queryCount = min(order.pointee.queryCount + 1, 1_000)
      order.pointee.nextQuery = clock.advanced(byNanoseconds: delay)
      nextSweep = min(nextSweep, order.pointee.nextQuery)
    }
  }

  mutating func activate(_ index: Int) {
    guard slots.base[index].activeIndex < 0 else { return }
    slots.base[index].activeIndex = Int32(activeCount)
    active[activeCount] = Int32(index)
    activeCount += 1
  }

  mutating func deactivateIfIdle(_ index: Int) {
    let slot = slots.base + index
    let place = Int(slot.pointee.activeIndex)
    guard place >= 0, slot.pointee.firstOrder < 0, slot.pointee.exitPurpose == 0, !slot.pointee.hasPending,
      portfolio.holdings.base[index].position.isFlat
    else { return }
    activeCount -= 1
    let moved = active[activeCount]
    active[place] = moved
    slots[Int(moved)].activeIndex = Int32(place)
    slot.pointee.activeIndex = -1
  }
}
