import Market
import Testing
import Trading

/// The plain double-precision engine of the peer benchmark's bar workload, written again from its rules.
private struct Oracle {
  var cash = 1_000_000.0
  var entry = 0.0
  var stop = 0.0
  var target = 0.0
  var position = 0.0
  var trades = 0

  private func cents(_ value: Double) -> Double { (value * 100).rounded(.toNearestOrEven) / 100 }

  mutating func close(at price: Double) {
    cash += position * (price - entry) - 0.0004 * price
    position = 0
    trades += 1
  }

  mutating func meet(low: Double, high: Double) {
    if position > 0 {
      if low <= stop { close(at: stop) } else if high >= target { close(at: target) }
    } else if position < 0 {
      if high >= stop { close(at: stop) } else if low <= target { close(at: target) }
    }
  }

  mutating func turn(to side: Double, at price: Double) {
    if position != 0, position != side { close(at: price) }
    guard position == 0 else { return }
    position = side
    entry = price
    cash -= 0.0004 * price
    stop = cents(price * (1 - side * 0.003))
    target = cents(price * (1 + side * 0.006))
  }
}

@Suite("The desk against a plain double-precision engine")
struct OracleTests {
  static func benchSettings() -> DeskSettings {
    var settings = openSettings()
    settings.sizing = .fixedQuantity(baseQuantity: 1)
    settings.defaultStopFraction = 0.003
    settings.defaultTargetFraction = 0.006
    settings.bracketRounding = .nearest
    settings.holdingNanosecondsMax = seconds(30 * 86_400)
    settings.openPositionsMax = 20
    settings.equitySampleNanoseconds = 0
    return settings
  }

  @Test(
    "EMA crossings with brackets give the same trades and the same equity to the cent", arguments: [1, 2, 3])
  func sameTradesAndEquity(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var settings = Self.benchSettings()
    settings.leverage = 20
    var bench = Bench(settings: settings, balance: 1_000_000)
    bench.venue.feeE8 = 40_000
    bench.keepsJournal = false
    var oracle = Oracle()
    var close: Int64 = 100_000
    var fast = 0.0
    var slow = 0.0
    var side = 0.0
    let count = 30_000
    for index in 0..<count {
      let open = close
      close = max(1_000, open + Int64((random.normal() * Double(open) * 0.0005).rounded()))
      let high = max(open, close) + Int64(random.below(20))
      let low = min(open, close) - Int64(random.below(20))
      let event = bar(
        open, high, low, close, openTime: dayStart.advanced(byNanoseconds: Int64(index) * seconds(60)))
      oracle.meet(low: Double(low) / 100, high: Double(high) / 100)
      bench.feed(event)
      let price = Double(close) / 100
      if index == 0 {
        fast = price
        slow = price
      } else {
        fast += 2.0 / 11 * (price - fast)
        slow += 2.0 / 31 * (price - slow)
      }
      let newSide = fast > slow ? 1.0 : fast < slow ? -1.0 : side
      if index >= 100, newSide != side {
        oracle.turn(to: newSide, at: price)
        bench.consider(idea(newSide > 0 ? .buy : .sell, at: event.time))
      }
      side = newSide
    }
    let expected = oracle.cash + oracle.position * (Double(close) / 100 - oracle.entry)
    #expect(oracle.trades > 500, "the series must trade")
    #expect(bench.desk.portfolio.tradeCount == oracle.trades, "seed \(seed)")
    #expect(abs(bench.desk.equity.amount - expected) < 0.005, "seed \(seed)")
  }
}
