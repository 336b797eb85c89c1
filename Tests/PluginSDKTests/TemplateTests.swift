import Foundation
import Market
import Testing

@testable import Engine
@testable import PluginHost

/// What `aegis plugins new` makes, in every language whose compiler is here. The others are skipped by name.
@Suite("A new plugin", .serialized)
struct TemplateTests {
  static let available = PluginScaffoldLanguage.allCases.filter {
    $0.missingTool(searchPath: Workbench.searchPath) == nil
  }

  @Test(
    "builds, is valid, exports one symbol, stays mapped and passes its own test",
    arguments: PluginScaffoldLanguage.allCases)
  func endToEnd(language: PluginScaffoldLanguage) async throws {
    if let tool = language.missingTool(searchPath: Workbench.searchPath) {
      try Test.cancel("\(language.rawValue) is not tested: \(tool.name) is not on PATH; \(tool.hint)")
    }
    let built = try await BuiltTemplates.shared.template(language)
    var report = built.report
    try await built.scaffold.validate(&report)
    #expect(report.isBuilt && report.isValid == true, "\(report.checks)")
    #expect(report.checks.contains { $0.check == "replay" && $0.result == "ok" })
    let library = built.library
    #expect(try Workbench.exports(of: library) == ["aegis_plugin_v1"])
    let elf = try PluginFile(path: library).elf()
    #expect(elf.exports == ["aegis_plugin_v1"] && elf.info?.abiMajor == 1)
    #expect(try Workbench.run("readelf", ["-d", library]).contains("NODELETE"))
    try Workbench.run("make", ["-s", "test"], in: report.directory)
    #expect(try Workbench.run("make", ["-s", "validate"], in: report.directory).contains("\"replay\""))
    // Nothing of the template's own name is left, and nothing points back to the repository.
    for file in report.files {
      let text = try String(contentsOfFile: "\(report.directory)/\(file)", encoding: .utf8)
      #expect(!text.contains("emplate") && !text.contains("@SDK_VERSION@"), "\(file)")
      #expect(!text.contains(Workbench.sdk), "\(file) names the repository's SDK")
    }
  }

  @Test("sends the same signals in every language, bit for bit", .enabled(if: available.count > 1))
  func sameSignals() async throws {
    let bench = try Workbench()
    let market = BarMarket(barCount: 3000, instrumentCount: 2, seed: 11)
    let parameters = ["lookback": "35", "expected": "0.0125"]
    var reference: [Signal] = []
    for language in Self.available {
      let library = try await BuiltTemplates.shared.template(language).library
      var set = try market.set(library, bench.cache, parameters: parameters)
      #expect(set.warmupBarCount(.minute1) == 36, "the subscription follows the parameter")
      let signals = market.signals(of: &set, warmupCount: 200)
      #expect(signals.count > 100 && set.counters(0).refusedCount == 0)
      if reference.isEmpty { reference = signals }
      #expect(haveSameBits(signals, reference), "\(language.rawValue) and \(Self.available[0].rawValue)")
    }
  }

  /// NaN equals NaN, as bits do.
  private func haveSameBits(_ a: [Signal], _ b: [Signal]) -> Bool {
    a.count == b.count
      && zip(a, b).allSatisfy { x, y in
        x.causeSequence == y.causeSequence && x.time == y.time && x.instrument == y.instrument
          && x.horizonNanoseconds == y.horizonNanoseconds
          && x.returnFraction.bitPattern == y.returnFraction.bitPattern
          && x.confidence.bitPattern == y.confidence.bitPattern
          && x.stopFraction.isNaN && y.stopFraction.isNaN && x.flags == y.flags && x.tag == y.tag
      }
  }
}
