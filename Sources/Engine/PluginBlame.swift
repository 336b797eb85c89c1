import Glibc
import Logging
import PluginHost
import SharedMemory

/// Finds out whose call a Brain died in, and quarantines it: the Brain that starts next leaves it out, or takes the version
/// that worked before.
struct PluginBlame {
  let settings: Settings
  let directory: DataDirectory
  let regions: SharedRegions
  let logger: Logger

  /// Looks at what the dead Brain left. Killed from outside, nobody is to blame.
  func look(_ ending: Supervisor.Ending) {
    if ending.signal == SIGKILL, !ending.wasHung { return }
    let seat: Int
    do throws(MapError) {
      seat = Int(
        try CounterReader(path: regions.counters).value(
          lane: ProcessLane.brain.rawValue, counter: BrainCounter.pluginCall.rawValue))
    } catch {
      return logger.warning("the counters of the dead Brain cannot be read", metadata: ["error": "\(error)"])
    }
    let plugins = PluginsAtWork(in: directory.plugins).plugins
    guard seat > 0, plugins.indices.contains(seat - 1) else { return }
    let plugin = plugins[seat - 1]
    let reason =
      ending.wasHung
      ? "did not return, and the engine's process was ended for it"
      : "the engine's process ended in it (\(ending.text))"
    do throws(StoreFileError) {
      let record = try PluginPolicy.quarantine(
        PluginTrust.quarantinePath(settings), sha256: plugin.sha256, id: plugin.id, file: plugin.path,
        reason: reason, phase: .process)
      logger.error(
        "plugin quarantined",
        metadata: ["plugin": "\(plugin.id)", "reason": "\(record.words(seconds: PluginPolicy.seconds))"])
    } catch {
      logger.error(
        "the quarantine cannot be written", metadata: ["plugin": "\(plugin.id)", "error": "\(error)"])
    }
  }
}
