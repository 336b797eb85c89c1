import Foundation
import Glibc
import Market
import Testing

@testable import PluginHost

@Suite("Replacing a plugin while it works", .serialized)
struct PluginReloadTests {
  private static let parameters = ["fast": "5", "slow": "20", "warmup": "20"]

  private func set(_ path: String, _ fixture: Fixture, instruments: Int = 2) throws -> PluginSet {
    var set = PluginSet(hostName: "tests", version: "1.0")
    try set.load(
      path: path, cacheDirectory: fixture.cache, parameters: Self.parameters,
      instruments: (0..<instruments).map { "S\($0)" }, seed: 1)
    return set
  }

  private func make(
    _ loader: PluginLoader, _ path: String, _ fixture: Fixture, parameters: [String: String] = Self.parameters
  ) throws -> DetachedPlugin {
    try loader.make(
      path: path, cacheDirectory: fixture.cache, keepsCopy: false, id: nil, parameters: parameters, seed: 1)
  }

  private func walk(_ count: Int, seed: UInt64 = 3) -> [MarketEvent] {
    var random = SeededRandom(seed: seed)
    var price: Int64 = 100_000
    return (0..<count).map { index in
      price = max(1000, price + Int64(random.below(21)) - 10)
      return bar(price, index: index, instrument: index % 2)
    }
  }

  private static let symbols = ["S0", "S1"]

  /// Both samples, which keep state.
  private static func samples(_ fixture: Fixture) throws -> [String] {
    [try fixture.trendFollowerC(), try fixture.trendFollower()]
  }

  @Test("two hundred reloads lose no event, double no signal and change no bit")
  func manyReloads() throws {
    let fixture = try Fixture()
    let events = walk(10_000)
    for path in try Self.samples(fixture) {
      var plain = try set(path, fixture)
      let expected = signals(of: &plain, events)
      #expect(expected.count > 250)
      var reloaded = try set(path, fixture)
      let loader = PluginLoader(for: reloaded, instruments: Self.symbols)
      var result: [Signal] = []
      for start in stride(from: 0, to: events.count, by: 50) {
        let candidate = try make(loader, path, fixture)
        reloaded.stage(candidate, at: 0)
        let carried = try reloaded.beginShadow(0, isFresh: false)
        #expect(carried ?? 0 > 0)
        let middle = start + 20
        result += signals(of: &reloaded, Array(events[start..<middle]), firstSequence: UInt64(start + 1))
        let report = reloaded.shadowReport(0) ?? ShadowReport()
        #expect(report.eventCount == 20 && report.differingCount == 0 && report.refusedCount == 0)
        reloaded.promote(0)
        result += signals(
          of: &reloaded, Array(events[middle..<(start + 50)]), firstSequence: UInt64(middle + 1))
        for plugin in reloaded.takeRemoved() { loader.end(plugin) }
      }
      #expect(haveSameBits(result, expected), "\(path)")
    }
  }

  @Test("a rollback is as if the new version had never been: the former one followed")
  func rollBack() throws {
    let fixture = try Fixture()
    let events = walk(6_000)
    let path = try fixture.trendFollowerC()
    var plain = try set(path, fixture)
    let expected = signals(of: &plain, events)
    var reloaded = try set(path, fixture)
    let loader = PluginLoader(for: reloaded, instruments: Self.symbols)
    _ = signals(of: &reloaded, Array(events[..<2_000]))
    // Another version: other parameters, so other signals.
    reloaded.stage(
      try make(
        loader, path, fixture, parameters: ["fast": "5", "slow": "20", "warmup": "20", "expected": "0.031"]),
      at: 0)
    _ = try reloaded.beginShadow(0, isFresh: false)
    _ = signals(of: &reloaded, Array(events[2_000..<3_000]), firstSequence: 2_001)
    let shadow = reloaded.shadowReport(0) ?? ShadowReport()
    #expect(shadow.eventCount == 1_000 && shadow.activeSignalCount > 20)
    #expect(shadow.differingCount == shadow.activeSignalCount && abs(shadow.differenceMax - 0.011) < 1e-9)
    reloaded.promote(0)
    let other = signals(of: &reloaded, Array(events[3_000..<4_000]), firstSequence: 3_001)
    #expect(!other.isEmpty && other.allSatisfy { $0.returnFraction.magnitude == 0.031 })
    reloaded.rollBack(0)
    let left = reloaded.shadowReport(0)
    #expect(left == nil)
    let after = signals(of: &reloaded, Array(events[4_000...]), firstSequence: 4_001)
    #expect(haveSameBits(after, expected.filter { $0.causeSequence > 4_000 }))
    let removed = reloaded.takeRemoved()
    #expect(removed.count == 1)
    for plugin in removed { loader.end(plugin) }
  }

