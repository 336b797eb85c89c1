import Market
import PluginABI

/// One check of a plugin and how it went.
public struct PluginCheck: Sendable, Hashable {
  public var name: String
  public var isPassed: Bool
  public var detail: String

  /// One line of JSON, all values strings.
  public var json: String {
    FlatJSON.text([("check", name), ("result", isPassed ? "ok" : "failed"), ("detail", detail)])
  }
}

/// Loads a plugin with default parameters and runs it over a small made-up market. For a child process.
public enum PluginValidation {
  static let instrumentCount = 3
  static let barCount = 3000

  /// - Returns: the checks in the order they were made; the first failed load ends the list.
  public static func run(path: String, seed: UInt64) -> [PluginCheck] {
    var checks: [PluginCheck] = []
    let image: PluginImage
    do throws(PluginError) {
      image = try PluginImage(path: path, cacheDirectory: nil)
    } catch {
      return [PluginCheck(name: "load", isPassed: false, detail: error.description)]
    }
    let exports = image.elf.exports
    checks.append(
      PluginCheck(
        name: "load", isPassed: exports == [PluginImage.symbol],
        detail: exports.isEmpty
          ? "no symbol table to read" : "\(exports.count) exported symbol\(exports.count == 1 ? "" : "s")"))
    do throws(PluginError) {
      for id in try PluginTables(file: path).identifiers(image) {
        let trial = try PluginTrial(image, id: id, seed: seed)
        checks += try trial.checks()
      }
    } catch {
      checks.append(PluginCheck(name: "descriptor", isPassed: false, detail: error.description))
    }
    return checks
  }
}

extension PluginTables {
  /// The ids of an image's plugins, in its own order.
  func identifiers(_ image: PluginImage) throws(PluginError) -> [String] {
    let entry = try entry(image.entry)
    var result: [String] = []
    for index in 0..<Int(entry.n_plugins) {
      let raw = try copy(entry.plugins[index], zero: aegis_descriptor(), field: "entry.plugins[\(index)]")
      result.append(try descriptor(raw, entry: entry, sha256: image.sha256).id)
    }
    return result
  }
}

/// One plugin of an image against a fixed list of events.
struct PluginTrial {
  private let image: PluginImage
  private let id: String
  private let seed: UInt64
  private let events: [aegis_event]
  /// The first event after the warm-up.
  private let liveIndex: Int
  private let symbols = (0..<PluginValidation.instrumentCount).map { "TEST\($0)USDT" }

  init(_ image: PluginImage, id: String, seed: UInt64) throws(PluginError) {
    self.image = image
    self.id = id
    self.seed = seed
    events = Self.market(seed: seed)
    liveIndex = events.count / 4
  }

  func checks() throws(PluginError) -> [PluginCheck] {
    let chosen = try ChosenPlugin(image, id: id)
    var checks = [
      PluginCheck(
        name: "descriptor", isPassed: true,
        detail: "\(id) \(chosen.descriptor.version), \(chosen.descriptor.parameters.count) parameters"),
      unknownExtension(chosen),
    ]
    let reference = try run(batchCount: 1)
    checks.append(
      PluginCheck(
        name: "replay", isPassed: reference.refusals.isEmpty,
        detail: "\(reference.eventCount) events, \(reference.signals.count) signals"
          + (reference.refusals.isEmpty ? ", all within the rules" : "; refused: \(reference.refusalText)")))
    if chosen.descriptor.capabilities.contains(.deterministic) {
      let again = try run(batchCount: 1)
      checks.append(
        PluginCheck(
          name: "determinism", isPassed: again.isEqual(to: reference),
          detail: again.isEqual(to: reference) ? "two runs identical" : "two runs differ"))
      var differing: [Int] = []
      for size in [7, 256] where try !run(batchCount: size).isEqual(to: reference) { differing.append(size) }
      checks.append(
        PluginCheck(
          name: "batch-invariant", isPassed: differing.isEmpty,
          detail: differing.isEmpty
            ? "batches of 1, 7 and 256 give the same signals"
            : "batches of \(differing.map(String.init).joined(separator: " and ")) give other signals than batches of 1"
        ))
    }
    if chosen.descriptor.capabilities.contains(.stateful) { checks += try state(chosen, reference) }
    return checks
  }

