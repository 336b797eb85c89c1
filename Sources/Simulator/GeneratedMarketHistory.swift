public import Market

/// One bar of a generated or recorded past, with everything a kline row needs.
public struct HistoryBar: Sendable, BitwiseCopyable, Hashable {
  public var openTime: Instant
  public var openTicks: Int64
  public var highTicks: Int64
  public var lowTicks: Int64
  public var closeTicks: Int64
  public var volumeSteps: Int64
  public var takerBuySteps: Int64
  public var quoteVolume: Quote
  public var takerBuyQuote: Quote
  public var tradeCount: Int64

  public init(
    openTime: Instant, openTicks: Int64, highTicks: Int64, lowTicks: Int64, closeTicks: Int64,
    volumeSteps: Int64 = 0, takerBuySteps: Int64 = 0, quoteVolume: Quote = .zero,
    takerBuyQuote: Quote = .zero, tradeCount: Int64 = 0
  ) {
    self.openTime = openTime
    self.openTicks = openTicks
    self.highTicks = highTicks
    self.lowTicks = lowTicks
    self.closeTicks = closeTicks
    self.volumeSteps = volumeSteps
    self.takerBuySteps = takerBuySteps
    self.quoteVolume = quoteVolume
    self.takerBuyQuote = takerBuyQuote
    self.tradeCount = tradeCount
  }

  /// Adds a later piece of the same bar: the open stays, the close moves on.
  public mutating func append(_ later: HistoryBar) {
    highTicks = max(highTicks, later.highTicks)
    lowTicks = min(lowTicks, later.lowTicks)
    closeTicks = later.closeTicks
    volumeSteps += later.volumeSteps
    takerBuySteps += later.takerBuySteps
    quoteVolume = quoteVolume + later.quoteVolume
    takerBuyQuote = takerBuyQuote + later.takerBuyQuote
    tradeCount += later.tradeCount
  }
}

/// The past of a generated market: any bar of any timeframe, computed from the seed when it is asked for.
///
/// One path per symbol lies under all timeframes: a walk of days, bridged by hours, bridged by minutes. A larger bar
/// is made of its minutes, so timeframes agree exactly. The path is anchored so that it meets the start price at the
/// start of the minute in which the market begins. Nothing is stored: a minute costs a few nanoseconds.
public struct GeneratedMarketHistory: Sendable {
  let seed: UInt64
  let listings: [GeneratedMarketUniverse.Listing]
  /// The first minute that is not history: the one in which the live market starts.
  public let anchorMinute: Int64
  /// How much past there is; before it no bar exists, like before a listing.
  public static let dayCountMax: Int64 = 1_500

  private static let minuteNanoseconds: Int64 = 60_000_000_000
  private static let minutesPerDay: Int64 = 1_440

  init(seed: UInt64, listings: [GeneratedMarketUniverse.Listing], start: Instant) {
    self.seed = seed
    self.listings = listings
    anchorMinute = start.nanoseconds / Self.minuteNanoseconds
  }

  /// The first moment of which a bar exists.
  public var oldest: Instant {
    let day = anchorMinute / Self.minutesPerDay - Self.dayCountMax
    return Instant(nanoseconds: day * Self.minutesPerDay * Self.minuteNanoseconds)
  }

  /// The end of history: bars end here, the last one of a larger timeframe usually unfinished.
  public var end: Instant { Instant(nanoseconds: anchorMinute * Self.minuteNanoseconds) }

  /// The bars whose open times lie in `[from, to)`, oldest first; minutes at or after `end` are not in them.
  ///
  /// - Returns: at most `countMax` bars, the newest of the range.
  /// - Complexity: O(minutes covered), about 10 ns each.
  public func bars(
    _ instrument: InstrumentID, _ timeframe: Timeframe, from: Instant, to: Instant, countMax: Int
  ) -> [HistoryBar] {
    let length = timeframe.nanoseconds
    let newest = min(to, end)
    var first = Instant(nanoseconds: Self.roundUp(max(from, oldest).nanoseconds, to: length))
    // The bar that contains the end of history opens before it.
    let lastOpen = Instant(nanoseconds: Self.roundUp(newest.nanoseconds, to: length) - length)
    guard lastOpen >= first, countMax > 0 else { return [] }
    let earliest = lastOpen.advanced(byNanoseconds: -Int64(countMax - 1) * length)
    first = max(first, earliest)
    var result: [HistoryBar] = []
    result.reserveCapacity(Int((lastOpen.nanoseconds - first.nanoseconds) / length) + 1)
    let minutesPerBar = length / Self.minuteNanoseconds
    var walker = MinuteWalker(
      history: self, instrument: instrument, firstMinute: first.nanoseconds / Self.minuteNanoseconds)
    var open = first
    while open <= lastOpen {
      let firstMinute = open.nanoseconds / Self.minuteNanoseconds
      let endMinute = min(firstMinute + minutesPerBar, anchorMinute)
      result.append(walker.bar(openTime: open, until: endMinute))
      open = open.advanced(byNanoseconds: length)
    }
    return result
  }