  @Test(
    "a version that cannot read the state is refused, and the old one goes on; asked to, it starts fresh on history"
  )
  func state() throws {
    let fixture = try Fixture()
    let events = walk(3_000)
    let path = try fixture.trendFollowerC()
    var text = try String(
      contentsOfFile: "\(Fixture.root)/Plugins/TrendFollowerC/trend_follower_c.c", encoding: .utf8)
    text = text.replacing(".state_version = STATE_VERSION", with: ".state_version = 9")
      .replacing(".state_oldest = STATE_VERSION", with: ".state_oldest = 9")
    let newer = try fixture.compile("newer", text, ["-O2"])
    var plain = try set(path, fixture)
    let expected = signals(of: &plain, events)
    var reloaded = try set(path, fixture)
    let loader = PluginLoader(for: reloaded, instruments: Self.symbols)
    var result = signals(of: &reloaded, Array(events[..<1_500]))
    reloaded.stage(try make(loader, newer, fixture), at: 0)
    var refusal = ""
    do throws(PluginError) { _ = try reloaded.beginShadow(0, isFresh: false) } catch { refusal = "\(error)" }
    #expect(refusal.contains("state version 1 is older than the oldest readable (9)"))
    #expect(refusal.contains("--fresh-state"))
    for plugin in reloaded.takeRemoved() { loader.end(plugin) }
    result += signals(of: &reloaded, Array(events[1_500...]), firstSequence: 1_501)
    #expect(haveSameBits(result, expected))

    reloaded.stage(try make(loader, newer, fixture), at: 0)
    let carried = try reloaded.beginShadow(0, isFresh: true)
    let needsHistory = reloaded.candidateNeedsHistory(0, of: InstrumentID(0))
    let wanted = reloaded.candidateWarmupBarCount(0, .minute1) ?? 0
    #expect(carried == nil && needsHistory && wanted > 0)
    for id in [InstrumentID(0), InstrumentID(1)] {
      for (index, event) in events.enumerated() where event.instrument == id {
        reloaded.showToCandidate(
          0, event, sequence: UInt64(10_000 + index), rules: centRules, now: event.time)
      }
      reloaded.candidateIsWarm(0, for: id)
      let stillNeeds = reloaded.candidateNeedsHistory(0, of: id)
      #expect(!stillNeeds)
    }
    reloaded.promote(0)
    let version = reloaded.descriptors[0].stateVersion
    #expect(version == 9)
  }

  @Test("a candidate that breaks the rules is seen in the shadow, and not one of its signals gets out")
  func badCandidate() throws {
    let (old, new) = (try Fixture(), try Fixture())
    var set = PluginSet(hostName: "tests", version: "1.0")
    try set.load(path: try old.plugin("twin"), cacheDirectory: old.cache, instruments: ["S0"], seed: 1)
    let loader = PluginLoader(for: set, instruments: ["S0"])
    let bad = try new.plugin("twin", signal: "s.return_fraction = NAN;")
    set.stage(
      try loader.make(
        path: bad, cacheDirectory: new.cache, keepsCopy: false, id: nil, parameters: [:], seed: 1), at: 0)
    let carried = try set.beginShadow(0, isFresh: false)
    #expect(carried == nil)
    let result = signals(of: &set, (0..<50).map { trade(100 + Int64($0), at: 1_000 + Int64($0)) })
    #expect(result.count == 50 && result.allSatisfy { $0.returnFraction == 0.01 })
    let report = set.shadowReport(0) ?? ShadowReport()
    #expect(report.refusedCount == 50 && report.shadowSignalCount == 0 && report.differingCount == 50)
    set.endShadow(0)
    for plugin in set.takeRemoved() { loader.end(plugin) }
    let counters = set.counters(0)
    #expect(counters.signalCount == 50 && counters.refusedCount == 0)
  }

