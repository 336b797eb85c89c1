public import Market

/// Candles of every instrument and timeframe, built from trades, and the last prices beside them. [decision-thread]
///
/// Where they differ from the exchange's klines:
/// - They are made of aggregate trades. Liquidation and insurance-fund trades are not in that stream, so volume and
///   extremes can differ; `tradeCount` counts the single trades an aggregate says it holds.
/// - A candle closes when a trade at or after its end arrives, or 500 ms of venue time after its end. A trade that
///   comes later still is counted in `lateTradeCount` and left out; the exchange would have included it.
/// - The interval in which watching began, and every interval in which something was missed, lacks
///   `CandleFlags.complete` until history covers it.
///
/// Candles as events (backtests) close their own timeframe and are summed up into the larger ones.
public struct CandleBook: ~Copyable, Sendable {
  /// How long after its end a quiet candle closes; late frames usually come within it.
  public static let graceNanoseconds: Int64 = 500_000_000
  /// Quiet intervals filled at one step. After a longer silence the window starts anew, incomplete.
  public static let fillMax = 240

  private let rules: [InstrumentRules]
  private let columns: CandleColumns
  private let series: FixedBlock<Series>
  private let prices: FixedBlock<LastPrices>
  private let startsComplete: Bool
  /// No candle ends, grace included, before this.
  private var nextDue: Int64 = 0
  /// Where `advance` goes on when it had to stop.
  private var cursor = 0

  /// Trades older than their running candle, once per trade.
  public private(set) var lateTradeCount = 0
  /// Windows dropped because a silence was longer than `fillMax` intervals.
  public private(set) var restartCount = 0
  /// The shortest timeframe kept; nil when none is.
  public let baseTimeframe: Timeframe?

  struct Series: BitwiseCopyable {
    var stretch: CandleColumns.Stretch
    /// Open time of the running candle; 0 before the first.
    var runningOpen: Int64 = 0
    var open: Int64 = 0
    var high: Int64 = 0
    var low: Int64 = 0
    var close: Int64 = 0
    var volume: Int64 = 0
    var tradeCount: Int32 = 0
    var hasTrades = false
    var isComplete = false
    /// Open time of the newest closed candle and its close; 0 before the first.
    var closedOpen: Int64 = 0
    var closedClose: Int64 = 0
    /// Where the next bar must start for an aggregate of bars to stay complete.
    var nextBarOpen: Int64 = 0
  }

  /// What an instrument last traded and was quoted at.
  @frozen public struct LastPrices: Sendable, BitwiseCopyable {
    public var bid: Price = .none
    public var ask: Price = .none
    public var last: Price = .none
    public var markE8: Int64 = 0
    /// Time of the newest quote or trade; `.never` before the first.
    public var time: Instant = .never
    var incompleteUntil: Int64 = .min
    /// Raw value of the shortest timeframe that came as bars; 255 when trades make the candles.
    var barTimeframe: UInt8 = 255
  }

  /// What became of a candle from outside.
  @frozen public enum HistoryOutcome: UInt8, Sendable {
    case inserted = 0
    /// Replaced one that was incomplete.
    case completed = 1
    /// Already there and complete.
    case duplicate = 2
    /// Not older than the running candle.
    case notOlder = 3
    /// Older than everything a full window keeps.
    case tooOld = 4
    /// The timeframe is not kept.
    case notKept = 5
    /// Its open time is not a multiple of the timeframe.
    case misaligned = 6
  }

  /// - Parameters:
  ///   - windowBars: closed candles kept per timeframe, at most 100,000; absent or 0 means not kept.
  ///   - startsComplete: the first events are the first there are (backtests), so the first candle misses nothing.
  public init(rules: [InstrumentRules], windowBars: [Timeframe: Int], startsComplete: Bool = false) {
    precondition(rules.count <= InstrumentTable.countMax, "at most \(InstrumentTable.countMax) instruments")
    self.rules = rules
    self.startsComplete = startsComplete
    let capacities = Timeframe.allCases.map { windowBars[$0] ?? 0 }
    precondition(capacities.allSatisfy { (0...100_000).contains($0) }, "0 to 100,000 closed candles are kept")
    let slotCounts = capacities.map { CandleColumns.Stretch.slotCount(capacity: $0) }
    columns = CandleColumns(slotCount: slotCounts.reduce(0, +) * rules.count)
    baseTimeframe = Timeframe.allCases.first { capacities[Int($0.rawValue)] > 0 }
    let empty = CandleColumns.Stretch(offset: 0, capacity: 0, slotCount: 0)
    series = FixedBlock(repeating: Series(stretch: empty), count: rules.count * Timeframe.allCases.count)
    prices = FixedBlock(repeating: LastPrices(), count: rules.count)
    var offset = 0
    for index in rules.indices {
      for timeframe in Timeframe.allCases {
        let number = Int(timeframe.rawValue)
        series[index * 5 + number].stretch = CandleColumns.Stretch(
          offset: offset, capacity: capacities[number], slotCount: slotCounts[number])
        offset += slotCounts[number]
      }
    }
  }

