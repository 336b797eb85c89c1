public import Market

/// Turns ideas into orders and guards what is open: one desk for live, paper, backtest and replay. [decision-thread]
///
/// It never talks to anyone: every call may add orders and journal entries to a `DeskOutput`, which the caller hands
/// on. Time is what the inputs say. All state is plain values in fixed blocks.
public struct Desk: ~Copyable, Sendable {
  /// Orders that are not settled yet, over all instruments. Without room an entry is refused and an exit waits.
  public static let ordersMax = 4096
  /// Time-driven decisions (time stops, retries, questions) are looked at this often, on the venue's clock.
  public static let sweepNanoseconds: Int64 = 1_000_000_000

  public let run: UInt32
  public internal(set) var settings: DeskSettings
  public internal(set) var portfolio: Portfolio
  public internal(set) var mode = DeskMode.normal
  public internal(set) var isDraining = false
  public internal(set) var counts = Counts()
  public internal(set) var dayOpeningEquity = Quote.zero
  /// 00:00 UTC of the day `dayOpeningEquity` belongs to.
  public internal(set) var dayOpened = Instant.never
  /// Largest trade and order id any report carried.
  public internal(set) var lastTradeID: Int64 = 0
  public internal(set) var lastOrderID: Int64 = 0

  var filter: FillFilter
  let slots: FixedBlock<Slot>
  let orders: FixedBlock<DeskOrder>
  /// First unused order; they are chained by `next`.
  var firstFreeOrder: Int32 = 0
  /// Instruments with a position, an order, an exit wanted or an entry waiting.
  let active: FixedBlock<Int32>
  var activeCount = 0
  var clock = Instant.never
  var nextSweep = Instant.never
  var nextEquitySample = Instant.never

  /// What happened, for counters and reports.
  public struct Counts: Sendable, Hashable {
    public var verdicts = 0
    public var refusals = 0
    public var orders = 0
    public var fills = 0
    public var rejections = 0
    public var exitRetries = 0
    /// Reports for an instrument that is not in the table, or with numbers that cannot be.
    public var unusableReports = 0
    /// Fills of orders this desk does not know: booked, and protected like its own.
    public var foreignFills = 0
    /// Fills whose realised profit the exchange computed differently.
    public var profitDifferences = 0
    /// Position reports that replaced what the desk believed.
    public var adoptedPositions = 0
  }

  /// One instrument's part of the desk.
  struct Slot: BitwiseCopyable {
    var priceTime = Instant.never
    var isQuarantined = false
    var isTrading = true
    /// Raw `OrderPurpose` of the exit that is wanted; 0 when none is.
    var exitPurpose: UInt8 = 0
    var exitLevel = Price.none
    var exitFailures: Int32 = 0
    var nextExit = Instant.never
    var firstOrder: Int32 = -1
    /// The idea that opens once the position is closed.
    var pending: Signal
    var hasPending = false
    var cooldownUntil = Instant.never
    /// The distances the open position's bracket is computed with. Fractions.
    var stopFraction = 0.0
    var targetFraction = 0.0
    var activeIndex: Int32 = -1
  }

  /// An order that is not settled, in its instrument's chain.
  struct DeskOrder: BitwiseCopyable {
    var command: OrderCommand
    var lifecycle: OrderLifecycle
    var stopFraction = 0.0
    var targetFraction = 0.0
    var plugin: UInt16 = 0
    /// Margin kept for what is not filled yet; 0 for exits.
    var margin = Quote.zero
    var nextQuery = Instant.never
    var queryCount: Int32 = 0
    var next: Int32 = -1
  }

  /// - Parameters:
  ///   - run: number of this run, 1 or more; part of every client order id.
  ///   - openingBalance: the wallet before anything else is known.
  /// - Precondition: the settings have no problems.
  public init(rules: [InstrumentRules], settings: DeskSettings, run: UInt32, openingBalance: Quote) {
    let problems = settings.problems()
    precondition(problems.isEmpty, problems.joined(separator: "; "))
    precondition(rules.count <= InstrumentTable.countMax, "at most \(InstrumentTable.countMax) instruments")
    precondition(run > 0, "runs count from 1")
    self.run = run
    self.settings = settings
    portfolio = Portfolio(rules: rules, wallet: openingBalance)
    filter = FillFilter(instrumentCount: rules.count)
    let nothing = Signal(
      causeSequence: 0, time: .never, horizonNanoseconds: 0, returnFraction: 0, confidence: 0,
      instrument: .none)
    slots = FixedBlock(repeating: Slot(pending: nothing), count: rules.count)
    let command = OrderCommand(
      id: .none, instrument: .none, side: .buy, reduceOnly: true, purpose: .entry, quantity: .zero,
      time: .never)
    orders = FixedBlock(
      repeating: DeskOrder(command: command, lifecycle: OrderLifecycle(quantity: .zero)),
      count: Self.ordersMax)
    for index in 0..<Self.ordersMax {
      orders[index].next = index + 1 < Self.ordersMax ? Int32(index + 1) : -1
    }
    active = FixedBlock(repeating: 0, count: rules.count)
  }

