import PluginABI
import PluginKit
import Testing

/// A strategy whose behaviour a parameter chooses.
private final class Probe: Strategy {
  static let id: StaticString = "probe"
  static let version: StaticString = "1.0.0"
  static let parameters: [Parameter] = [
    Parameter.integer(1, "mode", default: 0, in: 0...9, help: "what to do").runtime,
    .text(2, "word", default: "hi", help: "a word"),
  ]
  static let subscriptions: [Subscription] = [.trades, .timer(everyMilliseconds: 50), .outcomes]
  static let features: [Feature] = [Feature("a"), Feature("b")]
  static let signalsPerEventMax = 2
  static let stateVersion: UInt32 = 3
  static let functions = [
    TypedFunction(
      "twice", "f64(f64)", [.pure, .causal], help: "doubles", twice as @convention(c) (Double) -> Double)
  ]

  private var mode: Int64
  private let host: Host
  private(set) var count: Int64 = 0

  init(_ config: Config) throws {
    mode = try config.integer(1)
    host = config.host
    if mode == 9 { throw PluginFailure("nine is refused", code: AEGIS_E_MODEL) }
    host.log(.info, "\(config.instanceName) says \(try config.text(2))")
  }

  var subscriptions: [Subscription] { [.bars(.minute5, warmupBarCount: Int(mode))] }

  func process(_ events: Events, _ out: SignalWriter) {
    for event in events {
      if let change = event.parameterChange, change.id == 1, let value = change.integer { mode = value }
      guard let trade = event.trade else { continue }
      count += 1
      let signal = aegis_signal(
        from: event, returnFraction: trade.price, confidence: 0.5, horizonNanoseconds: count)
      switch mode {
      case 1: out.emit(signal, features: [1, 2, 3].span)
      case 2: out.observe(event, horizonNanoseconds: 60, features: [4, 5].span, tag: 8)
      case 3: out.flat(event)
      case 4: for _ in 0..<3 { out.emit(signal) }
      case 5:
        let window = host.candles(event.instrument, .minute5, countMax: 2)
        out.emit(
          aegis_signal(
            from: event, returnFraction: window.close.last ?? -1, confidence: 0.5, horizonNanoseconds: 1))
        host.annotate("peak", Annotation(at: event, timeframe: .minute5, direction: 1, bar: 4, level: 7))
      default: out.emit(signal)
      }
    }
  }

  func save(_ state: inout StateWriter) { state.write(count) }
  func load(_ state: inout StateReader, version: UInt32) throws { count = try state.read(Int64.self) }
}

private enum Doubling: FunctionLibrary {
  static let id: StaticString = "doubling"
  static let version: StaticString = "2.0.0"
  static let functions = Probe.functions
}

@c private func twice(_ value: Double) -> Double { value * 2 }

// Built on first use and only read afterwards, as in a plugin.
nonisolated(unsafe) private let entry = export(Probe.self, functions: Doubling.self)

@Suite("The Swift layer")
struct PluginKitTests {
  private static func descriptor(_ index: Int = 0) throws -> UnsafePointer<aegis_descriptor> {
    try #require(entry.pointee.plugins[index])
  }

  private static func table<Table>(_ id: String, plugin: Int = 0, as type: Table.Type) throws -> Table? {
    let descriptor = try descriptor(plugin)
    return descriptor.pointee.strategy.pointee.get_extension(descriptor, id)?
      .assumingMemoryBound(to: Table.self).pointee
  }

  private static func trade(_ price: Double = 0.5, sequence: UInt64 = 9) -> aegis_event {
    var event = aegis_event()
    event.ts_ns = 100
    event.kind = AEGIS_EV_TRADE
    event.seq = sequence
    event.u.trade.price = price
    return event
  }

  /// An instance that ends with its owner, and what the host was told.
  private final class Running {
    let host: TestHost
    private(set) var instance: UnsafeMutablePointer<aegis_instance>?
    private(set) var status = AEGIS_OK
    private(set) var message = ""

