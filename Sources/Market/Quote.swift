/// An amount of quote currency (USDT) in units of 1e-8: exact, and wide enough for ±92 billion.
///
/// Money is never a binary fraction here, so that engine, exchange and store agree to the last decimal.
@frozen public struct Quote: Comparable, Hashable, Sendable, BitwiseCopyable, AdditiveArithmetic {
  /// The amount × 100,000,000.
  public var e8: Int64

  @inlinable public init(e8: Int64) { self.e8 = e8 }

  /// The nearest representable amount; for settings and reports, never for booking a fill.
  @inlinable public init(_ amount: Double) { e8 = Int64((amount * 1e8).rounded(.toNearestOrEven)) }

  @inlinable public static var zero: Quote { Quote(e8: 0) }
  @inlinable public static func + (a: Quote, b: Quote) -> Quote { Quote(e8: a.e8 + b.e8) }
  @inlinable public static func - (a: Quote, b: Quote) -> Quote { Quote(e8: a.e8 - b.e8) }
  @inlinable public static prefix func - (a: Quote) -> Quote { Quote(e8: -a.e8) }
  @inlinable public static func < (a: Quote, b: Quote) -> Bool { a.e8 < b.e8 }

  /// The amount as a binary fraction, for ratios and screens.
  @inlinable public var amount: Double { Double(e8) / 1e8 }
  @inlinable public var magnitude: Quote { Quote(e8: Swift.abs(e8)) }

  /// This amount × `rateE8` × 1e-8, rounded half away from zero: fees and funding, whose rates are decimals.
  @inlinable public func times(rateE8: Int64) -> Quote {
    Quote(e8: FixedPoint.scaled(e8, by: rateE8))
  }
}

extension Quote: CustomStringConvertible {
  /// Eight decimals, as the exchange prints balances: `9999.90000000`.
  public var description: String { FixedPoint.text(e8, decimals: 8) }
}
