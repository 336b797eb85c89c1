import ArgumentParser
import Engine

/// `aegis trades`
struct Trades: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List what is held and the newest round trips, newest first.",
    discussion: """
      Asks the running engine; when none runs on the data directory, reads the store and says so on standard error.
      Exit codes: 0 listed, 1 nothing to tell.
      """)

  @OptionGroup var options: EngineOptions
  @Option(help: "How many, 1 to \(HealthAPI.rowsMax).") var limit = 50
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    guard (1...HealthAPI.rowsMax).contains(limit) else {
      throw ValidationError("--limit: \(limit) is out of range; use 1 to \(HealthAPI.rowsMax)")
    }
  }

  func run() async throws {
    let settings: Settings
    do { settings = try options.settings() } catch { throw fail(error) }
    try await EngineReport.trades(settings, limit: limit, json: json).finish()
  }
}
