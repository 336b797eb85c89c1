import Foundation
import Glibc

/// A new plugin: a folder with a strategy that runs, its test, its build files and its own copy of the SDK.
public struct PluginScaffold: Sendable {
  public typealias Language = PluginScaffoldLanguage

  /// What was made and what came of it; the keys of `--json`.
  public struct Report: Encodable, Sendable {
    public struct Check: Codable, Sendable {
      public var check: String
      public var result: String
      public var detail: String
    }

    public var id: String
    public var language: String
    public var directory: String
    public var sdkVersion: String
    public var abiVersion: String
    /// Files, relative to `directory`, without those of the SDK's copy.
    public var files: [String]
    /// The built plugin, relative to `directory`.
    public var library: String
    public var isBuilt = false
    /// nil when it was not validated.
    public var isValid: Bool?
    public var checks: [Check] = []
  }

  let names: PluginScaffoldNames
  let language: Language
  let sdk: PluginScaffoldSDK
  let directory: URL
  let host: String

  /// Checks all that can be checked before anything is written.
  ///
  /// - Parameters:
  ///   - parent: the folder to make the plugin's folder in.
  ///   - sdk: the SDK's folder; nil looks beside `executable`.
  ///   - executable: this program's own file; `aegis-plugin-host` lies beside it.
  ///   - builds: whether the language's tools are needed.
  public init(
    name: String, language: String, parent: String, sdk: String?,
    executable: String = CommandLine.executablePath,
    builds: Bool, searchPath: String
  ) throws(PluginScaffoldError) {
    names = try PluginScaffoldNames(name)
    guard let found = Language(rawValue: language) else { throw .language(language) }
    self.language = found
    self.sdk = try PluginScaffoldSDK(path: sdk, executable: executable)
    if builds, let tool = found.missingTool(searchPath: searchPath) {
      throw .toolMissing(language: language, tool: tool.name, hint: tool.hint)
    }
    let folder = URL(filePath: parent, directoryHint: .isDirectory).standardizedFileURL.appending(path: name)
    guard access(folder.path, F_OK) != 0 else { throw .exists(path: folder.path) }
    directory = folder
    host = URL(filePath: executable).deletingLastPathComponent().appending(path: "aegis-plugin-host").path
  }

  public var library: String { "build/lib\(names.snake).so" }

  // MARK: Files

  /// Parts of the SDK that every language takes.
  private static let sharedParts = ["VERSION", "LICENSE", "README.md", "exports.map", "include"]
  /// What building leaves in a source tree.
  private static let skipped: Set<String> = ["target", ".build", "Cargo.lock", ".gitignore"]

  /// Writes the folder. On an error what was written stays, so that it can be looked at.
  public func write() throws(PluginScaffoldError) -> Report {
    let templates = sdk.folder.appending(path: "templates")
    var files: [String] = []
    try copy(templates.appending(path: language.rawValue), to: directory, renaming: true, into: &files)
    try copy(templates.appending(path: "common"), to: directory, renaming: true, into: &files)
    var parts: [String] = []
    for part in Self.sharedParts + language.sdkParts {
      let target = directory.appending(path: "sdk/\(part)")
      try copy(sdk.folder.appending(path: part), to: target, renaming: false, into: &parts)
    }
    return Report(
      id: names.id, language: language.rawValue, directory: directory.path, sdkVersion: sdk.version,
      abiVersion: sdk.abi, files: files.sorted(), library: library)
  }

  /// Copies a file or a folder with all in it. Nobody but its owner may write to the result: the engine loads
  /// nothing from files and folders that others can change.
  private func copy(
    _ source: URL, to target: URL, renaming: Bool, into files: inout [String]
  ) throws(PluginScaffoldError) {
    do {
      let manager = FileManager.default
      var isFolder: ObjCBool = false
      guard manager.fileExists(atPath: source.path, isDirectory: &isFolder) else {
        throw PluginScaffoldError.sdkDamaged(
          path: sdk.folder.path, reason: "lacks \(source.lastPathComponent)")
      }
      guard isFolder.boolValue else {
        try manager.createDirectory(
          at: target.deletingLastPathComponent(), withIntermediateDirectories: true,
          attributes: [.posixPermissions: 0o755])
        var bytes = try Data(contentsOf: source)
        if renaming, let text = String(data: bytes, encoding: .utf8) { bytes = Data(renamed(text).utf8) }
        try bytes.write(to: target)
        try manager.setAttributes([.posixPermissions: 0o644], ofItemAtPath: target.path)
        files.append(String(target.path.dropFirst(directory.path.count + 1)))
        return
      }
      try manager.createDirectory(
        at: target, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
      for name in try manager.contentsOfDirectory(atPath: source.path) where !Self.skipped.contains(name) {
        // A template's own ignore file would hide the template's parts from the repository it lies in.
        let newName = renaming ? (name == "gitignore" ? ".gitignore" : renamed(name)) : name
        try copy(
          source.appending(path: name), to: target.appending(path: newName), renaming: renaming, into: &files)
      }
    } catch let error as PluginScaffoldError {
      throw error
    } catch {
      throw .unwritable(path: target.path, reason: "\(error.localizedDescription)")
    }
  }

  /// The template's names and places replaced by this plugin's.
  private func renamed(_ text: String) -> String {
    // In a Makefile `#` begins a comment and `$` a variable.
    let makeHost = host.replacing("#", with: "\\#").replacing("$", with: "$$")
    return
      text
      .replacing("template-strategy", with: names.id)
      .replacing("template_strategy", with: names.snake)
      .replacing("TemplateStrategy", with: names.type)
      .replacing("AEGIS_PLUGIN_HOST ?= aegis-plugin-host", with: "AEGIS_PLUGIN_HOST ?= \(makeHost)")
      .replacing("AEGIS_PLUGIN_HOST \"aegis-plugin-host\"", with: "AEGIS_PLUGIN_HOST \"\(host)\"")
      .replacing("@SOURCE@", with: language.source(names))
      .replacing("@SDK_VERSION@", with: sdk.version)
      .replacing("@ABI_VERSION@", with: sdk.abi)
      .replacing("@AEGIS_VERSION@", with: EngineVersion.text)
  }
}
