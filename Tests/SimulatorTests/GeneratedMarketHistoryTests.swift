import Glibc
import Market
import Testing

@testable import Simulator

@Suite("The generated market's history")
struct GeneratedMarketHistoryTests {
  static func history(seed: UInt64) -> (GeneratedMarket, GeneratedMarketHistory) {
    let market = GeneratedMarketTests.market(6, seed: seed)
    return (market, market.history)
  }

  @Test("meets the live price at the start", arguments: UInt64(0)..<10)
  func isContinuous(seed: UInt64) {
    let (market, history) = Self.history(seed: seed)
    for instrument in market.table.ids {
      let start = market.startPrice(instrument).ticks
      for timeframe in Timeframe.allCases {
        let last = history.bars(instrument, timeframe, from: .never, to: market.settings.start, countMax: 1)
        #expect(last.first?.closeTicks == start, "seed \(seed), \(timeframe.name)")
      }
    }
  }

  @Test("gives one path under all timeframes", arguments: UInt64(0)..<4)
  func timeframesAgree(seed: UInt64) {
    let (market, history) = Self.history(seed: seed)
    let minutes = history.bars(
      InstrumentID(2), .minute1, from: .never, to: market.settings.start, countMax: 3_000)
    for timeframe in Timeframe.allCases.dropFirst() {
      var joined: [HistoryBar] = []
      for bar in minutes {
        let open = timeframe.openTime(of: bar.openTime)
        if let last = joined.indices.last, joined[last].openTime == open {
          joined[last].append(bar)
        } else {
          var first = bar
          first.openTime = open
          joined.append(first)
        }
      }
      // The first joined bar may miss minutes before the window.
      let whole = Array(joined.dropFirst())
      let direct = history.bars(
        InstrumentID(2), timeframe, from: .never, to: market.settings.start, countMax: whole.count)
      #expect(direct.count == whole.count, "seed \(seed)")
      for (a, b) in zip(direct, whole) {
        #expect(
          a.openTime == b.openTime && a.openTicks == b.openTicks && a.highTicks == b.highTicks
            && a.lowTicks == b.lowTicks && a.closeTicks == b.closeTicks && a.volumeSteps == b.volumeSteps
            && a.takerBuySteps == b.takerBuySteps && a.tradeCount == b.tradeCount,
          "seed \(seed), \(timeframe.name)")
      }
    }
  }

  @Test("is the same whichever part of it is asked for", arguments: UInt64(0)..<4)
  func isRandomAccess(seed: UInt64) {
    let (market, history) = Self.history(seed: seed)
    let end = market.settings.start
    let all = history.bars(InstrumentID(1), .minute15, from: .never, to: end, countMax: 500)
    for place in [0, 17, 250, 499] {
      let from = all[place].openTime
      let one = history.bars(
        InstrumentID(1), .minute15, from: from, to: from.advanced(byNanoseconds: 1), countMax: 1)
      #expect(one.first == all[place], "seed \(seed), bar \(place)")
    }
  }

  @Test("has no gaps, sound bars and closes that open the next")
  func isSound() {
    let (market, history) = Self.history(seed: 9)
    for timeframe in Timeframe.allCases {
      let bars = history.bars(
        InstrumentID(4), timeframe, from: .never, to: market.settings.start, countMax: 200)
      #expect(bars.count == 200)
      for (bar, next) in zip(bars, bars.dropFirst()) {
        #expect(next.openTime.nanoseconds(since: bar.openTime) == timeframe.nanoseconds)
        #expect(next.openTicks == bar.closeTicks)
        #expect(bar.lowTicks <= min(bar.openTicks, bar.closeTicks) && bar.lowTicks > 0)
        #expect(bar.highTicks >= max(bar.openTicks, bar.closeTicks))
        #expect(bar.volumeSteps > 0 && bar.takerBuySteps < bar.volumeSteps && bar.quoteVolume > .zero)
      }
    }
  }

  @Test("ends at its oldest day and holds nothing outside")
  func hasEnds() {
    let (market, history) = Self.history(seed: 2)
    let all = history.bars(InstrumentID(0), .day1, from: .never, to: market.settings.start, countMax: 5_000)
    #expect(all.count == Int(GeneratedMarketHistory.dayCountMax) + 1)
    #expect(all.first?.openTime == history.oldest)
    #expect(
      history.bars(InstrumentID(0), .hour1, from: history.end, to: .init(nanoseconds: .max / 2), countMax: 5)
        .isEmpty)
    #expect(history.bars(InstrumentID(0), .hour1, from: .never, to: history.oldest, countMax: 5).isEmpty)
  }

  @Test("its exponential agrees with the C library's")
  func exponentialAgrees() {
    var random = SeededRandom(seed: 4)
    for _ in 0..<2_000 {
      let x = random.uniform() * 12 - 6
      #expect(abs(exponential(x) / exp(x) - 1) < 1e-12)
    }
  }
}
