import Foundation
import Glibc

@testable import Engine

/// Every template, scaffolded and built once per test run, in a folder outside the repository.
actor BuiltTemplates {
  static let shared = BuiltTemplates()

  struct Built: Sendable {
    let scaffold: PluginScaffold
    let report: PluginScaffold.Report
    var library: String { "\(report.directory)/\(report.library)" }
  }

  private var built: [PluginScaffoldLanguage: Built] = [:]

  // A folder that must outlive the tests: removed when the process ends.
  private static let folder: String? = {
    let path = try? Workbench(keepsFolder: true).folder
    atexit { if let path = BuiltTemplates.folder { try? FileManager.default.removeItem(atPath: path) } }
    return path
  }()

  /// - Throws: what scaffolding or building throws.
  func template(_ language: PluginScaffoldLanguage) async throws -> Built {
    if let known = built[language] { return known }
    guard let folder = Self.folder else { throw Workbench.Failure(description: "no folder for plugins") }
    let scaffold = try PluginScaffold(
      name: "first-\(language.rawValue)", language: language.rawValue, parent: folder, sdk: Workbench.sdk,
      executable: "\(Workbench.products)/aegis", builds: true, searchPath: Workbench.searchPath)
    var report = try scaffold.write()
    try await scaffold.build(&report)
    let result = Built(scaffold: scaffold, report: report)
    built[language] = result
    return result
  }
}