  // MARK: Reading

  /// - Precondition: the instrument is in the table.
  public func lastPrices(_ instrument: InstrumentID) -> LastPrices { prices[Int(instrument.index)] }

  /// The closed candles in place; empty when the timeframe is not kept.
  public func window(_ instrument: InstrumentID, _ timeframe: Timeframe) -> CandleWindow {
    columns.window(series[index(instrument, timeframe)].stretch)
  }

  public func count(_ instrument: InstrumentID, _ timeframe: Timeframe) -> Int {
    series[index(instrument, timeframe)].stretch.count
  }

  /// A closed candle, 0 the oldest kept. Trade counts are not kept.
  /// - Precondition: `0 ≤ position < count`.
  public func candle(_ instrument: InstrumentID, _ timeframe: Timeframe, at position: Int) -> Candle {
    let stretch = series[index(instrument, timeframe)].stretch
    precondition(position >= 0 && position < stretch.count, "position below the count")
    return columns.candle(
      at: stretch.offset + stretch.start + position, rules: rules[Int(instrument.index)])
  }

  /// The candle that is still being built; nil before its first trade.
  public func running(_ instrument: InstrumentID, _ timeframe: Timeframe) -> Candle? {
    let item = series[index(instrument, timeframe)]
    guard item.runningOpen != 0, item.hasTrades else { return nil }
    return Self.candle(of: item)
  }

  /// Whether the newest closed candle misses nothing; `timeframe` nil asks for the shortest kept.
  ///
  /// Before the first close it says what the running one would.
  public func lastClosedIsComplete(_ instrument: InstrumentID, _ timeframe: Timeframe? = nil) -> Bool {
    guard let timeframe = timeframe ?? baseTimeframe else { return startsComplete }
    let item = series[index(instrument, timeframe)]
    guard item.stretch.count > 0 else { return item.runningOpen == 0 ? startsComplete : item.isComplete }
    let slot = item.stretch.offset + item.stretch.start + item.stretch.count - 1
    return CandleFlags(rawValue: columns.flags[slot] >> 8).contains(.complete)
  }

  /// The intervals history should cover, from the oldest that is missing or incomplete to the newest that is;
  /// nil when nothing is missing. Looks at what lies inside the window only.
  public func missingRange(_ instrument: InstrumentID, _ timeframe: Timeframe) -> ClosedRange<Instant>? {
    let item = series[index(instrument, timeframe)]
    let stretch = item.stretch
    let length = timeframe.nanoseconds
    var first: Int64?
    var last: Int64 = 0
    func note(_ from: Int64, _ through: Int64) {
      if first == nil { first = from }
      last = through
    }
    var expected: Int64?
    for position in 0..<stretch.count {
      let slot = stretch.offset + stretch.start + position
      let openTime = columns.openTimes[slot]
      if let expected, openTime > expected { note(expected, openTime - length) }
      if !CandleFlags(rawValue: columns.flags[slot] >> 8).contains(.complete) { note(openTime, openTime) }
      expected = openTime + length
    }
    if let expected, item.runningOpen > expected { note(expected, item.runningOpen - length) }
    guard let first else { return nil }
    return Instant(nanoseconds: first)...Instant(nanoseconds: last)
  }

  // MARK: Market events

  /// Takes one event; candles it closes are appended to `closed`.
  ///
  /// - Precondition: `closed` was emptied after the previous input. A quarantined event changes nothing.
  /// - Complexity: O(timeframes), no allocation.
  public mutating func absorb(_ event: MarketEvent, closed: inout ClosedCandles) {
    let index = Int(event.instrument.index)
    guard index < rules.count else {
      if event.kind == .gap { markIncomplete(until: event.time) }
      return
    }
    if event.flags.contains(.quarantined) { return }
    let last = prices.base + index
    switch event.kind {
    case .trade:
      last.pointee.last = event.price
      if event.time > last.pointee.time { last.pointee.time = event.time }
      absorbTrade(event, index, &closed)
    case .quote:
      last.pointee.bid = event.bid
      last.pointee.ask = event.ask
      if event.time > last.pointee.time { last.pointee.time = event.time }
    case .mark: last.pointee.markE8 = event.markE8
    case .bar:
      guard let timeframe = event.timeframe else { return }
      let candle = event.candle
      last.pointee.last = candle.close
      if event.time > last.pointee.time { last.pointee.time = event.time }
      absorbBar(candle, timeframe, index, &closed)
    case .gap: markIncomplete(event.instrument, until: event.time)
    case .stream: break
    }
  }

