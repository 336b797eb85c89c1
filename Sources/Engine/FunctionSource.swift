import Foundation
import Glibc
import PluginHost

/// Where the functions of a name come from: a plugin file, or a binding of a library that is no plugin.
enum FunctionSource: Equatable {
  case plugin(path: String)
  case binding(FunctionBinding)

  /// A path, a bound library's id, a library's name in the plugin folder, or a plugin's id there.
  ///
  /// - Throws: `.plugin(.unreadable)` when there is nothing of that name.
  static func find(_ name: String, settings: Settings) throws(FunctionError) -> FunctionSource {
    if name.hasSuffix(BindManifest.nameEnding) { return .binding(try BindManifest.read(name)) }
    if name.contains("/") { return .plugin(path: name) }
    let folder = settings.plugins.directory ?? Settings.bundledPluginDirectory
    let manifest = "\(folder)/\(name)\(BindManifest.nameEnding)"
    if access(manifest, F_OK) == 0 { return .binding(try BindManifest.read(manifest)) }
    // Files say `_` where ids say `-`.
    for candidate in [name, name.replacing("-", with: "_")] {
      let path = settings.pluginPath(candidate)
      if access(path, F_OK) == 0 { return .plugin(path: path) }
    }
    do throws(PluginError) {
      let reports = try PluginScan.folder(folder, host: PluginCall.hostPath)
      if let report = reports.first(where: { $0.id == name }) { return .plugin(path: report.file) }
    } catch {
      throw .plugin(error)
    }
    throw .plugin(
      .unreadable(
        file: name,
        reason: "neither a plugin nor a bound library in \(folder) (aegis plugins list shows them)"))
  }

  /// What it offers, looked at by a child. Of a file with several plugins those of the one with that id.
  func targets(named name: String) throws(FunctionError) -> [FunctionRequest.Target] {
    switch self {
    case .binding(let binding): return try FunctionRequest.targets(of: binding)
    case .plugin(let path):
      let all = try FunctionRequest.targets(of: path, host: PluginCall.hostPath)
      let own = all.filter { $0.library == name }
      return own.isEmpty ? all : own
    }
  }

  /// Maps it into this process.   [control]
  func load(cacheDirectory: String, keepsCopy: Bool) throws(FunctionError) -> FunctionLibrary {
    switch self {
    case .plugin(let path):
      try FunctionLibrary(path: path, cacheDirectory: cacheDirectory, keepsCopy: keepsCopy)
    case .binding(let binding):
      try FunctionLibrary(binding, cacheDirectory: cacheDirectory, keepsCopy: keepsCopy)
    }
  }
}
