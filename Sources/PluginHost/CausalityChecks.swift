import Market
import PluginABI

/// Looks for output that depends on what had not happened yet.
///
/// Three ways are tried: batches whose later events are missing or have other values, histories that end early, and
/// annotations that change what was said of an earlier bar.
enum CausalityChecks {
  private static let cutCount = 8

  static func check(_ bench: TrialBench) throws -> PluginCheck {
    let events = bench.trial.events.count
    // Nothing of the future is in reach here: what such a run says is the truth.
    let truth = try bench.run(batchCount: 1)
    if let difference = try bench.run(batchCount: 1).firstDifference(from: truth) {
      return PluginCheck(
        "causality", .warning,
        "two equal runs differ at \(bench.place(difference.eventIndex)), so a look ahead cannot be told from chance"
      )
    }
    let whole = try bench.run(batchCount: .max, future: .real)
    var found: [(eventIndex: Int, text: String)] = []
    if let difference = whole.firstDifference(from: truth),
      let text = try confirm(bench, whole, difference)
    {
      found.append((difference.eventIndex, text))
    }
    if let rewritten = rewriting(bench, whole) { found.append(rewritten) }
    var random = SeededRandom(seed: bench.options.seed)
    for cut in 1...cutCount where found.isEmpty {
      let end = events * cut / (cutCount + 1) + Int(random.below(UInt64(max(events / (cutCount + 1), 1))))
      if let difference = try bench.run(batchCount: .max, upTo: end).firstDifference(from: whole, before: end)
      {
        found.append(
          (
            difference.eventIndex,
            "look-ahead: the \(difference.what) at \(bench.place(difference.eventIndex)) changes when history ends at \(bench.place(end - 1))"
          ))
      }
    }
    if let first = found.min(by: { $0.eventIndex < $1.eventIndex }) {
      return PluginCheck("causality", .failed, first.text)
    }
    let said = "\(whole.signals.count) signals and \(whole.notes.count) annotations"
    guard !whole.signals.isEmpty || !whole.notes.isEmpty else {
      return PluginCheck("causality", .warning, "nothing to compare: no signal and no annotation")
    }
    return PluginCheck(
      "causality", .ok, "\(said) stay the same on \(cutCount) cut histories and with other later events")
  }

  /// A difference between batches may come from their size alone; a look ahead also follows later values.
  private static func confirm(
    _ bench: TrialBench, _ whole: TrialOutput, _ difference: TrialOutput.Difference
  ) throws -> String? {
    let next = difference.eventIndex + 1
    // Far enough for the rest of any batch.
    let end = min(next + 4096, bench.trial.events.count)
    let others = [
      try bench.run(batchCount: .max, future: .altered(from: next, by: 1.5), upTo: end),
      try bench.run(batchCount: .max, future: .altered(from: next, by: 0.5), upTo: end),
      try bench.run(batchCount: .max, upTo: next),
      try bench.run(batchCount: .max, future: .hidden, upTo: end),
    ]
    for other in others {
      if let changed = other.firstDifference(from: whole, before: next) {
        return
          "look-ahead: the \(changed.what) at \(bench.place(changed.eventIndex)) changes with later events"
      }
    }
    return nil
  }

  // MARK: Rewritten history

  private struct Subject: Hashable {
    var instrument: UInt32
    var timeframe: UInt32
    var bar: Int64
    var origin: Int64
    var name: String
  }

  /// An annotation says at which bar something was seen; saying it later, or differently, is hindsight.
  private static func rewriting(_ bench: TrialBench, _ output: TrialOutput) -> (
    eventIndex: Int, text: String
  )? {
    let counts = BarCounts(bench.trial)
    var known: [Subject: PluginAnnotation] = [:]
    for note in output.notes.sorted(by: { $0.eventIndex < $1.eventIndex }) {
      let annotation = note.annotation
      guard annotation.bar >= 0,
        let now = counts.newest(annotation.instrument, annotation.timeframe, at: note.eventIndex)
      else { continue }
      let subject = Subject(
        instrument: annotation.instrument, timeframe: annotation.timeframe, bar: annotation.bar,
        origin: annotation.origin, name: annotation.name)
      let place = bench.place(note.eventIndex)
      if annotation.bar > now {
        return (
          note.eventIndex,
          "look-ahead: at \(place) \(annotation.name) is announced for bar \(annotation.bar), which is not there yet"
        )
      }
      if annotation.bar < now {
        guard let before = known[subject] else {
          return (
            note.eventIndex,
            "hindsight: at \(place) \(annotation.name) is announced as seen at bar \(annotation.bar) of \(Self.timeframeName(annotation.timeframe)); `bar` is where it was seen, `origin` where it began"
          )
        }
        if let change = change(from: before, to: annotation) {
          return (
            note.eventIndex,
            "rewritten history: at \(place) \(annotation.name) of bar \(annotation.bar) changes \(change)"
          )
        }
      }
      known[subject] = annotation
    }
    return nil
  }

  private static func timeframeName(_ timeframe: UInt32) -> String {
    Timeframe(rawValue: UInt8(truncatingIfNeeded: timeframe))?.name ?? "timeframe \(timeframe)"
  }

  private static func change(from old: PluginAnnotation, to new: PluginAnnotation) -> String? {
    if old.direction != new.direction { return "direction from \(old.direction) to \(new.direction)" }
    let fields: [(String, KeyPath<PluginAnnotation, Double>)] = [
      ("level", \.level), ("top", \.top), ("bottom", \.bottom), ("value", \.value),
    ]
    for (name, path) in fields where old[keyPath: path].bitPattern != new[keyPath: path].bitPattern {
      return "\(name) from \(old[keyPath: path]) to \(new[keyPath: path])"
    }
    return nil
  }

  /// How many bars of an instrument and timeframe were shown by an event.
  private struct BarCounts {
    private var shown: [[Int]: [Int]] = [:]

    init(_ trial: TrialEvents) {
      for (index, event) in trial.events.enumerated() where event.kind == AEGIS_EV_BAR {
        shown[[Int(event.instrument), Int(event.flags & AEGIS_EVENT_TIMEFRAME_MASK)], default: []].append(
          index)
      }
    }

    /// The number of the newest bar; nil for a timeframe that was not subscribed, and before its first bar.
    func newest(_ instrument: UInt32, _ timeframe: UInt32, at eventIndex: Int) -> Int64? {
      guard let indices = shown[[Int(instrument), Int(timeframe)]] else { return nil }
      var lower = 0
      var upper = indices.count
      while lower < upper {
        let middle = (lower + upper) / 2
        if indices[middle] <= eventIndex { lower = middle + 1 } else { upper = middle }
      }
      return lower == 0 ? nil : Int64(lower - 1)
    }
  }
}
