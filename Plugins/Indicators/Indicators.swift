import PluginABI
import PluginKit

// The C types of the functions below: a list or candles in, columns out.
typealias Numbers = UnsafePointer<Double>
typealias Column = UnsafeMutablePointer<Double>
typealias Candles = UnsafePointer<aegis_candles>
private typealias ListTo1 = @convention(c) (Numbers?, Int64, Int64, Column?) -> Void
private typealias CandlesTo1 = @convention(c) (Candles?, Int64, Column?) -> Void
private typealias CandlesTo2 = @convention(c) (Candles?, Int64, Column?, Column?) -> Void

/// The standard indicators as typed functions: seeds and recurrences as in TA-Lib, cells before the first valid one
/// stay empty, as does everything for a period that makes no sense.
enum Indicators: FunctionLibrary {
  static let id: StaticString = "indicators"
  static let version: StaticString = "1.0.0"
  static let about = About(
    name: "Indicators", vendor: "aegis", summary: "standard indicators as typed functions",
    license: "Apache-2.0")
  static let functions: [TypedFunction] = averages + oscillators + ranges + volumes

  private static let flags: TypedFunction.Flags = [.pure, .causal]

  private static let averages = [
    TypedFunction(
      "sma", "void(f64* values, i64, i64 period=20, f64*out SMA)", flags, help: "simple moving average",
      sma as ListTo1),
    TypedFunction(
      "ema", "void(f64* values, i64, i64 period=20, f64*out EMA)", flags,
      help: "exponential moving average, seeded with the mean of the first period", ema as ListTo1),
    TypedFunction(
      "wma", "void(f64* values, i64, i64 period=20, f64*out WMA)", flags,
      help: "linearly weighted moving average", wma as ListTo1),
    TypedFunction(
      "macd",
      """
      void(f64* values, i64, i64 fast=12, i64 slow=26, i64 signal=9, f64*out MACD, f64*out Signal, \
      f64*out Histogram)
      """, flags, help: "difference of two EMAs, and the EMA of that",
      macd as @convention(c) (Numbers?, Int64, Int64, Int64, Int64, Column?, Column?, Column?) -> Void),
    TypedFunction(
      "stddev", "void(f64* values, i64, i64 period=20, f64*out StdDev)", flags,
      help: "population standard deviation", stddev as ListTo1),
    TypedFunction(
      "bollinger",
      "void(f64* values, i64, i64 period=20, f64 deviations=2, f64*out Upper, f64*out Middle, f64*out Lower)",
      flags, help: "mean and bands of population standard deviations",
      bollinger as @convention(c) (Numbers?, Int64, Int64, Double, Column?, Column?, Column?) -> Void),
  ]

  private static let oscillators = [
    TypedFunction(
      "rsi", "void(f64* values, i64, i64 period=14, f64*out RSI)", flags,
      help: "relative strength index, 0 to 100", rsi as ListTo1),
    TypedFunction(
      "rsi_last", "f64(f64* values, i64, i64 period=14)", flags,
      help: "the relative strength index at the end of a list",
      lastRSI as @convention(c) (Numbers?, Int64, Int64) -> Double),
    TypedFunction(
      "roc", "void(f64* values, i64, i64 period=10, f64*out ROC)", flags, help: "rate of change, in percent",
      roc as ListTo1),
    TypedFunction(
      "mom", "void(f64* values, i64, i64 period=10, f64*out MOM)", flags, help: "momentum: the difference",
      mom as ListTo1),
    TypedFunction(
      "stochastic", "void(candles, i64 period=14, i64 slowing=3, i64 smoothing=3, f64*out K, f64*out D)",
      flags, help: "slow stochastic, 0 to 100",
      stochastic as @convention(c) (Candles?, Int64, Int64, Int64, Column?, Column?) -> Void),
    TypedFunction(
      "cci", "void(candles, i64 period=20, f64*out CCI)", flags, help: "commodity channel index",
      cci as CandlesTo1),
    TypedFunction(
      "willr", "void(candles, i64 period=14, f64*out WillR)", flags, help: "Williams %R, -100 to 0",
      willr as CandlesTo1),
    TypedFunction(
      "aroon", "void(candles, i64 period=14, f64*out Down, f64*out Up)", flags,
      help: "how recent the lowest low and the highest high are, 0 to 100", aroon as CandlesTo2),
  ]

  private static let ranges = [
    TypedFunction(
      "tr", "void(candles, f64*out TR)", flags, help: "true range",
      trueRange as @convention(c) (Candles?, Column?) -> Void),
    TypedFunction(
      "atr", "void(candles, i64 period=14, f64*out ATR)", flags, help: "average true range",
      atr as CandlesTo1),
    TypedFunction(
      "natr", "void(candles, i64 period=14, f64*out NATR)", flags,
      help: "average true range in percent of the close", natr as CandlesTo1),
    TypedFunction(
      "adx", "void(candles, i64 period=14, f64*out ADX, f64*out PlusDI, f64*out MinusDI, f64*out DX)", flags,
      help: "average directional index and what it is made of",
      adx as @convention(c) (Candles?, Int64, Column?, Column?, Column?, Column?) -> Void),
    TypedFunction(
      "sar", "void(candles, f64 acceleration=0.02, f64 maximum=0.2, f64*out SAR)", flags,
      help: "parabolic stop and reverse",
      sar as @convention(c) (Candles?, Double, Double, Column?) -> Void),
    TypedFunction(
      "donchian", "void(candles, i64 period=20, f64*out High, f64*out Low)", flags,
      help: "highest high and lowest low", donchian as CandlesTo2),
  ]

  private static let volumes = [
    TypedFunction(
      "mfi", "void(candles, i64 period=14, f64*out MFI)", flags, help: "money flow index, 0 to 100",
      mfi as CandlesTo1),
    TypedFunction(
      "obv", "void(candles, f64*out OBV)", flags, help: "on-balance volume, from the first candle on",
      obv as @convention(c) (Candles?, Column?) -> Void),
    TypedFunction(
      "vwap", "void(candles, f64*out VWAP)", flags,
      help: "volume-weighted average price since 00:00 UTC",
      vwap as @convention(c) (Candles?, Column?) -> Void),
    TypedFunction(
      "volume_profile", "void(candles, i64 bars=120, i64 bins=24, f64*out POC, f64*out VAH, f64*out VAL)",
      flags, help: "point of control and value area of 70 %",
      volumeProfile as @convention(c) (Candles?, Int64, Int64, Column?, Column?, Column?) -> Void),
  ]
}

/// A period that fits: 1…`count` after conversion, or nothing to compute.
func usable(_ period: Int64, _ count: Int) -> Int? {
  period >= 1 && period <= Int64(count) ? Int(period) : nil
}

/// Differences below this are the rounding of equal numbers.
let zeroMax = 1e-14
