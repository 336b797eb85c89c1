import Market
import PluginABI

/// Checks of `aegis.state/1`: saving and loading must not be noticed, damaged state must be refused.
enum StateChecks {
  static func check(_ bench: TrialBench, note: (String) -> Void) throws -> PluginCheck {
    guard let table = try bench.plugin.stateTable(), let save = table.save, let load = table.load else {
      return bench.plugin.descriptor.capabilities.contains(.stateful)
        ? PluginCheck("state", .failed, "promises STATEFUL without \(AEGIS_EXT_STATE)")
        : PluginCheck("state", .ok, "none, and none promised")
    }
    let version = bench.plugin.descriptor.stateVersion
    let reference = try bench.run(batchCount: 1)
    let end = bench.trial.events.count
    var saved: [UInt8] = []
    for (quarter, piece) in [(1, 65_536), (2, 1), (3, 7)] {
      let middle = end * quarter / 4
      let original = try bench.instance()
      var output = TrialOutput()
      original.feed(bench.trial, 0..<middle, liveFrom: bench.liveFrom, batchCount: 1, into: &output)
      note("save")
      let stream = StateStream()
      let status = original.asStrategy { save($0, stream.sink) }
      guard status == AEGIS_OK else { return PluginCheck("state", .failed, "save returned \(status)") }
      saved = stream.bytes
      note("load of its own state")
      let restored = try bench.instance()
      var error = aegis_error()
      let loaded = restored.asStrategy { load($0, stream.source(piece: piece), version, &error) }
      guard loaded == AEGIS_OK else {
        return PluginCheck(
          "state", .failed, "refuses its own state in \(piece)-byte reads (\(loaded)): \(errorMessage(error))"
        )
      }
      note("process after load")
      // The restored instance saw nothing of the first part, and its windows start with the second.
      restored.skip(bench.trial, upTo: middle)
      restored.feed(bench.trial, middle..<end, liveFrom: bench.liveFrom, batchCount: 1, into: &output)
      if let difference = output.firstDifference(from: reference) {
        return PluginCheck(
          "state", .failed,
          "saved and loaded at \(bench.place(middle)), it gives another \(difference.what) at \(bench.place(difference.eventIndex))"
        )
      }
    }
    let problems = try damaged(bench, saved, load, note: note)
    guard problems.isEmpty else { return PluginCheck("state", .failed, problems.joined(separator: "; ")) }
    return PluginCheck(
      "state", .ok,
      "\(saved.count) bytes; saved at 1/4, 1/2 and 3/4, loaded, continued = uninterrupted; 1- and 7-byte reads; damaged state refused"
    )
  }

  private typealias Load =
    @convention(c) (
      UnsafeMutablePointer<aegis_instance>?, UnsafeMutablePointer<aegis_source>?, UInt32,
      UnsafeMutablePointer<aegis_error>?
    ) -> aegis_status

  private static func damaged(
    _ bench: TrialBench, _ saved: [UInt8], _ load: @escaping Load, note: (String) -> Void
  ) throws -> [String] {
    var random = SeededRandom(seed: bench.options.seed)
    let garbage = (0..<1 << 20).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    let version = bench.plugin.descriptor.stateVersion
    var cases: [(String, [UInt8], UInt32)] = [
      ("an empty state", [], version), ("1 MB of garbage", garbage, version),
      ("a state of version \(version + 1)", saved, version + 1),
    ]
    if !saved.isEmpty {
      cases.append(("a state cut short by a byte", Array(saved.dropLast()), version))
      cases.append(("half a state", Array(saved.prefix(saved.count / 2)), version))
    }
    var problems: [String] = []
    for (name, bytes, version) in cases {
      note("load of \(name)")
      let victim = try bench.instance()
      let stream = StateStream(bytes)
      if victim.asStrategy({ load($0, stream.source(piece: 64), version, nil) }) == AEGIS_OK {
        problems.append("accepts \(name)")
      }
    }
    return problems
  }
}
