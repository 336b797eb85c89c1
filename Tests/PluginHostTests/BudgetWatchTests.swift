import Glibc
import Testing

@testable import PluginHost

@Suite("The watch over plugin calls")
struct BudgetWatchTests {
  @Test("says slow once and hung once, per call")
  func verdicts() {
    var watch = BudgetWatch(softNanoseconds: 10, hardNanoseconds: 100)
    let looks: [(UInt64, Int64, BudgetWatch.Verdict)] = [
      (0, 0, .fine), (7, 5, .fine), (7, 14, .fine), (7, 15, .slow(nanoseconds: 10)), (7, 50, .fine),
      (7, 105, .hung(nanoseconds: 100)), (7, 200, .fine), (8, 201, .fine), (8, 211, .slow(nanoseconds: 10)),
      (0, 212, .fine), (8, 213, .fine), (9, 1000, .fine),
    ]
    for (mark, now, expected) in looks { #expect(watch.look(mark: mark, now: now) == expected) }
  }

  @Test("of its output cuts lines and bytes per second, cleans them, and keeps stacks apart")
  func throttle() {
    var throttle = LogThrottle(linesPerSecondMax: 3, byteCountPerSecondMax: 1000)
    let text = "one\n\u{1}3bad\u{7}news\ntwo\nthree\nfour\n\u{2}frame 1\n\u{2}frame 2\npart"
    let lines = throttle.take(text.utf8, now: 0)
    #expect(lines.map(\.text) == ["one", "bad news", "two"])
    #expect(lines.map(\.level) == [.info, .error, .info])
    #expect(throttle.cutCount == 2 && throttle.frames == ["frame 1", "frame 2"])
    #expect(throttle.lastPrinted == "four")
    let later = throttle.take("ial\n".utf8, now: 1_000_000_000)
    #expect(later.map(\.text) == ["printed too much: 2 lines were cut", "partial"])
    let long = throttle.take((String(repeating: "x", count: 5000) + "\ny\n").utf8, now: 2_000_000_000)
    #expect(long.map(\.text.utf8.count) == [1])  // the long line exceeds the bytes of a second
    #expect(throttle.take("rest".utf8, now: 2_000_000_001).isEmpty)
    #expect(throttle.finish().map(\.text) == ["rest", "printed too much: 1 lines were cut"])
  }
}
