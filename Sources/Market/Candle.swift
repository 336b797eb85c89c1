/// One candle on the instrument's own grid.
@frozen public struct Candle: Sendable, BitwiseCopyable, Hashable {
  public var openTime: Instant
  public var open: Price
  public var high: Price
  public var low: Price
  public var close: Price
  public var volume: Quantity
  public var tradeCount: Int32
  public var flags: CandleFlags

  @inlinable public init(
    openTime: Instant, open: Price, high: Price, low: Price, close: Price, volume: Quantity,
    tradeCount: Int32 = 0, flags: CandleFlags = .complete
  ) {
    self.openTime = openTime
    self.open = open
    self.high = high
    self.low = low
    self.close = close
    self.volume = volume
    self.tradeCount = tradeCount
    self.flags = flags
  }
}

/// What is known about a candle's data.
@frozen public struct CandleFlags: OptionSet, Sendable, BitwiseCopyable, Hashable {
  public var rawValue: UInt16
  @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// Every trade of the interval is in it. Without it a candle opens no position.
  public static let complete = CandleFlags(rawValue: 1)
  /// No trade happened: open, high, low and close repeat the previous close, volume 0.
  public static let synthetic = CandleFlags(rawValue: 2)
  /// Came from the exchange's klines or the store, not from our own trades.
  public static let backfilled = CandleFlags(rawValue: 4)
}