    init(mode: Int64, hasServices: Bool = false) throws {
      host = TestHost(hasServices: hasServices)
      let descriptor = try PluginKitTests.descriptor()
      var error = aegis_error()
      "word".withCString { word in
        var values = [aegis_param_value(), aegis_param_value()]
        values[0].id = 1
        values[0].value.type = AEGIS_T_I64
        values[0].value.v.i64 = mode
        values[1].id = 2
        values[1].value.type = AEGIS_T_STR
        values[1].value.v.str = word
        values.withUnsafeBufferPointer { values in
          "one".withCString { name in
            var config = aegis_config()
            config.size = UInt32(MemoryLayout<aegis_config>.size)
            config.n_params = UInt32(values.count)
            config.params = values.baseAddress
            config.instance_name = name
            status = descriptor.pointee.strategy.pointee.create(
              descriptor, host.raw, &config, &instance, &error)
          }
        }
      }
      message = withUnsafeBytes(of: &error.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    deinit {
      if let instance { entry.pointee.plugins[0]?.pointee.strategy.pointee.destroy(instance) }
    }

    func process(_ events: [aegis_event], room: Int = 4) throws -> (
      status: aegis_status, signals: [aegis_signal], features: [Float]
    ) {
      var batch = aegis_batch()
      batch.size = UInt32(MemoryLayout<aegis_batch>.size)
      batch.count = UInt32(events.count)
      batch.flags = AEGIS_BATCH_LIVE
      batch.out_capacity = UInt32(room)
      batch.feature_stride = 2
      var signals = [aegis_signal](repeating: aegis_signal(), count: room)
      var features = [Float](repeating: .nan, count: room * 2)
      let process = try PluginKitTests.descriptor().pointee.strategy.pointee.process
      let status = events.withUnsafeBufferPointer { events in
        signals.withUnsafeMutableBufferPointer { signals in
          features.withUnsafeMutableBufferPointer { features in
            batch.events = events.baseAddress
            batch.out = signals.baseAddress
            batch.features = features.baseAddress
            return process?(instance, &batch) ?? AEGIS_E_UNSUPPORTED
          }
        }
      }
      return (status, Array(signals.prefix(Int(batch.out_count))), features)
    }
  }

  @Test("describes a strategy as its author wrote it")
  func descriptor() throws {
    let raw = try Self.descriptor().pointee
    #expect(
      raw.kind == AEGIS_KIND_STRATEGY && raw.n_params == 2 && raw.n_features == 2 && raw.state_version == 3)
    #expect(raw.params[0].flags == AEGIS_PARAM_RUNTIME && raw.params[0].max == 9)
    let kinds = (0..<Int(raw.n_subscriptions)).map { UInt16(raw.subscriptions[$0].kind) }
    #expect(kinds == [AEGIS_EV_TRADE, AEGIS_EV_TIMER, AEGIS_EV_OUTCOME])
    #expect(raw.subscriptions[1].interval_ms == 50)
    #expect(entry.pointee.n_plugins == 2)
  }

  @Test("turns a thrown failure into a status and its text, and logs through the host")
  func creation() throws {
    let refused = try Running(mode: 9)
    #expect(
      refused.status == AEGIS_E_MODEL && refused.message == "nine is refused" && refused.instance == nil)
    let running = try Running(mode: 0)
    #expect(running.status == AEGIS_OK && running.host.lines == ["1 one says word"])
    let table = try #require(try Self.table(AEGIS_EXT_SUBSCRIPTIONS, as: aegis_ext_subscriptions.self))
    let other = try Running(mode: 7)
    var count: UInt32 = 0
    let wish = try #require(table.list(other.instance, &count)).pointee
    #expect(count == 1 && wish.timeframe == AEGIS_TIMEFRAME_5M && wish.warmup_bars == 7)
  }