  /// Something was missed everywhere up to now: running candles are incomplete until history covers them.
  public mutating func markIncomplete(until time: Instant = .never) {
    for index in rules.indices { markIncomplete(InstrumentID(index), until: time) }
  }

  /// As above for one instrument. Closed candles without trades at the end of a window may be silence we made up,
  /// so they lose their mark too.
  public mutating func markIncomplete(_ instrument: InstrumentID, until time: Instant = .never) {
    let index = Int(instrument.index)
    let last = prices.base + index
    last.pointee.incompleteUntil = max(last.pointee.incompleteUntil, time.nanoseconds)
    for number in 0..<5 {
      let item = series.base + index * 5 + number
      item.pointee.isComplete = false
      guard !item.pointee.hasTrades else { continue }
      let stretch = item.pointee.stretch
      var position = stretch.count - 1
      while position >= 0 {
        let slot = stretch.offset + stretch.start + position
        let flags = CandleFlags(rawValue: columns.flags[slot] >> 8)
        guard flags.contains(.synthetic), flags.contains(.complete) else { break }
        columns.flags[slot] = flags.subtracting(.complete).rawValue << 8
        position -= 1
      }
    }
  }

  /// Closes what ended at least `graceNanoseconds` before `now`, quiet intervals included.
  ///
  /// Stops early when `closed` has no room left; the next call goes on where it stopped.
  public mutating func advance(
    to now: Instant, graceNanoseconds: Int64 = CandleBook.graceNanoseconds, closed: inout ClosedCandles
  ) {
    let moment = now.nanoseconds - graceNanoseconds
    guard moment >= nextDue || cursor != 0 else { return }
    var due = cursor == 0 ? Int64.max : nextDue
    while cursor < rules.count {
      let index = cursor
      if prices[index].barTimeframe == 255 {
        guard closed.freeCount >= 5 * (Self.fillMax + 1) else {
          nextDue = 0
          return
        }
        for number in 0..<5 {
          let item = series.base + index * 5 + number
          guard item.pointee.stretch.capacity > 0 else { continue }
          let timeframe = Self.timeframe(number)
          let length = timeframe.nanoseconds
          if item.pointee.runningOpen == 0 {
            guard item.pointee.closedClose != 0 else { continue }
            start(item, openTime: moment - moment % length, isComplete: false)
          }
          if moment >= item.pointee.runningOpen + length {
            roll(item, timeframe, index, to: moment, &closed)
          }
          due = min(due, item.pointee.runningOpen + length)
        }
      }
      cursor += 1
    }
    cursor = 0
    nextDue = due == .max ? moment : due
  }

  // MARK: History

  /// Puts a closed candle from outside where it belongs in time. Doing it twice changes nothing.
  @discardableResult
  public mutating func absorbHistory(
    _ instrument: InstrumentID, _ timeframe: Timeframe, _ candle: Candle
  ) -> HistoryOutcome {
    let item = series.base + index(instrument, timeframe)
    guard item.pointee.stretch.capacity > 0 else { return .notKept }
    let openTime = candle.openTime.nanoseconds
    guard openTime > 0, openTime % timeframe.nanoseconds == 0 else { return .misaligned }
    if item.pointee.runningOpen != 0, openTime >= item.pointee.runningOpen { return .notOlder }
    var candle = candle
    candle.flags.insert(.backfilled)
    let rules = rules[Int(instrument.index)]
    let stretch = item.pointee.stretch
    let position = columns.lowerBound(candle.openTime, in: stretch)
    let slot = stretch.offset + stretch.start + position
    if position < stretch.count, columns.openTimes[slot] == openTime {
      guard !CandleFlags(rawValue: columns.flags[slot] >> 8).contains(.complete) else { return .duplicate }
      columns.write(candle, rules: rules, at: slot)
      if openTime == item.pointee.closedOpen { item.pointee.closedClose = candle.close.ticks }
      return .completed
    }
    if position == 0, stretch.count == stretch.capacity { return .tooOld }
    columns.insert(candle, rules: rules, at: position, in: &item.pointee.stretch)
    if openTime > item.pointee.closedOpen {
      item.pointee.closedOpen = openTime
      item.pointee.closedClose = candle.close.ticks
      nextDue = 0
    }
    return .inserted
  }