  private func unknownExtension(_ chosen: ChosenPlugin) -> PluginCheck {
    let wrong = ["aegis.nope/1", "\(AEGIS_EXT_STATE)x", ""].filter { chosen.extensionTable($0) != nil }
    return PluginCheck(
      name: "unknown-extension", isPassed: wrong.isEmpty,
      detail: wrong.isEmpty ? "NULL for ids it cannot know" : "answers \"\(wrong[0])\"")
  }

  // MARK: Runs

  struct Run {
    var signals: [aegis_signal] = []
    var refusals: [SignalRefusal: Int] = [:]
    var eventCount = 0

    var refusalText: String {
      SignalRefusal.allCases.compactMap { reason in refusals[reason].map { "\($0) × \(reason.name)" } }
        .joined(separator: ", ")
    }

    func isEqual(to other: Run) -> Bool {
      signals.count == other.signals.count && refusals == other.refusals
        && zip(signals, other.signals).allSatisfy { pair in
          withUnsafeBytes(of: pair.0) { a in withUnsafeBytes(of: pair.1) { b in a.elementsEqual(b) } }
        }
    }
  }

  /// All events through a fresh instance, in batches of at most `batchCount` that never span a candle close.
  private func run(batchCount: Int) throws(PluginError) -> Run {
    var chosen = try ChosenPlugin(image, id: id)
    let instance = try TrialInstance(&chosen, symbols: symbols, seed: seed)
    var run = Run()
    instance.feed(events[...], liveFrom: liveIndex, batchCount: batchCount, into: &run)
    return run
  }

  private func state(_ chosen: ChosenPlugin, _ reference: Run) throws(PluginError) -> [PluginCheck] {
    guard let address = chosen.extensionTable(AEGIS_EXT_STATE) else {
      return [PluginCheck(name: "state", isPassed: false, detail: "STATEFUL without \(AEGIS_EXT_STATE)")]
    }
    let table = try PluginTables(file: image.file).copy(
      address.assumingMemoryBound(to: aegis_ext_state.self), zero: aegis_ext_state(), field: AEGIS_EXT_STATE)
    guard let save = table.save, let load = table.load else {
      return [PluginCheck(name: "state", isPassed: false, detail: "lacks save or load")]
    }
    var first = try ChosenPlugin(image, id: id)
    let original = try TrialInstance(&first, symbols: symbols, seed: seed)
    let middle = events.count * 3 / 4
    var run = Run()
    original.feed(events[..<middle], liveFrom: liveIndex, batchCount: 1, into: &run)
    let stream = StateStream()
    let saved = save(original.pointer, stream.sink)
    guard saved == AEGIS_OK else {
      return [PluginCheck(name: "state", isPassed: false, detail: "save returned \(saved)")]
    }
    var problems: [String] = []
    for piece in [1, 7, 65536] {
      var next = try ChosenPlugin(image, id: id)
      let restored = try TrialInstance(&next, symbols: symbols, seed: seed)
      var error = aegis_error()
      let status = load(restored.pointer, stream.source(piece: piece), chosen.descriptor.stateVersion, &error)
      guard status == AEGIS_OK else {
        problems.append("load in \(piece)-byte pieces: \(errorMessage(error))")
        continue
      }
      var continued = run
      restored.feed(events[middle...], liveFrom: liveIndex, batchCount: 1, into: &continued)
      if !continued.isEqual(to: reference) {
        problems.append("other signals after loading in \(piece)-byte pieces")
      }
    }
    for (name, bytes) in [("empty", []), ("cut", Array(stream.bytes.dropLast()))] {
      var next = try ChosenPlugin(image, id: id)
      let victim = try TrialInstance(&next, symbols: symbols, seed: seed)
      let damaged = StateStream(bytes)
      if load(victim.pointer, damaged.source(piece: 64), chosen.descriptor.stateVersion, nil) == AEGIS_OK {
        problems.append("accepts \(name) state")
      }
    }
    return [
      PluginCheck(
        name: "state", isPassed: problems.isEmpty,
        detail: problems.isEmpty
          ? "\(stream.bytes.count) bytes; saved, loaded and continued = uninterrupted; damaged state refused"
          : problems.joined(separator: "; "))
    ]
  }

