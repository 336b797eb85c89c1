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
}