  private static func roundUp(_ value: Int64, to length: Int64) -> Int64 {
    (value + length - 1) / length * length
  }

  // MARK: The path, in logarithms of the price

  /// Where the walk of days stands at the start of a day, relative to the anchor's day.
  fileprivate func dayLevel(_ symbol: UInt64, _ day: Int64, deviation: Double) -> Double {
    let anchorDay = anchorMinute / Self.minutesPerDay
    var level = 0.0
    var current = anchorDay
    while current > day {
      current -= 1
      level -= dayIncrement(symbol, current, deviation: deviation)
    }
    return level
  }

  fileprivate func dayIncrement(_ symbol: UInt64, _ day: Int64, deviation: Double) -> Double {
    // The common factor of a day moves all symbols together, their own part differs.
    let common = Self.noise(Self.mixed(seed, 0, UInt64(bitPattern: day), 1))
    let own = Self.noise(Self.mixed(seed, symbol, UInt64(bitPattern: day), 2))
    return (0.7 * common + 0.7 * own) * deviation * Self.dayOverMinute
  }

  /// Increments of the parts of a whole, random but adding up exactly to the whole's own increment.
  fileprivate func fill(
    _ parts: UnsafeMutableBufferPointer<Double>, symbol: UInt64, key: UInt64, salt: UInt64, deviation: Double,
    whole: Double
  ) {
    var sum = 0.0
    for index in parts.indices {
      let value = Self.noise(Self.mixed(seed, symbol, key &* 64 &+ UInt64(index), salt)) * deviation
      parts[index] = value
      sum += value
    }
    let correction = (whole - sum) / Double(parts.count)
    for index in parts.indices { parts[index] += correction }
  }

  fileprivate static let hourOverMinute = 7.745966692414834  // √60
  fileprivate static let dayOverMinute = 37.94733192202055  // √1440

  @inline(__always)
  fileprivate static func mixed(_ seed: UInt64, _ symbol: UInt64, _ key: UInt64, _ salt: UInt64) -> UInt64 {
    var z = seed &+ symbol &* 0x9E37_79B9_7F4A_7C15 &+ salt &* 0xD1B5_4A32_D192_ED03
    z = (z ^ (z >> 30) ^ key) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    z ^= z >> 31
    z = (z &+ key) &* 0xFF51_AFD7_ED55_8CCD
    return z ^ (z >> 33)
  }

  /// About standard normal from one hash: the sum of its four 16-bit parts. Exact in binary, same on every machine.
  @inline(__always)
  fileprivate static func noise(_ hash: UInt64) -> Double {
    let sum = (hash & 0xFFFF) &+ (hash >> 16 & 0xFFFF) &+ (hash >> 32 & 0xFFFF) &+ (hash >> 48)
    return (Double(sum) - 131_070) * (1.7320508075688772 / 65_536)
  }
}

/// Walks the minutes of one symbol in order, computing each hour's bridge once.
private struct MinuteWalker {
  let history: GeneratedMarketHistory
  let listing: GeneratedMarketUniverse.Listing
  let symbol: UInt64
  let rules: InstrumentRules
  /// ln of the price at the current minute's start, relative to the start price.
  var level: Double
  var minute: Int64
  var hours: [Double]
  var minutes: [Double]
  var loadedDay = Int64.min
  var loadedHour = Int64.min

  init(history: GeneratedMarketHistory, instrument: InstrumentID, firstMinute: Int64) {
    self.history = history
    listing = history.listings[Int(instrument.index)]
    symbol = UInt64(instrument.index) &+ 1
    rules = listing.instrument.rules
    hours = [Double](repeating: 0, count: 24)
    minutes = [Double](repeating: 0, count: 60)
    minute = firstMinute
    level = 0
    let anchorLevel = rawLevel(history.anchorMinute)
    level = rawLevel(firstMinute) - anchorLevel
  }

