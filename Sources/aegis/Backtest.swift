import ArgumentParser
import Engine
import Foundation
import Glibc

/// `aegis backtest`
struct BacktestCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backtest",
    abstract: "Run a plugin over candle files or recorded streams as fast as the machine goes.",
    discussion: """
      The loop, desk and exchange are those of a paper run; fees are charged, funding is not known. Candle files are
      CSV, plain or gzip-packed, with a header (open_time,open,high,low,close,volume) or the exchange's own kline
      dumps; several files are several instruments, named by the file name up to the first _ or -. Market orders fill at
      the bar's close, stops and targets at their level. A tape is played once, without a clock; orders fill at the
      quote. Two runs with the same inputs write the same journal.
      Exit codes: 0 done, 1 an input cannot be used.
      """)

  @Option(parsing: .upToNextOption, help: "Candle files, one per instrument, all of one timeframe.")
  var candles: [String] = []
  @Option(help: "Folder (or one file) of recorded raw streams.") var tape: String?
  @Option(help: "Library of the strategy: a path, or a name in the plugin directory.") var plugin: String
  @Option(name: .customLong("plugin-id"), help: "Which plugin of the library, when it holds several.")
  var pluginID: String?
  @Option(
    name: .customLong("param"), help: "A parameter of the plugin, such as --param fast=12; may be repeated.")
  var parameters: [String] = []
  @Option(
    name: .customLong("set"),
    help: "A setting for this run, such as --set desk.openPositionsMax=5; may be repeated.")
  var overrides: [String] = []
  @Option(name: .customLong("config"), help: "The settings file (default: aegis.yaml, when there is one).")
  var settingsFile: String?
  @Option(help: "Write every journal entry to this file.") var journal: String?
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    guard candles.isEmpty != (tape == nil) else {
      throw ValidationError("give either --candles FILE… or --tape DIR")
    }
    _ = try Self.pairs(overrides, option: "--set", example: "desk.openPositionsMax=5")
    _ = try Self.pairs(parameters, option: "--param", example: "fast=12")
  }

  func run() async throws {
    do {
      let sets = try Self.pairs(overrides, option: "--set", example: "desk.openPositionsMax=5")
      let settings = try Settings.load(
        Settings.Sources(
          flags: Dictionary(sets) { _, last in last }, environment: ProcessInfo.processInfo.environment,
          file: settingsFile))
      let choice = Settings.Plugins.Choice(
        path: plugin, id: pluginID,
        parameters: try Self.pairs(parameters, option: "--param", example: "fast=12").map {
          Settings.Plugins.Parameter(name: $0, value: $1)
        })
      let market = try tape.map { try BacktestMarket(tape: $0) } ?? BacktestMarket(candleFiles: candles)
      let report = try Backtest(settings: settings, plugin: choice, journalFile: journal)
        .run(market, progress: ProgressLine.make())
      ProgressLine.clear()
      print(json ? try report.json() : report.text)
    } catch {
      ProgressLine.clear()
      throw fail("\(error)")
    }
  }

  private static func pairs(_ texts: [String], option: String, example: String) throws -> [(String, String)] {
    try texts.map { text in
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, !parts[0].isEmpty else {
        throw ValidationError("\(option): \"\(text)\" is not KEY=VALUE, such as \(example)")
      }
      return (String(parts[0]), String(parts[1]))
    }
  }
}

/// One line on standard error that is written over and over; nothing when that is no terminal.
private enum ProgressLine {
  /// Seconds of work before a line appears.
  private static let quietSeconds = 0.5

  static func make() -> ((BacktestProgress) -> Void)? {
    guard isatty(STDERR_FILENO) == 1 else { return nil }
    return { progress in
      guard progress.elapsedSeconds > quietSeconds else { return }
      write("\r\u{1B}[K\(progress.text)")
    }
  }

  static func clear() {
    if isatty(STDERR_FILENO) == 1 { write("\r\u{1B}[K") }
  }

  private static func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
