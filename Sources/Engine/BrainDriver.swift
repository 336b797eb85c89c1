import Glibc
import Market
import PluginHost
import SharedMemory
import Trading

/// Feeds one `BrainLoop` from the live regions, in a fixed order: control, exchange reports, queued inputs, market,
/// clock. Runs on the decision thread until the control page asks to end.
struct BrainDriver<Venue: Exchange & ~Copyable>: ~Copyable {
  var loop: BrainLoop<Venue, TapeJournal>
  var ring: EventRingReader<MarketEvent>
  var inputs: HandoffConsumer<JournalEntry>
  let control: ControlPage
  let counters: CounterLane
  /// The venue's reports are inputs (live), not consequences (paper).
  let reportsAreInputs: Bool
  /// Polls of an empty ring before the thread naps.
  let spinCount: Int
  /// On ending in order, positions are closed: nobody else would watch their stops.
  let flattensOnDrain: Bool
  /// Where the plugin thread asks for changes.
  let mailbox: PluginMailbox

  /// The seat whose candidate is being shown history, one instrument between two batches.
  private var seatShown: Int?
  private var epoch: UInt64
  private var stateSeen = ControlPage.DesiredState.normal
  private var isDrainingSeen = false
  private var anchorTime = Instant.never
  private var anchorMonotonic: Int64 = 0
  private var lastBeat: Int64 = 0
  private var drainDeadline = Int64.max
  private let parent: Int32

  /// Market events between two looks at everything else.
  static var marketBatchMax: Int { 512 }
  /// Silence after which the clock itself becomes an input.
  static var clockNanoseconds: Int64 { 250_000_000 }
  /// While events pour in, the clock is read once in so many batches.
  static var batchesPerClockReading: Int { 16 }
  static var napNanoseconds: Int64 { 20_000_000 }
  static var beatNanoseconds: Int64 { 100_000_000 }
  /// Time that working orders get to end in when the engine goes down.
  static var drainNanoseconds: Int64 { 5_000_000_000 }

  init(
    loop: consuming BrainLoop<Venue, TapeJournal>, ring: consuming EventRingReader<MarketEvent>,
    inputs: consuming HandoffConsumer<JournalEntry>, control: consuming ControlPage,
    counters: consuming CounterLane,
    reportsAreInputs: Bool, spinCount: Int, flattensOnDrain: Bool, mailbox: PluginMailbox
  ) {
    // What the run before had left: reduce-only ends with its cause, a halt waits for a person.
    stateSeen = loop.desk.mode == .reduceOnly ? .reduceOnly : .normal
    self.loop = loop
    epoch = ring.currentEpoch
    self.ring = ring
    self.inputs = inputs
    self.control = control
    self.counters = counters
    self.reportsAreInputs = reportsAreInputs
    self.spinCount = spinCount
    self.flattensOnDrain = flattensOnDrain
    self.mailbox = mailbox
    parent = getppid()
  }

  /// Returns when the run has ended in order; the journal is then to be sealed.
  mutating func run() {
    var batches = 0
    while true {
      lookAtControl()
      takeReports()
      takeInputs()
      if let question = mailbox.take() { answer(question) }
      if let seatShown { showHistory(to: seatShown) }
      if loop.plugins.hasIsolated { loop.takeIsolatedSignals() }
      let isIdle = takeMarket() == 0
      batches &+= 1
      if isIdle || batches % Self.batchesPerClockReading == 0 {
        let monotonic = Clock.monotonicNanoseconds()
        if monotonic - lastBeat >= Self.beatNanoseconds {
          beat(monotonic)
          if isOver(monotonic) {
            loop.end()
            return
          }
        }
        if isIdle, seatShown == nil { idle(monotonic) }
      }
    }
  }

  private mutating func lookAtControl() {
    let state = control.desiredState
    let isDraining = control.isDraining
    guard state != stateSeen || isDraining != isDrainingSeen else { return }
    let starts = isDraining && !isDrainingSeen
    stateSeen = state
    isDrainingSeen = isDraining
    if starts { drainDeadline = Clock.monotonicNanoseconds() + Self.drainNanoseconds }
    let mode: DeskMode =
      switch state {
      case .normal: .normal
      case .reduceOnly: .reduceOnly
      case .halted: .halted
      }
    loop.take(
      JournalEntry.control(
        mode: mode, isDraining: isDraining, flattens: starts && flattensOnDrain, time: loop.now))
  }

  private mutating func takeReports() {
    guard reportsAreInputs else { return }
    while let report = loop.pollVenue() { loop.take(report) }
  }

  private mutating func takeInputs() {
    while let entry = inputs.tryPop() {
      // What was on its way to an earlier run says nothing about the candles of this one.
      guard entry.position == UInt64(loop.desk.run) else { continue }
      loop.take(entry)
    }
  }

