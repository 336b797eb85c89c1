import Foundation
import Market
import Testing

@testable import Engine

/// The workloads' rules in plain doubles, written from their description.
private struct PlainEngine {
  let fastWeight: Double
  let slowWeight: Double
  let warmup: Int
  let hasBracket: Bool
  var cash = 0.0
  var trades = 0
  private var index = 0
  private var fast = 0.0
  private var slow = 0.0
  private var side = 0.0
  private var position = 0.0
  private var entry = 0.0
  private var stop = 0.0
  private var target = 0.0

  init(fast: Int, slow: Int, warmup: Int, hasBracket: Bool) {
    fastWeight = 2 / Double(fast + 1)
    slowWeight = 2 / Double(slow + 1)
    self.warmup = warmup
    self.hasBracket = hasBracket
  }

  mutating func step(low: Double, high: Double, close: Double) {
    if hasBracket, position > 0 {
      if low <= stop { leave(stop) } else if high >= target { leave(target) }
    } else if hasBracket, position < 0 {
      if high >= stop { leave(stop) } else if low <= target { leave(target) }
    }
    if index == 0 {
      fast = close
      slow = close
    } else {
      fast += fastWeight * (close - fast)
      slow += slowWeight * (close - slow)
    }
    let now = fast > slow ? 1.0 : fast < slow ? -1.0 : side
    if index >= warmup, now != side {
      if position != 0, position != now { leave(close) }
      if position == 0 {
        position = now
        entry = close
        cash -= 0.0004 * close
        stop = (close * (1 - now * 0.003) * 100).rounded(.toNearestOrEven) / 100
        target = (close * (1 + now * 0.006) * 100).rounded(.toNearestOrEven) / 100
      }
    }
    side = now
    index += 1
  }

  private mutating func leave(_ price: Double) {
    cash += position * (price - entry) - 0.0004 * price
    position = 0
    trades += 1
  }

  func value(at price: Double) -> Double { cash + position * (price - entry) }
}

@Suite("The standard work")
struct BenchWorkloadTests {
  private typealias Bars = [(open: Int64, high: Int64, low: Int64, close: Int64)]

  private static func bytes(_ bars: Bars) -> [UInt8] {
    var data = Data()
    func put(_ bits: UInt64) { withUnsafeBytes(of: bits.littleEndian) { data.append(contentsOf: $0) } }
    for (index, bar) in bars.enumerated() {
      put(UInt64(1_704_067_200_000 + index * 60_000))
      for ticks in [bar.open, bar.high, bar.low, bar.close] { put((Double(ticks) / 100).bitPattern) }
      put((1.5).bitPattern)
    }
    return [UInt8](data)
  }

  private static func plain(_ bars: Bars, fast: Int = 10, slow: Int = 30) -> (trades: Int, value: Double) {
    var engine = PlainEngine(fast: fast, slow: slow, warmup: 100, hasBracket: true)
    for bar in bars {
      engine.step(low: Double(bar.low) / 100, high: Double(bar.high) / 100, close: Double(bar.close) / 100)
    }
    return (engine.trades, engine.value(at: Double(bars[bars.count - 1].close) / 100))
  }

  private static func cents(_ value: Double) -> Double { (value * 100).rounded() / 100 }

  @Test(
    "W1 gives the trades and the equity of a plain engine, to the cent", arguments: [1, 2, 3] as [UInt64])
  func w1(seed: UInt64) async throws {
    let fixture = try BacktestFixture()
    let bars = BacktestFixture.walk(count: 8_000, seed: seed)
    try fixture.write("w1.bars", Self.bytes(bars))
    let plugin = try fixture.trendFollower()
    for limit in [0, 5_000] {
      let result = try await BenchWorkloads.run(.w1, directory: fixture.folder, limit: limit, plugin: plugin)
      let used = limit == 0 ? bars : Array(bars.prefix(limit))
      let expected = Self.plain(used)
      #expect(result.events == used.count)
      #expect(expected.trades > 100)
      #expect(result.trades == expected.trades, "seed \(seed)")
      #expect(result.finalEquity == Self.cents(1_000_000 + expected.value), "seed \(seed)")
    }
  }

