import Glibc
import Market
import PluginABI

/// A created instance under trial; ends with its owner. Bound to one set of events.
final class TrialInstance {
  private let plugin: TrialPlugin
  private let strategy: aegis_strategy
  private let services: HostServices
  private let buffer = AnnotationBuffer(capacity: 65_536)
  private let candles: TrialCandles
  let instance: UnsafeMutablePointer<aegis_instance>
  /// What the instance asked for; its events were made for the same list.
  let subscriptions: [PluginSubscription]
  private let instrumentCount: Int
  /// Signals, then a strip no plugin may touch.
  private var room: UnsafeMutableBufferPointer<aegis_signal>
  private var features: UnsafeMutableBufferPointer<Float>
  /// Events of one call and one more that belongs to nobody.
  private var window: UnsafeMutableBufferPointer<aegis_event>
  private let featureCount: Int
  private let signalsPerEventMax: Int

  /// Most events of one call, so that signals and feature rows stay within some 64 MB.
  let batchCountMax: Int
  private static let stripCount = 64
  private static let stripByte: UInt8 = 0xA5

  /// Runs `init` and `create`.
  ///
  /// - Parameter events: nil for a look at what the instance asks for.
  init(
    _ plugin: TrialPlugin, values: [PluginParameter.Value], symbols: [String], seed: UInt64,
    events: TrialEvents?, dataDirectory: String? = nil
  ) throws(PluginError) {
    guard let strategy = plugin.strategy, let create = strategy.create, strategy.destroy != nil else {
      throw plugin.tables.malformed("\(plugin.descriptor.id): strategy", "is missing")
    }
    self.plugin = plugin
    self.strategy = strategy
    instrumentCount = symbols.count
    let services = HostServices(name: "aegis-plugin-host", version: "1", log: { _, _ in })
    candles = TrialCandles(events?.candles ?? TrialCandleLog(), instrumentCount: symbols.count)
    // The trial's candles end with this object, after the instance.
    services.provideCandles(context: Unmanaged.passUnretained(candles).toOpaque(), TrialCandles.provider)
    services.provideAnnotations(into: buffer, instrumentCount: UInt32(symbols.count))
    services.provideThreadCheck()
    self.services = services
    let configuration = InstanceConfiguration(
      parameters: plugin.descriptor.parameters, values: values, instruments: symbols,
      dataDirectory: dataDirectory, instanceName: plugin.descriptor.id, seed: seed)
    var config = configuration.config
    var made: UnsafeMutablePointer<aegis_instance>?
    var error = aegis_error()
    let status = services.control { () -> aegis_status in
      if let initialize = plugin.initialize {
        let status = initialize(services.host, &error)
        if status != AEGIS_OK { return status }
      }
      return create(plugin.pointer, services.host, &config, &made, &error)
    }
    _ = consume configuration  // the plugin may read it until create returned, not after
    guard status == AEGIS_OK else {
      throw .createFailed(plugin: plugin.descriptor.id, code: status, message: errorMessage(error))
    }
    guard let made else {
      throw plugin.tables.malformed("\(plugin.descriptor.id): create", "succeeded without an instance")
    }
    instance = made
    do throws(PluginError) {
      subscriptions = try Self.subscriptions(plugin, made)
    } catch {
      services.control { strategy.destroy(made) }
      throw error
    }
    featureCount = plugin.descriptor.features.count
    signalsPerEventMax = plugin.descriptor.signalsPerEventMax
    batchCountMax = max(
      1, min(4096, 65_536 / signalsPerEventMax, 4 << 20 / (signalsPerEventMax * max(featureCount, 1))))
    let rowCount = batchCountMax * signalsPerEventMax
    room = .allocate(capacity: rowCount + Self.stripCount)
    room.initialize(repeating: aegis_signal())
    features = .allocate(capacity: (rowCount + Self.stripCount) * featureCount + 1)
    features.initialize(repeating: .nan)
    window = .allocate(capacity: batchCountMax + 1)
    window.initialize(repeating: aegis_event())
  }

  deinit {
    services.control { strategy.destroy(instance) }
    room.deallocate()
    features.deallocate()
    window.deallocate()
  }

