import Market
import PluginABI

/// Which candles close with which event, oldest first.
struct TrialCandleLog {
  struct Entry: BitwiseCopyable {
    var bar: TrialHistory.Bar
    var instrument: Int32
    var timeframe: Timeframe
    var isComplete: Bool
    /// Closed before the event of this index is shown.
    var eventIndex: Int32
  }

  private(set) var entries: [Entry] = []

  mutating func append(
    _ bar: TrialHistory.Bar, _ instrument: Int, _ timeframe: Timeframe, isComplete: Bool, beforeEvent: Int
  ) {
    entries.append(
      Entry(
        bar: bar, instrument: Int32(instrument), timeframe: timeframe, isComplete: isComplete,
        eventIndex: Int32(beforeEvent)))
  }

  /// Open times of one instrument's closed candles, oldest first.
  func openTimes(_ timeframe: Timeframe, instrument: Int) -> [Int64] {
    entries.lazy.filter { $0.timeframe == timeframe && Int($0.instrument) == instrument }
      .map(\.bar.openNanoseconds)
  }
}

/// The columns behind `aegis.host.candles/1` during a trial: they hold closed candles only, so that a plugin which
/// reads past the end of a window finds NaN and not the future.
final class TrialCandles {
  private struct Columns {
    var open: UnsafeMutablePointer<Double>
    var high: UnsafeMutablePointer<Double>
    var low: UnsafeMutablePointer<Double>
    var close: UnsafeMutablePointer<Double>
    var volume: UnsafeMutablePointer<Double>
    var openTime: UnsafeMutablePointer<Int64>
    var flags: UnsafeMutablePointer<UInt16>
    var count = 0
  }

  private var columns: [Columns] = []
  private let instrumentCount: Int
  private let log: TrialCandleLog
  private var position = 0

  init(_ log: TrialCandleLog, instrumentCount: Int) {
    self.log = log
    self.instrumentCount = instrumentCount
    var counts = [Int](repeating: 0, count: instrumentCount * Timeframe.allCases.count)
    for entry in log.entries { counts[Self.index(entry.instrument, entry.timeframe)] += 1 }
    for count in counts {
      func column<Value>(_ value: Value) -> UnsafeMutablePointer<Value> {
        let memory = UnsafeMutablePointer<Value>.allocate(capacity: count + 1)
        memory.initialize(repeating: value, count: count + 1)
        return memory
      }
      columns.append(
        Columns(
          open: column(.nan), high: column(.nan), low: column(.nan), close: column(.nan),
          volume: column(.nan),
          openTime: column(0), flags: column(0)))
    }
  }

  deinit {
    for column in columns {
      for memory in [column.open, column.high, column.low, column.close, column.volume] {
        memory.deallocate()
      }
      column.openTime.deallocate()
      column.flags.deallocate()
    }
  }

  private static func index(_ instrument: Int32, _ timeframe: Timeframe) -> Int {
    Int(instrument) * Timeframe.allCases.count + Int(timeframe.rawValue)
  }

  /// Shows every candle that is closed when the event of this index is.
  func advance(throughEvent index: Int) {
    while position < log.entries.count, Int(log.entries[position].eventIndex) <= index {
      let entry = log.entries[position]
      let slot = Self.index(entry.instrument, entry.timeframe)
      let count = columns[slot].count
      columns[slot].open[count] = entry.bar.open
      columns[slot].high[count] = entry.bar.high
      columns[slot].low[count] = entry.bar.low
      columns[slot].close[count] = entry.bar.close
      columns[slot].volume[count] = entry.bar.volume
      columns[slot].openTime[count] = entry.bar.openNanoseconds
      columns[slot].flags[count] = entry.isComplete ? AEGIS_EVENT_COMPLETE : 0
      columns[slot].count += 1
      position += 1
    }
  }

  /// Answers the plugin; the context is this object.
  static let provider: CandleWindowProvider = { context, instrument, timeframe, countMax, window in
    guard let context else { return AEGIS_E_INVALID }
    return Unmanaged<TrialCandles>.fromOpaque(context)._withUnsafeGuaranteedRef {
      $0.window(instrument, timeframe, countMax, window)
    }
  }

  private func window(
    _ instrument: UInt32, _ timeframe: UInt32, _ countMax: UInt32,
    _ window: UnsafeMutablePointer<aegis_candles>
  ) -> aegis_status {
    guard instrument < instrumentCount,
      let timeframe = UInt8(exactly: timeframe).flatMap(Timeframe.init(rawValue:))
    else { return AEGIS_E_INVALID }
    let column = columns[Self.index(Int32(instrument), timeframe)]
    let count = min(column.count, Int(countMax))
    let start = column.count - count
    window.pointee.count = UInt32(count)
    window.pointee.open = UnsafePointer(column.open + start)
    window.pointee.high = UnsafePointer(column.high + start)
    window.pointee.low = UnsafePointer(column.low + start)
    window.pointee.close = UnsafePointer(column.close + start)
    window.pointee.volume = UnsafePointer(column.volume + start)
    window.pointee.open_time_ns = UnsafePointer(column.openTime + start)
    window.pointee.flags = UnsafePointer(column.flags + start)
    return AEGIS_OK
  }
}
