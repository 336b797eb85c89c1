import PluginABI
import PluginKit

/// A breakout. When a minute closes above the highest high of the `lookback` minutes before it, the price is expected
/// to rise; below the lowest low, to fall. Only the first close outside the channel is announced.
///
/// This version keeps what it knows itself, bar by bar, and can save it. For the other way, reading the engine's
/// candle windows, see `Host.candles` in `sdk/PluginKit`.
final class TemplateStrategy: Strategy {
  static let id: StaticString = "template-strategy"
  static let version: StaticString = "0.1.0"
  static let about = About(
    name: "TemplateStrategy", summary: "Follows a close outside the channel of the last bars")
  static let capabilities: Capabilities = [.deterministic, .stateful, .needsBars]
  /// Raise it whenever `save` writes something else.
  static let stateVersion: UInt32 = 1

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

  private let lookback: Int
  private var expectedFraction: Double
  /// By instrument.
  private var channels: [Channel]

  init(_ config: Config) throws {
    // The host has checked types and ranges.
    let lookback = Int(try config.integer(ID.lookback))
    self.lookback = lookback
    expectedFraction = try config.number(ID.expected)
    channels = (0..<config.instrumentCount).map { _ in Channel(lookback: lookback) }
  }

  var subscriptions: [Subscription] { [.bars(.minute1, warmupBarCount: lookback + 1)] }

  func process(_ events: Events, _ out: SignalWriter) {
    for event in events {
      if let change = event.parameterChange, change.id == ID.expected, let value = change.number {
        expectedFraction = value
      }
      guard event.timeframe == .minute1, let bar = event.bar, channels.indices.contains(Int(event.instrument))
      else { continue }
      let side = channels[Int(event.instrument)].absorb(bar)
      // Learn from history and from incomplete bars, but say nothing on them.
      guard side != 0, event.isComplete, !events.isWarmup else { continue }
      out.emit(
        aegis_signal(
          from: event, returnFraction: Double(side) * expectedFraction, confidence: 0.65,
          horizonNanoseconds: Int64(lookback) * 60_000_000_000))
    }
  }

  func save(_ state: inout StateWriter) {
    state.write(Int64(channels.count))
    state.write(Int64(lookback))
    for channel in channels {
      state.write(channel.count)
      state.write(channel.previous)
      for price in channel.highs + channel.lows { state.write(price) }
    }
  }

  func load(_ state: inout StateReader, version: UInt32) throws {
    guard try state.read(Int64.self) == Int64(channels.count), try state.read(Int64.self) == Int64(lookback)
    else {
      throw PluginFailure(
        "the state is for other instruments or another lookback", code: AEGIS_E_STATE_CORRUPT)
    }
    for index in channels.indices {
      channels[index].count = try state.read(Int64.self)
      channels[index].previous = try state.read(Int64.self)
      guard channels[index].count >= 0, (-1...1).contains(channels[index].previous) else {
        throw PluginFailure("instrument \(index) of the state is impossible", code: AEGIS_E_STATE_CORRUPT)
      }
      for slot in 0..<lookback { channels[index].highs[slot] = try state.read(Double.self) }
      for slot in 0..<lookback { channels[index].lows[slot] = try state.read(Double.self) }
    }
  }
}

/// What is known of one instrument.
private struct Channel {
  /// Bars seen.
  var count: Int64 = 0
  /// Where the last bar closed: +1 above the channel, -1 below, 0 inside.
  var previous: Int64 = 0
  /// Of the last `lookback` bars; bar i is at i % lookback.
  var highs: [Double]
  var lows: [Double]

  init(lookback: Int) {
    highs = Array(repeating: 0, count: lookback)
    lows = highs
  }

  /// Takes in a bar; +1 or -1 when it is the first to close outside the channel, else 0.
  mutating func absorb(_ bar: aegis_bar) -> Int64 {
    var side: Int64 = 0
    if count >= highs.count {
      var (high, low) = (highs[0], lows[0])
      for slot in highs.indices {
        high = max(high, highs[slot])
        low = min(low, lows[slot])
      }
      side = bar.close > high ? 1 : (bar.close < low ? -1 : 0)
    }
    let slot = Int(count) % highs.count
    highs[slot] = bar.high
    lows[slot] = bar.low
    count += 1
    defer { previous = side }
    return side != previous ? side : 0
  }
}
