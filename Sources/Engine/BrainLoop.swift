public import Market
public import PluginHost
public import Trading

/// The Brain as a function of its inputs: the same code live, on paper, in backtest and in replay.
///
/// A driver feeds one input at a time; each gets a position. What follows from it is journaled before anything is
/// handed to the venue. Nothing in here reads a clock. [decision-thread]
public struct BrainLoop<Venue: Exchange & ~Copyable, Journal: JournalSink & ~Copyable>: ~Copyable {
  public private(set) var venue: Venue
  public private(set) var journal: Journal
  public private(set) var desk: Desk
  public private(set) var candles: CandleBook
  public private(set) var ledger: VirtualLedger
  public private(set) var plugins: PluginSet

  /// Inputs taken so far; the next input's position.
  public private(set) var position: UInt64 = 0
  /// The next market sequence not taken yet.
  public private(set) var ringSequence: UInt64
  /// The latest time any input carried.
  public private(set) var now: Instant = .never
  public private(set) var counts = Counts()

  private let rules: [InstrumentRules]
  private let reportsAreInputs: Bool
  private let journalsCandles: Bool
  private let entryFilter: EntryFilter?
  private var blend: SignalBlend
  private var out: DeskOutput
  private var closed: ClosedCandles
  /// Where plugins write; `signalStorage` only keeps it alive.
  private let signals: UnsafeMutableBufferPointer<Signal>
  private let signalStorage: SignalStorage
  private var isReady: [Bool]
  private var nextSweep: Instant = .never
  /// Events shown to plugins so far: the sequence a signal names as its cause.
  private var offered: UInt64 = 0
  private var fingerprint: UInt64 = 0xCBF2_9CE4_8422_2325
  private var nextCheckpoint: Instant = .never
  /// Seats whose signals open virtual lots and no orders.
  private let ledgerOnly: Set<UInt16>
  /// Seats whose signals are recorded only.
  private var suspended: Set<UInt16> = []
  /// Why the newest `.plugin` input could not be carried out; nil when it was.
  private(set) var pluginFailure: PluginError?

  /// What passed, for counters and reports.
  public struct Counts: Sendable {
    public var marketEvents = 0
    public var implausibleEvents = 0
    public var signals = 0
    public var commands = 0
    public var reports = 0
  }

  /// How often time-driven decisions are looked at, on the venue's clock.
  static var sweepNanoseconds: Int64 { 250_000_000 }
  /// Time between two fingerprints of the inputs in the journal.
  static var checkpointNanoseconds: Int64 { 1_000_000_000 }
  /// More reports than this from one input would be a simulator that feeds itself.
  static var reportsPerInputMax: Int { 4096 }

  /// - Parameters:
  ///   - reportsAreInputs: true when the venue is on the wire and the driver feeds its reports with `take(_:)`; false
  ///     when the venue answers from its inputs alone and is settled here.
  ///   - journalsCandles: closed candles become journal entries, for the store.
  ///   - ledgerOnly: seats of plugins nobody trusts: their signals open virtual lots and no orders.
  ///   - entryFilter: what candles must fulfil before anything is opened; nil asks for nothing.
  public init(
    venue: consuming Venue, journal: consuming Journal, desk: consuming Desk, candles: consuming CandleBook,
    ledger: consuming VirtualLedger, plugins: consuming PluginSet, rules: [InstrumentRules],
    reportsAreInputs: Bool, journalsCandles: Bool, ringSequence: UInt64 = 0, isWarm: Bool = false,
    entryFilter: EntryFilter? = nil, ledgerOnly: Set<UInt16> = []
  ) {
    self.venue = venue
    self.journal = journal
    self.desk = desk
    self.candles = candles
    self.ledger = ledger
    // A reload may bring a plugin that says more than the one before.
    signalStorage = SignalStorage(count: max(plugins.count, 1) * PluginSet.signalsPerPluginMax)
    signals = signalStorage.buffer
    self.plugins = plugins
    self.rules = rules
    self.reportsAreInputs = reportsAreInputs
    self.journalsCandles = journalsCandles
    self.entryFilter = entryFilter
    self.ledgerOnly = ledgerOnly
    self.ringSequence = ringSequence
    blend = SignalBlend(instrumentCount: rules.count)
    out = DeskOutput()
    closed = ClosedCandles()
    isReady = Array(repeating: isWarm, count: rules.count)
  }

  // MARK: Inputs

