import PluginABI

/// A candle length. Raw values are `AEGIS_TIMEFRAME_*`.
public enum Timeframe: UInt32, Sendable, CaseIterable {
  case minute1 = 0, minute5, minute15, hour1, day1
}

/// One wish for events.
public struct Subscription: Sendable {
  var raw = aegis_subscription()

  private init(kind: UInt16, timeframe: UInt32 = 0, warmupBarCount: Int = 0, intervalMilliseconds: Int = 0) {
    raw.size = UInt32(MemoryLayout<aegis_subscription>.size)
    raw.kind = UInt32(kind)
    raw.timeframe = timeframe
    raw.warmup_bars = UInt32(clamping: warmupBarCount)
    raw.interval_ms = UInt32(clamping: intervalMilliseconds)
  }

  /// Closed candles, and this many of them as warm-up before the first live event.
  public static func bars(_ timeframe: Timeframe, warmupBarCount: Int = 0) -> Subscription {
    Subscription(kind: AEGIS_EV_BAR, timeframe: timeframe.rawValue, warmupBarCount: warmupBarCount)
  }
  /// Best bid and ask, at most one per instrument in `conflationMilliseconds`; 0 = every one.
  public static func quotes(conflationMilliseconds: Int = 0) -> Subscription {
    Subscription(kind: AEGIS_EV_QUOTE, intervalMilliseconds: conflationMilliseconds)
  }
  /// An event each time a period of this length ends, by the venue's clock.
  public static func timer(everyMilliseconds period: Int) -> Subscription {
    Subscription(kind: AEGIS_EV_TIMER, intervalMilliseconds: period)
  }
  /// How virtual lots opened for this plugin's own signals closed.
  public static var outcomes: Subscription { Subscription(kind: AEGIS_EV_OUTCOME) }
  public static var trades: Subscription { Subscription(kind: AEGIS_EV_TRADE) }
  public static var marks: Subscription { Subscription(kind: AEGIS_EV_MARK) }
  public static var gaps: Subscription { Subscription(kind: AEGIS_EV_GAP) }
}
