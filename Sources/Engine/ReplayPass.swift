import Market
import PluginHost
import Tape
import Trading

/// What a driver fed a run with beside the market, in order.
struct ReplayInputs: ~Copyable {
  private var recorded: RecordedJournal
  private let reportsAreInputs: Bool
  private var hasOpened = false
  /// The newest entry read, of any kind.
  private(set) var last: JournalEntry?
  /// Entries read; all of the run's once `next` has given nil.
  var count: Int { recorded.count }
  var damages: [TapeDamage] { recorded.damages }

  init(_ source: ReplaySource, reportsAreInputs: Bool) throws(TapeError) {
    recorded = try RecordedJournal(source.directory, run: source.run, firstSegment: source.firstSegment)
    self.reportsAreInputs = reportsAreInputs
  }

  mutating func next() throws(TapeError) -> JournalEntry? {
    while let entry = try recorded.next() {
      last = entry
      // Among the openings there may be a round trip whose own entry the run before had lost.
      if !hasOpened {
        hasOpened = entry.kind == .runReady
        return entry
      }
      switch entry.kind {
      case .report: if reportsAreInputs { return entry }
      case .runEnded: return entry
      default: if entry.isInput { return entry }  // the rest are conclusions
      }
    }
    return nil
  }
}

/// One replay under way: market events and journaled inputs, merged by the ring's sequence.
struct ReplayPass<Venue: Exchange & ~Copyable>: ~Copyable {
  private var loop: BrainLoop<Venue, ReplayJournal>
  private var market: ReplayMarket
  private var inputs: ReplayInputs
  /// The next market sequence the run took.
  private var cursor: UInt64
  private var missing: ReplayReport.Missing?
  /// Every recorded entry was read, so the newest is the run's last.
  private var hasReadAll = false
  private let plugins: ReplayPlugins

  init(
    loop: consuming BrainLoop<Venue, ReplayJournal>, market: consuming ReplayMarket,
    inputs: consuming ReplayInputs, plugins: ReplayPlugins, first: UInt64
  ) {
    self.loop = loop
    self.plugins = plugins
    self.market = market
    self.inputs = inputs
    cursor = first
  }

  /// Returns at the end of the record, the first difference, or the first market event that is missing.
  mutating func run() throws {
    while let input = try inputs.next() {
      guard try takeMarket(before: input.ringSequence) else { return }
      if input.kind == .runEnded {
        loop.end()
      } else {
        if let loss = input.ringLoss, loss.cause == .overrun {
          cursor = UInt64(loss.firstSequence) &+ UInt64(loss.missingCount)
        }
        try takeOther(input)
      }
      if try hasStopped() { return }
    }
    // Conclusions after the last input came from market events alone.
    hasReadAll = true
    guard let last = inputs.last else { return }
    while loop.journal.comparedCount < inputs.count, cursor < last.ringSequence {
      guard try takeMarket(before: cursor + 1, through: last.ringSequence) else { return }
    }
  }

  /// An input beside the market. A plugin that was loaded while the run went on is loaded again, from its copy.
  private mutating func takeOther(_ input: JournalEntry) throws(PluginError) {
    guard let (seat, change) = input.pluginChange else { return loop.take(input) }
    if case .shadowBegan(let image, _) = change {
      loop.stage(try plugins.make(seat: seat, image: image), at: seat)
    }
    loop.take(input)
    for plugin in loop.takeRemovedPlugins() { plugins.loader.end(plugin) }
  }

  /// - Returns: false when the pass is over.
  private mutating func takeMarket(before end: UInt64, through needed: UInt64? = nil) throws(TapeError)
    -> Bool
  {
    while cursor < end {
      guard let event = try market.event(at: cursor) else {
        var lastNeeded = (needed ?? end) - 1
        if market.nextSequence == nil {  // the tape is over: nothing up to the end of the record is there
          while try inputs.next() != nil {}
          lastNeeded = max(lastNeeded, (inputs.last?.ringSequence ?? end) - 1)
        }
        missing = ReplayReport.Missing(
          first: cursor, last: min(lastNeeded, market.nextSequence.map { $0 - 1 } ?? lastNeeded),
          position: loop.position)
        return false
      }
      loop.take(event, sequence: cursor)
      cursor += 1
      if try hasStopped() { return false }
    }
    return true
  }

  private func hasStopped() throws(TapeError) -> Bool {
    guard loop.journal.hasStopped else { return false }
    if let failure = loop.journal.failure { throw failure }
    return true
  }

  /// What came out.
  mutating func report(_ source: ReplaySource, _ words: ReplayWords, seconds: Double) -> ReplayReport {
    let compared = loop.journal.comparedCount
    var report = ReplayReport(
      outcome: .identical, venue: source.record.venue, mode: source.record.mode, run: source.run,
      inputs: loop.position, marketEvents: loop.counts.marketEvents, entriesRecorded: inputs.count,
      entriesCompared: compared, verdictsCompared: loop.journal.verdictCount, seconds: seconds, notes: notes()
    )
    if let mismatch = loop.journal.mismatch {
      report.outcome = .differs
      report.difference = difference(mismatch, words)
    } else if let missing {
      report.outcome = .marketMissing
      report.missing = missing
    } else if compared < inputs.count {
      report.outcome = .differs
      report.difference = absence(at: compared)
    }
    return report
  }

  private func notes() -> [String] {
    var notes = inputs.damages.map {
      "the journal's end was torn (\($0.path), record \($0.index)); compared up to there"
    }
    if loop.counts.implausibleEvents > 0 {
      notes.append("\(loop.counts.implausibleEvents) market events were refused as implausible, then as now")
    }
    if hasReadAll, let last = inputs.last, last.kind != .runEnded {
      notes.append("the run did not end in order; compared up to its last entry")
    }
    return notes
  }

  private func difference(_ mismatch: ReplayJournal.Mismatch, _ words: ReplayWords) -> ReplayReport.Difference
  {
    let recorded = mismatch.recorded
    var hint: String?
    if recorded.kind == .checkpoint, mismatch.computed.kind == .checkpoint,
      recorded.position == mismatch.computed.position, recorded.words.1 == mismatch.computed.words.1
    {
      let before = loop.journal.lastCheckpoint
      hint =
        "no decision came out otherwise, but the market tape was changed between positions "
        + "\(before?.position ?? 0) and \(recorded.position) (market sequences \(before?.ringSequence ?? 0) to "
        + "\(recorded.ringSequence &- 1))"
    } else if let before = loop.journal.lastCheckpoint {
      hint = "the inputs agree up to position \(before.position) at least"
    }
    return ReplayReport.Difference(
      position: recorded.position, entry: mismatch.index, kind: "\(recorded.kind)",
      symbol: words.symbol(recorded.instrument), time: ReplayWords.text(recorded.time),
      fields: words.differences(recorded: recorded, computed: mismatch.computed), hint: hint)
  }

  /// The loop came to the end of its inputs and never wrote what was recorded next.
  private func absence(at index: Int) -> ReplayReport.Difference {
    let last = inputs.last
    return ReplayReport.Difference(
      position: loop.position, entry: index, kind: "\(last?.kind ?? .runStarted)", symbol: "",
      time: ReplayWords.text(loop.now),
      fields: [
        "recorded \(inputs.count) entries, computed \(index): what was recorded next did not come out again"
      ],
      hint: nil)
  }
}
