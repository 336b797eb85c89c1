/// What one address used of its limits: request weight by the minute, orders by 10 s and by the minute, in the
/// exchange's fixed windows of real time.
struct UsageWindows {
  private struct Window {
    let lengthNanoseconds: Int64
    let limit: Int
    var number: Int64 = 0
    var used = 0

    mutating func take(_ count: Int, now: Int64) -> Int? {
      let current = now / lengthNanoseconds
      if current != number {
        number = current
        used = 0
      }
      used += count
      guard used > limit, count > 0 else { return nil }
      return Int((lengthNanoseconds - now % lengthNanoseconds) / 1_000_000_000) + 1
    }
  }

  enum Refusal: Equatable {
    /// Seconds until the window ends.
    case weight(retryAfterSeconds: Int)
    case orders(retryAfterSeconds: Int)
  }

  private var weight: Window
  private var ordersOfTenSeconds = Window(lengthNanoseconds: 10_000_000_000, limit: 300)
  private var ordersOfMinute = Window(lengthNanoseconds: 60_000_000_000, limit: 1_200)

  init(weightPerMinuteMax: Int) {
    weight = Window(lengthNanoseconds: 60_000_000_000, limit: weightPerMinuteMax)
  }

  var usedWeight: Int { weight.used }
  var orderCounts: (tenSeconds: Int, minute: Int) { (ordersOfTenSeconds.used, ordersOfMinute.used) }

  /// Books a request. A refused one counts as well, as at the exchange.
  mutating func take(weight count: Int, orders: Int, now: Int64) -> Refusal? {
    if let seconds = weight.take(count, now: now) { return .weight(retryAfterSeconds: seconds) }
    let short = ordersOfTenSeconds.take(orders, now: now)
    let long = ordersOfMinute.take(orders, now: now)
    if let seconds = [short, long].compactMap({ $0 }).max() { return .orders(retryAfterSeconds: seconds) }
    return nil
  }
}
