public import Market

/// Counts what was spent against the exchange's limits and says whether a call may go now.
///
/// Windows slide in tenths of their length, which is never more generous than the exchange's fixed windows.
/// Each lane may fill the windows only up to its share, so that protection always finds room. One budget
/// serves an address; `write(into:)` and `init(words:)` carry it through memory that processes share.
public struct RateBudget: Sendable, Equatable {
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
  /// The longest `Retry-After` that is believed: three days, the exchange's longest ban.
  public static let retrySecondsMax: Int64 = 259_200

  private var windows: [Window]
  private var silentUntil = Instant.never
  /// No call of any lane before this moment (418).
  public private(set) var bannedUntil = Instant.never

  /// Most limits a budget has.
  public static let limitsMax = 8

  /// - Precondition: 1…`limitsMax` limits.
  public init(limits: [RateLimit] = RateLimit.published) {
    precondition((1...Self.limitsMax).contains(limits.count), "a budget has 1…\(Self.limitsMax) limits")
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
    let retryNanoseconds = retryAfterSeconds.map {
      min(max(Int64($0), 1), Self.retrySecondsMax) * 1_000_000_000
    }
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
  private struct Window: Sendable, Equatable {
    static let bucketCount = 11

    let limit: RateLimit
    var buckets = [Int](repeating: 0, count: bucketCount)
    /// Number of the newest bucket since the clock's zero.
    var head: Int64 = 0

    init(_ limit: RateLimit) { self.limit = limit }

    var used: Int { buckets.reduce(0, +) }
    var bucketNanoseconds: Int64 { max(limit.intervalNanoseconds / 10, 1) }

    mutating func slide(to now: Instant) {
      let number = now.nanoseconds / bucketNanoseconds
      guard number > head else { return }
      // After a long pause this clears every bucket, whatever their numbers were.
      for age in 1...min(number - head, Int64(Self.bucketCount)) {
        buckets[Int((head + age) % Int64(Self.bucketCount))] = 0
      }
      head = number
    }

    mutating func add(_ cost: Int, now: Instant) {
      slide(to: now)
      buckets[Int(head % Int64(Self.bucketCount))] += cost
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

extension RateBudget {
  /// Words of a written budget, whatever its limits: two times, the number of limits, then for each its kind, length,
  /// size, newest bucket and eleven buckets.
  public static let wordCount = 3 + limitsMax * windowWordCount
  private static let windowWordCount = 4 + Window.bucketCount

  /// Writes the whole budget.
  /// - Precondition: `words` has `wordCount` words.
  public func write(into words: inout MutableSpan<UInt64>) {
    precondition(words.count == Self.wordCount, "a budget fills its words")
    words[0] = UInt64(bitPattern: silentUntil.nanoseconds)
    words[1] = UInt64(bitPattern: bannedUntil.nanoseconds)
    words[2] = UInt64(windows.count)
    for (index, window) in windows.enumerated() {
      let first = 3 + index * Self.windowWordCount
      words[first] = window.limit.kind == .orders ? 1 : 0
      words[first + 1] = UInt64(bitPattern: window.limit.intervalNanoseconds)
      words[first + 2] = UInt64(window.limit.limit)
      words[first + 3] = UInt64(bitPattern: window.head)
      for bucket in 0..<Window.bucketCount { words[first + 4 + bucket] = UInt64(window.buckets[bucket]) }
    }
  }

  /// The whole budget as words.
  public var words: [UInt64] {
    var words = [UInt64](repeating: 0, count: Self.wordCount)
    var span = words.mutableSpan
    write(into: &span)
    return words
  }

  /// Reads a budget back.
  /// - Returns: nil when no budget writes these words, or none could have written them by `now`: a window or a silence
  ///   that begins in the future would never end.
  public init?(words: borrowing MutableSpan<UInt64>, now: Instant) {
    let futureNanosecondsMax: Int64 = 1_000_000_000
    guard words.count == Self.wordCount, (1...UInt64(Self.limitsMax)).contains(words[2]) else { return nil }
    let untilMax = now.nanoseconds.addingReportingOverflow(
      Self.retrySecondsMax * 1_000_000_000 + futureNanosecondsMax)
    silentUntil = Instant(nanoseconds: Int64(bitPattern: words[0]))
    bannedUntil = Instant(nanoseconds: Int64(bitPattern: words[1]))
    guard !untilMax.overflow, (0...untilMax.partialValue).contains(silentUntil.nanoseconds),
      (0...untilMax.partialValue).contains(bannedUntil.nanoseconds)
    else { return nil }
    windows = []
    for index in 0..<Int(words[2]) {
      let first = 3 + index * Self.windowWordCount
      guard words[first] <= 1, let interval = Int64(exactly: words[first + 1]), interval > 0,
        let size = Int(exactly: words[first + 2]), (1...Self.limitMax).contains(size)
      else { return nil }
      var window = Window(
        RateLimit(words[first] == 1 ? .orders : .requestWeight, intervalNanoseconds: interval, limit: size))
      guard let head = Int64(exactly: words[first + 3]),
        head <= (now.nanoseconds + futureNanosecondsMax) / window.bucketNanoseconds
      else { return nil }
      window.head = head
      for bucket in 0..<Window.bucketCount {
        guard let count = Int(exactly: words[first + 4 + bucket]), count <= Self.limitMax else { return nil }
        window.buckets[bucket] = count
      }
      windows.append(window)
    }
  }

  /// Far more than any exchange grants, far below what sums could overflow with.
  private static let limitMax = 1 << 40
}