  /// One market event with its sequence number in the ring or on the tape.
  public mutating func take(_ event: MarketEvent, sequence: UInt64) {
    ringSequence = sequence &+ 1
    begin()
    counts.marketEvents &+= 1
    fold(event)
    guard DataFirewall.isPlausible(event, instrumentCount: rules.count) else {
      counts.implausibleEvents &+= 1
      return
    }
    if event.time > now { now = event.time }
    venue.observe(event)
    settle()
    desk.observe(event, now: now, out: &out)
    ledger.observe(event, now: now, out: &out)
    // An exit is met by the price that triggered it, before anyone decides on that price.
    if flush() { settle() }
    candles.absorb(event, closed: &closed)
    if event.kind != .bar, isReady[Int(event.instrument.index)] { offer(event, phase: .live) }
    offerClosed()
    if now >= nextSweep { sweep() }
  }

  /// Something the exchange said, when it is on the wire.
  public mutating func take(_ report: ExchangeReport) {
    begin()
    if report.time > now { now = report.time }
    receive(report)
  }

  /// Time passed and no event said so.
  public mutating func take(clock: Instant) { take(.clock(time: max(clock, now))) }

  /// Any other input, as the journal keeps it: openings, history, control, readiness, holes in the ring.
  public mutating func take(_ input: JournalEntry) {
    if let report = input.exchangeReport { return take(report) }
    begin()
    if input.time > now { now = input.time }
    record(input)
    switch input.kind {
    case .history:
      if let (timeframe, candle) = input.candle {
        candles.absorbHistory(input.instrument, timeframe, candle)
        entryFilter?.forget(input.instrument)
      }
    case .runStarted:
      desk.restore(from: input)
      ledger.restore(from: input)
    case .openingPosition, .openingOrder: desk.restore(from: input)
    case .openingLot: ledger.restore(from: input)
    case .instrumentReady: becomeReady(input.instrument)
    case .control:
      if let request = input.controlRequest {
        desk.setState(request.mode, isDraining: request.isDraining, now: now, out: &out)
        if request.flattens { desk.flattenAll(now: now, out: &out) }
      }
    case .ringGap: candles.markIncomplete(until: now)
    case .plugin:
      if let (seat, change) = input.pluginChange { apply(change, to: seat) }
    case .isolatedSignal:
      if let signal = input.pluginSignal { consider(signal, isFromBar: true) }
    case .clock: sweep()
    case .runReady, .report, .signal, .verdict, .command, .positionChanged, .tradeClosed, .lotOpened,
      .lotClosed,
      .equity, .candleClosed, .checkpoint, .annotation, .runEnded:
      break
    }
    flush()
    settle()
  }

  /// The venue's next report, when the driver feeds reports itself.
  mutating func pollVenue() -> ExchangeReport? { venue.poll(now: now) }

  var journalIsFull: Bool { journal.isFull }

  /// Writes the last entry of the run.
  public mutating func end() {
    begin()
    checkpoint()
    record(.runEnded(reason: 0, time: now))
  }

  /// Gives the journal back, to be sealed.
  consuming func takeJournal() -> Journal { journal }

  // MARK: Consequences

  private mutating func begin() {
    out.position = position
    out.ringSequence = ringSequence
    position &+= 1
  }

  /// Folds a market event into the fingerprint of everything taken so far, so that a replay notices any change of
  /// the tape, also one that led to no decision.
  @inline(__always)
  private mutating func fold(_ event: MarketEvent) {
    var mixed = fingerprint
    withUnsafeBytes(of: event) { bytes in
      for offset in stride(from: 0, to: 56, by: 8) {
        mixed =
          (mixed ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) &* 0x9E37_79B9_7F4A_7C15
        mixed ^= mixed >> 32
      }
    }
    fingerprint = mixed
  }

  private mutating func checkpoint() {
    nextCheckpoint = now.advanced(byNanoseconds: Self.checkpointNanoseconds)
    record(.checkpoint(fingerprint: fingerprint, marketEvents: counts.marketEvents, time: now))
  }

  private mutating func record(_ entry: JournalEntry) {
    var stamped = entry
    stamped.position = out.position
    stamped.ringSequence = ringSequence
    journal.append(stamped)
  }

  /// Journals what was concluded, then hands the orders over: intent before wire.
  ///
  /// - Returns: whether there were orders.
  @discardableResult
  private mutating func flush() -> Bool {
    let hasCommands = out.commandCount > 0
    if out.entryCount > 0 {
      for index in 0..<out.entryCount { journal.append(out.entry(at: index)) }
    }
    if hasCommands {
      for index in 0..<out.commandCount { venue.submit(out.command(at: index)) }
      counts.commands &+= out.commandCount
    }
    out.removeAll()
    return hasCommands
  }

  /// Lets a venue that answers at once say everything it has to say.
  private mutating func settle() {
    if reportsAreInputs { return }
    var remaining = Self.reportsPerInputMax
    while let report = venue.poll(now: now) {
      precondition(remaining > 0, "a venue answers one input with a bounded number of reports")
      remaining -= 1
      begin()
      receive(report)
    }
  }

