import Testing

@testable import Engine

@Suite("The restart schedule")
struct RestartScheduleTests {
  private let second: Int64 = 1_000_000_000

  @Test("three quick restarts with growing pauses, then a minute, doubling up to ten")
  func grows() {
    var schedule = RestartSchedule()
    var now: Int64 = 0
    var delays: [Int64] = []
    for _ in 0..<9 {
      let delay = schedule.delayNanoseconds(afterEndAt: now)
      delays.append(delay / 1_000_000)
      now += delay + second
    }
    #expect(delays == [100, 200, 400, 60_000, 120_000, 240_000, 480_000, 600_000, 600_000])
    #expect(schedule.endCount == 9)
  }

  @Test("a child that ran quietly for long starts again at once")
  func forgets() {
    var schedule = RestartSchedule()
    for _ in 0..<5 { _ = schedule.delayNanoseconds(afterEndAt: 0) }
    #expect(schedule.delayNanoseconds(afterEndAt: 3_600 * second) == 100_000_000)
  }

  @Test("ends that lie far apart never become a crash loop")
  func toleratesRareEnds() {
    var schedule = RestartSchedule()
    for end in 0..<50 {
      #expect(schedule.delayNanoseconds(afterEndAt: Int64(end) * 400 * second) == 100_000_000)
    }
  }
}
