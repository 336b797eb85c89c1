/// A checked candle file on its way to the child that uses it.
public enum PluginHistory {
  /// One candle, prices as the doubles nearest to the file's decimals.
  public struct Candle: Sendable, BitwiseCopyable {
    public var openNanoseconds: Int64
    public var open: Double
    public var high: Double
    public var low: Double
    public var close: Double
    public var volume: Double

    public init(
      openNanoseconds: Int64, open: Double, high: Double, low: Double, close: Double, volume: Double
    ) {
      self.openNanoseconds = openNanoseconds
      self.open = open
      self.high = high
      self.low = low
      self.close = close
      self.volume = volume
    }
  }

  /// More candles than a trial takes.
  public static let candleCountMax = TrialHistory.barCountMax

  /// The bytes `ValidationOptions.historyPath` names.
  ///
  /// - Precondition: at least one candle, oldest first; `intervalNanoseconds` > 0.
  public static func bytes(symbol: String, intervalNanoseconds: Int64, candles: [Candle]) -> [UInt8] {
    precondition(!candles.isEmpty && intervalNanoseconds > 0, "a history of something")
    return TrialHistory.bytes(
      symbol: symbol, intervalNanoseconds: intervalNanoseconds,
      bars: candles.map {
        TrialHistory.Bar(
          openNanoseconds: $0.openNanoseconds, open: $0.open, high: $0.high, low: $0.low, close: $0.close,
          volume: $0.volume)
      })
  }
}