  // MARK: Reading

  public var equity: Quote { portfolio.equity() }

  /// Orders of an instrument that are not settled.
  public func openOrderCount(_ instrument: InstrumentID) -> Int {
    var count = 0
    var order = slots[Int(instrument.index)].firstOrder
    while order >= 0 {
      count += 1
      order = orders[Int(order)].next
    }
    return count
  }

  /// Orders of all instruments that are not settled. O(active instruments): for the end of a run.
  public var workingOrderCount: Int {
    var count = 0
    for position in 0..<activeCount { count += openOrderCount(InstrumentID(Int(active[position]))) }
    return count
  }

  /// The exit plan of an open position; nil when flat.
  public func exitPlan(_ instrument: InstrumentID) -> ExitPlan? {
    let holding = portfolio.holding(instrument)
    return holding.position.isFlat ? nil : plan(holding)
  }

  func plan(_ holding: Portfolio.Holding) -> ExitPlan {
    ExitPlan(
      side: holding.position.side, stop: holding.stop, target: holding.target,
      expiry: holding.opened.advanced(byNanoseconds: settings.holdingNanosecondsMax))
  }

  // MARK: Inputs

  /// Takes a market event: prices move, and a crossed stop or target becomes an exit.
  public mutating func observe(_ event: MarketEvent, now: Instant, out: inout DeskOutput) {
    if now > clock { clock = now }
    let index = Int(event.instrument.index)
    if index < slots.count {
      let slot = slots.base + index
      let holding = portfolio.holdings.base + index
      switch event.kind {
      case .quote, .trade, .bar:
        slot.pointee.isQuarantined = event.flags.contains(.quarantined)
        if slot.pointee.isQuarantined { break }
        switch event.kind {
        case .quote:
          holding.pointee.bid = event.bid
          holding.pointee.ask = event.ask
        case .trade: holding.pointee.last = event.price
        case .bar: holding.pointee.last = Price(ticks: event.word3)
        case .mark, .gap, .stream: break
        }
        if event.time > slot.pointee.priceTime { slot.pointee.priceTime = event.time }
        if holding.pointee.position.steps != 0, slot.pointee.exitPurpose == 0,
          let trigger = plan(holding.pointee).check(event)
        {
          slot.pointee.hasPending = false
          requestExit(index, trigger.purpose, level: trigger.level, &out)
        }
      case .mark: if !event.flags.contains(.quarantined) { holding.pointee.markE8 = event.markE8 }
      case .gap, .stream: break
      }
    }
    if clock >= nextSweep { sweep(&out) }
  }

  /// Judges an idea and acts on the verdict. Writes the verdict, not the signal: the caller has journaled that.
  @discardableResult
  public mutating func consider(
    _ idea: Signal, now: Instant, context: IdeaContext, out: inout DeskOutput
  ) -> Verdict {
    if now > clock { clock = now }
    counts.verdicts += 1
    let index = Int(idea.instrument.index)
    guard index < slots.count else {
      counts.refusals += 1
      return Verdict(refusal: .invalidSignal, side: idea.side, plugin: idea.plugin)
    }
    let state = riskState(index, idea, context)
    var verdict = RiskGate.verdict(on: idea, state: state, settings: settings)
    if verdict.action == .open, !hasRoom(forLegsOf: verdict.quantity, index, out) {
      verdict.action = .refuse
      verdict.refusal = .instrumentBusy
    }
    out.record(.verdict(verdict, instrument: idea.instrument, time: clock))
    switch verdict.action {
    case .refuse: counts.refusals += 1
    case .open: openEntry(index, idea, verdict, &out)
    case .close:
      slots.base[index].hasPending = false
      requestExit(index, .reversal, level: .none, &out)
    case .reverse:
      slots.base[index].pending = idea
      slots.base[index].hasPending = true
      requestExit(index, .reversal, level: .none, &out)
    }
    return verdict
  }

  /// Takes what the exchange said, from any channel, in any order, any number of times.
  public mutating func receive(_ report: ExchangeReport, now: Instant, out: inout DeskOutput) {
    if now > clock { clock = now }
    out.record(.report(report, time: clock))
    if report.kind == .balance {
      portfolio.correct(wallet: report.amount)
      return
    }
    let index = Int(report.instrument.index)
    guard index < slots.count, abs(report.quantity.steps) < Int64.max >> 8 else {
      counts.unusableReports += 1
      return
    }
    if report.kind == .position {
      adoptPosition(report, index, &out)
      return
    }
    lastOrderID = max(lastOrderID, report.orderID)
    let order = findOrder(report.id, index)
    var report = report
    if report.kind == .filled {
      if report.quantity.steps <= 0 || report.price.ticks <= 0 {
        counts.unusableReports += 1
        return
      }
      if filter.isNew(report.instrument, report.tradeID) {
        lastTradeID = max(lastTradeID, report.tradeID)
        book(report, order, index, &out)
      } else {
        report.quantity = .zero  // the total it names still counts
      }
    }
    if order >= 0 { settle(order, report, index) }
    followUp(index, &out)
  }

