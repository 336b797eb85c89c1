import Market

/// When a connection may be tried again: exponential, with full jitter, so that many clients do not return together.
///
/// A pure function of its seed and of what it is told.
struct ReconnectSchedule {
  /// The ceiling of the first wait.
  static let firstNanoseconds: Int64 = 500_000_000
  /// The ceiling of every wait.
  static let longestNanoseconds: Int64 = 60_000_000_000
  /// Data must have flowed this long before failures are forgotten.
  static let healthyNanoseconds: Int64 = 60_000_000_000
  /// Shortest wait: a refused connection must not become a busy loop.
  static let shortestNanoseconds: Int64 = 50_000_000

  private(set) var failureCount = 0
  private var random: SeededRandom

  init(seed: UInt64) { random = SeededRandom(seed: seed) }

  /// The connection ended, or never came to be.
  /// - Parameter healthyForNanoseconds: how long data had flowed on it; 0 when it had not.
  /// - Returns: how long to wait, `shortestNanoseconds` to `longestNanoseconds`.
  mutating func waitAfterFailure(healthyForNanoseconds: Int64) -> Int64 {
    if healthyForNanoseconds >= Self.healthyNanoseconds { failureCount = 0 }
    let doublings = min(failureCount, 7)  // 0.5 s × 2^7 is past the ceiling
    let ceiling = min(Self.firstNanoseconds << Int64(doublings), Self.longestNanoseconds)
    failureCount += 1
    return max(Self.shortestNanoseconds, Int64(random.below(UInt64(ceiling) + 1)))
  }

  /// The age at which a connection is replaced before the exchange ends it at 24 h: 23 h less up to 30 minutes.
  mutating func rotationAgeNanoseconds() -> Int64 {
    let longest: Int64 = 23 * 3_600_000_000_000
    return longest - Int64(random.below(1_800_000_000_001))
  }
}

/// How many connections may be opened at once and per time, over all sockets: the address is banned for storms.
///
/// A token bucket on the monotonic clock.
struct ConnectBudget {
  private let capacity: Int64
  private let refillNanoseconds: Int64
  private var tokens: Int64
  private var lastRefill: Int64

  /// - Parameters:
  ///   - burst: connections that may start together, enough for a first start.
  ///   - refillNanoseconds: one more connection per this time. The default gives 30 a minute.
  init(burst: Int = 20, refillNanoseconds: Int64 = 2_000_000_000, now: Int64) {
    precondition(burst > 0 && refillNanoseconds > 0, "a budget allows something")
    capacity = Int64(burst)
    self.refillNanoseconds = refillNanoseconds
    tokens = capacity
    lastRefill = now
  }

  /// Takes one connection from the budget.
  /// - Returns: nil when it may start now, else nanoseconds to wait before asking again.
  mutating func take(now: Int64) -> Int64? {
    let earned = max(0, now - lastRefill) / refillNanoseconds
    if earned > 0 {
      tokens = min(capacity, tokens + earned)
      lastRefill += earned * refillNanoseconds
    }
    guard tokens > 0 else { return lastRefill + refillNanoseconds - now }
    tokens -= 1
    return nil
  }
}
