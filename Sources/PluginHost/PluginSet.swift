public import Market
import PluginABI

/// What the events of one `process` call are; see `AEGIS_BATCH_*`.
public struct EventPhase: OptionSet, Sendable, BitwiseCopyable, Hashable {
  public var rawValue: UInt64
  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Signals count. Also the phase of a backtest and of a recorded day that is decided again.
  public static let live = EventPhase(rawValue: 1)
  /// Events since a saved state repeat after a restart: signals are dropped without being counted.
  public static let replay = EventPhase(rawValue: 2)
  /// History before the first live event: a signal is refused and counted.
  public static let warmup = EventPhase(rawValue: 4)
  /// A new version runs beside the active one; set together with `live`.
  public static let shadow = EventPhase(rawValue: 8)
}

/// The plugins of one run, in load order, called with one event at a time.
///
/// Loading and ending are `[control]`; `process` is `[decision-thread]`. One owner, never two calls at once; the
/// thread may change between calls.
public struct PluginSet: ~Copyable, @unchecked Sendable {
  /// A bound for the per-plugin arrays and for `Signal.plugin`.
  public static let countMax = 64
  /// The most signals one event can cause in one plugin.
  public static let signalsPerPluginMax = PluginTables.signalsPerEventMax

  let services: HostServices
  let slots: UnsafeMutablePointer<PluginSlot>
  let event: UnsafeMutablePointer<aegis_event>
  /// What any active plugin or shadow wants.
  var interest: EventInterest = []
  private(set) var instrumentCount: UInt32 = 0
  var isolatedCount = 0
  /// New and former instances that run beside the active ones, by seat; see `PluginSet+Reload`.
  let shadows: PluginShadows
  /// Where the seat being called is written, from 1; 0 between calls.
  var callMark: UnsafeMutablePointer<UInt64>?
  /// The windows plugins read; nil before the first plugin.
  private var columns: UnsafeMutablePointer<CandleColumns>?
  /// What plugins in this process said they saw during the last call of `process`.
  public let annotations = AnnotationBuffer(capacity: 256)

  /// Closed candles a plugin can look back on, of each instrument and each timeframe any plugin subscribed to.
  static let candlesMax = 1024

  public private(set) var count = 0
  /// What is loaded, in load order; a signal's `plugin` is an index into it.
  public internal(set) var descriptors: [PluginDescriptor] = []
  /// The most signals one event can cause over all plugins: `process` needs room for as many.
  public internal(set) var signalsPerEventMax = 0

  /// - Parameter log: receives plugins' log lines, from any thread; at most 1,024 bytes each, without control bytes.
  public init(
    hostName: String, version: String,
    log: @escaping @Sendable (PluginLogLevel, String) -> Void = { _, _ in }
  ) {
    services = HostServices(name: hostName, version: version, log: log)
    slots = .allocate(capacity: Self.countMax)
    shadows = PluginShadows(countMax: Self.countMax)
    event = .allocate(capacity: 1)
    event.initialize(to: aegis_event())
  }

  deinit {
    columns?.deinitialize(count: 1)
    columns?.deallocate()
    shadows.end()
    for index in (0..<count).reversed() { slots[index].end() }
    slots.deallocate()
    event.deallocate()
  }

  /// Loads a file, checks it, and creates one instance of one of its plugins.   [control]
  ///
  /// - Parameters:
  ///   - cacheDirectory: private folder (0700, made if missing) for the copy that is mapped; nil maps the file
  ///     itself, which only a short-lived child process may do.
  ///   - keepsCopy: the copy stays in the cache as `<sha256>.so`, so that a run can be computed again with it.
  ///   - id: which plugin of the file; nil when it has only one.
  ///   - parameters: configuration texts by parameter name; the rest take their defaults.
  ///   - instruments: symbols in table order; the same list for every plugin of the set.
  ///   - seed: the only randomness the plugin gets.
  /// - Returns: the plugin's index in this set.
  /// - Throws: `PluginError`; the set is unchanged then.
  @discardableResult
  public mutating func load(
    path: String, cacheDirectory: String?, keepsCopy: Bool = false, id: String? = nil,
    parameters: [String: String] = [:], instruments: [String], seed: UInt64, dataDirectory: String? = nil
  ) throws(PluginError) -> Int {
    guard count < Self.countMax else { throw .limit(what: "plugins", found: count + 1, max: Self.countMax) }
    guard instruments.count <= InstrumentTable.countMax else {
      throw .limit(what: "instruments", found: instruments.count, max: InstrumentTable.countMax)
    }
    precondition(count == 0 || instruments.count == Int(instrumentCount), "one instrument table per set")
    prepare(instrumentCount: instruments.count)
    let made = try PluginLoader.make(
      PluginImage(path: path, cacheDirectory: cacheDirectory, keepsCopy: keepsCopy), id: id,
      parameters: parameters, instruments: instruments, seed: seed, dataDirectory: dataDirectory,
      services: services)
    guard !descriptors.contains(where: { $0.id == made.descriptor.id }) else {
      made.slot.end()
      throw .alreadyLoaded(file: path, id: made.descriptor.id)
    }
    return take(made, instrumentCount: instruments.count)
  }