  /// Lets time pass: time stops, exits that failed, orders nobody answered for, equity samples.
  public mutating func advance(to now: Instant, out: inout DeskOutput) {
    if now > clock { clock = now }
    if clock >= nextSweep { sweep(&out) }
  }

  /// Changes what the desk may do. Leaving `normal` or draining drops waiting entries and cancels resting ones;
  /// exits, stops and targets go on in every mode.
  public mutating func setState(_ mode: DeskMode, isDraining: Bool, now: Instant, out: inout DeskOutput) {
    if now > clock { clock = now }
    applyState(mode, isDraining: isDraining)
    guard mode != .normal || isDraining else { return }
    for position in 0..<activeCount { cancelEntries(Int(active[position]), &out) }
  }

  /// Closes every position at market, and keeps trying until it is done.
  public mutating func flattenAll(now: Instant, out: inout DeskOutput) {
    if now > clock { clock = now }
    for position in stride(from: activeCount - 1, through: 0, by: -1) {
      let index = Int(active[position])
      slots.base[index].hasPending = false
      cancelEntries(index, &out)
      if !portfolio.holdings.base[index].position.isFlat, slots.base[index].exitPurpose == 0 {
        requestExit(index, .flatten, level: .none, &out)
      }
    }
  }

  /// The venue stopped or resumed trading an instrument; entries follow, exits do not ask.
  public mutating func setTrading(_ instrument: InstrumentID, _ isTrading: Bool) {
    slots[Int(instrument.index)].isTrading = isTrading
  }

  /// New filters of an instrument whose grid did not change.
  /// - Precondition: tick and step are the ones the position was counted in.
  public mutating func updateRules(_ instrument: InstrumentID, _ rules: InstrumentRules) {
    let index = Int(instrument.index)
    let old = portfolio.rules(at: index)
    precondition(
      rules.tickE8 == old.tickE8 && rules.stepE8 == old.stepE8, "a new grid is a new instrument table")
    portfolio.setRules(rules, at: index)
  }

  // MARK: State for the gate

  func riskState(_ index: Int, _ idea: Signal, _ context: IdeaContext) -> RiskState {
    let slot = slots.base + index
    let holding = portfolio.holdings.base + index
    var state = RiskState(now: clock, rules: portfolio.rules(at: index))
    state.mode = mode
    state.isDraining = isDraining
    state.isTrading = slot.pointee.isTrading
    state.context = context
    state.bid = holding.pointee.bid
    state.ask = holding.pointee.ask
    state.last = holding.pointee.last
    state.markE8 = holding.pointee.markE8
    state.priceTime = slot.pointee.priceTime
    state.isQuarantined = slot.pointee.isQuarantined
    state.positionSteps = holding.pointee.position.steps
    state.positionPlugin = holding.pointee.plugin
    state.isBusy = slot.pointee.firstOrder >= 0 || slot.pointee.exitPurpose != 0 || slot.pointee.hasPending
    state.cooldownUntil = slot.pointee.cooldownUntil
    state.equity = portfolio.equity()
    state.dayOpeningEquity = dayOpened.nanoseconds == day(clock) ? dayOpeningEquity : state.equity
    let closesFirst =
      state.positionSteps != 0
      && (idea.flags.contains(.flat) || (state.positionSteps > 0) != (idea.side == .buy))
    var margin = Quote.zero
    for position in 0..<activeCount {
      let other = Int(active.base[position])
      let used = usedMargin(other)
      if other != index {
        if used != .zero || hasEntryOrders(other) { state.otherPositions += 1 }
        margin = margin + used
      } else if !closesFirst {
        margin = margin + used
      }
    }
    state.usedMargin = margin
    return state
  }

  /// Initial margin of an instrument's position and of its entries on their way.
  func usedMargin(_ index: Int) -> Quote {
    let cost = portfolio.holdings.base[index].position.cost
    var margin = Quote(e8: (cost.e8 + Int64(settings.leverage) - 1) / Int64(settings.leverage))
    var order = slots.base[index].firstOrder
    while order >= 0 {
      let entry = orders.base + Int(order)
      let quantity = entry.pointee.lifecycle.quantity.steps
      if !entry.pointee.command.reduceOnly, quantity > 0 {
        // A restored entry's margin is not known: its value at the last price is.
        let whole =
          entry.pointee.margin != .zero
          ? entry.pointee.margin.e8
          : portfolio.rules(at: index).notional(
            portfolio.holdings.base[index].last, entry.pointee.lifecycle.quantity
          ).e8 / Int64(settings.leverage)
        let open = Int128(entry.pointee.lifecycle.remaining.steps)
        margin = margin + Quote(e8: Int64(Int128(whole) * open / Int128(quantity)))
      }
      order = entry.pointee.next
    }
    return margin
  }

  private func hasEntryOrders(_ index: Int) -> Bool {
    var order = slots.base[index].firstOrder
    while order >= 0 {
      if !orders.base[Int(order)].command.reduceOnly { return true }
      order = orders.base[Int(order)].next
    }
    return false
  }

  func day(_ instant: Instant) -> Int64 { instant.nanoseconds - instant.nanoseconds % 86_400_000_000_000 }
}