  /// Closed minute bars of a random walk per instrument, each after a quote and a trade at its close.
  private static func market(seed: UInt64) -> [aegis_event] {
    var random = SeededRandom(seed: seed)
    var prices = (0..<PluginValidation.instrumentCount).map { 100.0 * Double($0 + 1) }
    let rules = InstrumentRules(tickE8: 1_000_000, stepE8: 100_000)
    var events: [aegis_event] = []
    var sequence: UInt64 = 0
    func append(_ event: MarketEvent) {
      sequence += 1
      events.append(aegis_event(event, sequence: sequence, rules: rules))
    }
    let start: Int64 = 1_700_000_040_000_000_000
    for bar in 0..<PluginValidation.barCount {
      let close = Instant(nanoseconds: start + Int64(bar + 1) * Timeframe.minute1.nanoseconds)
      for index in prices.indices {
        prices[index] *= 1 + 0.001 * random.normal()
        let ticks = Int64(prices[index] * 100)
        let id = InstrumentID(index)
        let before = close.advanced(byNanoseconds: Int64(index) - 1_000_000_000)
        append(
          .quote(
            id, time: before, bid: Price(ticks: ticks - 1), bidQuantity: Quantity(steps: 5),
            ask: Price(ticks: ticks + 1), askQuantity: Quantity(steps: 5)))
        append(
          .trade(
            id, time: before, price: Price(ticks: ticks), quantity: Quantity(steps: 3),
            aggregateID: Int64(bar)))
      }
      for index in prices.indices {
        let price = Price(ticks: Int64(prices[index] * 100))
        append(
          .bar(
            InstrumentID(index), .minute1,
            Candle(
              openTime: close.advanced(byNanoseconds: -Timeframe.minute1.nanoseconds), open: price,
              high: price,
              low: price, close: price, volume: Quantity(steps: 3))))
      }
    }
    return events
  }
}

/// A created instance that ends with its owner.
struct TrialInstance: ~Copyable {
  private let services = HostServices(name: "aegis-plugin-host", version: "1", log: { _, _ in })
  private let slot: PluginSlot
  private let signalsPerEventMax: Int

  init(_ chosen: inout ChosenPlugin, symbols: [String], seed: UInt64) throws(PluginError) {
    let values = try chosen.descriptor.values([:])
    slot = try chosen.create(
      values: values, instruments: symbols, seed: seed, dataDirectory: nil, host: services.host)
    signalsPerEventMax = chosen.descriptor.signalsPerEventMax
  }

  deinit { slot.end() }

  var pointer: UnsafeMutablePointer<aegis_instance> { slot.instance }

  /// Shows the wanted ones of `events` in batches and appends what comes out.
  func feed(
    _ events: ArraySlice<aegis_event>, liveFrom liveIndex: Int, batchCount: Int,
    into run: inout PluginTrial.Run
  ) {
    var output = [aegis_signal](repeating: aegis_signal(), count: batchCount * signalsPerEventMax)
    var pending: [aegis_event] = []
    for index in events.indices {
      let event = events[index]
      if slot.wants(event) { pending.append(event) }
      let next = index + 1 < events.endIndex ? events[index + 1] : nil
      let closesCandle = event.kind == AEGIS_EV_BAR && next?.ts_ns != event.ts_ns
      let isFull = pending.count == batchCount || closesCandle || next == nil || index + 1 == liveIndex
      guard isFull, !pending.isEmpty else { continue }
      call(pending, isWarmup: index < liveIndex, &output, &run)
      pending.removeAll(keepingCapacity: true)
    }
  }

