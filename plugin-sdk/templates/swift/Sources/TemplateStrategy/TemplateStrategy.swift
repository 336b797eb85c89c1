import PluginABI
import PluginKit

/// A breakout. When a minute closes above the highest high of the `lookback` minutes before it, the price is expected
/// to rise; below the lowest low, to fall. Only the first close outside the channel is announced.
///
/// This version keeps nothing: all it needs is in the engine's candle window, so there is no state to save. For the
/// other way, state of your own with `save` and `load`, see `Strategy` in `sdk/PluginKit`.
final class TemplateStrategy: Strategy {
  static let id: StaticString = "template-strategy"
  static let version: StaticString = "0.1.0"
  static let about = About(
    name: "TemplateStrategy", summary: "Follows a close outside the channel of the last bars")
  static let capabilities: Capabilities = [.deterministic, .needsBars]

  /// Never change once people have configured the plugin.
  private enum ID {
    static let lookback: UInt32 = 1
    static let expected: UInt32 = 2
  }

  static let parameters: [Parameter] = [
    .integer(
      ID.lookback, "lookback", default: 20, in: 2...500, unit: "bars",
      help: "bars whose highs and lows make the channel"),
    .number(
      ID.expected, "expected", default: 0.01, in: 0.0001...1, unit: "fraction",
      help: "return to announce, without its sign"
    ).runtime,
  ]

  static let subscriptions: [Subscription] = [.bars(.minute1, warmupBarCount: 21)]

  private let host: Host
  private let lookback: Int
  private var expectedFraction: Double

  init(_ config: Config) throws {
    // The host has checked types and ranges.
    lookback = Int(try config.integer(ID.lookback))
    expectedFraction = try config.number(ID.expected)
    host = config.host
    if !host.hasCandles { host.log(.warning, "this host offers no candle windows: there will be no signals") }
  }

  var subscriptions: [Subscription] { [.bars(.minute1, warmupBarCount: lookback + 1)] }

  func process(_ events: Events, _ out: SignalWriter) {
    for event in events {
      if let change = event.parameterChange, change.id == ID.expected, let value = change.number {
        expectedFraction = value
      }
      // Say nothing on history and on incomplete bars.
      guard event.timeframe == .minute1, event.isComplete, !events.isWarmup else { continue }
      let window = host.candles(event.instrument, .minute1, countMax: lookback + 2)
      let newest = window.count - 1
      let side = side(of: newest, in: window)
      guard side != 0, side != self.side(of: newest - 1, in: window) else { continue }
      out.emit(
        aegis_signal(
          from: event, returnFraction: Double(side) * expectedFraction, confidence: 0.55,
          horizonNanoseconds: Int64(lookback) * 60_000_000_000))
    }
  }

  /// Where the bar closed: +1 above the channel of the bars before it, -1 below, 0 inside or with too little history.
  private func side(of bar: Int, in window: CandleWindow) -> Int {
    guard bar >= lookback else { return 0 }
    let (highs, lows) = (window.high, window.low)
    var (high, low) = (highs[bar - lookback], lows[bar - lookback])
    for index in bar - lookback + 1..<bar {
      high = max(high, highs[index])
      low = min(low, lows[index])
    }
    let close = window.close[bar]
    return close > high ? 1 : (close < low ? -1 : 0)
  }
}