  /// A change of the plugins is an input like any other; looking at them is none.
  private mutating func answer(_ question: PluginMailbox.Question) {
    var answer = PluginMailbox.Answer()
    let seat: Int
    let start = Clock.monotonicNanoseconds()
    switch question {
    case .look(let asked): seat = asked
    case .saveState(let asked):
      seat = asked
      do throws(PluginError) { answer.state = try loop.plugins.savedState(seat) } catch {
        answer.failure = error
      }
    case .change(let asked, let change, let candidate):
      seat = asked
      if let candidate { loop.stage(candidate, at: seat) }
      loop.take(JournalEntry.plugin(seat: seat, change, time: loop.now))
      answer.failure = loop.pluginFailure
    }
    answer.pauseNanoseconds = Clock.monotonicNanoseconds() - start
    if case .change(_, .shadowBegan, _) = question, loop.instrumentToShow(seat) != nil { seatShown = seat }
    answer.position = loop.position
    answer.ringSequence = loop.ringSequence
    answer.isShowingHistory = seatShown == seat
    if seat < loop.plugins.count {
      answer.shadow = loop.plugins.shadowReport(seat)
      answer.counters = loop.plugins.counters(seat)
    }
    answer.removed = loop.takeRemovedPlugins()
    mailbox.reply(answer)
  }

  private mutating func showHistory(to seat: Int) {
    guard let instrument = loop.instrumentToShow(seat) else {
      seatShown = nil
      return
    }
    loop.take(JournalEntry.plugin(seat: seat, .historyShown(instrument), time: loop.now))
  }

  private mutating func takeMarket() -> Int {
    var count = 0
    while count < Self.marketBatchMax {
      let sequence = ring.sequence
      switch ring.next() {
      case .record(let event):
        loop.take(event, sequence: sequence)
        count += 1
      case .empty:
        return count
      case .overrun(let lost):
        counters.add(lost, to: BrainCounter.lost.rawValue)
        counters.add(1, to: BrainCounter.overruns.rawValue)
        loop.take(
          JournalEntry.ringGap(
            cause: .overrun, missingCount: Int64(lost), firstSequence: Int64(sequence),
            epoch: Int64(ring.currentEpoch),
            time: loop.now))
        count += 1
      }
    }
    return count
  }

  /// Nothing to take: notice a new writer, let the clock speak, nap.
  private mutating func idle(_ monotonic: Int64) {
    if ring.currentEpoch != epoch {
      epoch = ring.currentEpoch
      loop.take(
        JournalEntry.ringGap(
          cause: .writerRestarted, missingCount: 0, firstSequence: Int64(ring.sequence), epoch: Int64(epoch),
          time: loop.now))
    }
    if loop.now != anchorTime {
      anchorTime = loop.now
      anchorMonotonic = monotonic
    } else if anchorTime > .never, monotonic - anchorMonotonic >= Self.clockNanoseconds {
      anchorTime = anchorTime.advanced(byNanoseconds: monotonic - anchorMonotonic)
      anchorMonotonic = monotonic
      loop.take(clock: anchorTime)
    }
    _ = ring.wait(spinCount: spinCount, timeoutNanoseconds: Self.napNanoseconds)
  }

  /// Whether the run may end: asked to, or orphaned, and no order is on its way any more (or the time for it is up).
  private mutating func isOver(_ monotonic: Int64) -> Bool {
    let isOrphaned = getppid() != parent
    if isOrphaned, drainDeadline == .max {
      drainDeadline = monotonic + Self.drainNanoseconds
      loop.take(
        JournalEntry.control(mode: .reduceOnly, isDraining: true, flattens: flattensOnDrain, time: loop.now))
    }
    // The end is looked at apart from the control input before it: without that input nothing was drained.
    guard isOrphaned || control.isShutdownRequested && isDrainingSeen else { return false }
    let isDone = loop.desk.workingOrderCount == 0 && (!flattensOnDrain || loop.desk.portfolio.openCount == 0)
    return isDone || monotonic > drainDeadline
  }

  private mutating func beat(_ monotonic: Int64) {
    lastBeat = monotonic
    let counts = loop.counts
    counters.set(UInt64(counts.marketEvents), at: BrainCounter.events.rawValue)
    counters.set(UInt64(counts.implausibleEvents), at: BrainCounter.implausible.rawValue)
    counters.set(UInt64(counts.signals), at: BrainCounter.signals.rawValue)
    counters.set(UInt64(counts.commands), at: BrainCounter.commands.rawValue)
    counters.set(UInt64(counts.reports), at: BrainCounter.reports.rawValue)
    counters.set(loop.journalIsFull ? 1 : 0, at: BrainCounter.journalFull.rawValue)
    counters.raise(BrainCounter.lagMax.rawValue, to: ring.lag)
    counters.beat(monotonicNanoseconds: monotonic, progress: loop.position)
  }
}

extension BrainDriver where Venue: ~Copyable {
  /// Seals the journal.
  consuming func finish() throws { try loop.takeJournal().seal() }
}
