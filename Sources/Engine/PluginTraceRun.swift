import Foundation
import PluginHost

/// What `aegis plugins trace` prints: what a plugin says about a candle file, as CSV.
public enum PluginTraceRun {
  /// Which of the two tables is wanted.
  public enum Part: Sendable { case events, signals, both }

  private struct Answer: Encodable {
    var plugin: String
    var timeframe: String
    var bars: Int
    var events: [[String: String]]?
    var signals: [[String: String]]?
    var refused: String
  }

  /// - Parameters:
  ///   - word: a path, a name in the plugin folder, or a plugin's id.
  ///   - candles: a candle file of any interval.
  ///   - words: parameters as `name=value`.
  ///   - outputPrefix: writes `PREFIX.events.csv` and `PREFIX.signals.csv` instead of printing.
  /// - Throws: `PluginCommandError`, `PluginError`, `CandleFile.Failure`, `PluginTrace.Failure`.
  public static func report(
    _ settings: Settings, _ word: String, directory: String? = nil, id: String? = nil, candles: String,
    parameters words: [String], part: Part, outputPrefix: String?, seed: UInt64, json: Bool
  ) throws -> PluginReport {
    var options = ValidationOptions()
    options.seed = seed
    options.timeoutMilliseconds = 3_600_000  // years of minutes; ^C ends it sooner
    options.parameters = try parameters(words)
    let (file, found) = try PluginPlaces(settings, directory: directory).find(word)
    let history = try PluginHistoryFile(candles: candles)
    options.historyPath = history.path
    let summary = try PluginTrace.start(
      path: file, id: id ?? found, host: PluginPlaces.host, options: options,
      outputFolder: history.folder.path)
    let events = part == .signals ? nil : "\(history.folder.path)/\(PluginTrace.eventFile)"
    let signals = part == .events ? nil : "\(history.folder.path)/\(PluginTrace.signalFile)"
    var note =
      "\(summary.plugin): \(summary.barCount) bars as \(summary.timeframe), \(summary.annotationCount) events, \(summary.signalCount) signals"
    if !summary.refused.isEmpty { note += "; refused: \(summary.refused)" }
    if let outputPrefix {
      for (path, name) in [(events, "events"), (signals, "signals")] {
        if let path { try write(path, to: "\(outputPrefix).\(name).csv") }
      }
      return PluginReport(text: "", note: note)
    }
    let texts = try [events, signals].map { path in
      try path.map { String(decoding: try Data(contentsOf: URL(filePath: $0)), as: UTF8.self) }
    }
    if json {
      let answer = Answer(
        plugin: summary.plugin, timeframe: summary.timeframe, bars: summary.barCount,
        events: texts[0].map(rows), signals: texts[1].map(rows), refused: summary.refused)
      return PluginReport(text: try PluginReport.json(answer))
    }
    // Two tables are told apart by an empty line.
    let text = texts.compactMap { $0 }.joined(separator: "\n")
    return PluginReport(text: text.hasSuffix("\n") ? String(text.dropLast()) : text, note: note)
  }

  static func parameters(_ words: [String]) throws(PluginCommandError) -> [String: String] {
    var result: [String: String] = [:]
    for word in words {
      guard let mark = word.firstIndex(of: "="), mark != word.startIndex else {
        throw .usage("\"\(word)\": parameters are written name=value")
      }
      let name = String(word[..<mark])
      guard result.updateValue(String(word[word.index(after: mark)...]), forKey: name) == nil else {
        throw .usage("\(name) is given twice")
      }
    }
    return result
  }

  /// The rows of a CSV text without quotes in its cells, by column name.
  private static func rows(_ text: String) -> [[String: String]] {
    let lines = text.split(separator: "\n")
    guard let heading = lines.first else { return [] }
    let names = heading.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    return lines.dropFirst().map { line in
      let cells = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      return Dictionary(zip(names, cells).filter { !$1.isEmpty }) { first, _ in first }
    }
  }

  private static func write(_ source: String, to path: String) throws {
    do {
      try Data(contentsOf: URL(filePath: source)).write(to: URL(filePath: path), options: .atomic)
    } catch {
      throw PluginCommandError.unusable("\(path): cannot be written: \(error.localizedDescription)")
    }
  }
}
