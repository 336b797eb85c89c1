import Market
import Simulator

/// The candles since the market started: the running minute of each symbol, what closed, and larger bars made of them.
///
/// A minute without a trade closes flat at the previous price, as the exchange shows it.   [event loop]
struct LiveCandles {
  /// Closed bars kept per symbol and timeframe: the longest answer of the klines endpoint.
  static let closedMax = 1_500

  private struct Symbol {
    var minute: HistoryBar
    /// Bars of the larger timeframes, without the running minute; `tradeCount` and volumes include history's part.
    var larger: [HistoryBar]
    var closed: [[HistoryBar]]
    var changes: UInt64 = 0
    var largerHasMinutes: [Bool]
  }

  private var symbols: [Symbol] = []
  private(set) var minute: Int64
  private let rules: [InstrumentRules]

  private static let minuteNanoseconds: Int64 = 60_000_000_000

  /// - Parameters:
  ///   - start: the moment the market starts; its minute is the first live one.
  ///   - openings: price at the start, by instrument.
  ///   - begun: what history already put into the larger bars that contain the start: from 5m to 1d; nil for none.
  init(
    start: Instant, rules: [InstrumentRules], openings: [Price],
    begun: (InstrumentID, Timeframe) -> HistoryBar?
  ) {
    self.rules = rules
    minute = start.nanoseconds / Self.minuteNanoseconds
    let openTime = Timeframe.minute1.openTime(of: start)
    for (index, price) in openings.enumerated() {
      var larger: [HistoryBar] = []
      var hasMinutes: [Bool] = []
      for timeframe in Timeframe.allCases.dropFirst() {
        let past = begun(InstrumentID(index), timeframe)
        larger.append(past ?? Self.flat(timeframe.openTime(of: start), price.ticks))
        hasMinutes.append(past != nil)
      }
      symbols.append(
        Symbol(
          minute: Self.flat(openTime, price.ticks), larger: larger,
          closed: Array(repeating: [], count: Timeframe.allCases.count), largerHasMinutes: hasMinutes))
    }
  }

  private static func flat(_ openTime: Instant, _ ticks: Int64) -> HistoryBar {
    HistoryBar(openTime: openTime, openTicks: ticks, highTicks: ticks, lowTicks: ticks, closeTicks: ticks)
  }

  /// Books one aggregate trade. Its time lies in the running minute or a moment before it.
  mutating func trade(_ event: MarketEvent) {
    let index = Int(event.instrument.index)
    let quote = rules[index].notional(event.price, event.quantity)
    let ticks = event.price.ticks
    withUnsafeMutablePointer(to: &symbols[index].minute) { bar in
      if bar.pointee.tradeCount == 0 {
        bar.pointee.openTicks = ticks
        bar.pointee.highTicks = ticks
        bar.pointee.lowTicks = ticks
      }
      if ticks > bar.pointee.highTicks { bar.pointee.highTicks = ticks }
      if ticks < bar.pointee.lowTicks { bar.pointee.lowTicks = ticks }
      bar.pointee.closeTicks = ticks
      bar.pointee.volumeSteps += event.quantity.steps
      bar.pointee.quoteVolume = bar.pointee.quoteVolume + quote
      bar.pointee.tradeCount += event.tradeCount
      if !event.flags.contains(.buyerIsMaker) {
        bar.pointee.takerBuySteps += event.quantity.steps
        bar.pointee.takerBuyQuote = bar.pointee.takerBuyQuote + quote
      }
    }
    symbols[index].changes &+= 1
  }

  /// Closes the running minute if it ended by `now`; to be repeated until nil, as several may have.
  ///
  /// - Returns: the timeframes that closed with it.
  mutating func closeMinute(endedBy now: Instant) -> [Timeframe]? {
    guard now.nanoseconds >= minuteEndNanoseconds else { return nil }
    minute += 1
    let next = Instant(nanoseconds: minute * Self.minuteNanoseconds)
    let ended = Timeframe.allCases.filter { $0.openTime(of: next) == next }
    for index in symbols.indices { closeMinute(index, next, ended) }
    return ended
  }

  var minuteEndNanoseconds: Int64 { (minute + 1) * Self.minuteNanoseconds }

  private mutating func closeMinute(_ index: Int, _ next: Instant, _ ended: [Timeframe]) {
    let bar = symbols[index].minute
    keep(index, 0, bar)
    for timeframe in Timeframe.allCases.dropFirst() {
      let place = Int(timeframe.rawValue) - 1
      merge(index, place, bar)
      if ended.contains(timeframe) {
        keep(index, place + 1, symbols[index].larger[place])
        symbols[index].larger[place] = Self.flat(next, bar.closeTicks)
        symbols[index].largerHasMinutes[place] = false
      }
    }
    symbols[index].minute = Self.flat(next, bar.closeTicks)
    symbols[index].changes &+= 1
  }

  private mutating func merge(_ index: Int, _ place: Int, _ bar: HistoryBar) {
    if symbols[index].largerHasMinutes[place] {
      symbols[index].larger[place].append(bar)
    } else {
      var first = bar
      first.openTime = symbols[index].larger[place].openTime
      symbols[index].larger[place] = first
      symbols[index].largerHasMinutes[place] = true
    }
  }

  private mutating func keep(_ index: Int, _ timeframe: Int, _ bar: HistoryBar) {
    if symbols[index].closed[timeframe].count >= 2 * Self.closedMax {
      symbols[index].closed[timeframe].removeFirst(Self.closedMax)
    }
    symbols[index].closed[timeframe].append(bar)
  }

  /// The running bar.
  func running(_ instrument: InstrumentID, _ timeframe: Timeframe) -> HistoryBar {
    let symbol = symbols[Int(instrument.index)]
    guard timeframe != .minute1 else { return symbol.minute }
    let place = Int(timeframe.rawValue) - 1
    var bar = symbol.larger[place]
    if symbol.largerHasMinutes[place] {
      bar.append(symbol.minute)
    } else {
      let openTime = bar.openTime
      bar = symbol.minute
      bar.openTime = openTime
    }
    return bar
  }

  /// The bar that closed last; nil before the first.
  func lastClosed(_ instrument: InstrumentID, _ timeframe: Timeframe) -> HistoryBar? {
    symbols[Int(instrument.index)].closed[Int(timeframe.rawValue)].last
  }

  /// Counts up with every change of a symbol's running bars.
  func changes(_ instrument: InstrumentID) -> UInt64 { symbols[Int(instrument.index)].changes }

  /// Closed bars and the running one, oldest first; the first contains the start or follows what was dropped.
  func bars(_ instrument: InstrumentID, _ timeframe: Timeframe) -> [HistoryBar] {
    symbols[Int(instrument.index)].closed[Int(timeframe.rawValue)] + [running(instrument, timeframe)]
  }
}