  private func call(
    _ events: [aegis_event], isWarmup: Bool, _ output: inout [aegis_signal], _ run: inout PluginTrial.Run
  ) {
    var features = [Float](repeating: .nan, count: output.count * Int(slot.featureCount))
    var batch = aegis_batch()
    let status = events.withUnsafeBufferPointer { events in
      output.withUnsafeMutableBufferPointer { output in
        features.withUnsafeMutableBufferPointer { features in
          batch.size = UInt32(MemoryLayout<aegis_batch>.size)
          batch.count = UInt32(events.count)
          batch.events = events.baseAddress
          batch.now_ns = events[events.count - 1].ts_ns
          batch.flags = isWarmup ? AEGIS_BATCH_WARMUP : AEGIS_BATCH_LIVE
          batch.out = output.baseAddress
          batch.out_capacity = UInt32(output.count)
          batch.features = slot.featureCount == 0 ? nil : features.baseAddress
          batch.feature_stride = UInt32(slot.featureCount)
          return slot.processFunction(slot.instance, &batch)
        }
      }
    }
    run.eventCount += events.count
    guard batch.out_count <= output.count, status != AEGIS_E_OVERFLOW else {
      run.refusals[.tooMany, default: 0] += 1
      return
    }
    guard status == AEGIS_OK else {
      run.refusals[.failed, default: 0] += 1
      return
    }
    for signal in output[..<Int(batch.out_count)] {
      guard !isWarmup else {
        run.refusals[.warmup, default: 0] += 1
        continue
      }
      let cause = events.first { $0.seq == signal.cause_seq }
      let rules = SignalRules(
        sequence: cause?.seq ?? 0, eventNanoseconds: cause?.ts_ns ?? 0, nowNanoseconds: batch.now_ns,
        instrumentCount: UInt32(PluginValidation.instrumentCount), featureCount: slot.featureCount)
      if let reason = rules.refusal(of: signal) {
        run.refusals[reason, default: 0] += 1
      } else {
        run.signals.append(signal)
      }
    }
  }
}

/// State bytes in memory behind the header's sink and source.
private final class StateStream {
  private(set) var bytes: [UInt8]
  private var position = 0
  private var piece = 1
  let sink: UnsafeMutablePointer<aegis_sink>
  private let reader: UnsafeMutablePointer<aegis_source>

  init(_ bytes: [UInt8] = []) {
    self.bytes = bytes
    sink = .allocate(capacity: 1)
    reader = .allocate(capacity: 1)
    let context = Unmanaged.passUnretained(self).toOpaque()  // both tables end with the stream
    sink.initialize(
      to: aegis_sink(
        ctx: context,
        write: { sink, bytes, count in
          guard let context = sink?.pointee.ctx else { return AEGIS_E_INVALID }
          let stream = Unmanaged<StateStream>.fromOpaque(context).takeUnretainedValue()
          stream.bytes += UnsafeRawBufferPointer(start: bytes, count: count)
          return AEGIS_OK
        }))
    reader.initialize(
      to: aegis_source(
        ctx: context,
        read: { source, bytes, capacity in
          guard let context = source?.pointee.ctx, let bytes else { return -1 }
          let stream = Unmanaged<StateStream>.fromOpaque(context).takeUnretainedValue()
          let count = min(capacity, stream.piece, stream.bytes.count - stream.position)
          stream.bytes.withUnsafeBytes { all in
            if count > 0, let base = all.baseAddress {
              bytes.copyMemory(from: base + stream.position, byteCount: count)
            }
          }
          stream.position += count
          return Int64(count)
        }))
  }

  deinit {
    sink.deallocate()
    reader.deallocate()
  }

  /// A source over all bytes from the start, giving at most `piece` at a time.
  func source(piece: Int) -> UnsafeMutablePointer<aegis_source> {
    self.piece = piece
    position = 0
    return reader
  }
}
