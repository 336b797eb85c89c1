import Market
import PluginABI

/// The closed candles plugins can read, made of the bars that are shown to them: what `aegis.host.candles/1` answers, in
/// the engine as in the process of an isolated plugin.
///
/// A series takes memory when its first bar comes. Within a series the kept candles are one contiguous run of every
/// column; when the room behind it is used up, they move to the front, once in `candlesMax` bars.   [strategy]
struct CandleColumns: ~Copyable {
  private struct Series {
    var start = 0
    var count = 0
    /// Six columns of 8-byte elements, `2 x candlesMax` each, then the flags.
    var columns: UnsafeMutablePointer<Double>
    var flags: UnsafeMutablePointer<UInt16>
  }

  private static let timeframeCount = Timeframe.allCases.count
  private let instrumentCount: Int
  private let candlesMax: Int
  private let series: UnsafeMutableBufferPointer<Series?>
  private var slotCount: Int { candlesMax * 2 }

  /// - Parameter candlesMax: at least 1.
  init(instrumentCount: Int, candlesMax: Int) {
    self.instrumentCount = instrumentCount
    self.candlesMax = candlesMax
    series = .allocate(capacity: instrumentCount * Self.timeframeCount)
    series.initialize(repeating: nil)
  }

  deinit {
    for kept in series {
      kept?.columns.deallocate()
      kept?.flags.deallocate()
    }
    series.deallocate()
  }

  /// Takes memory for a timeframe before its first bar, so that none is taken later.   [control]
  func prepare(_ timeframe: Timeframe) {
    for instrument in 0..<instrumentCount {
      let index = instrument * Self.timeframeCount + Int(timeframe.rawValue)
      if series[index] == nil { series[index] = makeSeries() }
    }
  }

  private func makeSeries() -> Series {
    Series(columns: .allocate(capacity: slotCount * 6), flags: .allocate(capacity: slotCount))
  }

  /// Answers the header's function; the context is a pointer to a value of this type.
  static let provider: CandleWindowProvider = { context, instrument, timeframe, countMax, window in
    guard let context else { return AEGIS_E_INVALID }
    return context.assumingMemoryBound(to: CandleColumns.self).pointee.window(
      instrument: instrument, timeframe: timeframe, countMax: countMax, into: window)
  }

  /// Takes in a bar event; others and unknown instruments are ignored.
  func append(_ event: aegis_event) {
    guard event.kind == AEGIS_EV_BAR, let index = index(event.instrument, event.flags & 0xFF),
      let timeframe = Timeframe(rawValue: UInt8(truncatingIfNeeded: event.flags))
    else { return }
    var kept =
      series[index] ?? makeSeries()
    if kept.count == candlesMax {
      kept.start += 1
      kept.count -= 1
    }
    if kept.start + kept.count == slotCount {
      for column in 0..<6 {
        let base = kept.columns + column * slotCount
        base.update(from: base + kept.start, count: kept.count)
      }
      kept.flags.update(from: kept.flags + kept.start, count: kept.count)
      kept.start = 0
    }
    let slot = kept.start + kept.count
    let bar = event.u.bar
    for (column, value) in [bar.open, bar.high, bar.low, bar.close, bar.volume].enumerated() {
      (kept.columns + column * slotCount + slot).initialize(to: value)
    }
    let openTime = event.ts_ns &- timeframe.nanoseconds
    (kept.columns + 5 * slotCount + slot).initialize(to: Double(bitPattern: UInt64(bitPattern: openTime)))
    (kept.flags + slot).initialize(to: event.flags & ~UInt16(0xFF))
    kept.count += 1
    series[index] = kept
  }

  /// Points `out` at the newest candles, at most `countMax`.
  func window(
    instrument: UInt32, timeframe: UInt32, countMax: UInt32, into out: UnsafeMutablePointer<aegis_candles>
  ) -> aegis_status {
    guard let index = index(instrument, UInt16(clamping: timeframe)) else { return AEGIS_E_INVALID }
    guard let kept = series[index] else { return AEGIS_OK }
    let count = min(kept.count, Int(countMax))
    let first = kept.start + kept.count - count
    func column(_ number: Int) -> UnsafePointer<Double> {
      UnsafePointer(kept.columns + number * slotCount + first)
    }
    out.pointee.count = UInt32(count)
    out.pointee.open = column(0)
    out.pointee.high = column(1)
    out.pointee.low = column(2)
    out.pointee.close = column(3)
    out.pointee.volume = column(4)
    out.pointee.open_time_ns = UnsafeRawPointer(column(5)).assumingMemoryBound(to: Int64.self)
    out.pointee.flags = UnsafePointer(kept.flags + first)
    return AEGIS_OK
  }

  private func index(_ instrument: UInt32, _ timeframe: UInt16) -> Int? {
    guard instrument < instrumentCount, timeframe < Self.timeframeCount else { return nil }
    return Int(instrument) * Self.timeframeCount + Int(timeframe)
  }
}
