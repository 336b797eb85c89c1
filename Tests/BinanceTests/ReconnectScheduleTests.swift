import Testing

@testable import Binance

@Suite("The reconnect schedule")
struct ReconnectScheduleTests {
  @Test("waits double at most, stay within their bounds and differ by seed", arguments: UInt64(1)..<50)
  func staysInBounds(seed: UInt64) {
    var schedule = ReconnectSchedule(seed: seed)
    var ceiling: Int64 = 500_000_000
    for _ in 0..<20 {
      let wait = schedule.waitAfterFailure(healthyForNanoseconds: 0)
      #expect(wait >= ReconnectSchedule.shortestNanoseconds && wait <= ceiling, "seed \(seed)")
      ceiling = min(ceiling * 2, 60_000_000_000)
    }
    var same = ReconnectSchedule(seed: seed)
    var other = ReconnectSchedule(seed: seed &+ 1_000)
    let a = (0..<10).map { _ in same.waitAfterFailure(healthyForNanoseconds: 0) }
    let b = (0..<10).map { _ in other.waitAfterFailure(healthyForNanoseconds: 0) }
    #expect(a != b)
  }

  @Test("uses the whole range: the mean of many late waits is near half of the ceiling")
  func jitterIsFull() {
    var sum = 0.0
    for seed in UInt64(0)..<400 {
      var schedule = ReconnectSchedule(seed: seed)
      for _ in 0..<9 { _ = schedule.waitAfterFailure(healthyForNanoseconds: 0) }
      sum += Double(schedule.waitAfterFailure(healthyForNanoseconds: 0)) / 1e9
    }
    #expect(abs(sum / 400 - 30) < 3)
  }

  @Test("forgets failures only after a minute of data")
  func forgets() {
    var schedule = ReconnectSchedule(seed: 7)
    for _ in 0..<5 { _ = schedule.waitAfterFailure(healthyForNanoseconds: 59_000_000_000) }
    #expect(schedule.failureCount == 5)
    _ = schedule.waitAfterFailure(healthyForNanoseconds: 60_000_000_000)
    #expect(schedule.failureCount == 1)
  }

  @Test("rotation comes between 22.5 and 23 hours")
  func rotation() {
    for seed in UInt64(0)..<200 {
      var schedule = ReconnectSchedule(seed: seed)
      let hours = Double(schedule.rotationAgeNanoseconds()) / 3.6e12
      #expect(hours >= 22.499 && hours <= 23)
    }
  }

  @Test("the connect budget allows a burst and then one per period")
  func budget() {
    var budget = ConnectBudget(burst: 3, refillNanoseconds: 1_000, now: 0)
    for _ in 0..<3 { #expect(budget.take(now: 10) == nil) }
    #expect(budget.take(now: 10) == 990)
    #expect(budget.take(now: 1_000) == nil)
    #expect(budget.take(now: 1_500) == 500)
    #expect(budget.take(now: 60_000) == nil)
    #expect(budget.take(now: 60_000) == nil)
    #expect(budget.take(now: 60_000) == nil)
    #expect(budget.take(now: 60_000) != nil)  // unused time buys no more than the burst
  }
}
