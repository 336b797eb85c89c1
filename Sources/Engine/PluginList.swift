import Foundation
import PluginHost

/// What `aegis plugins list` prints: the files of a folder, joined with what a running engine does with them.
public enum PluginList {
  private struct Row: Encodable {
    var id: String
    var version: String
    var kind: String
    var abi: String
    var language: String
    var toolchain: String
    var placement: String
    var state: String
    var since: String
    var sinceNanoseconds: Int64?
    var file: String
    var sha256: String
    var reason: String
    var runtime: PluginRuntime?
  }

  private static let columns = ["ID", "VERSION", "KIND", "ABI", "LANG", "PLACE", "STATE", "SINCE", "FILE"]

  /// - Parameters:
  ///   - directory: the folder; nil takes the settings' one.
  ///   - fresh: looks at every file, whatever was remembered of it.
  ///   - runsCode: false tells only what stands in the files.
  /// - Returns: a table for people, or an object with the rows.
  /// - Throws: `PluginError` when the folder cannot be read.
  public static func report(
    _ settings: Settings, directory: String?, fresh: Bool = false, runsCode: Bool = true, json: Bool
  ) async throws -> PluginReport {
    let places = PluginPlaces(settings, directory: directory)
    let rows = rows(try places.reports(fresh: fresh, runsCode: runsCode), await places.runtimes() ?? [])
    if json { return PluginReport(text: try PluginReport.json(rows)) }
    guard !rows.isEmpty else { return PluginReport(text: "no plugins in \(places.folder)") }
    return PluginReport(text: text(rows))
  }

  /// The table for people: what files are, and what became of them in an engine.
  static func text(_ reports: [PluginScanReport], _ runtimes: [PluginRuntime]) -> String {
    text(rows(reports, runtimes))
  }

  private static func text(_ rows: [Row]) -> String {
    (table(rows) + [closing(rows)]).joined(separator: "\n")
  }

  private static func rows(_ reports: [PluginScanReport], _ runtimes: [PluginRuntime]) -> [Row] {
    var left = runtimes
    var rows = reports.map { report in
      let position = left.firstIndex { $0.id == report.id && $0.sha256 == report.sha256 }
      let runtime = position.map { left.remove(at: $0) }
      let name = URL(filePath: report.file).deletingPathExtension().lastPathComponent
      return Row(
        id: report.id.isEmpty ? name : report.id, version: report.version, kind: report.kind, abi: report.abi,
        language: language(report.language, report.toolchain), toolchain: report.toolchain,
        placement: runtime?.placement ?? "", state: runtime?.state ?? report.state.rawValue,
        since: runtime.map { Age.text(sinceNanoseconds: $0.sinceNanoseconds) } ?? "",
        sinceNanoseconds: runtime?.sinceNanoseconds, file: report.file, sha256: report.sha256,
        reason: runtime?.reason ?? report.reason, runtime: runtime)
    }
    // Loaded from elsewhere, or from a file that has changed since.
    for runtime in left {
      rows.append(
        Row(
          id: runtime.id, version: runtime.version, kind: "", abi: "", language: "", toolchain: "",
          placement: runtime.placement, state: runtime.state,
          since: Age.text(sinceNanoseconds: runtime.sinceNanoseconds),
          sinceNanoseconds: runtime.sinceNanoseconds,
          file: runtime.file ?? "", sha256: runtime.sha256, reason: runtime.reason, runtime: runtime))
    }
    return rows
  }

  /// The compiler where it decides about compatibility, else the language.
  private static func language(_ language: String, _ toolchain: String) -> String {
    (language == "swift" || language == "rust") && !toolchain.isEmpty ? toolchain : language
  }

  private static func table(_ rows: [Row]) -> [String] {
    var cells = [columns]
    for row in rows {
      cells.append(
        [
          row.id, row.version, row.kind, row.abi, row.language, row.placement, row.state, row.since,
          URL(filePath: row.file).lastPathComponent,
        ].map { $0.isEmpty ? "-" : LiveTable.plain($0) })
    }
    var widths = [Int](repeating: 0, count: columns.count)
    for row in cells {
      for (column, cell) in row.enumerated() { widths[column] = max(widths[column], cell.count) }
    }
    var lines: [String] = []
    for (index, row) in cells.enumerated() {
      lines.append(
        zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
          .trimmingCharacters(in: .whitespaces))
      if index > 0, !rows[index - 1].reason.isEmpty {
        lines.append("  " + LiveTable.plain(rows[index - 1].reason))
      }
    }
    return lines
  }

  private static func closing(_ rows: [Row]) -> String {
    let files = Set(rows.map(\.file)).count
    var order: [String] = []
    var counts: [String: Int] = [:]
    for row in rows {
      if counts[row.state] == nil { order.append(row.state) }
      counts[row.state, default: 0] += 1
    }
    // Good ones first, then in the order they appear.
    let states =
      ["active", "ok"].filter { counts[$0] != nil } + order.filter { $0 != "active" && $0 != "ok" }
    return (["\(files) file\(files == 1 ? "" : "s")"] + states.map { "\(counts[$0] ?? 0) \($0)" })
      .joined(separator: ", ")
  }
}