  // MARK: Building

  private func index(_ instrument: InstrumentID, _ timeframe: Timeframe) -> Int {
    Int(instrument.index) * 5 + Int(timeframe.rawValue)
  }

  /// The timeframe with a raw value, without the array that `allCases` would build.
  @inline(__always) private static func timeframe(_ number: Int) -> Timeframe {
    switch number {
    case 0: .minute1
    case 1: .minute5
    case 2: .minute15
    case 3: .hour1
    default: .day1
    }
  }

  private mutating func absorbTrade(_ event: MarketEvent, _ index: Int, _ closed: inout ClosedCandles) {
    let time = event.time.nanoseconds
    let ticks = event.price.ticks
    let steps = event.quantity.steps
    let trades = Int32(clamping: event.tradeCount)
    var isLate = false
    for number in 0..<5 {
      let item = series.base + index * 5 + number
      guard item.pointee.stretch.capacity > 0 else { continue }
      let timeframe = Self.timeframe(number)
      let length = timeframe.nanoseconds
      if item.pointee.runningOpen == 0 {
        let openTime = time - time % length
        guard openTime > item.pointee.closedOpen else {
          isLate = true
          continue
        }
        start(item, openTime: openTime, isComplete: startsComplete && item.pointee.closedOpen == 0)
        nextDue = 0
      } else if time < item.pointee.runningOpen {
        isLate = true
        continue
      } else if time >= item.pointee.runningOpen + length {
        roll(item, timeframe, index, to: time, &closed)
      }
      if item.pointee.hasTrades {
        if ticks > item.pointee.high { item.pointee.high = ticks }
        if ticks < item.pointee.low { item.pointee.low = ticks }
      } else {
        item.pointee.hasTrades = true
        item.pointee.open = ticks
        item.pointee.high = ticks
        item.pointee.low = ticks
      }
      item.pointee.close = ticks
      item.pointee.volume &+= steps
      item.pointee.tradeCount &+= trades
    }
    if isLate { lateTradeCount += 1 }
  }

  private func start(_ item: UnsafeMutablePointer<Series>, openTime: Int64, isComplete: Bool) {
    item.pointee.runningOpen = openTime
    item.pointee.hasTrades = false
    item.pointee.isComplete = isComplete
    item.pointee.volume = 0
    item.pointee.tradeCount = 0
  }

  /// Closes the running candle and the quiet ones after it, up to the interval that holds `moment`.
  private mutating func roll(
    _ item: UnsafeMutablePointer<Series>, _ timeframe: Timeframe, _ index: Int, to moment: Int64,
    _ closed: inout ClosedCandles
  ) {
    let length = timeframe.nanoseconds
    let target = moment - moment % length
    let incompleteUntil = prices[index].incompleteUntil
    close(item, timeframe, index, &closed)
    var openTime = item.pointee.runningOpen + length
    if (target - openTime) / length > Int64(Self.fillMax) {
      item.pointee.stretch.start = 0
      item.pointee.stretch.count = 0
      item.pointee.closedClose = 0
      restartCount += 1
      start(item, openTime: target, isComplete: false)
      return
    }
    while openTime < target {
      start(item, openTime: openTime, isComplete: openTime > incompleteUntil)
      close(item, timeframe, index, &closed)
      openTime += length
    }
    start(item, openTime: target, isComplete: target > incompleteUntil)
  }

  private func close(
    _ item: UnsafeMutablePointer<Series>, _ timeframe: Timeframe, _ index: Int, _ closed: inout ClosedCandles
  ) {
    if !item.pointee.hasTrades {
      guard item.pointee.closedClose != 0 else { return }  // nothing is known about a price yet
      item.pointee.open = item.pointee.closedClose
      item.pointee.high = item.pointee.closedClose
      item.pointee.low = item.pointee.closedClose
      item.pointee.close = item.pointee.closedClose
    }
    append(Self.candle(of: item.pointee), item, timeframe, index, &closed)
  }

  private func append(
    _ candle: Candle, _ item: UnsafeMutablePointer<Series>, _ timeframe: Timeframe, _ index: Int,
    _ closed: inout ClosedCandles
  ) {
    item.pointee.closedOpen = candle.openTime.nanoseconds
    item.pointee.closedClose = candle.close.ticks
    columns.append(candle, rules: rules[index], to: &item.pointee.stretch)
    closed.append(InstrumentID(index), timeframe, candle)
  }

