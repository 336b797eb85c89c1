import Foundation
import PluginABI
import Testing

@testable import TemplateStrategy

@Suite("The strategy, run over bars.csv as the engine would")
struct BarsTests {
  private let bars: [aegis_event]

  init() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let text = try String(contentsOf: folder.appending(path: "bars.csv"), encoding: .utf8)
    bars = try text.split(separator: "\n").dropFirst().enumerated().map { index, line in
      let numbers = try line.split(separator: ",").map { word in try #require(Double(word)) }
      var event = aegis_event()
      event.ts_ns = (Int64(numbers[0]) + 60_000) * 1_000_000
      event.kind = AEGIS_EV_BAR
      event.flags = UInt16(AEGIS_TIMEFRAME_1M) | AEGIS_EVENT_COMPLETE
      event.seq = UInt64(index + 1)
      event.u.bar = aegis_bar(
        open: numbers[1], high: numbers[2], low: numbers[3], close: numbers[4], volume: numbers[5])
      return event
    }
  }

  @Test(
    "announces every breakout of the file once, however the bars are cut into batches",
    arguments: [1, 7, 120])
  func breakouts(batchCount: Int) throws {
    let signals = try Running().feed(bars[...], batchCount: batchCount)
    let expected = [
      (20, 1.0), (31, 1), (34, 1), (41, 1), (44, 1), (63, -1), (68, -1), (72, -1), (76, -1), (80, -1),
      (97, 1), (107, -1), (117, -1),
    ]
    #expect(signals.map(\.cause_seq) == expected.map { UInt64($0.0 + 1) })
    #expect(signals.map(\.return_fraction) == expected.map { $0.1 * 0.01 })
    #expect(signals.allSatisfy { $0.stop_fraction.isNaN && $0.horizon_ns == 20 * 60_000_000_000 })
  }

  @Test("is silent during warm-up, whose bars count")
  func warmup() throws {
    let running = try Running()
    #expect(try running.feed(bars[..<20], flags: AEGIS_BATCH_WARMUP).isEmpty)
    #expect(try running.feed(bars[20...20]).map(\.cause_seq) == [21])
  }

  @Test("saved in the middle and loaded elsewhere, goes on as if nothing had happened")
  func state() throws {
    let whole = try Running().feed(bars[...]).map(\.cause_seq)
    let (first, second) = (try Running(), try Running())
    var signals = try first.feed(bars[..<60])
    let bytes = try first.save()
    #expect(try second.load(bytes.dropLast()) == AEGIS_E_STATE_CORRUPT, "a cut state is refused")
    let third = try Running()
    #expect(try third.load(bytes) == AEGIS_OK)
    signals += try third.feed(bars[60...])
    #expect(signals.map(\.cause_seq) == whole)
  }
}

/// An instance with the schema's defaults, for one instrument, driven through the tables as the engine does.
private final class Running {
  private let descriptor: UnsafePointer<aegis_descriptor>
  private let strategy: aegis_strategy
  private var instance: UnsafeMutablePointer<aegis_instance>?

  init() throws {
    let entry = try #require(aegis_plugin_v1())
    descriptor = try #require(entry.pointee.plugins[0])
    strategy = descriptor.pointee.strategy.pointee
    let values = (0..<Int(descriptor.pointee.n_params)).map { [descriptor] index in
      let schema = descriptor.pointee.params[index]
      return aegis_param_value(id: schema.id, reserved: 0, value: schema.def)
    }
    var config = aegis_config()
    config.size = UInt32(MemoryLayout<aegis_config>.size)
    config.n_params = UInt32(values.count)
    config.n_instruments = 1
    let status = values.withUnsafeBufferPointer { values in
      config.params = values.baseAddress
      return strategy.create(descriptor, nil, &config, &instance, nil)
    }
    #expect(status == AEGIS_OK)
  }

  deinit { strategy.destroy(instance) }

  func feed(_ bars: ArraySlice<aegis_event>, batchCount: Int = 1, flags: UInt64 = AEGIS_BATCH_LIVE) throws
    -> [aegis_signal]
  {
    var signals: [aegis_signal] = []
    for start in stride(from: bars.startIndex, to: bars.endIndex, by: batchCount) {
      let events = Array(bars[start..<min(start + batchCount, bars.endIndex)])
      var room = [aegis_signal](repeating: aegis_signal(), count: events.count)
      var batch = aegis_batch()
      batch.size = UInt32(MemoryLayout<aegis_batch>.size)
      batch.count = UInt32(events.count)
      batch.now_ns = try #require(events.last).ts_ns
      batch.flags = flags
      batch.out_capacity = UInt32(room.count)
      let status = events.withUnsafeBufferPointer { events in
        room.withUnsafeMutableBufferPointer { room in
          batch.events = events.baseAddress
          batch.out = room.baseAddress
          return strategy.process(instance, &batch)
        }
      }
      #expect(status == AEGIS_OK)
      signals += room.prefix(Int(batch.out_count))
    }
    return signals
  }

  /// Bytes behind the header's sink and source.
  private final class Bytes {
    var bytes: [UInt8] = []
  }

  private func extensionTable() throws -> aegis_ext_state {
    try #require(strategy.get_extension(descriptor, AEGIS_EXT_STATE))
      .assumingMemoryBound(to: aegis_ext_state.self).pointee
  }

  func save() throws -> [UInt8] {
    let stream = Bytes()
    var sink = aegis_sink(
      ctx: Unmanaged.passUnretained(stream).toOpaque(),
      write: { sink, bytes, count in
        guard let context = sink?.pointee.ctx else { return AEGIS_E_INVALID }
        Unmanaged<Bytes>.fromOpaque(context).takeUnretainedValue().bytes += UnsafeRawBufferPointer(
          start: bytes, count: count)
        return AEGIS_OK
      })
    #expect(try extensionTable().save(instance, &sink) == AEGIS_OK)
    return withExtendedLifetime(stream) { stream.bytes }
  }

  func load(_ bytes: some Sequence<UInt8>) throws -> aegis_status {
    let stream = Bytes()
    stream.bytes = Array(bytes)
    // Three bytes at a time: pieces may be of any size.
    var source = aegis_source(
      ctx: Unmanaged.passUnretained(stream).toOpaque(),
      read: { source, bytes, capacity in
        guard let context = source?.pointee.ctx, let bytes else { return -1 }
        let stream = Unmanaged<Bytes>.fromOpaque(context).takeUnretainedValue()
        let piece = Array(stream.bytes.prefix(min(capacity, 3)))
        piece.withUnsafeBytes {
          if let start = $0.baseAddress { bytes.copyMemory(from: start, byteCount: $0.count) }
        }
        stream.bytes.removeFirst(piece.count)
        return Int64(piece.count)
      })
    let table = try extensionTable()
    return withExtendedLifetime(stream) {
      table.load(instance, &source, descriptor.pointee.state_version, nil)
    }
  }
}
