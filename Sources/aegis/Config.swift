import ArgumentParser
import Engine
import Foundation

/// `aegis config`
struct Config: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the effective settings, with units and environment names; secrets are masked.",
    discussion: "Exit codes: 0 shown, 1 something is wrong with them (every problem is listed).")

  @OptionGroup var options: EngineOptions
  @Flag(help: "Print JSON, which `--config` reads back.") var json = false

  func run() async throws {
    do {
      let settings = try options.settings()
      let credentials = try Credentials(environment: ProcessInfo.processInfo.environment)
      let text =
        json
        ? SettingsRendering.json(settings)
        : SettingsRendering.listing(settings, credentials: credentials)
      FileHandle.standardOutput.write(Data(text.utf8))
    } catch { throw fail(error) }
  }
}