  private mutating func receive(_ report: ExchangeReport) {
    counts.reports &+= 1
    desk.receive(report, now: now, out: &out)
    flush()
  }

  private mutating func sweep() {
    nextSweep = now.advanced(byNanoseconds: Self.sweepNanoseconds)
    desk.advance(to: now, out: &out)
    ledger.advance(to: now, out: &out)
    flush()
    settle()
    candles.advance(to: now, closed: &closed)
    offerClosed()
    if now >= nextCheckpoint { checkpoint() }
  }

  /// Closed candles go to the journal and to the plugins that asked for their timeframe.
  private mutating func offerClosed() {
    guard closed.count > 0 else { return }
    for index in 0..<closed.count {
      let item = closed[index]
      if journalsCandles { record(.candleClosed(item.instrument, item.timeframe, item.candle, time: now)) }
      if plugins.wantsBars(item.timeframe), isReady[Int(item.instrument.index)] {
        offer(.bar(item.instrument, item.timeframe, item.candle), phase: .live)
      }
    }
    closed.removeAll()
  }

  private mutating func offer(_ event: MarketEvent, phase: EventPhase) {
    let index = Int(event.instrument.index)
    offered &+= 1
    let count = plugins.process(
      event, sequence: offered, rules: rules[index], now: now, phase: phase, into: signals)
    if plugins.annotations.count > 0 { recordAnnotations() }
    guard count > 0 else { return }
    for signalIndex in 0..<count { consider(signals[signalIndex], isFromBar: event.kind == .bar) }
  }

  /// What plugins saw goes to the journal before what they say about it.
  private mutating func recordAnnotations() {
    let annotations = plugins.annotations
    for index in 0..<annotations.count {
      let seen = annotations[index]
      record(
        .annotation(
          plugin: seen.plugin, timeframe: UInt8(truncatingIfNeeded: seen.timeframe),
          direction: seen.direction,
          name: seen.nameBytes, bar: seen.bar, origin: seen.origin, level: seen.level, top: seen.top,
          bottom: seen.bottom, value: seen.value, instrument: InstrumentID(index: seen.instrument), time: now)
      )
    }
  }

  private mutating func consider(_ signal: Signal, isFromBar: Bool) {
    counts.signals &+= 1
    record(.signal(signal, time: now))
    if signal.flags.contains(.observation) || suspended.contains(signal.plugin) { return }
    var context = context(of: signal.instrument, isFromBar: isFromBar)
    context.pluginIsTrusted = !ledgerOnly.contains(signal.plugin)
    filter(signal, &context)
    // One that is not trusted never was part of an idea, and may not even close.
    guard
      let idea = !context.pluginIsTrusted
        ? signal : context.isFilteredOut ? withdraw(signal) : blend.absorb(signal, now: now)
    else { return }
    let verdict = desk.consider(idea, now: now, context: context, out: &out)
    ledger.open(signal, verdict: verdict, now: now, out: &out)
    flush()
    settle()
  }

  /// Asks the condition for entries about the candles of a signal's instrument.
  private func filter(_ signal: Signal, _ context: inout IdeaContext) {
    guard let entryFilter, !signal.flags.contains(.flat) else { return }
    let answer = entryFilter.answer(
      signal.instrument, window: candles.window(signal.instrument, entryFilter.timeframe))
    context.isFilteredOut = !answer.passes
    context.filterMeasured = answer.measured
    context.filterLimit = answer.limit
  }

  /// A signal that is filtered out takes no part in later ideas, and neither does what its author said before: all it
  /// may do is close.
  private mutating func withdraw(_ signal: Signal) -> Signal {
    var word = signal
    word.flags.insert(.flat)
    _ = blend.absorb(word, now: now)
    return signal
  }

  /// What only the loop knows: history is in, and the candle behind a signal misses no trade. Ticks rest on none.
  private func context(of instrument: InstrumentID, isFromBar: Bool) -> IdeaContext {
    IdeaContext(
      isReady: isReady[Int(instrument.index)],
      candleIsComplete: !isFromBar || candles.lastClosedIsComplete(instrument))
  }

  /// History is in: plugins see it as warm-up, oldest first over all timeframes, and live events from here on.
  private mutating func becomeReady(_ instrument: InstrumentID) {
    guard instrument != .none else {
      for index in rules.indices { warmUp(InstrumentID(index)) }
      return
    }
    warmUp(instrument)
  }