  private static func subscriptions(
    _ plugin: TrialPlugin, _ instance: UnsafeMutablePointer<aegis_instance>
  ) throws(PluginError) -> [PluginSubscription] {
    guard let address = plugin.extensionTable(AEGIS_EXT_SUBSCRIPTIONS) else {
      return plugin.descriptor.subscriptions
    }
    let field = "\(plugin.descriptor.id): \(AEGIS_EXT_SUBSCRIPTIONS)"
    let table = try plugin.tables.copy(
      address.assumingMemoryBound(to: aegis_ext_subscriptions.self), zero: aegis_ext_subscriptions(),
      field: field)
    guard let list = table.list else { throw plugin.tables.malformed(field, "lacks list") }
    var count: UInt32 = 0
    let wishes = list(instance, &count)
    return try plugin.tables.subscriptions(wishes, count: count, id: plugin.descriptor.id)
  }

  func activate(now: Int64) throws(PluginError) {
    guard let activate = strategy.activate else { return }
    var error = aegis_error()
    let status = services.control { activate(instance, now, &error) }
    guard status == AEGIS_OK else {
      throw .createFailed(plugin: plugin.descriptor.id, code: status, message: errorMessage(error))
    }
  }

  /// The plugin asked for candle windows.
  var readsCandles: Bool { services.readsCandles }

  func deactivate() { services.control { strategy.deactivate?(instance) } }

  /// Saves or loads: calls `body` as the strategy thread.
  func asStrategy<Result>(_ body: (UnsafeMutablePointer<aegis_instance>) -> Result) -> Result {
    services.beginProcess(nil)
    defer { services.endProcess() }
    return body(instance)
  }

  // MARK: Feeding

  /// What lies behind the events of a call in memory.
  enum Future {
    /// An event of no kind: there is nothing to see.
    case hidden
    /// What comes next in truth: a host that hands out its ring in place.
    case real
    /// The events of the call and behind it from this position on have other values than in truth.
    case altered(from: Int, by: Double)
  }

  /// Shows `range` of the events in batches and appends what comes out.
  ///
  /// - Parameters:
  ///   - liveFrom: events before are warm-up.
  ///   - measure: called around each `process` call with its event count; for time and counts.
  func feed(
    _ trial: TrialEvents, _ range: Range<Int>, liveFrom: Int, batchCount: Int, future: Future = .hidden,
    into output: inout TrialOutput, measure: ((Int, () -> aegis_status) -> aegis_status)? = nil
  ) {
    var start = range.lowerBound
    let size = min(batchCount, batchCountMax)
    while start < range.upperBound {
      var end = start + 1
      while end < range.upperBound, end - start < size, end != liveFrom, !trial.endsBatch(before: end) {
        end += 1
      }
      candles.advance(throughEvent: end - 1)
      call(trial, start..<end, isWarmup: start < liveFrom, future, &output, measure)
      start = end
    }
    output.refusedNoteCount = buffer.refusedCount
    output.droppedNoteCount = buffer.droppedCount
  }

  /// Goes on from this position as if the events before had been shown: after loading a state.
  func skip(_ trial: TrialEvents, upTo end: Int) {
    if end > 0 { candles.advance(throughEvent: end - 1) }
  }

  private func fill(_ trial: TrialEvents, _ range: Range<Int>, _ future: Future) {
    let base = window.baseAddress!  // made with room for a batch
    trial.events.withUnsafeBufferPointer { events in
      base.update(from: events.baseAddress! + range.lowerBound, count: range.count)  // the range is not empty
    }
    switch future {
    case .hidden: window[range.count] = Self.nobody
    case .real:
      window[range.count] =
        range.upperBound < trial.events.count ? trial.events[range.upperBound] : Self.nobody
    case .altered(let position, let factor):
      for index in max(position, range.lowerBound)..<max(position, range.upperBound) {
        window[index - range.lowerBound] = TrialEvents.altered(trial.events[index], by: factor)
      }
      window[range.count] =
        range.upperBound < trial.events.count
        ? TrialEvents.altered(trial.events[range.upperBound], by: factor) : Self.nobody
    }
  }

  private static let nobody: aegis_event = {
    var event = aegis_event()
    event.ts_ns = .max
    event.kind = .max
    event.instrument = .max
    event.seq = .max
    event.u = aegis_payload(bar: aegis_bar(open: .nan, high: .nan, low: .nan, close: .nan, volume: .nan))
    return event
  }()

