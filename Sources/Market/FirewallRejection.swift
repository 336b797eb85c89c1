/// Why the firewall refused an event. Raw values index `DataFirewall.counts`: never renumber.
@frozen public enum FirewallRejection: UInt8, Sendable, BitwiseCopyable, CaseIterable {
  /// A price is not positive, or above the instrument's maximum.
  case price = 0
  /// A quantity is negative, zero in a trade, or larger than any real one; a trade count below one or absurd.
  case size = 1
  /// The time is outside the window around the venue's clock, or runs backwards.
  case time = 2
  /// Older than what the stream said before, or further ahead of it than a stream can count.
  case order = 3
  /// Seen already.
  case duplicate = 4
  /// The book is crossed or locked, a funding rate or time is absurd, or a kind does not belong here.
  case logic = 5
  /// The instrument is not in the table.
  case instrument = 6

  public var name: String {
    switch self {
    case .price: "price"
    case .size: "size"
    case .time: "time"
    case .order: "order"
    case .duplicate: "duplicate"
    case .logic: "logic"
    case .instrument: "instrument"
    }
  }
}
