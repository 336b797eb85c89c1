public import Market

/// Counts what was spent against the exchange's limits and says whether a call may go now.
///
/// Windows slide in tenths of their length, which is never more generous than the exchange's fixed windows.
/// Each lane may fill the windows only up to its share, so that protection always finds room. One budget
/// serves an address.
public struct RateBudget: Sendable {
  public enum Answer: Sendable, Equatable {
    /// Go; the cost is booked.
    case go
    /// Nothing booked; ask again after this time, > 0.
    case wait(nanoseconds: Int64)
    /// Nothing booked: banned until then, or larger than a whole window.
    case refuse
  }

  /// Highest fill of a window at which a lane may still spend, in hundredths, by lane.
  public static let sharePercents: [Int] = [100, 95, 90, 80, 60]

  /// A wait when 429 came without `Retry-After`, and a ban when 418 came without one.
  public static let waitNanosecondsDefault: Int64 = 10_000_000_000
  public static let banNanosecondsDefault: Int64 = 120_000_000_000

  private var windows: [Window]
  private var silentUntil = Instant.never
  /// No call of any lane before this moment (418).
  public private(set) var bannedUntil = Instant.never

  /// - Precondition: at least one limit.
  public init(limits: [RateLimit] = RateLimit.published) {
    precondition(!limits.isEmpty, "a budget has limits")
    windows = limits.map(Window.init)
  }

  /// Books the call when every window has room for its lane.
  /// - Parameter now: one clock for all calls; it may be monotonic.
  public mutating func spend(_ request: RestRequest, now: Instant) -> Answer {
    if now < bannedUntil { return .refuse }
    if now < silentUntil { return .wait(nanoseconds: silentUntil.nanoseconds(since: now)) }
    let share = Self.sharePercents[Int(request.lane.rawValue)]
    var waitNanoseconds: Int64 = 0
    for index in windows.indices {
      let cost = windows[index].limit.kind == .orders ? request.orderCost : request.weight
      guard cost > 0 else { continue }
      guard let wait = windows[index].wait(for: cost, sharePercent: share, now: now) else { return .refuse }
      waitNanoseconds = max(waitNanoseconds, wait)
    }
    guard waitNanoseconds == 0 else { return .wait(nanoseconds: waitNanoseconds) }
    for index in windows.indices {
      windows[index].add(windows[index].limit.kind == .orders ? request.orderCost : request.weight, now: now)
    }
    return .go
  }

  /// What an answer's head said. Counts above our own are adopted: others on this address spend too.
  /// - Parameters:
  ///   - usedWeight: `X-MBX-USED-WEIGHT-1M`.
  ///   - orderCount10s: `X-MBX-ORDER-COUNT-10S`; `orderCount1m`: `X-MBX-ORDER-COUNT-1M`.
  ///   - retryAfterSeconds: `Retry-After` of 429 and 418.
  public mutating func absorb(
    status: Int, usedWeight: Int? = nil, orderCount10s: Int? = nil, orderCount1m: Int? = nil,
    retryAfterSeconds: Int? = nil, now: Instant
  ) {
    for index in windows.indices {
      let limit = windows[index].limit
      switch (limit.kind, limit.intervalNanoseconds) {
      case (.requestWeight, 60_000_000_000): windows[index].adopt(usedWeight, now: now)
      case (.orders, 60_000_000_000): windows[index].adopt(orderCount1m, now: now)
      case (.orders, 10_000_000_000): windows[index].adopt(orderCount10s, now: now)
      default: break
      }
    }
    let retryNanoseconds = retryAfterSeconds.map { Int64(min(max($0, 1), 259_200)) * 1_000_000_000 }
    switch status {
    case 418:
      let until = now.advanced(byNanoseconds: retryNanoseconds ?? Self.banNanosecondsDefault)
      bannedUntil = max(bannedUntil, until)
    case 429:
      let until = now.advanced(byNanoseconds: retryNanoseconds ?? Self.waitNanosecondsDefault)
      silentUntil = max(silentUntil, until)
    default: break
    }
  }

  /// What is booked in the window of this kind and length now; 0 when there is no such window.
  public mutating func used(_ kind: RateLimit.Kind, intervalNanoseconds: Int64, now: Instant) -> Int {
    guard
      let index = windows.firstIndex(where: {
        $0.limit.kind == kind && $0.limit.intervalNanoseconds == intervalNanoseconds
      })
    else { return 0 }
    windows[index].slide(to: now)
    return windows[index].used
  }
}

extension RateBudget {
  /// One sliding window: eleven buckets of a tenth, so that what counts is never younger than a full window.
  private struct Window: Sendable {
    static let bucketCount = 11

    let limit: RateLimit
    var buckets = [Int](repeating: 0, count: bucketCount)
    var used = 0
    /// Number of the newest bucket since the clock's zero.
    var head: Int64 = 0

    init(_ limit: RateLimit) { self.limit = limit }

    var bucketNanoseconds: Int64 { max(limit.intervalNanoseconds / 10, 1) }

    mutating func slide(to now: Instant) {
      let number = now.nanoseconds / bucketNanoseconds
      guard number > head else { return }
      for _ in 0..<min(number - head, Int64(Self.bucketCount)) {
        head += 1
        let index = Int(head % Int64(Self.bucketCount))
        used -= buckets[index]
        buckets[index] = 0
      }
      head = number
      // After a long pause the loop cleared every bucket, whatever their numbers were.
    }

    mutating func add(_ cost: Int, now: Instant) {
      slide(to: now)
      buckets[Int(head % Int64(Self.bucketCount))] += cost
      used += cost
    }

    mutating func adopt(_ count: Int?, now: Instant) {
      slide(to: now)
      guard let count, count > used else { return }
      add(max(min(count, limit.limit * 2) - used, 0), now: now)
    }

    /// 0 when the cost fits now, nil when it never will.
    mutating func wait(for cost: Int, sharePercent: Int, now: Instant) -> Int64? {
      slide(to: now)
      let room = limit.limit * sharePercent / 100
      guard cost <= room else { return nil }
      var remaining = used + cost
      guard remaining > room else { return 0 }
      for age in 1...Int64(Self.bucketCount) {
        remaining -= buckets[Int((head + age) % Int64(Self.bucketCount))]
        if remaining <= room {
          return (head + age) * bucketNanoseconds - now.nanoseconds
        }
      }
      return limit.intervalNanoseconds
    }
  }
}