  private func call(
    _ trial: TrialEvents, _ range: Range<Int>, isWarmup: Bool, _ future: Future, _ output: inout TrialOutput,
    _ measure: ((Int, () -> aegis_status) -> aegis_status)?
  ) {
    fill(trial, range, future)
    let capacity = range.count * signalsPerEventMax
    layStrip(capacity)
    var batch = aegis_batch()
    batch.size = UInt32(MemoryLayout<aegis_batch>.size)
    batch.count = UInt32(range.count)
    batch.events = UnsafePointer(window.baseAddress)
    batch.now_ns = trial.events[range.upperBound - 1].ts_ns
    batch.flags = isWarmup ? AEGIS_BATCH_WARMUP : AEGIS_BATCH_LIVE
    batch.out = room.baseAddress
    batch.out_capacity = UInt32(capacity)
    batch.features = featureCount == 0 ? nil : features.baseAddress
    batch.feature_stride = UInt32(featureCount)
    buffer.removeAll()
    let status: aegis_status = withUnsafeMutablePointer(to: &batch) { pointer in
      services.beginProcess(pointer)
      defer { services.endProcess() }
      guard let measure else { return strategy.process(instance, pointer) }
      return measure(range.count) { strategy.process(instance, pointer) }
    }
    output.eventCount += range.count
    output.callCount += 1
    checkStrip(capacity, range.lowerBound, &output)
    collectNotes(trial, range, &output)
    guard batch.out_count <= capacity, status != AEGIS_E_OVERFLOW else {
      return output.refuse(.tooMany, range.lowerBound)
    }
    guard status == AEGIS_OK else { return output.refuse(.failed, range.lowerBound) }
    for row in 0..<Int(batch.out_count) {
      collect(room[row], row: row, trial, range, now: batch.now_ns, isWarmup: isWarmup, &output)
    }
  }

  private func collect(
    _ signal: aegis_signal, row: Int, _ trial: TrialEvents, _ range: Range<Int>, now: Int64, isWarmup: Bool,
    _ output: inout TrialOutput
  ) {
    let cause = trial.index(ofSequence: signal.cause_seq, in: range)
    guard !isWarmup else { return output.refuse(.warmup, cause ?? range.lowerBound) }
    guard let cause else { return output.refuse(.cause, range.lowerBound) }
    let rules = SignalRules(
      sequence: signal.cause_seq, eventNanoseconds: trial.events[cause].ts_ns, nowNanoseconds: now,
      instrumentCount: UInt32(instrumentCount), featureCount: UInt16(featureCount))
    if let reason = rules.refusal(of: signal) { return output.refuse(reason, cause) }
    let count = min(Int(signal.feature_count), featureCount)
    output.signals.append(
      TrialOutput.Emission(
        signal: signal, features: (0..<count).map { features[row * featureCount + $0] }, eventIndex: cause))
  }

  private func collectNotes(_ trial: TrialEvents, _ range: Range<Int>, _ output: inout TrialOutput) {
    for index in 0..<buffer.count {
      let annotation = buffer[index]
      guard let cause = trial.index(ofSequence: annotation.causeSequence, in: range) else { continue }
      output.notes.append(TrialOutput.Note(annotation: annotation, eventIndex: cause))
    }
  }

  // MARK: The strip behind the output

  private func layStrip(_ capacity: Int) {
    _ = memset(
      room.baseAddress! + capacity, Int32(Self.stripByte),
      Self.stripCount * MemoryLayout<aegis_signal>.stride)
  }

  private func checkStrip(_ capacity: Int, _ eventIndex: Int, _ output: inout TrialOutput) {
    guard output.overrun == nil else { return }
    let start = UnsafeRawPointer(room.baseAddress! + capacity)
    let bytes = UnsafeRawBufferPointer(
      start: start, count: Self.stripCount * MemoryLayout<aegis_signal>.stride)
    // When every byte equals its neighbour, all equal the first one.
    guard bytes[0] != Self.stripByte || memcmp(start, start + 1, bytes.count - 1) != 0 else { return }
    let last = bytes.lastIndex { $0 != Self.stripByte } ?? 0
    output.overrun =
      "wrote \(last / MemoryLayout<aegis_signal>.stride + 1) records past the \(capacity) it was given"
  }
}
