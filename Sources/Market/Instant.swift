/// A moment on the venue's clock: nanoseconds since 1970-01-01 UTC.
///
/// Decisions read time from their inputs only; nothing in the pure targets asks a clock.
@frozen public struct Instant: Comparable, Hashable, Sendable, BitwiseCopyable {
  public var nanoseconds: Int64

  @inlinable public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }
  @inlinable public init(milliseconds: Int64) { nanoseconds = milliseconds &* 1_000_000 }

  /// Whole milliseconds since the epoch, rounded down; the unit of every Binance time field.
  @inlinable public var milliseconds: Int64 {
    let (quotient, remainder) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000)
    return remainder < 0 ? quotient - 1 : quotient
  }

  @inlinable public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }
  @inlinable public func nanoseconds(since earlier: Instant) -> Int64 { nanoseconds &- earlier.nanoseconds }
  @inlinable public func advanced(byNanoseconds count: Int64) -> Instant {
    Instant(nanoseconds: nanoseconds &+ count)
  }

  /// The earliest moment there is; stands for "never yet".
  @inlinable public static var never: Instant { Instant(nanoseconds: 0) }
}
