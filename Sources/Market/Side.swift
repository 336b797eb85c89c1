/// Direction of an order or of a position's exposure.
@frozen public enum Side: Int8, Sendable, BitwiseCopyable, Codable {
  case buy = 1
  case sell = -1

  /// +1 for buy and long, -1 for sell and short.
  @inlinable public var sign: Int64 { Int64(rawValue) }
  @inlinable public var opposite: Side { self == .buy ? .sell : .buy }
  /// The exchange's word.
  public var name: String { self == .buy ? "BUY" : "SELL" }
}
