import Foundation
import Glibc
import PluginHost
import Subprocess
import SystemPackage

/// Loads the plugins of the settings once, in a child process, before anything is started or written: what cannot be
/// used ends the command with one line instead of a Brain that dies again and again.
public enum PluginPreflight {
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// A healthy plugin loads within milliseconds.
  private static let patienceSeconds: UInt32 = 20

  /// The child's half: prints what is wrong and says so with its exit code.
  ///
  /// - Parameter settingsFile: as `run` wrote it.
  public static func check(settingsFile: String) throws {
    alarm(patienceSeconds)  // a plugin that hangs ends this child, not the start
    let settings = try Settings.load(Settings.Sources(file: settingsFile, defaultFile: nil))
    let folder = URL(filePath: settingsFile).deletingLastPathComponent().appending(path: "plugins")
    var plugins = PluginSet(hostName: "aegis", version: EngineVersion.text)
    for choice in settings.plugins.load {
      try plugins.load(
        path: settings.pluginPath(choice.path), cacheDirectory: folder.path, id: choice.id,
        parameters: Dictionary(choice.parameters.map { ($0.name, $0.value) }) { _, last in last },
        instruments: ["BTCUSDT"], seed: 1)
    }
    _ = try EntryFilter.load(settings, cacheDirectory: folder.path, instrumentCount: 1)
  }

  /// - Throws: the child's own line about the plugin, or that it crashed the child.
  static func run(_ settings: Settings, executable: String) async throws {
    guard !settings.plugins.load.isEmpty || settings.plugins.entryFilter != nil else { return }
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "aegis-preflight-\(UUID().uuidString)")
    try FileManager.default.createDirectory(
      at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    defer {
      do {
        try FileManager.default.removeItem(at: folder)
      } catch {
        // Only the private copies are left behind, where temporary files are cleaned anyway.
      }
    }
    var copy = settings
    copy.plugins.directory = copy.plugins.directory ?? Settings.bundledPluginDirectory
    let file = folder.appending(path: "settings.json")
    try Data(SettingsRendering.json(copy).utf8).write(to: file)
    let result = try await Subprocess.run(
      .path(FilePath(executable)), arguments: ["brain", "--check-plugins", file.path],
      environment: .inherit.updating([
        Environment.Key(stringLiteral: Credentials.keyName): String?.none,
        Environment.Key(stringLiteral: Credentials.secretName): String?.none,
      ]), input: .none, output: .discarded, error: .string(limit: 1 << 16))
    switch result.terminationStatus {
    case .exited(0): return
    case .exited:
      let said = result.standardError.trimmingCharacters(in: .whitespacesAndNewlines)
      throw Failure(description: said.isEmpty ? "plugins.load: cannot be loaded, and nothing says why" : said)
    default:
      let names = settings.plugins.load.map { settings.pluginPath($0.path) }.joined(separator: ", ")
      throw Failure(
        description:
          "plugins.load: loading \(names) crashed or hung (\(result.terminationStatus)); take the broken one out"
      )
    }
  }
}
