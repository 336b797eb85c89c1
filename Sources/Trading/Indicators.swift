/// Exponential moving average, one value at a time.
///
/// Seeded with the mean of the first `period` values (TA-Lib); valid from the `period`-th value on.
@frozen public struct ExponentialAverage: Sendable, BitwiseCopyable {
  public let period: Int
  public private(set) var count = 0
  private var sum = 0.0

  /// - Precondition: `period ≥ 1`.
  public init(period: Int) {
    precondition(period >= 1, "a period has at least one value")
    self.period = period
  }

  /// The average; NaN before `period` values.
  public var value: Double { count < period ? .nan : sum }

  /// - Returns: the new average, NaN while the seed is being collected. A value that is not finite is ignored.
  @discardableResult
  public mutating func absorb(_ input: Double) -> Double {
    guard input.isFinite else { return value }
    if count < period {
      sum += input
      count += 1
      if count == period { sum /= Double(period) }
    } else {
      sum += 2 / Double(period + 1) * (input - sum)
    }
    return value
  }
}

/// Average true range after Wilder, one candle at a time.
///
/// True range starts at the second candle; the first average is the mean of `period` true ranges, so it is valid from
/// candle `period` on (counting from 0).
@frozen public struct AverageTrueRange: Sendable, BitwiseCopyable {
  public let period: Int
  public private(set) var count = 0
  private var average = 0.0
  private var previousClose = 0.0

  /// - Precondition: `period ≥ 1`.
  public init(period: Int = 14) {
    precondition(period >= 1, "a period has at least one candle")
    self.period = period
  }

  /// The average in price units; NaN before `period + 1` candles.
  public var value: Double { count <= period ? .nan : average }

  /// - Returns: the new average, NaN while the seed is being collected. A candle that is not finite is ignored.
  @discardableResult
  public mutating func absorb(high: Double, low: Double, close: Double) -> Double {
    guard high.isFinite, low.isFinite, close.isFinite else { return value }
    if count > 0 {
      let range = max(high - low, max(abs(high - previousClose), abs(low - previousClose)))
      if count <= period {
        average += range
        if count == period { average /= Double(period) }
      } else {
        average = (average * Double(period - 1) + range) / Double(period)
      }
    }
    if count <= period { count += 1 }
    previousClose = close
    return value
  }
}
