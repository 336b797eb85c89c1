import Market
import PluginABI

@testable import PluginHost

/// Minute bars of a random walk.
final class BarMarket {
  private(set) var events: [MarketEvent] = []
  private let instrumentCount: Int

  static let rules = InstrumentRules(tickE8: 1_000_000, stepE8: 100_000)

  init(barCount: Int, instrumentCount: Int, seed: UInt64) {
    var random = SeededRandom(seed: seed)
    self.instrumentCount = instrumentCount
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
      }
    }
  }

  /// Feeds everything, one event at a time, the first `warmupCount` as history; returns what passed the checks.
  func signals(of set: inout PluginSet, warmupCount: Int) -> [Signal] {
    var result: [Signal] = []
    let room = UnsafeMutableBufferPointer<Signal>.allocate(capacity: max(set.signalsPerEventMax, 1))
    defer { room.deallocate() }
    for (index, event) in events.enumerated() {
      let count = set.process(
        event, sequence: UInt64(index + 1), rules: Self.rules, now: event.time,
        phase: index < warmupCount ? .warmup : .live, into: room)
      result += room[..<count]
    }
    return result
  }

  /// A set for this market's instruments.
  func set(_ path: String, _ cache: String, parameters: [String: String] = [:]) throws -> PluginSet {
    var set = PluginSet(hostName: "tests", version: "1.0")
    try set.load(
      path: path, cacheDirectory: cache, parameters: parameters,
      instruments: (0..<instrumentCount).map { "S\($0)USDT" }, seed: 1)
    return set
  }
}
