import Foundation
import Testing

@testable import PluginHost

@Suite("A trace", .enabled(if: Fixture.isHostBuilt, "aegis-plugin-host is not built"))
struct PluginTraceTests {
  /// Closes as given, five minutes apart from 2024-01-31 09:00 UTC.
  private func history(_ fixture: Fixture, _ closes: [Double]) throws -> String {
    let candles = closes.enumerated().map { index, close in
      PluginHistory.Candle(
        openNanoseconds: 1_706_691_600_000_000_000 + Int64(index) * 300_000_000_000, open: close,
        high: close + 0.5, low: close - 0.5, close: close, volume: 1)
    }
    let path = "\(fixture.folder)/history"
    try Data(PluginHistory.bytes(symbol: "TEST", intervalNanoseconds: 300_000_000_000, candles: candles))
      .write(to: URL(filePath: path))
    return path
  }

  private func trace(
    _ path: String, _ fixture: Fixture, _ closes: [Double]
  ) throws -> (events: [String], signals: [String]) {
    var options = ValidationOptions()
    options.historyPath = try history(fixture, closes)
    let output = "\(fixture.folder)/out"
    try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: false)
    _ = try PluginTrace.start(
      path: path, id: nil, host: Fixture.host, options: options, outputFolder: output)
    func lines(_ name: String) throws -> [String] {
      try String(contentsOfFile: "\(output)/\(name)", encoding: .utf8).split(separator: "\n").map(String.init)
    }
    return (try lines(PluginTrace.eventFile), try lines(PluginTrace.signalFile))
  }

  @Test("counts bars as rows of the file, whatever its interval, and leaves unknown cells empty")
  func events() throws {
    let fixture = try Fixture()
    let closes = (0..<201).map { 100 + Double($0) / 4 }
    let (events, _) = try trace(try FaultFixtures.shared().path("rewrites"), fixture, closes)
    #expect(
      events == [
        "bar,time,event,dir,origin,level,top,bottom,value",
        "100,2024-01-31 17:20:00,swing-high,1,97,125.5,,,",
        "200,2024-02-01 01:40:00,swing-high,1,197,150.5,,,",
      ])
  }

  @Test("prints signals at the bar that caused them")
  func signals() throws {
    let fixture = try Fixture()
    let closes = (0..<30).map { 100 - Double($0) } + (0..<30).map { 71 + Double($0) * 2 }
    let (_, signals) = try trace(try FaultFixtures.shared().path("healthy"), fixture, closes)
    #expect(
      signals.first == "bar,time,return_fraction,confidence,stop_fraction,target_fraction,horizon_s,tag")
    #expect(signals.count == 3)
    #expect(signals[1] == "20,2024-01-31 10:40:00,-0.01,0.6,,,3600,0")
    #expect(signals[2].contains(",0.01,0.6,,,3600,0"))
  }

  @Test("a crash, a wrong parameter and a damaged history end it with a reason")
  func failures() throws {
    let fixture = try Fixture()
    var options = ValidationOptions()
    options.historyPath = try history(fixture, (0..<700).map { 100 + Double($0 % 7) })
    let faults = try FaultFixtures.shared()
    func failure(_ name: String, _ options: ValidationOptions) -> String {
      do {
        _ = try PluginTrace.start(
          path: faults.path(name), id: nil, host: Fixture.host, options: options,
          outputFolder: fixture.folder)
        return "none"
      } catch { return "\(error)" }
    }
    #expect(failure("segfaults", options).contains("crashed (SIGSEGV"))
    var wrong = options
    wrong.parameters = ["nonsense": "1"]
    #expect(failure("healthy", wrong).contains("no parameter \"nonsense\"; it has none"))
    try Data([1, 2, 3]).write(to: URL(filePath: "\(fixture.folder)/history"))
    #expect(failure("healthy", options).contains("history"))
  }
}
