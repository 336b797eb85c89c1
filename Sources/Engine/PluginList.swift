import Foundation
public import PluginHost

/// What `aegis plugins list` prints.
public enum PluginList {
  /// - Parameter directory: the folder; nil takes the settings' one.
  /// - Returns: a table for people, or an array of objects.
  /// - Throws: `PluginError` when the folder cannot be read.
  public static func text(_ settings: Settings, directory: String?, json: Bool) throws(PluginError) -> String
  {
    let folder = directory ?? settings.plugins.directory ?? Settings.bundledPluginDirectory
    let reports = try PluginScan.folder(folder, host: Settings.pluginHostPath)
    if json { return "[" + reports.map(\.json).joined(separator: ",\n ") + "]" }
    guard !reports.isEmpty else { return "no plugins in \(folder)" }
    var rows = [["ID", "VERSION", "KIND", "ABI", "LANG", "STATE", "FILE"]]
    for report in reports {
      let name = URL(filePath: report.file).lastPathComponent
      rows.append(
        [report.id, report.version, report.kind, report.abi, report.language, report.state.rawValue, name].map
        {
          $0.isEmpty ? "-" : $0
        })
      if !report.reason.isEmpty { rows.append(["  \(report.reason)"]) }
    }
    var widths = [Int](repeating: 0, count: rows[0].count)
    for row in rows where row.count == widths.count {
      for (column, cell) in row.enumerated() { widths[column] = max(widths[column], cell.count) }
    }
    let lines = rows.map { row -> String in
      guard row.count == widths.count else { return row[0] }
      return zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count + 2) }.joined()
        .trimmingCharacters(in: .whitespaces)
    }
    let active = reports.filter { $0.state == .ok }.count
    return (lines + ["\(reports.count) files, \(active) usable"]).joined(separator: "\n")
  }
}
