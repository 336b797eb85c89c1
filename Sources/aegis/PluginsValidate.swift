import ArgumentParser
import Engine

extension Plugins {
  struct Validate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Find out whether a compiled plugin can be trusted.",
      discussion: """
        Each check runs in a process of its own: tables, parameters, a replay, batches of different sizes, two runs,
        histories cut short (look-ahead, reported with the bar), saved state, fuzzed events, time, memory, threads,
        promises, functions and what it does outside. The same seed gives the same answers.
        A strategy that never signals on the history is not passed: give it one with --history, or parameters.
          aegis plugins validate ./libmine.so --history BTCUSDT_5m.csv fast=12
        Exit codes: 0 trustworthy, 1 a check failed (named), 2 wrong usage, 3 no such file.
        """)

    @OptionGroup var options: EngineOptions

    @Argument(help: "A path, a library in the plugin folder, or a plugin's id.") var file: String
    @Argument(help: "Parameters of the plugin as name=value; the rest take their defaults.")
    var parameters: [String] = []
    @Option(help: "The folder plugins are looked up in; default: plugins.directory of the settings.")
    var directory: String?
    @Option(help: "Seed of the made-up market and the fuzzed events.") var seed: UInt64 = 1
    @Option(help: "A candle file (CSV, plain or gzip-packed) instead of the made-up market.") var history:
      String?
    @Option(name: .customLong("budget-us"), help: "What one event may cost, in microseconds.")
    var budgetMicroseconds: Double = 50
    @Option(help: "Seconds until one check is given up.") var timeout: Int = 60
    @Option(help: "Make only this check, and the load; may be repeated.") var only: [String] = []
    @Flag(help: "Run every check in this process, for a debugger.") var inProcess = false
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
      guard budgetMicroseconds > 0, budgetMicroseconds.isFinite else {
        throw fail("--budget-us \(budgetMicroseconds): give microseconds above 0", exitCode: 2)
      }
      guard (1...86_400).contains(timeout) else {
        throw fail("--timeout \(timeout): give 1 to 86400 seconds", exitCode: 2)
      }
    }

    func run() async throws {
      try await PluginReport.finish {
        try PluginValidate.report(
          options.settings(), file, directory: directory, history: history, parameters: parameters,
          seed: seed,
          budgetMicroseconds: budgetMicroseconds, timeoutSeconds: timeout, only: only, isInProcess: inProcess,
          json: json)
      }
    }
  }
}
