public import BinanceWire
public import Market
public import SharedMemory
import Synchronization

/// The budget calls are taken from: of one client alone, or one page for every process that asks the same venue.
///
/// The arithmetic is `RateBudget`'s in both cases. On a page, what one process books, adopts from an answer or is told
/// by 429 and 418 holds for all of them from their next call on, and the shares of the lanes are shares of the whole.
/// A process that dies in the middle of a step leaves the page as it was before it.   [any thread]
public final class RestBudget: Sendable {
  private struct Holding: ~Copyable {
    /// The whole truth without a page; with one, what was last seen there.
    var seen: RateBudget
    var page: SharedRecord?
  }

  private let holding: Mutex<Holding>

  /// A budget of its own, with the venue's limits.
  public init(limits: [RateLimit] = RateLimit.published) {
    holding = Mutex(Holding(seen: RateBudget(limits: limits), page: nil))
  }

  /// The budget on the page another process made at `path`.
  /// - Parameter now: on the machine's monotonic clock, like every time on the page.
  public init(
    sharedAt path: String, now: Instant = Instant(nanoseconds: SystemClock.monotonicNanoseconds())
  ) throws(MapError) {
    var page = try SharedRecord(path: path)
    guard page.wordCount == RateBudget.wordCount, let seen = page.update({ RateBudget(words: $0, now: now) })
    else {
      throw .mismatch(
        path: path, field: "content", found: "\(page.wordCount) words", expected: "a request budget",
        fix: "It was left by another version or program: stop what uses it, remove it and start again.")
    }
    holding = Mutex(Holding(seen: seen, page: page))
  }

  /// Makes a page of this budget at `path`, with everything booked so far, and takes from there from now on.
  public func share(at path: String) throws(MapError) {
    try holding.withLock { holding throws(MapError) in
      try SharedRecord.create(path: path, words: holding.seen.words)
      holding.page = try SharedRecord(path: path)
    }
  }

  /// Books the call when every window has room for its lane.
  /// - Parameter now: on the machine's monotonic clock.
  public func spend(_ request: RestRequest, now: Instant) -> RateBudget.Answer {
    change(now: now) { $0.spend(request, now: now) }
  }

  /// What an answer's head said: see `RateBudget.absorb`.
  public func absorb(_ answer: RestAnswer, now: Instant) {
    change(now: now) {
      $0.absorb(
        status: answer.status, usedWeight: answer.usedWeight, orderCount10s: answer.orderCount10s,
        orderCount1m: answer.orderCount1m, retryAfterSeconds: answer.retryAfterSeconds, now: now)
    }
  }

  /// What is booked in the window of this kind and length, by all who share it.
  public func used(_ kind: RateLimit.Kind, intervalNanoseconds: Int64, now: Instant) -> Int {
    change(now: now) { $0.used(kind, intervalNanoseconds: intervalNanoseconds, now: now) }
  }

  private func change<Result: Sendable>(now: Instant, _ body: (inout RateBudget) -> Result) -> Result {
    holding.withLock { holding in
      let lastSeen = holding.seen
      var seen = lastSeen
      let shared = holding.page?.update { words in
        // Words no budget wrote are replaced by the last ones that were seen whole: protection must go on.
        var budget = RateBudget(words: words, now: now) ?? lastSeen
        let result = body(&budget)
        budget.write(into: &words)
        seen = budget
        return result
      }
      guard let shared else { return body(&holding.seen) }
      holding.seen = seen
      return shared
    }
  }
}