  @Test("W2 keeps twenty instruments on one account")
  func w2() async throws {
    let fixture = try BacktestFixture()
    var trades = 0
    var value = 1_000_000.0
    for index in 0..<20 {
      let bars = BacktestFixture.walk(count: 600, seed: 100 + UInt64(index))
      try fixture.write("w2_\(index < 10 ? "0" : "")\(index).bars", Self.bytes(bars))
      let expected = Self.plain(bars)
      trades += expected.trades
      value += expected.value
    }
    let result = try await BenchWorkloads.run(
      .w2, directory: fixture.folder, limit: 0, plugin: try fixture.trendFollower())
    #expect(result.events == 12_000)
    #expect(result.trades == trades)
    #expect(result.finalEquity == Self.cents(value))
  }

  @Test("W3 turns at every change of side of the trade averages")
  func w3() async throws {
    let fixture = try BacktestFixture()
    var random = SeededRandom(seed: 9)
    var engine = PlainEngine(fast: 200, slow: 1000, warmup: 5000, hasBracket: false)
    var data = Data()
    func put(_ bits: UInt64) { withUnsafeBytes(of: bits.littleEndian) { data.append(contentsOf: $0) } }
    var ticks: Int64 = 100_000
    for index in 0..<30_000 {
      ticks += Int64(random.below(5)) - 2
      let price = Double(ticks) / 100
      put(UInt64(1_704_067_200_000 + index * 30))
      put(price.bitPattern)
      put((1.25).bitPattern)
      put(random.below(2))
      engine.step(low: price, high: price, close: price)
    }
    try fixture.write("w3.ticks", [UInt8](data))
    let result = try await BenchWorkloads.run(
      .w3, directory: fixture.folder, limit: 0, plugin: try fixture.trendFollower())
    #expect(engine.trades > 5)
    #expect(result.trades == engine.trades)
    #expect(result.finalEquity == Self.cents(1_000_000 + engine.value(at: Double(ticks) / 100)))
  }

  @Test("W4 sums the trades of two hundred runs and averages their equity")
  func w4() async throws {
    let fixture = try BacktestFixture()
    let bars = BacktestFixture.walk(count: 250, seed: 4)
    try fixture.write("w4.bars", Self.bytes(bars))
    var trades = 0
    var value = 0.0
    for fast in 5..<25 {
      for slow in stride(from: 30, to: 80, by: 5) {
        let expected = Self.plain(bars, fast: fast, slow: slow)
        trades += expected.trades
        value += 1_000_000 + expected.value
      }
    }
    let result = try await BenchWorkloads.run(
      .w4, directory: fixture.folder, limit: 0, plugin: try fixture.trendFollower())
    #expect(result.events == 50_000)
    #expect(result.trades == trades)
    #expect(abs(result.finalEquity - value / 200) < 0.0051)
  }

  @Test("the line carries the benchmark's keys")
  func line() throws {
    let result = BenchResult(
      events: 1, loadSeconds: 2, runSeconds: 3, runProcessorSeconds: 4, eventsPerSecond: 5, trades: 6,
      finalEquity: 7.5,
      note: "n")
    #expect(
      try result.line()
        == #"{"events":1,"events_per_s":5,"final_equity":7.5,"load_s":2,"note":"n","run_cpu_s":4,"run_s":3,"trades":6}"#
    )
  }

  @Test("data that is missing, torn or off the grid is refused with its file")
  func badData() async throws {
    let fixture = try BacktestFixture()
    let path = "\(fixture.folder)/w1.bars"
    func failure() -> String {
      do {
        _ = try BenchWorkloadsData.events(.w1, directory: fixture.folder, limit: 0)
        return "none"
      } catch { return error.description }
    }
    #expect(failure().hasPrefix("\(path): cannot be read"))
    var bytes = Self.bytes(BacktestFixture.walk(count: 3, seed: 1))
    try fixture.write("w1.bars", Array(bytes.dropLast()))
    #expect(failure().hasPrefix("\(path): 143 bytes are not whole records of 48"))
    withUnsafeBytes(of: (10.005).bitPattern.littleEndian) { bytes.replaceSubrange(56..<64, with: $0) }
    try fixture.write("w1.bars", bytes)
    #expect(failure().hasPrefix("\(path): record 2: open: 10.005"))
    try fixture.write("w1.bars", [])
    #expect(failure() == "\(path): has no records; make the file again")
  }
}