  private mutating func warmUp(_ instrument: InstrumentID) {
    let index = Int(instrument.index)
    guard index < isReady.count, !isReady[index] else { return }
    isReady[index] = true
    let wanted = Timeframe.allCases.filter { plugins.wantsBars($0) }.map { ($0, plugins.warmupBarCount($0)) }
    forEachClosedCandle(of: instrument, wanted) { loop, bar in loop.offer(bar, phase: .warmup) }
  }

  /// The newest closed candles of an instrument, oldest first over all timeframes, as many of each as wanted.
  private mutating func forEachClosedCandle(
    of instrument: InstrumentID, _ wanted: [(Timeframe, Int)],
    _ body: (inout Self, MarketEvent) -> Void
  ) {
    var cursors: [Timeframe: Int] = [:]
    for (timeframe, barCount) in wanted {
      cursors[timeframe] = max(0, candles.count(instrument, timeframe) - barCount)
    }
    let timeframes = wanted.map(\.0)
    while true {
      // The candle that ended first; of those that ended together the shortest.
      var next: (timeframe: Timeframe, candle: Candle, end: Int64)?
      for timeframe in timeframes {
        guard let cursor = cursors[timeframe], cursor < candles.count(instrument, timeframe) else { continue }
        let candle = candles.candle(instrument, timeframe, at: cursor)
        let end = candle.openTime.nanoseconds + timeframe.nanoseconds
        if next == nil || end < next!.end { next = (timeframe, candle, end) }
      }
      guard let (timeframe, candle, _) = next else { return }
      cursors[timeframe, default: 0] += 1
      body(&self, .bar(instrument, timeframe, candle))
    }
  }

  /// What plugins in other processes have said becomes inputs.
  mutating func takeIsolatedSignals() {
    while true {
      let count = plugins.pollIsolated(into: signals)
      guard count > 0 else { return }
      for index in 0..<count { take(.isolatedSignal(signals[index], time: now)) }
    }
  }

  // MARK: Plugins that change

  /// See `PluginSet.setCallMark`.
  mutating func setPluginCallMark(_ mark: UnsafeMutablePointer<UInt64>) { plugins.setCallMark(mark) }

  /// Hands over what a `.plugin` input that begins a shadow refers to. Not an input itself.
  mutating func stage(_ candidate: DetachedPlugin, at seat: Int) { plugins.stage(candidate, at: seat) }

  /// Instances that left; whoever drives the loop has them ended on a control thread.
  mutating func takeRemovedPlugins() -> [DetachedPlugin] { plugins.takeRemoved() }

  /// An instrument whose history the seat's candidate still has to be shown; nil when there is none.
  func instrumentToShow(_ seat: Int) -> InstrumentID? {
    for index in rules.indices where isReady[index] {
      if plugins.candidateNeedsHistory(seat, of: InstrumentID(index)) { return InstrumentID(index) }
    }
    return nil
  }

  private mutating func apply(_ change: PluginChange, to seat: Int) {
    pluginFailure = nil
    guard (0..<plugins.count).contains(seat) else { return }
    switch change {
    case .shadowBegan(_, let isFresh):
      do throws(PluginError) { _ = try plugins.beginShadow(seat, isFresh: isFresh) } catch {
        pluginFailure = error
      }
    case .historyShown(let instrument): showHistory(of: instrument, to: seat)
    case .promoted: plugins.promote(seat)
    case .rolledBack: plugins.rollBack(seat)
    case .shadowEnded: plugins.endShadow(seat)
    case .suspended(let isSuspended):
      if isSuspended {
        suspended.insert(UInt16(truncatingIfNeeded: seat))
      } else {
        suspended.remove(UInt16(truncatingIfNeeded: seat))
      }
    case .parameter(let id, let type, let bits):
      offered &+= 1
      let count = plugins.change(
        seat, parameter: id, type: type, bits: bits, sequence: offered, now: now, into: signals)
      for index in 0..<count { consider(signals[index], isFromBar: false) }
    }
  }

  private mutating func showHistory(of instrument: InstrumentID, to seat: Int) {
    guard Int(instrument.index) < rules.count else { return }
    let wanted = Timeframe.allCases.compactMap { timeframe in
      plugins.candidateWarmupBarCount(seat, timeframe).map { (timeframe, $0) }
    }
    forEachClosedCandle(of: instrument, wanted) { loop, bar in
      loop.offered &+= 1
      loop.plugins.showToCandidate(
        seat, bar, sequence: loop.offered, rules: loop.rules[Int(instrument.index)], now: loop.now)
    }
    plugins.candidateIsWarm(seat, for: instrument)
  }
}

/// Room for the signals of one event.
private final class SignalStorage {
  let buffer: UnsafeMutableBufferPointer<Signal>

  init(count: Int) { buffer = .allocate(capacity: count) }
  deinit { buffer.deallocate() }
}
