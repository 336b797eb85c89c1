import Foundation
import PluginHost
import Trading

/// The plugins a recorded run loaded while it went on, from the copies it kept.
struct ReplayPlugins {
  let loader: PluginLoader
  let directory: DataDirectory
  /// What the run started with, by seat: the parameters hold for every later version too.
  let plugins: [RunRecord.Plugin]
  /// Private folder for the copies that are mapped.
  let cache: String

  /// - Throws: `PluginError` naming the copy when it is not there any more or was changed.
  func make(seat: Int, image: PluginImageID) throws(PluginError) -> DetachedPlugin {
    let path = directory.plugins.appending(path: "\(image.text).so").path
    guard plugins.indices.contains(seat) else {
      throw .limit(what: "plugins at work", found: seat + 1, max: plugins.count)
    }
    let plugin = plugins[seat]
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