  private mutating func rawLevel(_ minute: Int64) -> Double {
    let day = minute / 1_440
    load(minute)
    var value = history.dayLevel(symbol, day, deviation: listing.minuteDeviation)
    let minuteOfDay = Int(minute % 1_440)
    for hour in 0..<(minuteOfDay / 60) { value += hours[hour] }
    for index in 0..<(minuteOfDay % 60) { value += minutes[index] }
    return value
  }

  /// Makes sure that the increments of the hour that contains the minute are at hand.
  private mutating func load(_ minute: Int64) {
    let day = minute / 1_440
    if day != loadedDay {
      let whole = history.dayIncrement(symbol, day, deviation: listing.minuteDeviation)
      hours.withUnsafeMutableBufferPointer { parts in
        history.fill(
          parts, symbol: symbol, key: UInt64(bitPattern: day), salt: 3,
          deviation: listing.minuteDeviation * GeneratedMarketHistory.hourOverMinute, whole: whole)
      }
      loadedDay = day
      loadedHour = .min
    }
    let hour = minute / 60
    if hour != loadedHour {
      let whole = hours[Int(hour % 24)]
      minutes.withUnsafeMutableBufferPointer { parts in
        history.fill(
          parts, symbol: symbol, key: UInt64(bitPattern: hour), salt: 4, deviation: listing.minuteDeviation,
          whole: whole)
      }
      loadedHour = hour
    }
  }

  /// The bar of the minutes from the current one up to `endMinute`, at least one.
  mutating func bar(openTime: Instant, until endMinute: Int64) -> HistoryBar {
    let open = level
    var high = level
    var low = level
    var volume: Int64 = 0
    var takerBuy: Int64 = 0
    var trades: Int64 = 0
    // A minute's turnover is about 20,000 to 200,000 dollars times the symbol's activity.
    let stepsPerUnit = max(
      1,
      Int64(
        1_000 * listing.activity * 1e8
          / (rules.double(Price(ticks: listing.startTicks)) * Double(rules.stepE8))))
    repeat {
      load(minute)
      let increment = minutes[Int(minute % 60)]
      let hash = GeneratedMarketHistory.mixed(history.seed, symbol, UInt64(bitPattern: minute), 5)
      let next = level + increment
      let reach = listing.minuteDeviation * (1 / 131_072.0)
      high = max(high, max(level, next) + Double(hash & 0xFFFF) * reach)
      low = min(low, min(level, next) - Double(hash >> 16 & 0xFFFF) * reach)
      let activity =
        20 + Int64(hash >> 32 & 0x7F) + Int64(min(200, abs(increment) / listing.minuteDeviation * 40))
      volume += activity * stepsPerUnit
      takerBuy += activity * stepsPerUnit * Int64(4 + (hash >> 40 & 0x7)) / 16
      trades += activity * 2
      level = next
      minute += 1
    } while minute < endMinute
    return HistoryBar(
      openTime: openTime, openTicks: ticks(open), highTicks: ticks(high), lowTicks: ticks(low),
      closeTicks: ticks(level), volumeSteps: volume, takerBuySteps: takerBuy,
      quoteVolume: worth(volume, open, high, low), takerBuyQuote: worth(takerBuy, open, high, low),
      tradeCount: trades)
  }

  private func ticks(_ level: Double) -> Int64 {
    max(1, Int64((Double(listing.startTicks) * exponential(level)).rounded()))
  }

  /// Turnover at the bar's typical price. Volumes add up over timeframes exactly, turnover only nearly.
  private func worth(_ steps: Int64, _ open: Double, _ high: Double, _ low: Double) -> Quote {
    let typical = (ticks(open) + ticks(high) + ticks(low) + ticks(level)) / 4
    return rules.notional(Price(ticks: typical), Quantity(steps: steps))
  }
}

/// e to the power of `x` by halving and a fixed polynomial: only additions and multiplications, so that every machine
/// gives the same bits, which a C library's `exp` does not promise.
///
/// - Precondition: |x| < 50; relative error below 1e-13.
func exponential(_ x: Double) -> Double {
  let halvings = 8
  let small = x / 256
  var term = 1.0
  var sum = 1.0
  for index in 1...9 {
    term *= small / Double(index)
    sum += term
  }
  for _ in 0..<halvings { sum *= sum }
  return sum
}
