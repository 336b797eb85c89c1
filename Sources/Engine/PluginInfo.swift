import Foundation
import PluginHost

/// What `aegis plugins info` prints: everything of a plugin's descriptor, and what it does in a running engine.
public enum PluginInfo {
  private struct Answer: Encodable {
    var plugin: PluginPortrait
    var runtime: PluginRuntime?
  }

  /// - Parameter word: a path, a name in the plugin folder, or a plugin's id.
  /// - Throws: `PluginCommandError`, `PluginError`.
  public static func report(
    _ settings: Settings, _ word: String, directory: String? = nil, json: Bool
  ) async throws -> PluginReport {
    let places = PluginPlaces(settings, directory: directory)
    let (file, id) = try places.find(word)
    let (portraits, refusal) = try PluginPortrait.read(file, host: PluginPlaces.host)
    if let refusal { throw PluginCommandError.unusable(refusal.reason) }
    let runtimes = await places.runtimes() ?? []
    let answers = portraits.filter { id == nil || $0.id == id }.map { portrait in
      Answer(
        plugin: portrait, runtime: runtimes.first { $0.id == portrait.id && $0.sha256 == portrait.sha256 })
    }
    if json { return PluginReport(text: try PluginReport.json(answers)) }
    return PluginReport(text: answers.map { text($0.plugin, $0.runtime) }.joined(separator: "\n\n"))
  }

  private static func text(_ plugin: PluginPortrait, _ runtime: PluginRuntime?) -> String {
    let maker = [plugin.vendor, plugin.license].filter { !$0.isEmpty }.joined(separator: ", ")
    var lines = [
      "\(plugin.id) \(plugin.version)" + (maker.isEmpty ? "" : "  (\(maker))") + "   sha256 \(plugin.sha256)",
      "built with \(plugin.toolchain.isEmpty ? "an unnamed compiler" : plugin.toolchain), abi \(plugin.abi), host abi \(plugin.hostABI)   \(plugin.file)",
    ]
    if !plugin.name.isEmpty || !plugin.summary.isEmpty {
      lines.append([plugin.name, plugin.summary].filter { !$0.isEmpty }.joined(separator: ": "))
    }
    lines += block("kind", ["\(plugin.kind), at most \(plugin.signalsPerEventMax) signal(s) an event"])
    lines += block(
      "capabilities", [plugin.capabilities.isEmpty ? "none" : plugin.capabilities.joined(separator: " ")])
    lines += block(
      "parameters",
      columns(
        plugin.parameters.map { parameter in
          let flags = parameter.flags.isEmpty ? "" : "  (\(parameter.flags.joined(separator: ", ")))"
          let unit = parameter.unit.isEmpty ? "" : " \(parameter.unit)"
          return [
            parameter.name, parameter.type, parameter.defaultValue, parameter.range + unit,
            parameter.help + flags,
          ]
        }))
    lines += block(
      "subscribes",
      plugin.subscriptions.map { wish in
        wish.kind + (wish.warmupBars == "0" ? "" : ", \(wish.warmupBars) to warm up")
          + (wish.intervalMilliseconds == "0" ? "" : ", at most one in \(wish.intervalMilliseconds) ms")
      })
    lines += block(
      "features",
      columns(plugin.features.map { [$0.name, $0.unit, $0.range, "missing: \($0.missing)", $0.help] }))
    if plugin.stateVersion != "0" {
      lines += block(
        "state", ["version \(plugin.stateVersion) (reads \(plugin.stateOldest)…\(plugin.stateVersion))"])
    }
    lines += block("extensions", [plugin.extensions.joined(separator: " ")].filter { !$0.isEmpty })
    lines += block(
      "functions",
      columns(
        plugin.functions.map {
          ["\($0.name): \($0.signature)", $0.flags.joined(separator: " "), $0.help]
        }))
    if let runtime { lines += block("runtime", Self.lines(runtime)) }
    return lines.map { LiveTable.plain($0) }.joined(separator: "\n")
  }

  private static func lines(_ runtime: PluginRuntime) -> [String] {
    let counters = runtime.counters
    let refused = counters.refused.keys.sorted().filter { counters.refused[$0] != 0 }
      .map { "\(counters.refused[$0] ?? 0) × \($0)" }
    var lines = [
      "\(runtime.state) (\(runtime.placement), generation \(runtime.generation)) for \(Age.text(sinceNanoseconds: runtime.sinceNanoseconds))"
        + (runtime.reason.isEmpty ? "" : ": \(runtime.reason)"),
      "\(counters.events) events, \(counters.signals) signals, refused: \(refused.isEmpty ? "none" : refused.joined(separator: ", "))",
    ]
    if let p50 = counters.processP50Nanoseconds, let p99 = counters.processP99Nanoseconds {
      lines.append("process p50 \(p50) ns, p99 \(p99) ns")
    }
    return lines
  }

  /// A heading of fourteen columns and its lines.
  private static func block(_ heading: String, _ lines: [String]) -> [String] {
    lines.enumerated().map { index, line in
      (index == 0 ? heading : "").padding(toLength: 14, withPad: " ", startingAt: 0) + line
    }
  }

  private static func columns(_ rows: [[String]]) -> [String] {
    guard let first = rows.first else { return [] }
    var widths = [Int](repeating: 0, count: first.count)
    for row in rows {
      for (column, cell) in row.enumerated() { widths[column] = max(widths[column], cell.count) }
    }
    return rows.map { row in
      zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
        .trimmingCharacters(in: .whitespaces)
    }
  }
}
