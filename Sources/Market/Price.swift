/// A price as a count of the instrument's ticks. Its size in quote currency is `ticks × tickE8 × 1e-8`.
@frozen public struct Price: Comparable, Hashable, Sendable, BitwiseCopyable {
  public var ticks: Int64
  @inlinable public init(ticks: Int64) { self.ticks = ticks }
  @inlinable public static func < (a: Price, b: Price) -> Bool { a.ticks < b.ticks }

  /// No price: orders at market, fields that were not given.
  public static let none = Price(ticks: 0)
}
