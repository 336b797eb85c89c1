import Foundation
import PluginHost
import Testing

@testable import Engine

@Suite("Commands about plugins")
struct PluginCommandTests {
  private func file(_ text: String) throws -> (TemporaryFolder, String) {
    let folder = try TemporaryFolder("aegis-test")
    let path = "\(folder.path)/BTCUSDT_30m.csv"
    try Data(text.utf8).write(to: URL(filePath: path))
    return (folder, path)
  }

  @Test("take candles of any interval, and name the line that is wrong")
  func history() throws {
    let head = "open_time,open,high,low,close,volume\n"
    let (folder, path) = try file(
      head
        + "2024-01-31 09:00:00,1,2,0.5,1.5,7\n2024-01-31 09:30:00,1.5,2,1,1.25,0\n2024-01-31 11:00:00,1,1,1,1,1\n"
    )
    let history = try PluginHistoryFile(candles: path)
    #expect(history.candleCount == 3 && history.intervalNanoseconds == 1_800_000_000_000)
    #expect(FileManager.default.fileExists(atPath: history.path))
    _ = folder
    let (wrongFolder, wrong) = try file(
      head + "2024-01-31 09:00:00,1,2,0.5,1.5,7\n2024-01-31 09:00:00,1,2,1,1,0\n")
    #expect(throws: CandleFile.Failure.self) { try PluginHistoryFile(candles: wrong) }
    do { _ = try PluginHistoryFile(candles: wrong) } catch {
      #expect("\(error)".contains("BTCUSDT_30m.csv:3:"))
    }
    _ = wrongFolder
  }

  @Test("refuse parameters that are not name=value, or twice the same")
  func parameters() throws {
    #expect(try PluginTraceRun.parameters(["a=1", "b=x=y", "c="]) == ["a": "1", "b": "x=y", "c": ""])
    for words in [["a"], ["=1"], ["a=1", "a=2"]] {
      #expect(throws: PluginCommandError.self) { try PluginTraceRun.parameters(words) }
    }
  }

  @Test("the list joins files with what the engine does with the same content")
  func list() throws {
    let answer = #"""
      {"plugins":[{"id":"momentum","version":"1.4.0","sha256":"aa","generation":3,"placement":"isolated","state":"quarantined",
      "sinceNanoseconds":1700000000000000000,"reason":"SIGSEGV in process","counters":{"events":5,"signals":1,
      "refused":{"cause":2}}},{"id":"elsewhere","version":"2.0.0","sha256":"bb","file":"/x/libe.so","generation":1,"placement":"inproc",
      "state":"active","sinceNanoseconds":1700000000000000000,"reason":"","counters":{"events":0,"signals":0,
      "refused":{}}}],"retiredImages":2}
      """#
    let runtimes = try JSONDecoder().decode(PluginsAnswer.self, from: Data(answer.utf8)).plugins
    #expect(runtimes[0].counters.refused == ["cause": 2] && runtimes[0].counters.processP50Nanoseconds == nil)
    func report(_ file: String, _ id: String, _ sha256: String, _ state: String, _ reason: String) throws
      -> PluginScanReport
    {
      try #require(
        PluginScanReport(
          json:
            #"{"file":"\#(file)","state":"\#(state)","id":"\#(id)","version":"1.0","kind":"strategy","abi":"1.0","language":"c","toolchain":"gcc","sha256":"\#(sha256)","reason":"\#(reason)"}"#
        ))
    }
    let reports = [
      try report("/p/momentum.so", "momentum", "aa", "ok", ""),
      try report("/p/newer.so", "momentum", "cc", "ok", ""),
      try report("/p/old.so", "", "", "unresolved", "libfoo.so.2: not found"),
    ]
    let lines = PluginList.text(reports, runtimes).split(separator: "\n").map(String.init)
    #expect(
      lines[0].split(separator: " ").map(String.init) == [
        "ID", "VERSION", "KIND", "ABI", "LANG", "PLACE", "STATE", "SINCE", "FILE",
      ])
    #expect(lines[1].contains("isolated") && lines[1].contains("quarantined"))
    #expect(lines[2] == "  SIGSEGV in process")
    #expect(lines[3].contains(" ok ") && lines[3].hasSuffix("newer.so"), "another content is another plugin")
    #expect(lines[4].hasPrefix("old ") && lines[4].contains("unresolved"))
    #expect(lines[6].hasPrefix("elsewhere") && lines[6].contains("active") && lines[6].hasSuffix("libe.so"))
    #expect(lines.last == "4 files, 1 active, 1 ok, 1 quarantined, 1 unresolved")
  }
}
