import Foundation
import Logging
import PluginHost
import Storage

/// Which plugins may run, and where: trust and quarantine of one data directory, as read when a Brain starts.
struct PluginPolicy {
  let settings: Settings
  let trust: TrustStore
  let quarantine: QuarantineStore
  let logger: Logger

  /// Also takes in what the loads of a Brain that died have left behind.
  init(_ settings: Settings, folder: URL, logger: Logger) throws(StoreFileError) {
    self.settings = settings
    self.logger = logger
    trust = try PluginTrust.load(settings)
    let path = PluginTrust.quarantinePath(settings)
    for sha256 in LoadSentinel.takeLeftovers(in: folder.path) {
      _ = try Self.quarantine(
        path, sha256: sha256, id: "", file: "", reason: "the engine died while it was being loaded",
        phase: .load)
    }
    quarantine = try QuarantineStore.load(path: path)
  }

  static var seconds: Int64 { Clock.wallNanoseconds() / 1_000_000_000 }

  @discardableResult
  static func quarantine(
    _ path: String, sha256: String, id: String, file: String, reason: String, phase: PluginPhase
  ) throws(StoreFileError) -> QuarantineStore.Record {
    try QuarantineStore.update(path: path) { store in
      store.add(sha256: sha256, id: id, file: file, reason: reason, phase: phase, seconds: seconds)
    }
  }

  /// - Returns: why this content may not run now; nil when it may.
  func objection(to sha256: String) -> String? {
    guard case .quarantined(let record) = quarantine.verdict(sha256: sha256, seconds: Self.seconds) else {
      return nil
    }
    return record.words(seconds: Self.seconds)
  }

  /// - Throws: `PluginError.unfit` when the setting asks for what trust does not allow.
  func placement(
    of choice: Settings.Plugins.Choice, file: String, sha256: String
  ) throws(PluginError) -> PluginPlacement {
    let name = choice.id ?? URL(filePath: file).lastPathComponent
    do throws(TrustRefusal) {
      return try trust.placement(
        sha256: sha256, id: name, file: settings.pluginPath(choice.path), isPaper: settings.mode != .live,
        setting: choice.placement ?? settings.plugins.placement)
    } catch {
      throw .unfit(plugin: name, reason: error.description)
    }
  }

  /// Starts a plugin in a process of its own.
  func startIsolated(
    path: String, id: String?, parameters: [String: String], instruments: [String], cacheDirectory: String
  ) throws(PluginError) -> IsolatedPlugin {
    let logger = logger
    return try IsolatedPlugin(
      path: path, cacheDirectory: cacheDirectory, keepsCopy: true, id: id, parameters: parameters,
      instruments: instruments, seed: BrainPlan.pluginSeed, host: Settings.pluginHostPath, hostName: "aegis",
      version: EngineVersion.text, sandbox: settings.plugins.sandbox
    ) { level, text in
      logger.log(level: level.loggerLevel, "\(text)", metadata: ["source": "plugin", "place": "isolated"])
    }
  }
}
