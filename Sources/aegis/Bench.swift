import ArgumentParser
import Engine
import Foundation

/// `aegis bench`
struct Bench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Do one piece of standard work as fast as the machine goes and print one line of JSON.",
    discussion: """
      The work is that of the peer benchmarks: moving-average crossings over bars (W1, W2, W4) or trades (W3), through
      a real plugin and the real desk. The line's note names the settings used.
      """)

  @Option(help: "W1, W2, W3 or W4.") var workload: String
  @Option(help: "Folder of the raw data files (w1.bars, w2_00.bars, w3.ticks, w4.bars).") var data: String
  @Option(help: "Records used of each file; 0 for all.") var limit = 0
  @Option(help: "Library with the trend follower: a path, or a name in the plugin directory.")
  var plugin = "trend_follower_c"

  func validate() throws {
    guard StandardWorkload(name: workload) != nil else {
      throw ValidationError("--workload: \"\(workload)\" is none of W1, W2, W3 and W4")
    }
    guard limit >= 0 else { throw ValidationError("--limit: \(limit) is negative; use 0 for all records") }
  }

  func run() async throws {
    guard let work = StandardWorkload(name: workload) else { return }  // validated
    do {
      let settings = try Settings.load(Settings.Sources(environment: ProcessInfo.processInfo.environment))
      let path = settings.pluginPath(plugin)
      print(try await BenchWorkloads.run(work, directory: data, limit: limit, plugin: path).line())
    } catch {
      throw fail("\(error)")
    }
  }
}
