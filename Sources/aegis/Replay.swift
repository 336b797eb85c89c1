import ArgumentParser
import Engine
import Foundation

/// `aegis replay`
struct Replay: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compute a recorded run again from its inputs and compare every entry, byte for byte.",
    discussion: """
      DIR is a data directory (then its newest run is taken) or its folder of one venue and mode, such as
      .aegis/binance-paper. Nothing in it is changed.
      Exit codes: 0 zero differences, 1 the first difference is named, 2 it cannot be computed to the end.
      """)

  @Argument(help: "The data directory, or its folder <venue>-<mode>.") var directory: String
  @Option(help: "Number of the run (default: the newest).") var run: UInt32?
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    let report: ReplayReport
    do {
      report = try Engine.Replay.run(path: directory, run: run)
    } catch { throw fail("\(error)", exitCode: 2) }
    FileHandle.standardOutput.write(Data((json ? report.json : report.text).utf8 + Data("\n".utf8)))
    guard report.exitCode == 0 else { throw ExitCode(report.exitCode) }
  }
}
