import Glibc
public import Market
import PluginABI

/// A created instance that no set calls: the form in which one changes threads.
///
/// Whoever holds it owns it, and either gives it to a set or ends it with its loader.
public struct DetachedPlugin: @unchecked Sendable {
  // Handed over whole: one side at a time touches its memory.
  let slot: PluginSlot
  public let descriptor: PluginDescriptor
}

/// Makes and ends instances for one `PluginSet` while the set is at work elsewhere.   [control]
///
/// Shares the set's host tables, so that the instances may move into it. Outlives the set's instances.
public final class PluginLoader: Sendable {
  private let services: HostServices
  private let instruments: [String]

  /// - Parameter instruments: symbols in table order, the same list the set was loaded with.
  public init(for set: borrowing PluginSet, instruments: [String]) {
    services = set.services
    self.instruments = instruments
  }

  /// Reads, checks, copies and maps a file and creates one instance of one of its plugins.
  ///
  /// Parameters and errors as in `PluginSet.load`.
  public func make(
    path: String, cacheDirectory: String?, keepsCopy: Bool, id: String?, parameters: [String: String],
    seed: UInt64, dataDirectory: String? = nil
  ) throws(PluginError) -> DetachedPlugin {
    try Self.make(
      PluginImage(path: path, cacheDirectory: cacheDirectory, keepsCopy: keepsCopy), id: id,
      parameters: parameters, instruments: instruments, seed: seed, dataDirectory: dataDirectory,
      services: services)
  }

  static func make(
    _ image: PluginImage, id: String?, parameters: [String: String], instruments: [String], seed: UInt64,
    dataDirectory: String?, services: HostServices
  ) throws(PluginError) -> DetachedPlugin {
    var chosen = try ChosenPlugin(image, id: id)
    let values = try chosen.descriptor.values(parameters)
    var slot: PluginSlot?
    try services.control { () throws(PluginError) in
      slot = try chosen.create(
        values: values, instruments: instruments, seed: seed, dataDirectory: dataDirectory,
        host: services.host)
    }
    guard let slot else { preconditionFailure("create returns a slot or throws") }
    return DetachedPlugin(slot: slot, descriptor: chosen.descriptor)
  }

  /// Tells the instance that live events follow.
  public func activate(_ plugin: DetachedPlugin, now: Instant) throws(PluginError) {
    try services.control { () throws(PluginError) in
      try plugin.slot.activate(now: now, id: plugin.descriptor.id)
    }
  }

  /// Deactivates and destroys the instance; its image stays mapped.
  public func end(_ plugin: DetachedPlugin) {
    services.control {
      plugin.slot.deactivate()
      plugin.slot.end()
    }
  }
}