  private static func candle(of item: Series) -> Candle {
    var flags: CandleFlags = item.isComplete ? .complete : []
    if !item.hasTrades { flags.insert(.synthetic) }
    return Candle(
      openTime: Instant(nanoseconds: item.runningOpen), open: Price(ticks: item.open),
      high: Price(ticks: item.high), low: Price(ticks: item.low), close: Price(ticks: item.close),
      volume: Quantity(steps: item.volume), tradeCount: item.tradeCount, flags: flags)
  }

  // MARK: Candles as events

  private mutating func absorbBar(
    _ candle: Candle, _ timeframe: Timeframe, _ index: Int, _ closed: inout ClosedCandles
  ) {
    let last = prices.base + index
    if timeframe.rawValue < last.pointee.barTimeframe { last.pointee.barTimeframe = timeframe.rawValue }
    let item = series.base + index * 5 + Int(timeframe.rawValue)
    let openTime = candle.openTime.nanoseconds
    guard openTime > item.pointee.closedOpen else {
      lateTradeCount += 1
      return
    }
    fillHole(before: candle, item, timeframe, index, &closed)
    if item.pointee.stretch.capacity > 0 {
      append(candle, item, timeframe, index, &closed)
    } else {
      item.pointee.closedOpen = openTime
      item.pointee.closedClose = candle.close.ticks
    }
    guard timeframe.rawValue == last.pointee.barTimeframe else { return }
    for number in (Int(timeframe.rawValue) + 1)..<5 {
      let larger = Self.timeframe(number)
      let sum = series.base + index * 5 + number
      if sum.pointee.stretch.capacity > 0 { aggregate(candle, timeframe, into: sum, larger, index, &closed) }
    }
  }

  /// Bars missing from the data become incomplete candles without volume, so that nothing steps over a hole.
  private mutating func fillHole(
    before candle: Candle, _ item: UnsafeMutablePointer<Series>, _ timeframe: Timeframe, _ index: Int,
    _ closed: inout ClosedCandles
  ) {
    guard item.pointee.stretch.count > 0 else { return }
    let length = timeframe.nanoseconds
    var openTime = item.pointee.closedOpen + length
    let missing = (candle.openTime.nanoseconds - openTime) / length
    if missing > Int64(Self.fillMax) {
      item.pointee.stretch.start = 0
      item.pointee.stretch.count = 0
      restartCount += 1
      return
    }
    while openTime < candle.openTime.nanoseconds {
      let price = Price(ticks: item.pointee.closedClose)
      let quiet = Candle(
        openTime: Instant(nanoseconds: openTime), open: price, high: price, low: price, close: price,
        volume: .zero, flags: .synthetic)
      append(quiet, item, timeframe, index, &closed)
      openTime += length
    }
  }

  private mutating func aggregate(
    _ bar: Candle, _ barTimeframe: Timeframe, into sum: UnsafeMutablePointer<Series>,
    _ timeframe: Timeframe, _ index: Int, _ closed: inout ClosedCandles
  ) {
    let barOpen = bar.openTime.nanoseconds
    let openTime = barOpen - barOpen % timeframe.nanoseconds
    guard openTime > sum.pointee.closedOpen else { return }
    if sum.pointee.runningOpen != openTime {
      if sum.pointee.runningOpen != 0 {  // its last bars never came
        sum.pointee.isComplete = false
        close(sum, timeframe, index, &closed)
      }
      start(sum, openTime: openTime, isComplete: barOpen == openTime)
    } else if barOpen != sum.pointee.nextBarOpen {
      sum.pointee.isComplete = false
    }
    if !bar.flags.contains(.complete) { sum.pointee.isComplete = false }
    if sum.pointee.hasTrades {
      sum.pointee.high = max(sum.pointee.high, bar.high.ticks)
      sum.pointee.low = min(sum.pointee.low, bar.low.ticks)
    } else {
      sum.pointee.hasTrades = true
      sum.pointee.open = bar.open.ticks
      sum.pointee.high = bar.high.ticks
      sum.pointee.low = bar.low.ticks
    }
    sum.pointee.close = bar.close.ticks
    sum.pointee.volume &+= bar.volume.steps
    sum.pointee.tradeCount &+= bar.tradeCount
    sum.pointee.nextBarOpen = barOpen + barTimeframe.nanoseconds
    if sum.pointee.nextBarOpen == openTime + timeframe.nanoseconds {
      close(sum, timeframe, index, &closed)
      sum.pointee.runningOpen = 0
    }
  }
}