  /// Gives an instance the next seat.
  mutating func take(_ made: DetachedPlugin, instrumentCount: Int) -> Int {
    prepare(instrumentCount: instrumentCount)
    prepareWindows(of: made.descriptor)
    made.slot.batch.pointee.events = UnsafePointer(event)
    self.instrumentCount = UInt32(instrumentCount)
    (slots + count).initialize(to: made.slot)
    interest.formUnion(made.slot.interest)
    if made.slot.isolated != nil { isolatedCount += 1 }
    signalsPerEventMax += Int(made.slot.capacity)
    descriptors.append(made.descriptor)
    count += 1
    return count - 1
  }

  /// Before the first plugin is made, because plugins ask for what the host offers when they are created.
  private mutating func prepare(instrumentCount: Int) {
    guard columns == nil else { return }
    let memory = UnsafeMutablePointer<CandleColumns>.allocate(capacity: 1)
    memory.initialize(to: CandleColumns(instrumentCount: instrumentCount, candlesMax: Self.candlesMax))
    columns = memory
    services.provideCandles(context: UnsafeMutableRawPointer(memory), CandleColumns.provider)
    services.provideAnnotations(into: annotations, instrumentCount: UInt32(instrumentCount))
    services.provideThreadCheck()
  }

  func prepareWindows(of descriptor: PluginDescriptor) {
    for wish in descriptor.subscriptions {
      if case .bars(let timeframe) = wish.kind { columns?.pointee.prepare(timeframe) }
    }
  }

  /// Names a place outside this process where the seat being called is written: what is found there when the process has
  /// died says whose call it died in.   [control]
  public mutating func setCallMark(_ mark: UnsafeMutablePointer<UInt64>) {
    mark.pointee = 0
    callMark = mark
  }

  // MARK: What they want

  public var wantsQuotes: Bool { interest.contains(.quotes) }
  public var wantsTrades: Bool { interest.contains(.trades) }
  public var wantsMarks: Bool { interest.contains(.marks) }
  public func wantsBars(_ timeframe: Timeframe) -> Bool { interest.contains(.bars(timeframe)) }

  /// The most closed bars any plugin wants to see before its first live event; 0 = none.
  public func warmupBarCount(_ timeframe: Timeframe) -> Int {
    var result = 0
    for descriptor in descriptors {
      for wish in descriptor.subscriptions where wish.kind == .bars(timeframe) {
        result = max(result, wish.warmupBarCount)
      }
    }
    return result
  }

  // MARK: Life

  /// Tells every plugin that live events follow.   [control]
  public mutating func activate(now: Instant) throws(PluginError) {
    for index in 0..<count { try slots[index].activate(now: now, id: descriptors[index].id) }
  }

  /// Tells every plugin that no events follow until the next `activate`.   [control]
  public mutating func deactivate() {
    for index in 0..<count { slots[index].deactivate() }
  }

  // MARK: The hot call

  /// Shows one event to every plugin that wants it and collects the signals that pass all checks.   [decision-thread]
  ///
  /// Conflates quotes per instrument for plugins that asked for it, by event time. Quarantined prices are never
  /// shown. No allocation, lock or system call of its own.
  ///
  /// - Parameters:
  ///   - sequence: the event's input position; strictly increasing over calls.
  ///   - now: the newest moment known, not before the event.
  ///   - signals: room for at least `signalsPerEventMax`.
  /// - Returns: how many signals were written, in plugin order; refused ones are in `counters`.
  public mutating func process(
    _ input: MarketEvent, sequence: UInt64, rules: InstrumentRules, now: Instant, phase: EventPhase,
    into signals: UnsafeMutableBufferPointer<Signal>
  ) -> Int {
    let kind = EventInterest(input)
    guard !interest.isDisjoint(with: kind), input.instrument.index < instrumentCount else { return 0 }
    precondition(signals.count >= signalsPerEventMax, "room for every signal the plugins may send")
    // Converted before anyone is asked: doing it late, for the first taker, measured slower.
    event.pointee = aegis_event(input, sequence: sequence, rules: rules)
    if input.kind == .bar { columns?.pointee.append(event.pointee) }
    annotations.removeAll()
    var written = 0
    for index in 0..<count where !slots[index].interest.isDisjoint(with: kind) {
      callMark?.pointee = UInt64(index) &+ 1
      services.beginProcess(slots[index].batch, plugin: UInt16(truncatingIfNeeded: index))
      written = slots[index].process(
        event, kind, now: now.nanoseconds, phase: phase, instrumentCount: instrumentCount,
        plugin: UInt16(truncatingIfNeeded: index), signals, written)
    }
    callMark?.pointee = 0
    services.endProcess()
    if shadows.count > 0 { showToShadows(kind, now: now.nanoseconds, phase: phase, signals, written) }
    return written
  }

  // MARK: What happened

  /// Counts since the plugin was loaded.
  public func counters(_ index: Int) -> PluginCounters {
    precondition((0..<count).contains(index), "an index returned by load")
    return slots[index].withIsolated { $0.counters } ?? slots[index].counters
  }

  /// The feature row of a signal of the last `process` call, valid until the next one.
  ///
  /// - Parameter row: position among that plugin's own signals of the call, before checks.
  public func featureRow(plugin index: Int, row: Int) -> UnsafeBufferPointer<Float> {
    precondition((0..<count).contains(index), "an index returned by load")
    return slots[index].featureRow(row)
  }
}
