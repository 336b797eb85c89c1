/// One line of the exchange's `rateLimits`.
public struct RateLimit: Sendable, Hashable, Codable {
  public enum Kind: String, Sendable, Codable { case requestWeight = "REQUEST_WEIGHT", orders = "ORDERS" }

  public var kind: Kind
  /// Length of the window, positive.
  public var intervalNanoseconds: Int64
  /// Weight or orders per window, positive.
  public var limit: Int

  public init(_ kind: Kind, intervalNanoseconds: Int64, limit: Int) {
    precondition(intervalNanoseconds > 0 && limit > 0, "a limit has a length and a size")
    self.kind = kind
    self.intervalNanoseconds = intervalNanoseconds
    self.limit = limit
  }

  /// What the exchange publishes today: 2400 weight a minute, 1200 orders a minute, 300 orders in 10 s.
  public static let published: [RateLimit] = [
    RateLimit(.requestWeight, intervalNanoseconds: 60_000_000_000, limit: 2400),
    RateLimit(.orders, intervalNanoseconds: 60_000_000_000, limit: 1200),
    RateLimit(.orders, intervalNanoseconds: 10_000_000_000, limit: 300),
  ]
}
