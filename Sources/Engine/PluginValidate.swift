import Foundation
import PluginHost

/// What `aegis plugins validate` prints: every check of a file, and whether it can be trusted.
public enum PluginValidate {
  private struct Answer: Encodable {
    struct Check: Encodable {
      var name: String
      var plugin: String
      var result: String
      var detail: String
    }

    var file: String
    var isTrustworthy: Bool
    var checks: [Check]
    var failed: [String]
    var childProcesses: Int
    var milliseconds: Int
    var seed: UInt64
  }

  /// - Parameters:
  ///   - word: a path, a name in the plugin folder, or a plugin's id.
  ///   - history: a candle file; nil makes one up.
  ///   - words: parameters as `name=value`.
  ///   - budgetMicroseconds: what one event may cost.
  ///   - timeoutSeconds: after this a check is given up.
  ///   - only: names of the checks to make; empty = all.
  ///   - isInProcess: no children, for a debugger.
  /// - Returns: exit code 0 when trustworthy, 1 when not.
  /// - Throws: `PluginCommandError`, `PluginError`, `CandleFile.Failure`.
  public static func report(
    _ settings: Settings, _ word: String, directory: String? = nil, history: String?,
    parameters words: [String],
    seed: UInt64, budgetMicroseconds: Double, timeoutSeconds: Int, only: [String], isInProcess: Bool,
    json: Bool
  ) throws -> PluginReport {
    var options = ValidationOptions()
    options.seed = seed
    options.budgetMicroseconds = budgetMicroseconds
    options.timeoutMilliseconds = timeoutSeconds * 1000
    options.isInProcess = isInProcess
    if let unknown = only.first(where: { !PluginValidation.names.contains($0) }) {
      throw PluginCommandError.usage(
        "--only \(unknown): there is no such check; there are \(PluginValidation.names.joined(separator: ", "))"
      )
    }
    options.only = Set(only)
    options.parameters = try PluginTraceRun.parameters(words)
    let (file, _) = try PluginPlaces(settings, directory: directory).find(word)
    let historyFile = try history.map { try PluginHistoryFile(candles: $0) }
    options.historyPath = historyFile?.path
    let report = try PluginValidation.run(path: file, host: PluginPlaces.host, options: options)
    _ = consume historyFile  // the children read it until here
    let exitCode: Int32 = report.isTrustworthy ? 0 : 1
    if json {
      let answer = Answer(
        file: file, isTrustworthy: report.isTrustworthy,
        checks: report.checks.map {
          Answer.Check(name: $0.name, plugin: $0.plugin, result: $0.result.rawValue, detail: $0.detail)
        },
        failed: report.checks.filter { $0.result == .failed }.map(\.name), childProcesses: report.childCount,
        milliseconds: report.milliseconds, seed: options.seed)
      return PluginReport(text: try PluginReport.json(answer), exitCode: exitCode)
    }
    return PluginReport(text: text(report), exitCode: exitCode)
  }

  private static func text(_ report: PluginValidationReport) -> String {
    let ids = Set(report.checks.map(\.plugin)).subtracting([""])
    var lines = report.checks.filter { $0.result != .skipped }.map { check in
      // Several plugins in one file: say which.
      let name = ids.count > 1 && !check.plugin.isEmpty ? "\(check.name) \(check.plugin)" : check.name
      return
        " \(word(check.result))  \(name.padding(toLength: max(16, name.count), withPad: " ", startingAt: 0)) "
        + LiveTable.plain(check.detail)
    }
    let skipped = report.checks.filter { $0.result == .skipped }
    if let first = skipped.first {
      lines.append(" -     \(skipped.count) checks not made: \(first.detail)")
    }
    let warnings = report.count(.warning)
    lines.append(
      "\(report.count(.ok)) ok, \(warnings) warning\(warnings == 1 ? "" : "s"), \(report.count(.failed)) failed"
        + "      (\(report.childCount) child processes, \(report.milliseconds) ms)")
    return lines.joined(separator: "\n")
  }

  private static func word(_ result: PluginCheck.Result) -> String {
    switch result {
    case .ok: "ok  "
    case .warning: "warn"
    case .failed: "FAIL"
    case .skipped: "-   "
    }
  }
}
