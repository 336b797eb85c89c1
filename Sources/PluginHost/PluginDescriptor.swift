public import Market
import PluginABI

/// What a loaded plugin says about itself, copied out of its tables and checked.
public struct PluginDescriptor: Sendable, Hashable {
  public enum Kind: UInt32, Sendable { case strategy = 1, model = 2, functions = 3 }

  public var id: String
  public var name: String
  public var vendor: String
  public var version: String
  public var summary: String
  public var license: String
  public var kind: Kind
  public var capabilities: PluginCapabilities
  public var parameters: [PluginParameter]
  /// What the instance wants; before creation, what an instance with default parameters would want.
  public var subscriptions: [PluginSubscription]
  public var features: [PluginFeature]
  /// Most signals one event can cause, 1…256.
  public var signalsPerEventMax: Int
  /// What saving writes and the oldest version loading accepts; 0 without state.
  public var stateVersion: UInt32
  public var stateOldest: UInt32
  /// Compiler and version as the plugin states them, such as `gcc-12.2`.
  public var toolchain: String
  public var abiMajor: UInt16
  public var abiMinor: UInt16
  /// The file it came from and its content.
  public var file: String
  public var sha256: String
}

/// The promises of a plugin: `AEGIS_CAP_*`.
public struct PluginCapabilities: OptionSet, Sendable, Hashable {
  public var rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  public static let deterministic = PluginCapabilities(rawValue: AEGIS_CAP_DETERMINISTIC)
  public static let stateful = PluginCapabilities(rawValue: AEGIS_CAP_STATEFUL)
  public static let needsBars = PluginCapabilities(rawValue: AEGIS_CAP_NEEDS_BARS)
  public static let needsQuotes = PluginCapabilities(rawValue: AEGIS_CAP_NEEDS_QUOTES)
  public static let needsTrades = PluginCapabilities(rawValue: AEGIS_CAP_NEEDS_TRADES)
  public static let needsOutcomes = PluginCapabilities(rawValue: AEGIS_CAP_NEEDS_OUTCOMES)
  public static let realtimeSafe = PluginCapabilities(rawValue: AEGIS_CAP_RT_SAFE)
  public static let threads = PluginCapabilities(rawValue: AEGIS_CAP_THREADS)
  public static let network = PluginCapabilities(rawValue: AEGIS_CAP_NETWORK)
  public static let files = PluginCapabilities(rawValue: AEGIS_CAP_FILES)
  public static let gpu = PluginCapabilities(rawValue: AEGIS_CAP_GPU)
  public static let unloadable = PluginCapabilities(rawValue: AEGIS_CAP_UNLOADABLE)
}

/// One wish for events.
public struct PluginSubscription: Sendable, Hashable {
  public enum Kind: Sendable, Hashable {
    case bars(Timeframe)
    case quotes
    case trades
    case marks
    case gaps
  }

  public var kind: Kind
  /// How many closed bars per instrument it wants to see before the first live event.
  public var warmupBarCount: Int
  /// At most one quote per instrument in this time; 0 = every one.
  public var conflationMilliseconds: Int
}

/// One parameter of a plugin's schema.
public struct PluginParameter: Sendable, Hashable {
  public enum Value: Sendable, Hashable {
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case text(String)
    /// Index into the choices.
    case choice(Int)
  }

  public var id: UInt32
  public var name: String
  public var unit: String
  public var help: String
  public var defaultValue: Value
  /// Inclusive; nil = any.
  public var range: ClosedRange<Double>?
  public var choices: [String]
  public var isRuntime: Bool
  public var isAdvanced: Bool
  public var isSecret: Bool
  /// A number that may be `nan`, meaning "not given".
  public var isOptional: Bool
}

/// One column of the feature rows that travel with signals.
public struct PluginFeature: Sendable, Hashable {
  public enum Missing: UInt32, Sendable { case never = 0, zero = 1, native = 2, drop = 3 }

  public var name: String
  public var unit: String
  public var help: String
  public var missing: Missing
  public var range: ClosedRange<Double>?
}
