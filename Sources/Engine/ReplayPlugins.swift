import Foundation
import PluginHost
import Storage
import Trading

/// The plugins a recorded run loaded while it went on, from the copies it kept.
struct ReplayPlugins {
  let loader: PluginLoader
  let directory: DataDirectory
  /// What the run started with, by seat: the parameters hold for every later version too.
  let plugins: [RunRecord.Plugin]
  /// Private folder for the copies that are mapped.
  let cache: String
  let symbols: [String]

  /// What a plugin that ran in a process of its own subscribes to, asked in a process of its own.
  static func descriptor(
    path: String, id: String, parameters: [String: String], symbols: [String], cache: String
  ) throws(PluginError) -> PluginDescriptor {
    let plugin = try IsolatedPlugin(
      path: path, cacheDirectory: cache, id: id, parameters: parameters, instruments: symbols,
      seed: BrainPlan.pluginSeed, host: Settings.pluginHostPath, hostName: "aegis",
      version: EngineVersion.text
    ) { _, _ in }
    defer { plugin.end() }
    return plugin.descriptor
  }

  /// - Throws: `PluginError` naming the copy when it is not there any more or was changed.
  func make(seat: Int, image: PluginImageID) throws(PluginError) -> DetachedPlugin {
    let path = directory.plugins.appending(path: "\(image.text).so").path
    guard plugins.indices.contains(seat) else {
      throw .limit(what: "plugins at work", found: seat + 1, max: plugins.count)
    }
    let plugin = plugins[seat]
    if plugin.isIsolated == true {
      return DetachedPlugin(
        placeholder: try Self.descriptor(
          path: path, id: plugin.id, parameters: plugin.parameters, symbols: symbols, cache: cache),
        instrumentCount: symbols.count)
    }
    let made = try loader.make(
      path: path, cacheDirectory: cache, keepsCopy: false, id: plugin.id, parameters: plugin.parameters,
      seed: BrainPlan.pluginSeed)
    guard made.descriptor.sha256 == image.text else {
      loader.end(made)
      throw .unreadable(file: path, reason: "is not the file the run used any more; restore it")
    }
    return made
  }
}
