import Market
import Testing

@testable import PluginHost

@Suite("The trend followers")
struct TrendFollowerTests {
  private static let bench = ["enter_on_start": "false", "warmup": "100"]

  private func load(_ path: String, _ fixture: Fixture, _ parameters: [String: String], instruments: Int = 1)
    throws
    -> PluginSet
  {
    var set = PluginSet(hostName: "tests", version: "1.0")
    try set.load(
      path: path, cacheDirectory: fixture.cache, parameters: parameters,
      instruments: (0..<instruments).map { "S\($0)" }, seed: 1)
    return set
  }

  /// A random walk on a grid so coarse that ties happen.
  private func walk(_ count: Int, seed: UInt64) -> [Int64] {
    var random = SeededRandom(seed: seed)
    var price: Int64 = 100_000
    return (0..<count).map { _ in
      price = max(1000, price + Int64(random.below(21)) - 10)
      return price
    }
  }

  /// The rule of the benchmark's reference, written plainly: positions and sides of the changes.
  private func sideChanges(_ prices: [Double], fast: Int, slow: Int, warmup: Int) -> [(index: Int, side: Int)]
  {
    let fastWeight = 2.0 / Double(fast + 1)
    let slowWeight = 2.0 / Double(slow + 1)
    var (a, b, side) = (0.0, 0.0, 0)
    var result: [(Int, Int)] = []
    for (index, price) in prices.enumerated() {
      if index == 0 {
        (a, b) = (price, price)
      } else {
        a += fastWeight * (price - a)
        b += slowWeight * (price - b)
      }
      let now = a > b ? 1 : (a < b ? -1 : side)
      if index >= warmup, now != side { result.append((index, now)) }
      side = now
    }
    return result
  }

  @Test("in C and Swift send the same signals, bit for bit, over 100,000 bars", arguments: [UInt64(1), 2])
  func twinsAgree(seed: UInt64) throws {
    let fixture = try Fixture()
    let parameters = ["stop": "0.003", "target": "0.006", "expected": "0.0123", "confidence": "0.7"]
    var c = try load(fixture.trendFollowerC(), fixture, parameters, instruments: 2)
    var swift = try load(fixture.trendFollower(), fixture, parameters, instruments: 2)
    var random = SeededRandom(seed: seed)
    let events = walk(100_000, seed: seed).enumerated().map { index, price in
      bar(price, index: index, instrument: index % 2, flags: random.below(50) == 0 ? [] : .complete)
    }
    let warm = 200
    for phase in [0..<warm, warm..<events.count] {
      let kind: EventPhase = phase.lowerBound == 0 ? .warmup : .live
      let first = UInt64(phase.lowerBound + 1)
      let a = signals(of: &c, Array(events[phase]), phase: kind, firstSequence: first)
      let b = signals(of: &swift, Array(events[phase]), phase: kind, firstSequence: first)
      #expect(haveSameBits(a, b), "seed \(seed)")
      #expect(kind == .warmup ? a.isEmpty : a.count > 1000)
    }
    #expect(c.counters(0).refusedCount == 0 && swift.counters(0).refusedCount == 0)
  }

  @Test(
    "make the side changes of the benchmark's reference over bars", arguments: [(10, 30), (5, 75), (24, 30)])
  func barsFollowTheReference(fast: Int, slow: Int) throws {
    let fixture = try Fixture()
    let prices = walk(20_000, seed: UInt64(fast * 100 + slow))
    let expected = sideChanges(prices.map { Double($0) / 100 }, fast: fast, slow: slow, warmup: 100)
    #expect(expected.count > 100)
    for path in [try fixture.trendFollowerC(), try fixture.trendFollower()] {
      let parameters = Self.bench.merging(["fast": "\(fast)", "slow": "\(slow)"]) { $1 }
      var set = try load(path, fixture, parameters)
      let result = signals(of: &set, prices.enumerated().map { bar($1, index: $0) })
      #expect(result.map { Int($0.causeSequence) - 1 } == expected.map(\.index))
      #expect(result.map { $0.returnFraction > 0 ? 1 : -1 } == expected.map(\.side))
      #expect(
        result.allSatisfy {
          $0.returnFraction.magnitude == 0.02 && $0.horizonNanoseconds == 7_200_000_000_000
        })
      #expect(result.allSatisfy { $0.stopFraction.isNaN && $0.targetFraction.isNaN && $0.flags.isEmpty })
    }
  }

  @Test("make the side changes of the benchmark's reference over trades")
  func tradesFollowTheReference() throws {
    let fixture = try Fixture()
    let prices = walk(50_000, seed: 7)
    let expected = sideChanges(prices.map { Double($0) / 100 }, fast: 200, slow: 1000, warmup: 5000)
    #expect(expected.count > 20)
    for path in [try fixture.trendFollowerC(), try fixture.trendFollower()] {
      var set = try load(
        path, fixture,
        ["source": "trades", "fast": "200", "slow": "1000", "warmup": "5000", "enter_on_start": "false"])
      #expect(set.wantsTrades && !set.wantsQuotes && !set.wantsBars(.minute1))
      let result = signals(of: &set, prices.enumerated().map { trade($1, at: Int64($0)) })
      #expect(result.map { Int($0.causeSequence) - 1 } == expected.map(\.index))
      #expect(result.map { $0.returnFraction > 0 ? 1 : -1 } == expected.map(\.side))
    }
  }

  @Test("announce the side found in warm-up on the first live quote, once")
  func entersOnStart() throws {
    let fixture = try Fixture()
    for path in [try fixture.trendFollowerC(), try fixture.trendFollower()] {
      var set = try load(path, fixture, [:])
      #expect(
        set.warmupBarCount(.minute1) == 90 && set.wantsQuotes && set.wantsBars(.minute1) && !set.wantsTrades)
      let falling = (0..<90).map { bar(20_000 - Int64($0) * 10, index: $0) }
      #expect(signals(of: &set, falling, phase: .warmup).isEmpty)
      let start = Int64(91) * Timeframe.minute1.nanoseconds
      let quotes = (0..<5).map { second in
        MarketEvent.quote(
          InstrumentID(0), time: Instant(nanoseconds: start + Int64(second) * 2_000_000_000),
          bid: Price(ticks: 100),
          bidQuantity: Quantity(steps: 1), ask: Price(ticks: 101), askQuantity: Quantity(steps: 1))
      }
      let result = signals(of: &set, quotes, firstSequence: 100)
      #expect(result.map(\.causeSequence) == [100] && result.first?.side == .sell)
      let rising = (92..<200).map { bar(19_000 + Int64($0) * 30, index: $0) }
      #expect(signals(of: &set, rising, firstSequence: 200).map(\.side) == [.buy], "then only changes")
      #expect(set.counters(0).refusedCount == 0)
    }
  }

  @Test("wait for a complete bar before acting on a change")
  func incompleteBars() throws {
    let fixture = try Fixture()
    for path in [try fixture.trendFollowerC(), try fixture.trendFollower()] {
      var set = try load(path, fixture, ["warmup": "40", "enter_on_start": "false"])
      let rising = (0..<60).map { bar(10_000 + Int64($0) * 10, index: $0) }
      #expect(signals(of: &set, rising).isEmpty)
      let falling = (60..<90).map {
        bar(10_600 - Int64($0 - 60) * 50, index: $0, flags: $0 < 89 ? [] : .complete)
      }
      #expect(signals(of: &set, falling, firstSequence: 61).map(\.causeSequence) == [90])
    }
  }
}
