import ArgumentParser
import Engine

/// `aegis status`
struct Status: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the engine as it is now.",
    discussion: """
      Asks the running engine; when none runs on the data directory, shows what the store knows of its last run.
      Exit codes: 0 well, 1 nothing to tell, 2 starting or degraded, 3 not running.
      """)

  @OptionGroup var options: EngineOptions
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    let settings: Settings
    do { settings = try options.settings() } catch { throw fail(error) }
    try await EngineReport.status(settings, json: json).finish()
  }
}
