import Market
import Testing

@testable import Simulator

@Suite("The generated market")
struct GeneratedMarketTests {
  static let start = Instant(milliseconds: 1_795_250_012_345)

  static func market(_ symbols: Int = 40, seed: UInt64 = 1, rate: Int = 10_000) -> GeneratedMarket {
    GeneratedMarket(
      GeneratedMarketSettings(symbolCount: symbols, seed: seed, messagesPerSecond: rate, start: start))
  }

  /// FNV-1a over every 8-byte word of the events.
  static func fingerprint(_ count: Int, seed: UInt64) -> UInt64 {
    var market = market(seed: seed)
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for _ in 0..<count {
      withUnsafeBytes(of: market.next()) { bytes in
        for word in bytes.bindMemory(to: UInt64.self) { hash = (hash ^ word) &* 0x100_0000_01B3 }
      }
    }
    return hash
  }

  @Test("gives the same hundred thousand events for one seed, byte for byte, on every machine")
  func isDeterministic() {
    #expect(Self.fingerprint(100_000, seed: 1) == Self.fingerprint(100_000, seed: 1))
    #expect(Self.fingerprint(100_000, seed: 1) != Self.fingerprint(100_000, seed: 2))
  }

  @Test("keeps to the rate asked for", arguments: [(10, 50), (40, 10_000), (300, 100_000)])
  func keepsRate(symbols: Int, rate: Int) {
    var market = Self.market(symbols, rate: rate)
    let end = Self.start.advanced(byNanoseconds: 1_000_000_000)
    var count = 0
    while market.nextTime < end {
      _ = market.next()
      count += 1
    }
    #expect(abs(count - rate) <= rate / 50 + 2, "\(count) events in a second")
  }

  @Test("never goes back in time, and its quotes and trades are sound", arguments: UInt64(0)..<4)
  func isSound(seed: UInt64) {
    var market = Self.market(60, seed: seed, rate: 20_000)
    var last = Instant.never
    var aggregateIDs = [Int64](repeating: 0, count: 60)
    var counts = (quotes: 0, trades: 0, marks: 0)
    var faults: [MarketEvent] = []
    for _ in 0..<20_000 {
      let event = market.next()
      let index = Int(event.instrument.index)
      var isSound = event.time >= last
      last = event.time
      switch event.kind {
      case .quote:
        counts.quotes += 1
        isSound = isSound && event.bid.ticks > 0 && event.ask > event.bid
        isSound = isSound && event.bidQuantity.steps > 0 && event.askQuantity.steps > 0
      case .trade:
        counts.trades += 1
        isSound = isSound && event.tradeCount >= 1 && event.quantity.steps >= event.tradeCount
        isSound = isSound && (aggregateIDs[index] == 0 || event.aggregateID == aggregateIDs[index] + 1)
        aggregateIDs[index] = event.aggregateID
      case .mark:
        counts.marks += 1
        isSound = isSound && event.markE8 > 0 && event.indexE8 > 0 && event.nextFunding > event.time
      case .bar, .gap, .stream: isSound = false
      }
      if !isSound { faults.append(event) }
    }
    #expect(faults.isEmpty, "seed \(seed), first \(String(describing: faults.first))")
    #expect(counts.quotes > counts.trades && counts.trades > counts.marks && counts.marks > 0, "seed \(seed)")
  }

  /// Mid prices of each symbol, one a second.
  static func mids(_ market: inout GeneratedMarket, seconds: Int) -> [[Double]] {
    let count = market.table.count
    var current = (0..<count).map { Double(market.startPrice(InstrumentID($0)).ticks) }
    var result = [[Double]](repeating: [], count: count)
    for second in 1...seconds {
      let end = start.advanced(byNanoseconds: Int64(second) * 1_000_000_000)
      while market.nextTime < end {
        let event = market.next()
        if event.kind == .quote {
          current[Int(event.instrument.index)] = Double(event.bid.ticks + event.ask.ticks) / 2
        }
      }
      for index in 0..<count { result[index].append(current[index]) }
    }
    return result
  }

  @Test("moves its symbols together, but not as one")
  func isCorrelated() {
    var market = Self.market(12, seed: 5, rate: 240)
    let mids = Self.mids(&market, seconds: 900)
    let returns = mids.map { path in
      stride(from: 30, to: path.count, by: 30).map { path[$0] / path[$0 - 30] - 1 }
    }
    var correlations: [Double] = []
    for a in returns.indices {
      for b in 0..<a { correlations.append(Self.correlation(returns[a], returns[b])) }
    }
    let mean = correlations.reduce(0, +) / Double(correlations.count)
    #expect((0.25...0.9).contains(mean), "mean correlation \(mean)")
  }

  @Test("clusters its volatility: large moves follow large moves", arguments: UInt64(0)..<3)
  func clustersVolatility(seed: UInt64) {
    var market = Self.market(4, seed: seed, rate: 100)
    let mids = Self.mids(&market, seconds: 1_200)
    var total = 0.0
    for path in mids {
      let sizes = (1..<path.count).map { abs(path[$0] / path[$0 - 1] - 1) }
      total += Self.correlation(Array(sizes.dropLast()), Array(sizes.dropFirst()))
    }
    #expect(total / 4 > 0.03, "autocorrelation of absolute returns \(total / 4), seed \(seed)")
  }

  @Test("trends enough for a follower: within the first minute some symbol moves by a quarter percent")
  func trends() {
    var market = Self.market(40, seed: 3, rate: 1_000)
    let mids = Self.mids(&market, seconds: 60)
    let moves = mids.map { path in abs((path.last ?? 1) / (path.first ?? 1) - 1) }
    #expect((moves.max() ?? 0) > 0.0025, "largest move \(moves.max() ?? 0)")
    #expect((moves.max() ?? 0) < 0.05, "largest move \(moves.max() ?? 0)")
  }

  @Test("names real majors first and never one symbol twice")
  func names() {
    let table = Self.market(700, rate: 1_000).table
    #expect(table.instruments[0].symbol == "BTCUSDT")
    #expect(table.instruments[1].symbol == "ETHUSDT")
    #expect(table.instruments.contains { $0.symbol == "AAAUSDT" })
    #expect(Set(table.instruments.map(\.symbol)).count == 700)
  }

  private static func correlation(_ a: [Double], _ b: [Double]) -> Double {
    let meanA = a.reduce(0, +) / Double(a.count)
    let meanB = b.reduce(0, +) / Double(b.count)
    var covariance = 0.0
    var varianceA = 0.0
    var varianceB = 0.0
    for index in a.indices {
      covariance += (a[index] - meanA) * (b[index] - meanB)
      varianceA += (a[index] - meanA) * (a[index] - meanA)
      varianceB += (b[index] - meanB) * (b[index] - meanB)
    }
    return covariance / (varianceA * varianceB).squareRoot()
  }
}
