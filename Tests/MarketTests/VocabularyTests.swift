import Market
import Testing

@Suite("The market vocabulary")
struct VocabularyTests {
  @Test("decimal text survives reading and writing", arguments: UInt64(0)..<50)
  func decimalText(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<100 {
      let value = Int64(bitPattern: random.next()) >> Int64(random.below(60))
      #expect(FixedPoint.parse(FixedPoint.text(value, decimals: 8)) == value, "seed \(seed)")
    }
  }

  @Test(
    "decimal text that is not plain is refused",
    arguments: [
      "", "-", ".", "1.", ".5", "1e5", "+1", " 1", "1 ", "NaN", "0x1", "1.123456789", "92233720369", "1-1",
    ])
  func badText(text: String) { #expect(FixedPoint.parse(text) == nil) }

  @Test("the smallest amount is zero minus one unit and prints so")
  func negatives() {
    #expect(FixedPoint.parse("-0.00000001") == -1)
    #expect(FixedPoint.text(-1, decimals: 8) == "-0.00000001")
    #expect(FixedPoint.text(-10_000_000, decimals: 1) == "-0.1")
  }

  @Test("division rounds half away from zero, on both sides")
  func rounding() {
    #expect(FixedPoint.divided(5, by: 2) == 3 && FixedPoint.divided(-5, by: 2) == -3)
    #expect(FixedPoint.divided(4, by: 3) == 1 && FixedPoint.divided(-4, by: 3) == -1)
  }

  @Test("a notional is the exact product, by both roads", arguments: UInt64(0)..<20)
  func notional(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let units: [Int64] = [1, 7, 100, 1_000, 100_000, 10_000_000, 100_000_000]
    for _ in 0..<50 {
      let rules = InstrumentRules(
        tickE8: units[Int(random.below(7))], stepE8: units[Int(random.below(7))])
      let ticks = Int64(random.below(1 << 30))
      let steps = Int64(random.below(1 << 14))
      let exact = Int128(ticks) * Int128(rules.tickE8) * Int128(steps) * Int128(rules.stepE8)
      guard exact / Int128(FixedPoint.one) < Int128(Int64.max / 2) else { continue }
      let wanted = (exact + Int128(FixedPoint.one) / 2) / Int128(FixedPoint.one)
      #expect(rules.notional(Price(ticks: ticks), Quantity(steps: steps)).e8 == Int64(wanted), "seed \(seed)")
    }
  }

  @Test("a client id reads back what it wrote and nothing else")
  func clientIDs() {
    for id in [
      ClientOrderID(run: 0, sequence: 0), ClientOrderID(run: .max, sequence: .max),
      ClientOrderID(run: 9, sequence: 77),
    ] {
      #expect(ClientOrderID(text: id.text) == id)
      #expect(id.text.utf8.count <= 36)
    }
    for text in [
      "", "aegis", "aegis-1", "aegis-1-2-3", "aegis-01-2", "aegis-1-G!", "Aegis-1-2", "aegis--1-2",
      "autoclose-1",
    ] { #expect(ClientOrderID(text: text) == nil, "\(text)") }
  }

  @Test("a position loses nothing over many fills", arguments: UInt64(0)..<20)
  func positions(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let rules = InstrumentRules(tickE8: 10_000_000, stepE8: 100_000)
    var position = NetPosition()
    var realized = Quote.zero
    var cash = Quote.zero
    for _ in 0..<200 {
      let side: Side = random.below(2) == 0 ? .buy : .sell
      let price = Price(ticks: 280_000 + Int64(random.below(1000)))
      let quantity = Quantity(steps: 1 + Int64(random.below(500)))
      realized = realized + position.apply(side, price, quantity, rules: rules)
      let notional = rules.notional(price, quantity)
      cash = side == .buy ? cash - notional : cash + notional
    }
    if !position.isFlat {
      let price = Price(ticks: 280_500)
      let quantity = position.quantity
      let side = position.side.opposite
      realized = realized + position.apply(side, price, quantity, rules: rules)
      let notional = rules.notional(price, quantity)
      cash = side == .buy ? cash - notional : cash + notional
    }
    #expect(position.isFlat && position.cost == .zero)
    #expect(realized == cash, "seed \(seed): what came in less what went out is the profit")
  }

  @Test("a seed always gives the same numbers")
  func seeds() {
    var a = SeededRandom(seed: 42)
    var b = SeededRandom(seed: 42)
    var c = SeededRandom(seed: 43)
    let first = (0..<100).map { _ in a.next() }
    #expect(first == (0..<100).map { _ in b.next() })
    #expect(first != (0..<100).map { _ in c.next() })
    for _ in 0..<1000 { #expect(a.below(7) < 7) }
  }

  @Test("a market event fills 56 bytes, and a candle survives as a bar")
  func layout() {
    #expect(MemoryLayout<MarketEvent>.stride == 56)
    let candle = Candle(
      openTime: Instant(milliseconds: 1_795_250_040_000), open: Price(ticks: 5), high: Price(ticks: 9),
      low: Price(ticks: 4), close: Price(ticks: 6), volume: Quantity(steps: 12),
      flags: [.complete, .synthetic])
    let bar = MarketEvent.bar(InstrumentID(3), .minute5, candle)
    #expect(bar.candle == candle && bar.timeframe == .minute5)
    #expect(bar.time.nanoseconds(since: candle.openTime) == Timeframe.minute5.nanoseconds)
  }
}