  @Test("a thousand reloads keep at most 64 KB each")
  func memory() throws {
    let fixture = try Fixture()
    let path = try fixture.trendFollowerC()
    var reloaded = try set(path, fixture)
    let loader = PluginLoader(for: reloaded, instruments: Self.symbols)
    let events = walk(8)
    func cycle(_ index: Int) throws {
      reloaded.stage(try make(loader, path, fixture), at: 0)
      _ = try reloaded.beginShadow(0, isFresh: false)
      _ = signals(of: &reloaded, events, firstSequence: UInt64(index * 10 + 1))
      reloaded.promote(0)
      for plugin in reloaded.takeRemoved() { loader.end(plugin) }
    }
    for index in 0..<50 { try cycle(index) }
    let before = try residentBytes()
    for index in 50..<1_050 { try cycle(index) }
    let growth = try residentBytes() - before
    #expect(growth <= 1_000 * 64 << 10, "\(growth / 1_000) bytes a reload")
  }

  private func residentBytes() throws -> Int {
    let words = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
    return (Int(words[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
  }

  @Test(
    "a rehearsal in a child takes the real configuration and state, and survives what the engine would not")
  func rehearsal() throws {
    let fixture = try Fixture()
    let host = "\(Fixture.products)/aegis-plugin-host"
    try #require(
      FileManager.default.isExecutableFile(atPath: host), "swift build --product aegis-plugin-host")
    let path = try fixture.trendFollowerC()
    var running = try set(path, fixture)
    _ = signals(of: &running, walk(500))
    let saved = try running.savedState(0)
    let state = try #require(saved)
    let descriptor = running.descriptors[0]
    func outcome(
      _ file: String, id: String, state: [UInt8]?, version: UInt32 = 1, parameters: [String: String] = [:]
    )
      throws -> PluginReloadCheck.Outcome
    {
      try PluginReloadCheck(
        path: file, id: id, parameters: parameters, symbols: Self.symbols, state: state, stateVersion: version
      ).run(host: host, folder: fixture.folder, timeoutMilliseconds: 5_000)
    }
    let good = try outcome(path, id: "trend-follower-c", state: state, parameters: Self.parameters)
    #expect(good.refusal == nil && good.sha256 == descriptor.sha256 && good.version == "1.0.0")
    let cut = try outcome(path, id: "trend-follower-c", state: state.dropLast(3), parameters: Self.parameters)
    #expect(cut.refusal?.contains("refuses the state") == true && !cut.isDangerous)
    let old = try outcome(path, id: "trend-follower-c", state: state, version: 0, parameters: Self.parameters)
    #expect(old.refusal?.contains("older than the oldest readable") == true)
    let wrong = try outcome(path, id: "trend-follower-c", state: nil, parameters: ["fast": "many"])
    #expect(wrong.refusal?.contains("fast") == true)
    let crashing = try outcome(
      try fixture.plugin("crasher", process: "volatile int *p = 0; *p = 1; return 0;"), id: "crasher",
      state: nil)
    #expect(crashing.isDangerous && crashing.refusal?.contains("signal 11") == true)
    let leaving = try outcome(try fixture.plugin("leaver", process: "exit(0);"), id: "leaver", state: nil)
    #expect(leaving.isDangerous && leaving.refusal?.contains("status 0") == true)
    let lying = try outcome(try fixture.plugin("liar", signal: "s.confidence = 2;"), id: "liar", state: nil)
    #expect(lying.refusal?.contains("confidence") == true && !lying.isDangerous)
  }
}