  @Test("writes signals, feature rows, observations and ends of ideas, and never past the room")
  func signals() throws {
    let plain = try Running(mode: 1).process([Self.trade()])
    #expect(plain.signals.map(\.feature_count) == [2] && Array(plain.features[..<2]) == [1, 2])
    #expect(plain.signals.first?.cause_seq == 9 && plain.signals.first?.ts_ns == 100)
    let observed = try Running(mode: 2).process([Self.trade()])
    #expect(
      observed.signals.map(\.flags) == [AEGIS_SIGNAL_OBSERVATION] && Array(observed.features[..<2]) == [4, 5])
    #expect(observed.signals.first?.tag == 8 && observed.signals.first?.horizon_ns == 60)
    let flat = try Running(mode: 3).process([Self.trade()])
    #expect(flat.signals.map(\.flags) == [AEGIS_SIGNAL_FLAT])
    #expect(try Running(mode: 4).process([Self.trade()], room: 2).status == AEGIS_E_OVERFLOW)
  }

  @Test("hands a runtime parameter over in its place among the events")
  func runtimeParameter() throws {
    var change = aegis_event()
    change.kind = AEGIS_EV_PARAM
    change.u.param.id = 1
    change.u.param.value.type = AEGIS_T_I64
    change.u.param.value.v.i64 = 3
    let result = try Running(mode: 0).process([Self.trade(), change, Self.trade()])
    #expect(result.signals.map(\.flags) == [0, AEGIS_SIGNAL_FLAT])
  }

  @Test("reads candle windows and annotates, and does without in a host that has neither")
  func hostServices() throws {
    let running = try Running(mode: 5)
    #expect(try running.process([Self.trade()]).signals.map(\.return_fraction) == [-1], "no windows")
    let able = try Running(mode: 5, hasServices: true)
    #expect(try able.process([Self.trade()]).signals.map(\.return_fraction) == [0.75])
    #expect(able.host.annotations == ["peak at bar 4 of 1, level 7.0, cause 9"])
  }

  @Test("carries state in pieces of any size and refuses what is cut or too long")
  func state() throws {
    let table = try #require(try Self.table(AEGIS_EXT_STATE, as: aegis_ext_state.self))
    let original = try Running(mode: 0)
    _ = try original.process([Self.trade(), Self.trade(), Self.trade()])
    let stream = ByteStream()
    #expect(table.save(original.instance, stream.sink) == AEGIS_OK && stream.bytes.count == 8)
    func load(_ bytes: [UInt8], piece: Int, version: UInt32 = 3) throws -> (aegis_status, Int64?) {
      let restored = try Running(mode: 0)
      let source = ByteStream(bytes, piece: piece)
      let status = table.load(restored.instance, source.source, version, nil)
      return (status, try restored.process([Self.trade()]).signals.first?.horizon_ns)
    }
    for piece in [1, 3, 100] { #expect(try load(stream.bytes, piece: piece) == (AEGIS_OK, 4)) }
    #expect(try load(Array(stream.bytes.dropLast()), piece: 3).0 == AEGIS_E_STATE_CORRUPT)
    #expect(try load(stream.bytes + [0], piece: 3).0 == AEGIS_E_STATE_CORRUPT)
    #expect(try load(stream.bytes, piece: 3, version: 2).0 == AEGIS_E_STATE_VERSION)
    #expect(try load(stream.bytes, piece: 3, version: 4).0 == AEGIS_E_STATE_VERSION)
    #expect(try load([], piece: 3).0 == AEGIS_E_STATE_CORRUPT)
  }

  @Test("offers typed functions with a strategy and without, and nothing under other ids", arguments: [0, 1])
  func functions(plugin: Int) throws {
    let table = try #require(
      try Self.table(AEGIS_EXT_FUNCTIONS, plugin: plugin, as: aegis_ext_functions.self))
    let function = try #require(table.functions).pointee
    #expect(table.count == 1 && function.flags == AEGIS_FUNCTION_PURE | AEGIS_FUNCTION_CAUSAL)
    #expect(String(cString: function.signature) == "f64(f64)" && String(cString: function.name) == "twice")
    let call = unsafeBitCast(function.fn, to: (@convention(c) (Double) -> Double).self)
    #expect(call(2.5) == 5)
    #expect(try Self.table("aegis.functions/1x", plugin: plugin, as: UInt32.self) == nil)
    if plugin == 1 {
      #expect(try Self.table(AEGIS_EXT_STATE, plugin: 1, as: aegis_ext_state.self) == nil)
      let raw = try Self.descriptor(1).pointee
      #expect(raw.kind == AEGIS_KIND_FUNCTIONS && raw.strategy.pointee.create == nil)
    }
  }
}
