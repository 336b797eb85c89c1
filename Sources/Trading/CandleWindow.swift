import Market

/// The closed candles of one instrument and timeframe as columns, oldest first, in place.
///
/// Layout: seven arrays of `count` elements, element `count - 1` the newest. Prices and volume are doubles in quote
/// and base currency; `openTimes` are nanoseconds since the epoch; `flags` are `CandleFlags` shifted left by eight,
/// which is how the plugin ABI numbers them. Valid until the next call that changes the `CandleBook`.
@frozen public struct CandleWindow: BitwiseCopyable {
  public var count: Int
  public var open: UnsafePointer<Double>
  public var high: UnsafePointer<Double>
  public var low: UnsafePointer<Double>
  public var close: UnsafePointer<Double>
  public var volume: UnsafePointer<Double>
  public var openTimes: UnsafePointer<Int64>
  public var flags: UnsafePointer<UInt16>
}

/// The closed candles of every series: one allocation per column, each series a stretch of it.
///
/// A series appends until its stretch is used up, then moves what it keeps to the front: readers always see one
/// contiguous run, and a close costs a few copied elements on average.
struct CandleColumns: ~Copyable, Sendable {
  let open: FixedBlock<Double>
  let high: FixedBlock<Double>
  let low: FixedBlock<Double>
  let close: FixedBlock<Double>
  let volume: FixedBlock<Double>
  let openTimes: FixedBlock<Int64>
  let flags: FixedBlock<UInt16>

  /// Where a series keeps its closed candles.
  struct Stretch: BitwiseCopyable {
    var offset: Int
    /// Closed candles kept at most.
    var capacity: Int
    /// Elements of the stretch: the capacity and a quarter, so that moving is rare.
    var slotCount: Int
    var start = 0
    var count = 0

    static func slotCount(capacity: Int) -> Int { capacity == 0 ? 0 : capacity + max(16, capacity / 4) }
  }

  init(slotCount: Int) {
    open = FixedBlock(repeating: 0, count: slotCount)
    high = FixedBlock(repeating: 0, count: slotCount)
    low = FixedBlock(repeating: 0, count: slotCount)
    close = FixedBlock(repeating: 0, count: slotCount)
    volume = FixedBlock(repeating: 0, count: slotCount)
    openTimes = FixedBlock(repeating: 0, count: slotCount)
    flags = FixedBlock(repeating: 0, count: slotCount)
  }

  func window(_ stretch: Stretch) -> CandleWindow {
    let first = stretch.offset + stretch.start
    return CandleWindow(
      count: stretch.count, open: UnsafePointer(open.base + first), high: UnsafePointer(high.base + first),
      low: UnsafePointer(low.base + first), close: UnsafePointer(close.base + first),
      volume: UnsafePointer(volume.base + first), openTimes: UnsafePointer(openTimes.base + first),
      flags: UnsafePointer(flags.base + first))
  }

  func write(_ candle: Candle, rules: InstrumentRules, at slot: Int) {
    open[slot] = rules.double(candle.open)
    high[slot] = rules.double(candle.high)
    low[slot] = rules.double(candle.low)
    close[slot] = rules.double(candle.close)
    volume[slot] = rules.double(candle.volume)
    openTimes[slot] = candle.openTime.nanoseconds
    flags[slot] = candle.flags.rawValue << 8
  }

  func candle(at slot: Int, rules: InstrumentRules) -> Candle {
    func price(_ value: Double) -> Price { rules.price(value, rounded: .toNearestOrEven) ?? .none }
    let steps = (volume[slot] * 1e8 / Double(rules.stepE8)).rounded()
    return Candle(
      openTime: Instant(nanoseconds: openTimes[slot]), open: price(open[slot]), high: price(high[slot]),
      low: price(low[slot]), close: price(close[slot]),
      volume: Quantity(steps: steps < 9e15 ? Int64(steps) : 0),
      flags: CandleFlags(rawValue: flags[slot] >> 8))
  }

  /// Adds the newest candle; a full series forgets its oldest.
  func append(_ candle: Candle, rules: InstrumentRules, to stretch: inout Stretch) {
    if stretch.count == stretch.capacity { dropOldest(&stretch) }
    makeRoom(&stretch)
    write(candle, rules: rules, at: stretch.offset + stretch.start + stretch.count)
    stretch.count += 1
  }

  /// Puts a candle before the element at `index`.
  /// - Precondition: the series is not full, or `index > 0`; a full one forgets its oldest.
  func insert(_ candle: Candle, rules: InstrumentRules, at index: Int, in stretch: inout Stretch) {
    var index = index
    if stretch.count == stretch.capacity {
      precondition(index > 0, "a full series has no room before its oldest")
      dropOldest(&stretch)
      index -= 1
    }
    makeRoom(&stretch)
    let slot = stretch.offset + stretch.start + index
    move(from: slot, to: slot + 1, count: stretch.count - index)
    write(candle, rules: rules, at: slot)
    stretch.count += 1
  }

  /// Index of the first candle that opened at or after the moment; `count` when none did.
  func lowerBound(_ openTime: Instant, in stretch: Stretch) -> Int {
    let times = openTimes.base + stretch.offset + stretch.start
    var low = 0
    var high = stretch.count
    while low < high {
      let middle = (low + high) / 2
      if times[middle] < openTime.nanoseconds { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private func dropOldest(_ stretch: inout Stretch) {
    stretch.start += 1
    stretch.count -= 1
  }

  private func makeRoom(_ stretch: inout Stretch) {
    guard stretch.start + stretch.count == stretch.slotCount else { return }
    move(from: stretch.offset + stretch.start, to: stretch.offset, count: stretch.count)
    stretch.start = 0
  }

  private func move(from: Int, to: Int, count: Int) {
    guard count > 0, from != to else { return }
    (open.base + to).update(from: open.base + from, count: count)
    (high.base + to).update(from: high.base + from, count: count)
    (low.base + to).update(from: low.base + from, count: count)
    (close.base + to).update(from: close.base + from, count: count)
    (volume.base + to).update(from: volume.base + from, count: count)
    (openTimes.base + to).update(from: openTimes.base + from, count: count)
    (flags.base + to).update(from: flags.base + from, count: count)
  }
}
