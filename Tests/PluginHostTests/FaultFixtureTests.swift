import Foundation
import Testing

@testable import PluginHost

@Suite("Plugins with faults", .enabled(if: Fixture.isHostBuilt, "aegis-plugin-host is not built"))
struct FaultFixtureTests {
  /// One fault: what a scan of the folder says, which check fails, and words of its explanation.
  struct Case: CustomTestStringConvertible, Sendable {
    var name: String
    var state = PluginScanReport.State.ok
    var check: String
    var words: [String]
    var testDescription: String { name }

    init(_ name: String, _ check: String, _ words: String..., state: PluginScanReport.State = .ok) {
      self.name = name
      self.check = check
      self.words = words
      self.state = state
    }
  }

  static let cases = [
    Case("segfaults", "replay", "SIGSEGV", "in process"),
    Case("aborts", "replay", "SIGABRT", "in process"),
    Case("traps", "replay", "SIG", "trap", "in process"),
    Case("throws", "replay", "SIGABRT", "terminate called after throwing"),
    Case("panics", "replay", "SIGABRT", "panic"),
    Case("loops", "replay", "took longer than", "in process", "killed"),
    Case("exits", "replay", "ended the process with status 0", "in process"),
    Case("forks", "isolation", "started another process"),
    Case("floods", "replay", "flooded its output", "a line nobody wants to read"),
    Case("overruns", "replay", "wrote 3 records past the 1 it was given"),
    Case("returns_nan", "replay", "signal not finite", "first at bar 50 of TEST0USDT"),
    Case("reads_past_window", "replay", "signal not finite", "first at bar 50 of TEST0USDT"),
    Case("looks_ahead", "causality", "look-ahead", "bar 600 of TEST0USDT (2023-11-15 10:00:00)"),
    Case(
      "rewrites", "causality", "rewritten history", "bar 702 of TEST0USDT", "swing-high of bar 700", "level"),
    Case("refuses_state", "state", "refuses its own state", "not to my taste"),
    Case("lies_about_size", "descriptor", "states a size of 24 bytes", "136", state: .failed),
    Case("misses_library", "load", "gone.so", "missing", "install", state: .unresolved),
    Case("leaks", "memory", "leaks", "bytes an event"),
    Case("keeps_threads", "threads", "left after destroy", "join"),
    Case("allocates", "capabilities", "RT_SAFE", "allocator"),
    Case("sleeps", "capabilities", "RT_SAFE", "waited in the kernel"),
    Case("connects", "isolation", "opened 1 socket", "NETWORK"),
    Case("depends_on_batch", "batch-invariant", "another signal", "bar 50 of TEST0USDT"),
    Case("shares_globals", "determinism", "disturb each other", "no mutable globals"),
    Case("stays_silent", "replay", "never signals", "--history"),
    Case("crashes_when_loaded", "load", "SIGSEGV", "in load", state: .failed),
  ]

  @Test("are named with the failed check, the place and what to do", arguments: cases)
  func validation(_ fault: Case) throws {
    if fault.name == "panics", !FaultFixtures.hasRust { return }
    let fixtures = try FaultFixtures.shared()
    var options = ValidationOptions()
    options.timeoutMilliseconds = fault.name == "loops" ? 3000 : 60_000
    // The named one decides; replay tells whether the rest of the process goes on.
    options.only = [fault.check, "descriptor", "replay"]
    let report = try PluginValidation.run(
      path: fixtures.path(fault.name), host: Fixture.host, options: options)
    #expect(!report.isTrustworthy)
    let check = try #require(report.checks.first { $0.name == fault.check })
    #expect(check.result == .failed)
    for word in fault.words { #expect(check.detail.contains(word), "\(check.detail)") }
    let others = report.checks.filter { $0.result == .failed && $0.name != fault.check }
    #expect(others.isEmpty, "\(others.map(\.detail))")
  }

  @Test("are all listed, and leave the others of their folder alone")
  func scan() throws {
    let fixtures = try FaultFixtures.shared()
    let reports = try PluginScan.folder(fixtures.folder, host: Fixture.host)
    let states = Dictionary(
      uniqueKeysWithValues: reports.map {
        (URL(filePath: $0.file).deletingPathExtension().lastPathComponent, $0)
      })
    for fault in Self.cases where fault.name != "panics" || FaultFixtures.hasRust {
      let report = try #require(states[fault.name], "\(fault.name) is not listed")
      #expect(report.state == fault.state, "\(fault.name): \(report.reason)")
      #expect((report.state == .ok) == report.reason.isEmpty)
    }
    #expect(states["misses_library"]?.language == "c" && states["misses_library"]?.sha256.count == 64)
    #expect(states["healthy"]?.state == .ok && states["healthy"]?.id == "healthy")
  }

  @Test("can be listed by what stands in the file, without running any of it")
  func withoutRunning() throws {
    let fixtures = try FaultFixtures.shared()
    // No host is there to run anything.
    let reports = try PluginScan.folder(fixtures.folder, host: "/nowhere/host", runsCode: false)
    #expect(reports.count >= Self.cases.count && reports.allSatisfy { $0.state == .notScanned })
    let crash = try #require(reports.first { $0.file.hasSuffix("/crashes_when_loaded.so") })
    #expect(crash.language == "c" && crash.abi == "1.0" && crash.sha256.count == 64 && crash.id.isEmpty)
    let thrower = try #require(reports.first { $0.file.hasSuffix("/throws.so") })
    #expect(thrower.language == "c++")
  }

  @Test("one that decides by candle windows passes as well")
  func windows() throws {
    let fixtures = try FaultFixtures.shared()
    var options = ValidationOptions()
    options.only = ["replay", "batch-invariant", "determinism", "causality", "state", "fuzz"]
    let report = try PluginValidation.run(
      path: fixtures.path("reads_windows"), host: Fixture.host, options: options)
    #expect(report.isTrustworthy, "\(report.checks)")
    #expect(report.checks.count == 7)
  }

  @Test("one without any passes every check, the same way twice")
  func healthy() throws {
    let fixtures = try FaultFixtures.shared()
    let report = try PluginValidation.run(
      path: fixtures.path("healthy"), host: Fixture.host, options: ValidationOptions())
    #expect(report.checks.map(\.name) == PluginValidation.names)
    #expect(report.isTrustworthy, "\(report.checks.filter { $0.result != .ok })")
    var options = ValidationOptions()
    options.only = ["replay", "fuzz", "causality"]
    let again = try PluginValidation.run(path: fixtures.path("healthy"), host: Fixture.host, options: options)
    for check in again.checks { #expect(report.checks.contains(check), "\(check)") }
  }
}
