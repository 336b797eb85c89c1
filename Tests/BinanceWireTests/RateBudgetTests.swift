import BinanceWire
import Market
import Testing

@Suite("The rate budget")
struct RateBudgetTests {
  static let second: Int64 = 1_000_000_000
  let start = Instant(milliseconds: 1_795_250_000_000)

  static func call(weight: Int, orderCost: Int = 0, _ lane: RequestLane = .query) -> RestRequest {
    RestRequest(.get, "/fapi/v1/x", weight: weight, orderCost: orderCost, lane: lane)
  }

  @Test("sheds polling at 60 % and keeps the last part for protection")
  func lanes() {
    var budget = RateBudget()
    for (lane, filled) in [
      (RequestLane.query, 1440), (.open, 1920), (.cancel, 2160), (.close, 2280), (.protect, 2400),
    ] {
      while budget.spend(Self.call(weight: 20, lane), now: start) == .go {}
      #expect(budget.used(.requestWeight, intervalNanoseconds: 60 * Self.second, now: start) == filled)
      guard case .wait(let nanoseconds) = budget.spend(Self.call(weight: 20, lane), now: start) else {
        Issue.record("\(lane) waits")
        continue
      }
      #expect(nanoseconds > 0 && nanoseconds <= 66 * Self.second)
    }
  }

  @Test("never books more than the limit in any window", arguments: UInt64(0)..<10)
  func neverMore(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var budget = RateBudget()
    var now = start
    var booked: [(time: Int64, cost: Int)] = []
    for _ in 0..<3000 {
      now = now.advanced(byNanoseconds: Int64(random.below(40_000_000)))
      if budget.spend(Self.call(weight: 0, orderCost: 1, .protect), now: now) == .go {
        booked.append((now.nanoseconds, 1))
      }
    }
    for (index, entry) in booked.enumerated() {
      let inTen = booked[index...].prefix { $0.time < entry.time + 10 * Self.second }.count
      #expect(inTen <= 300, "seed \(seed)")
    }
    #expect(booked.count >= 1200)
  }

  @Test("the wait it names is enough")
  func waitIsEnough() {
    var budget = RateBudget()
    var now = start
    for _ in 0..<300 { #expect(budget.spend(Self.call(weight: 0, orderCost: 1, .protect), now: now) == .go) }
    guard case .wait(let nanoseconds) = budget.spend(Self.call(weight: 0, orderCost: 1, .protect), now: now)
    else {
      return #expect(Bool(false), "the ten-second window is full")
    }
    now = now.advanced(byNanoseconds: nanoseconds)
    #expect(budget.spend(Self.call(weight: 0, orderCost: 1, .protect), now: now) == .go)
  }

  @Test("adopts what the exchange has counted")
  func adopts() {
    var budget = RateBudget()
    budget.absorb(status: 200, usedWeight: 2300, now: start)
    #expect(budget.spend(Self.call(weight: 1), now: start) != .go)
    #expect(budget.spend(Self.call(weight: 100, .protect), now: start) == .go)
    budget.absorb(status: 200, usedWeight: 10, now: start)
    #expect(budget.used(.requestWeight, intervalNanoseconds: 60 * Self.second, now: start) == 2400)
    let later = start.advanced(byNanoseconds: 70 * Self.second)
    #expect(budget.used(.requestWeight, intervalNanoseconds: 60 * Self.second, now: later) == 0)
  }

  @Test("is silent for Retry-After after 429 and refuses everything while banned")
  func penalties() {
    var budget = RateBudget()
    budget.absorb(status: 429, retryAfterSeconds: 7, now: start)
    #expect(budget.spend(Self.call(weight: 1, .protect), now: start) == .wait(nanoseconds: 7 * Self.second))
    budget.absorb(status: 418, retryAfterSeconds: 120, now: start)
    let almost = start.advanced(byNanoseconds: 120 * Self.second - 1)
    #expect(budget.spend(Self.call(weight: 1, .protect), now: almost) == .refuse)
    #expect(budget.spend(Self.call(weight: 1, .protect), now: almost.advanced(byNanoseconds: 1)) == .go)
  }

  @Test("refuses what is larger than a whole window")
  func tooLarge() {
    var budget = RateBudget(limits: [RateLimit(.requestWeight, intervalNanoseconds: Self.second, limit: 10)])
    #expect(budget.spend(Self.call(weight: 11, .protect), now: start) == .refuse)
  }

  /// The budget these words stand for.
  static func read(_ words: [UInt64], now: Instant) -> RateBudget? {
    var words = words
    return RateBudget(words: words.mutableSpan, now: now)
  }

  @Test("survives being written and read between any two steps", arguments: UInt64(0)..<10)
  func words(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var kept = RateBudget()
    var carried = RateBudget()
    var now = start
    for step in 0..<2000 {
      now = now.advanced(byNanoseconds: Int64(random.below(400_000_000)))
      let lane = RequestLane(rawValue: UInt8(random.below(5))) ?? .query
      let call = Self.call(weight: Int(random.below(60)), orderCost: Int(random.below(3)), lane)
      #expect(kept.spend(call, now: now) == carried.spend(call, now: now), "seed \(seed), step \(step)")
      if random.below(50) == 0 {
        let status = [200, 429, 418][Int(random.below(3))]
        let used = Int(random.below(3000))
        kept.absorb(status: status, usedWeight: used, retryAfterSeconds: 2, now: now)
        carried.absorb(status: status, usedWeight: used, retryAfterSeconds: 2, now: now)
      }
      guard let read = Self.read(carried.words, now: now) else {
        Issue.record("seed \(seed), step \(step): unreadable")
        return
      }
      #expect(read == carried)
      carried = read
    }
    #expect(kept == carried)
  }

  @Test("reads nothing a budget cannot have written")
  func unreadable() {
    var budget = RateBudget()
    #expect(budget.spend(Self.call(weight: 5, orderCost: 1), now: start) == .go)
    let good = budget.words
    #expect(good.count == RateBudget.wordCount && Self.read(good, now: start) == budget)
    let later = UInt64(start.nanoseconds + 400_000 * Self.second)
    for (index, word) in [
      (0, later), (1, later), (0, .max), (1, 1 << 63), (2, 0), (2, 9), (2, .max),
      (3, 2), (4, 0), (4, .max), (5, 0), (5, .max), (6, .max), (6, UInt64(start.nanoseconds)),
      (7, .max), (17, 1 << 41),
    ] as [(Int, UInt64)] {
      var words = good
      words[index] = word
      #expect(Self.read(words, now: start) == nil, "word \(index) = \(word)")
    }
    #expect(Self.read(Array(good.dropLast()), now: start) == nil)
    #expect(Self.read(good, now: Instant(nanoseconds: .max)) == nil, "no time can overflow")
  }
}
