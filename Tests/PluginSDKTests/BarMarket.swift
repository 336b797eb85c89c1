import Market
import PluginABI

@testable import PluginHost

/// Minute bars of a random walk, and windows over those that are closed.
final class BarMarket {
  private(set) var events: [MarketEvent] = []
  /// By instrument: highs, lows and closes of the bars so far.
  private let highs: [UnsafeMutableBufferPointer<Double>]
  private let lows: [UnsafeMutableBufferPointer<Double>]
  private let closes: [UnsafeMutableBufferPointer<Double>]
  private(set) var closedCounts: [Int]

  static let rules = InstrumentRules(tickE8: 1_000_000, stepE8: 100_000)

  init(barCount: Int, instrumentCount: Int, seed: UInt64) {
    var random = SeededRandom(seed: seed)
    func column() -> [UnsafeMutableBufferPointer<Double>] {
      (0..<instrumentCount).map { _ in .allocate(capacity: barCount) }
    }
    (highs, lows, closes) = (column(), column(), column())
    closedCounts = Array(repeating: 0, count: instrumentCount)
    var prices = [Int64](repeating: 10_000, count: instrumentCount)
    for bar in 0..<barCount {
      for instrument in 0..<instrumentCount {
        let open = prices[instrument]
        prices[instrument] = max(1000, open + Int64(random.below(41)) - 20)
        let close = prices[instrument]
        let high = max(open, close) + Int64(random.below(5))
        let low = min(open, close) - Int64(random.below(5))
        let event = MarketEvent.bar(
          InstrumentID(instrument), .minute1,
          Candle(
            openTime: Instant(nanoseconds: Int64(bar) * Timeframe.minute1.nanoseconds),
            open: Price(ticks: open), high: Price(ticks: high), low: Price(ticks: low),
            close: Price(ticks: close), volume: Quantity(steps: 3),
            flags: random.below(40) == 0 ? [] : .complete))
        events.append(event)
        // The numbers of the windows are those of the events, as in the engine.
        let shown = aegis_event(event, sequence: 1, rules: Self.rules).u.bar
        highs[instrument].initializeElement(at: bar, to: shown.high)
        lows[instrument].initializeElement(at: bar, to: shown.low)
        closes[instrument].initializeElement(at: bar, to: shown.close)
      }
    }
  }

  deinit { for column in highs + lows + closes { column.deallocate() } }

  /// Feeds everything, one event at a time, the first `warmupCount` as history; returns what passed the checks.
  func signals(of set: inout PluginSet, warmupCount: Int) -> [Signal] {
    closedCounts = closedCounts.map { _ in 0 }
    var result: [Signal] = []
    let room = UnsafeMutableBufferPointer<Signal>.allocate(capacity: max(set.signalsPerEventMax, 1))
    defer { room.deallocate() }
    for (index, event) in events.enumerated() {
      closedCounts[Int(event.instrument.index)] += 1
      let count = set.process(
        event, sequence: UInt64(index + 1), rules: Self.rules, now: event.time,
        phase: index < warmupCount ? .warmup : .live, into: room)
      result += room[..<count]
    }
    return result
  }

  /// A set with this market's candles.
  func set(_ path: String, _ cache: String, parameters: [String: String] = [:]) throws -> PluginSet {
    var set = PluginSet(hostName: "tests", version: "1.0")
    set.provideCandles(context: Unmanaged.passUnretained(self).toOpaque()) {
      context, instrument, timeframe, countMax, window in
      guard let context, timeframe == 0 else { return -1 }
      let market = Unmanaged<BarMarket>.fromOpaque(context).takeUnretainedValue()
      guard Int(instrument) < market.closes.count else { return -1 }
      let closed = market.closedCounts[Int(instrument)]
      let count = min(Int(countMax), closed)
      window.pointee.count = UInt32(count)
      func start(_ column: UnsafeMutableBufferPointer<Double>) -> UnsafePointer<Double> {
        UnsafePointer(column.baseAddress! + (closed - count))  // never empty: a market has bars
      }
      window.pointee.high = start(market.highs[Int(instrument)])
      window.pointee.low = start(market.lows[Int(instrument)])
      window.pointee.close = start(market.closes[Int(instrument)])
      return 0
    }
    try set.load(
      path: path, cacheDirectory: cache, parameters: parameters,
      instruments: closes.indices.map { "S\($0)USDT" }, seed: 1)
    return set
  }
}
