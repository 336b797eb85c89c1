public import Market
import PluginABI

// An isolated plugin takes a seat like any other: its slot's functions are ours and hand events over to the other
// process. Its signals come back later, by `PluginSet.pollIsolated`.
extension PluginSlot {
  /// - Parameter plugin: ends with the slot.
  static func isolated(_ plugin: IsolatedPlugin, instrumentCount: Int) -> PluginSlot {
    let instance = UnsafeMutablePointer<aegis_instance>.allocate(capacity: 1)
    // Released by destroy.
    instance.initialize(to: aegis_instance(data: Unmanaged.passRetained(plugin).toOpaque()))
    var functions = aegis_strategy()
    functions.size = UInt32(MemoryLayout<aegis_strategy>.size)
    functions.destroy = { instance in
      guard let instance, let data = instance.pointee.data else { return }
      let plugin = Unmanaged<IsolatedPlugin>.fromOpaque(data).takeRetainedValue()
      plugin.end()
      instance.deallocate()
    }
    functions.process = { instance, batch in
      guard let data = instance?.pointee.data, let batch, let events = batch.pointee.events else {
        return AEGIS_E_INVALID
      }
      Unmanaged<IsolatedPlugin>.fromOpaque(data)._withUnsafeGuaranteedRef { plugin in
        _ = plugin.offer(
          events[0], now: Instant(nanoseconds: batch.pointee.now_ns),
          phase: EventPhase(rawValue: batch.pointee.flags))
      }
      return AEGIS_OK
    }
    var slot = make(functions, instance, plugin.descriptor, instrumentCount: instrumentCount)
    slot.isolated = UnsafeRawPointer(instance.pointee.data)
    return slot
  }

  /// A seat that hears and says nothing: of a plugin that may not run, or that ran elsewhere when its day was recorded.
  static func placeholder(_ descriptor: PluginDescriptor, instrumentCount: Int) -> PluginSlot {
    let instance = UnsafeMutablePointer<aegis_instance>.allocate(capacity: 1)
    instance.initialize(to: aegis_instance(data: nil))
    var functions = aegis_strategy()
    functions.size = UInt32(MemoryLayout<aegis_strategy>.size)
    functions.destroy = { $0?.deallocate() }
    functions.process = { _, _ in AEGIS_OK }
    return make(functions, instance, descriptor, instrumentCount: instrumentCount)
  }

  private static func make(
    _ functions: aegis_strategy, _ instance: UnsafeMutablePointer<aegis_instance>,
    _ descriptor: PluginDescriptor, instrumentCount: Int
  ) -> PluginSlot {
    let table = UnsafeMutablePointer<aegis_strategy>.allocate(capacity: 1)
    table.initialize(to: functions)
    var interest: EventInterest = []
    for wish in descriptor.subscriptions { interest.formUnion(EventInterest(wish.kind)) }
    let output = UnsafeMutablePointer<aegis_signal>.allocate(capacity: 1)
    output.initialize(to: aegis_signal())
    let batch = UnsafeMutablePointer<aegis_batch>.allocate(capacity: 1)
    batch.initialize(to: aegis_batch())
    batch.pointee.size = UInt32(MemoryLayout<aegis_batch>.size)
    batch.pointee.count = 1
    batch.pointee.out = output
    batch.pointee.out_capacity = 1
    return PluginSlot(
      processFunction: functions.process, table: UnsafePointer(table), instance: instance, interest: interest,
      capacity: 1, featureCount: 0, quoteIntervalNanoseconds: 0, lastQuoteNanoseconds: nil, batch: batch,
      output: output, features: nil, state: nil)
  }

  /// The isolated plugin behind the slot, valid while the slot lives; nil for one in this process.
  func withIsolated<Result>(_ body: (IsolatedPlugin) -> Result) -> Result? {
    guard let isolated else { return nil }
    return Unmanaged<IsolatedPlugin>.fromOpaque(isolated)._withUnsafeGuaranteedRef { body($0) }
  }
}

extension PluginSet {
  /// Takes in an isolated plugin that has just been started.   [control]
  ///
  /// - Returns: its seat.
  @discardableResult
  public mutating func add(_ plugin: IsolatedPlugin, instruments: [String]) -> Int {
    take(
      DetachedPlugin(
        slot: .isolated(plugin, instrumentCount: instruments.count), descriptor: plugin.descriptor),
      instrumentCount: instruments.count)
  }

  /// Keeps a seat for a plugin that does not run here.   [control]
  @discardableResult
  public mutating func addPlaceholder(_ descriptor: PluginDescriptor, instruments: [String]) -> Int {
    take(
      DetachedPlugin(
        slot: .placeholder(descriptor, instrumentCount: instruments.count), descriptor: descriptor),
      instrumentCount: instruments.count)
  }

  /// Collects what isolated plugins have said since the last call; what shadows say is dropped.   [decision-thread]
  ///
  /// - Parameter signals: room for 256.
  /// - Returns: how many were written; call again while it is not 0.
  public mutating func pollIsolated(into signals: UnsafeMutableBufferPointer<Signal>) -> Int {
    for seat in 0..<count {
      if let shadow = shadows[seat] {
        _ = shadow.slot.withIsolated {
          $0.poll(into: shadows.signals, plugin: UInt16(truncatingIfNeeded: seat))
        }
      }
      let found =
        slots[seat].withIsolated { $0.poll(into: signals, plugin: UInt16(truncatingIfNeeded: seat)) } ?? 0
      if found > 0 { return found }
    }
    return 0
  }

  /// Whether any instance runs in a process of its own.
  public var hasIsolated: Bool { isolatedCount > 0 }
}

extension DetachedPlugin {
  /// An isolated plugin that has just been started; ends with what it becomes a part of.
  public init(_ plugin: IsolatedPlugin, instrumentCount: Int) {
    self.init(slot: .isolated(plugin, instrumentCount: instrumentCount), descriptor: plugin.descriptor)
  }

  /// A stand-in for an instance that ran elsewhere.
  public init(placeholder descriptor: PluginDescriptor, instrumentCount: Int) {
    self.init(slot: .placeholder(descriptor, instrumentCount: instrumentCount), descriptor: descriptor)
  }
}

extension PluginDescriptor {
  /// What is known of a plugin that may not be loaded.
  public static func unloaded(id: String, version: String, file: String, sha256: String) -> PluginDescriptor {
    PluginDescriptor(
      id: id, name: id, vendor: "", version: version, summary: "", license: "", kind: .strategy,
      capabilities: [], parameters: [], subscriptions: [], features: [], signalsPerEventMax: 1,
      stateVersion: 0,
      stateOldest: 0, toolchain: "", abiMajor: 1, abiMinor: 0, file: file, sha256: sha256)
  }
}
