import PluginABI

/// Checks that compare whole runs over the history.
enum ReplayChecks {
  static func replay(_ bench: TrialBench) throws -> PluginCheck {
    let output = try bench.run(batchCount: 1)
    let bars = bench.history.instruments[0].count
    let said =
      "\(bars) bars of \(bench.history.symbols.count) instruments, \(output.eventCount) events, \(output.signals.count) signals"
      + (output.notes.isEmpty ? "" : ", \(output.notes.count) annotations")
    if let overrun = output.overrun { return PluginCheck("replay", .failed, overrun) }
    guard output.refusedCount == 0 else {
      return PluginCheck("replay", .failed, "\(said); refused: \(bench.refusals(output))")
    }
    guard output.refusedNoteCount == 0 else {
      return PluginCheck(
        "replay", .failed, "\(said); \(output.refusedNoteCount) annotations break a rule of aegis_annotation")
    }
    let isActing = output.signals.contains { $0.signal.flags & AEGIS_SIGNAL_OBSERVATION == 0 }
    guard isActing || bench.plugin.descriptor.kind == .model && !output.signals.isEmpty else {
      return PluginCheck(
        "replay", .failed,
        "\(said); a strategy that never signals proves nothing: give a history it acts on with --history FILE.csv, or parameters"
      )
    }
    if output.droppedNoteCount > 0 {
      return PluginCheck(
        "replay", .warning, "\(said); \(output.droppedNoteCount) annotations were too many for one call")
    }
    return PluginCheck("replay", .ok, "\(said), all within the rules")
  }

  static func batchInvariance(_ bench: TrialBench) throws -> PluginCheck {
    let reference = try bench.run(batchCount: 1)
    var calls = 0
    for size in [7, 256, Int.max] {
      let output = try bench.run(batchCount: size)
      calls = output.callCount
      if let difference = output.firstDifference(from: reference) {
        return PluginCheck(
          "batch-invariant", .failed,
          "batches of up to \(size == .max ? "any size" : String(size)) give another \(difference.what) than batches of 1 at \(bench.place(difference.eventIndex))"
        )
      }
    }
    return PluginCheck(
      "batch-invariant", .ok,
      "batches of 1, 7, 256 and whole (\(calls) calls) give the same \(reference.signals.count) signals")
  }

  /// Two runs, and two instances fed in turns.
  static func determinism(_ bench: TrialBench) throws -> PluginCheck {
    let isPromised = bench.plugin.descriptor.capabilities.contains(.deterministic)
    let reference = try bench.run(batchCount: 16)
    let again = try bench.run(batchCount: 16)
    if let difference = again.firstDifference(from: reference) {
      let text = "a second run gives another \(difference.what) at \(bench.place(difference.eventIndex))"
      return isPromised
        ? PluginCheck("determinism", .failed, "\(text), although it promises DETERMINISTIC")
        : PluginCheck("determinism", .warning, "\(text); it does not promise DETERMINISTIC")
    }
    let first = try bench.instance()
    let second = try bench.instance()
    var outputs = (TrialOutput(), TrialOutput())
    let step = max(1, bench.trial.events.count / 50)
    var start = 0
    while start < bench.trial.events.count {
      let end = min(start + step, bench.trial.events.count)
      first.feed(bench.trial, start..<end, liveFrom: bench.liveFrom, batchCount: 16, into: &outputs.0)
      second.feed(bench.trial, start..<end, liveFrom: bench.liveFrom, batchCount: 16, into: &outputs.1)
      start = end
    }
    for output in [outputs.0, outputs.1] {
      if let difference = output.firstDifference(from: reference) {
        return PluginCheck(
          "determinism", .failed,
          "two instances side by side disturb each other: another \(difference.what) at \(bench.place(difference.eventIndex)); no mutable globals"
        )
      }
    }
    return PluginCheck("determinism", .ok, "two runs and two instances in turns identical")
  }
}
