import ArgumentParser
import Engine
import Foundation
import Glibc

struct Run: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Trade: on paper by default, with a live table on a terminal and log lines elsewhere.",
    discussion: """
      Settings come from flags, the environment, aegis.yaml and defaults, in this order; `aegis config` shows them.
      Ends with Ctrl-C, or by itself with --for.
      """)

  @OptionGroup var options: EngineOptions

  @Option(help: "binance, simulator, or http(s)://host:port of a compatible venue.")
  var venue: String?

  @Option(
    name: .customLong("set"),
    help: "A setting for this run, such as --set desk.openPositionsMax=5; may be repeated.")
  var overrides: [String] = []

  @Option(name: .customLong("for"), help: "End by itself after this time, such as 60s, 15m, 2h.")
  var duration: String?

  @Flag(help: "Needed, beside keys and mode live, to trade with the account's own money.")
  var confirmLive = false

  @Flag(help: "Log lines instead of the table, also on a terminal.")
  var noTable = false

  func run() async throws {
    do {
      try await trade()
    } catch let error as ExitCode {
      throw error
    } catch let error as ValidationError {
      throw error
    } catch {
      throw fail("\(error)")
    }
  }

  private func trade() async throws {
    let environment = ProcessInfo.processInfo.environment
    let settings = try Settings.load(
      Settings.Sources(flags: try flags(), environment: environment, file: options.settingsFile))
    let credentials = try Credentials(environment: environment)
    let problems = settings.problemsOfLiveMode(credentials: credentials, isConfirmed: confirmLive)
    if !problems.isEmpty { throw SettingsError(problems) }
    let choice = OrchestratorProcess.Options(
      durationSeconds: try duration.map(Self.seconds), showsTable: !noTable && isatty(STDOUT_FILENO) == 1,
      executable: CommandLine.executablePath)
    print(try await OrchestratorProcess(settings: settings, credentials: credentials, options: choice).run())
  }

  private func flags() throws -> [String: String] {
    var flags: [String: String] = [:]
    if let directory = options.dataDirectory { flags["dataDirectory"] = directory }
    if let venue { flags["venue"] = venue }
    for text in overrides {
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, !parts[0].isEmpty else {
        throw ValidationError("--set: \"\(text)\" is not KEY=VALUE, such as desk.openPositionsMax=5")
      }
      flags[String(parts[0])] = String(parts[1])
    }
    return flags
  }

  static func seconds(_ text: String) throws -> Double {
    let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
    guard let last = text.last, let unit = units[last], let number = Double(text.dropLast()), number > 0,
      number * unit <= 366 * 86_400
    else {
      throw ValidationError("--for: \"\(text)\" is not a time; use a number and s, m, h or d, such as 60s")
    }
    return number * unit
  }
}
