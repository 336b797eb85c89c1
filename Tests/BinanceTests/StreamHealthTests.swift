import Market
import Testing

@testable import Binance

@Suite("Stream health")
struct StreamHealthTests {
  static let second: Int64 = 1_000_000_000

  /// One instrument on both entry points, with its tables.
  struct Bench {
    var health = StreamHealth(instrumentCount: 1, limits: .init())
    let quotes = ConnectionPlan(number: 0, entry: .publicData, instruments: [InstrumentID(0)])
    let trades = ConnectionPlan(number: 1, entry: .marketData, instruments: [InstrumentID(0)])
    var received: [Int64] = [0, 0]
    var counts: [UInt32] = [0, 0]
    var mark: [Int64] = [0]

    mutating func sweep(at now: Int64, startsWindow: Bool = false) -> Int {
      var stale = 0
      for plan in [quotes, trades] {
        let index = plan.entry.rawValue
        stale += health.sweep(
          plan, lastReceived: [received[index]], receivedCount: [counts[index]], lastMark: mark, openedAt: 1,
          startsWindow: startsWindow, now: now)
      }
      return stale
    }

    mutating func changes() -> [StreamState] {
      var states: [StreamState] = []
      health.publishChanges { _, state, _ in states.append(state) }
      return states
    }
  }

  @Test("an instrument is live only when both entry points brought data")
  func liveNeedsBoth() {
    var bench = Bench()
    bench.health.set(.connecting, bench.quotes)
    bench.health.set(.connecting, bench.trades)
    #expect(bench.changes() == [.connecting])
    bench.health.set(.acknowledged, bench.quotes)
    bench.health.set(.acknowledged, bench.trades)
    #expect(bench.changes() == [.acknowledged])
    bench.received[0] = 2 * Self.second
    _ = bench.sweep(at: 2 * Self.second)
    #expect(bench.changes() == [])
    bench.received[1] = 3 * Self.second
    _ = bench.sweep(at: 3 * Self.second)
    #expect(bench.changes() == [.live])
    bench.health.set(.closed, bench.trades)
    #expect(bench.changes() == [.closed])
  }

  @Test("a busy stream is stale after 10 s, a quiet one lives on its mark price")
  func staleness() {
    var bench = Bench()
    bench.health.set(.acknowledged, bench.quotes)
    bench.health.set(.acknowledged, bench.trades)
    bench.received = [Self.second, Self.second]
    bench.counts = [100, 5]
    _ = bench.sweep(at: Self.second, startsWindow: true)
    #expect(bench.changes() == [.live])
    bench.received[1] = 13 * Self.second  // the mark price goes on, the quotes do not
    bench.mark = [13 * Self.second]
    #expect(bench.sweep(at: 13 * Self.second) == 1)
    #expect(bench.changes() == [.stale])
    // A window later the stream counts as quiet, and the mark price vouches for it.
    _ = bench.sweep(at: 14 * Self.second, startsWindow: true)
    #expect(bench.changes() == [.live])
    // Without mark prices the long limit counts.
    #expect(bench.sweep(at: 74 * Self.second) == 2)
    #expect(bench.changes() == [.stale])
  }

  @Test("acknowledged without a frame becomes stale after the long limit")
  func silentFromTheStart() {
    var bench = Bench()
    bench.health.set(.acknowledged, bench.quotes)
    bench.health.set(.acknowledged, bench.trades)
    _ = bench.sweep(at: 30 * Self.second)
    #expect(bench.changes() == [.acknowledged])
    _ = bench.sweep(at: 62 * Self.second)
    #expect(bench.changes() == [.stale])
  }
}
