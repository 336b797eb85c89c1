import Foundation
import PluginABI
import Testing

@testable import TemplateStrategy

@Suite("The strategy, run over bars.csv as the engine would")
struct BarsTests {
  @Test("announces every breakout of the file once")
  func breakouts() throws {
    let market = try Market()
    let signals = try market.run(0..<market.count)
    let expected = [
      (20, 1.0), (31, 1), (34, 1), (41, 1), (44, 1), (63, -1), (68, -1), (72, -1), (76, -1), (80, -1),
      (97, 1),
      (107, -1), (117, -1),
    ]
    #expect(signals.map(\.cause_seq) == expected.map { UInt64($0.0 + 1) })
    #expect(signals.map(\.return_fraction) == expected.map { $0.1 * 0.01 })
    #expect(signals.allSatisfy { $0.stop_fraction.isNaN && $0.horizon_ns == 20 * 60_000_000_000 })
  }

  @Test("is silent during warm-up, whose bars count")
  func warmup() throws {
    let market = try Market()
    let signals = try market.run(0..<21, warmupCount: 20)
    #expect(signals.map(\.cause_seq) == [21])
  }
}

/// The bars of the file, and a host that shows as many of them as are closed.
private final class Market {
  private var columns: [[Double]] = [[], [], [], [], []]
  private var openTimes: [Int64] = []
  private var closedCount = 0
  private let candles = UnsafeMutablePointer<aegis_host_candles>.allocate(capacity: 1)
  private let host = UnsafeMutablePointer<aegis_host>.allocate(capacity: 1)
  private let memory: [UnsafeMutableBufferPointer<Double>]
  var count: Int { openTimes.count }

  init() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let text = try String(contentsOf: folder.appending(path: "bars.csv"), encoding: .utf8)
    for line in text.split(separator: "\n").dropFirst() {
      let numbers = try line.split(separator: ",").map { word in try #require(Double(word)) }
      openTimes.append(Int64(numbers[0]) * 1_000_000_000)
      for column in columns.indices { columns[column].append(numbers[column + 1]) }
    }
    memory = columns.map { column in
      let copy = UnsafeMutableBufferPointer<Double>.allocate(capacity: column.count)
      _ = copy.initialize(from: column)
      return copy
    }
    candles.initialize(to: aegis_host_candles())
    candles.pointee.size = UInt32(MemoryLayout<aegis_host_candles>.size)
    candles.pointee.window = { host, instrument, timeframe, countMax, window in
      guard let context = host?.pointee.ctx, let window, instrument == 0, timeframe == AEGIS_TIMEFRAME_1M
      else {
        return AEGIS_E_INVALID
      }
      let market = Unmanaged<Market>.fromOpaque(context).takeUnretainedValue()
      let count = min(Int(countMax), market.closedCount)
      let start = market.memory.map { UnsafePointer($0.baseAddress! + (market.closedCount - count)) }
      window.pointee.count = UInt32(count)
      (window.pointee.open, window.pointee.high, window.pointee.low) = (start[0], start[1], start[2])
      (window.pointee.close, window.pointee.volume) = (start[3], start[4])
      return AEGIS_OK
    }
    host.initialize(to: aegis_host())
    host.pointee.size = UInt32(MemoryLayout<aegis_host>.size)
    host.pointee.ctx = Unmanaged.passUnretained(self).toOpaque()
    host.pointee.get_extension = { host, id in
      guard let id, String(cString: id) == AEGIS_HOST_CANDLES, let context = host?.pointee.ctx else {
        return nil
      }
      return UnsafeRawPointer(Unmanaged<Market>.fromOpaque(context).takeUnretainedValue().candles)
    }
  }

  deinit {
    for column in memory { column.deallocate() }
    candles.deallocate()
    host.deallocate()
  }

  /// Feeds bars to a new instance with the schema's defaults, each in a batch of its own: a batch never spans a close.
  func run(_ bars: Range<Int>, warmupCount: Int = 0) throws -> [aegis_signal] {
    let entry = try #require(aegis_plugin_v1())
    let descriptor = try #require(entry.pointee.plugins[0])
    let strategy = try #require(descriptor.pointee.strategy)
    var values = (0..<Int(descriptor.pointee.n_params)).map { index in
      let schema = descriptor.pointee.params[index]
      return aegis_param_value(id: schema.id, reserved: 0, value: schema.def)
    }
    var config = aegis_config()
    config.size = UInt32(MemoryLayout<aegis_config>.size)
    config.n_params = UInt32(values.count)
    config.n_instruments = 1
    var instance: UnsafeMutablePointer<aegis_instance>?
    let status = values.withUnsafeMutableBufferPointer { values in
      config.params = UnsafePointer(values.baseAddress)
      return strategy.pointee.create(descriptor, host, &config, &instance, nil)
    }
    #expect(status == AEGIS_OK)
    defer { strategy.pointee.destroy(instance) }
    var signals: [aegis_signal] = []
    for bar in bars {
      closedCount = bar + 1
      var event = aegis_event()
      event.ts_ns = openTimes[bar] + 60_000_000_000
      event.kind = AEGIS_EV_BAR
      event.flags = UInt16(AEGIS_TIMEFRAME_1M) | AEGIS_EVENT_COMPLETE
      event.seq = UInt64(bar + 1)
      event.u.bar = aegis_bar(
        open: columns[0][bar], high: columns[1][bar], low: columns[2][bar], close: columns[3][bar],
        volume: columns[4][bar])
      var signal = aegis_signal()
      var batch = aegis_batch()
      batch.size = UInt32(MemoryLayout<aegis_batch>.size)
      batch.count = 1
      batch.now_ns = event.ts_ns
      batch.flags = bar < warmupCount ? AEGIS_BATCH_WARMUP : AEGIS_BATCH_LIVE
      batch.out_capacity = 1
      let status = withUnsafePointer(to: event) { event in
        withUnsafeMutablePointer(to: &signal) { signal in
          batch.events = event
          batch.out = signal
          return strategy.pointee.process(instance, &batch)
        }
      }
      #expect(status == AEGIS_OK)
      if batch.out_count > 0 { signals.append(signal) }
    }
    return signals
  }
}
