import PluginABI

/// A trading strategy as its author writes it. A class, because an instance keeps state between events.
///
/// The whole of a plugin besides its class:
/// ```swift
/// nonisolated(unsafe) private let table = export(MyStrategy.self)
/// @c @implementation public func aegis_plugin_v1() -> UnsafePointer<aegis_entry>? { table }
/// ```
/// Rules: no mutable globals (two instances run at the same time); time only from events and `Events.now`; chance only
/// from `Config.seed`; no type looked up by name. A trap ends the process that hosts the plugin.
public protocol Strategy: AnyObject, Plugin {
  /// Promises the validator tests; `.deterministic` by default.
  static var capabilities: Capabilities { get }
  static var parameters: [Parameter] { get }
  /// What an instance with default parameters wants to see.
  static var subscriptions: [Subscription] { get }
  /// Columns of the rows that travel with signals; none by default.
  static var features: [Feature] { get }
  /// Most signals one event can cause, 1…256; 1 by default.
  static var signalsPerEventMax: Int { get }
  /// What `save` writes; 0 (the default) = no state to carry over a reload.
  static var stateVersion: UInt32 { get }
  /// The oldest state `load` reads.
  static var stateOldest: UInt32 { get }

  /// Makes an instance from checked parameters. Throw `PluginFailure` with one line for the operator.   [control]
  init(_ config: Config) throws

  /// What this instance wants; the type's list by default. Asked once, after `init`.   [control]
  var subscriptions: [Subscription] { get }

  /// Consumes events and emits signals. No blocking and no I/O; events and writer end with the call.   [strategy]
  func process(_ events: Events, _ out: SignalWriter)

  /// Writes all that later signals depend on.   [strategy]
  func save(_ state: inout StateWriter)

  /// Restores what `save` wrote; on a throw the instance is discarded. `version` is in `stateOldest...stateVersion`.
  /// [strategy]
  func load(_ state: inout StateReader, version: UInt32) throws
}

extension Strategy {
  public static var functions: [TypedFunction] { [] }
  public static var capabilities: Capabilities { .deterministic }
  public static var parameters: [Parameter] { [] }
  public static var features: [Feature] { [] }
  public static var signalsPerEventMax: Int { 1 }
  public static var stateVersion: UInt32 { 0 }
  public static var stateOldest: UInt32 { stateVersion }
  public var subscriptions: [Subscription] { Self.subscriptions }
  public func save(_ state: inout StateWriter) {}
  public func load(_ state: inout StateReader, version: UInt32) throws {
    throw PluginFailure("this plugin keeps no state", code: AEGIS_E_UNSUPPORTED)
  }
}

/// `AEGIS_CAP_*`.
public struct Capabilities: OptionSet, Sendable {
  public var rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  public static let deterministic = Capabilities(rawValue: AEGIS_CAP_DETERMINISTIC)
  public static let stateful = Capabilities(rawValue: AEGIS_CAP_STATEFUL)
  public static let needsBars = Capabilities(rawValue: AEGIS_CAP_NEEDS_BARS)
  public static let needsQuotes = Capabilities(rawValue: AEGIS_CAP_NEEDS_QUOTES)
  public static let needsTrades = Capabilities(rawValue: AEGIS_CAP_NEEDS_TRADES)
  public static let needsOutcomes = Capabilities(rawValue: AEGIS_CAP_NEEDS_OUTCOMES)
  public static let realtimeSafe = Capabilities(rawValue: AEGIS_CAP_RT_SAFE)
  public static let threads = Capabilities(rawValue: AEGIS_CAP_THREADS)
  public static let network = Capabilities(rawValue: AEGIS_CAP_NETWORK)
  public static let files = Capabilities(rawValue: AEGIS_CAP_FILES)
  public static let gpu = Capabilities(rawValue: AEGIS_CAP_GPU)
}
