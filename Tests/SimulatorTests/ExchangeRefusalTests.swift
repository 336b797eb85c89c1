import Market
import Simulator
import Testing

@Suite("The simulated exchange refuses")
struct ExchangeRefusalTests {
  private func refusals(_ command: OrderCommand) -> [Int32] {
    var exchange = Fixture.exchange()
    exchange.observe(Fixture.quote(5_000_000, 5_000_100))
    let reports = exchange.send(command)
    #expect(reports.allSatisfy { $0.code == 0 || ($0.kind == .rejected && $0.isFinal) })
    return reports.codes.filter { $0 != 0 }
  }

  @Test("quantities outside the filters")
  func quantities() {
    #expect(refusals(Fixture.market(1, .buy, 0)) == [-4003])
    #expect(refusals(Fixture.market(1, .buy, -4)) == [-4003])
    #expect(refusals(Fixture.market(1, .buy, 120_001)) == [-4005])
    #expect(refusals(Fixture.limit(1, .buy, 1_000_001, 5_000_000)) == [-4005])
    var table = Fixture.table.instruments
    table[0].rules.quantityStepsMin = 5
    var exchange = SimulatedExchange(instruments: InstrumentTable(venue: "simulator", instruments: table))
    exchange.observe(Fixture.quote(5_000_000, 5_000_100))
    #expect(exchange.send(Fixture.market(1, .buy, 4)).codes == [-4004])
  }

  @Test(
    "sizes no sum of the account could hold, under the widest filters",
    arguments: [1, 100_000, 5_000_000] as [Int64])
  func absurdSizes(ticks: Int64) {
    let wide = Instrument(
      symbol: "BTCUSDT", baseAsset: "BTC", rules: InstrumentRules(tickE8: 1_000_000, stepE8: 100_000_000))
    var exchange = SimulatedExchange(
      instruments: InstrumentTable(venue: "simulator", instruments: [wide]))
    exchange.observe(Fixture.quote(5_000_000, 5_000_100))
    for steps in [Int64.max >> 16, 1_000_000_000_000, 1_000_000_000, 100_000_000] {
      let codes =
        exchange.send(Fixture.limit(1, .buy, steps, ticks)).codes
        + exchange.send(Fixture.market(2, .sell, steps)).codes
      #expect(codes.allSatisfy { $0 == -4005 || $0 == -2019 } && codes.count == 2)
    }
  }

  @Test("prices outside the filter and the band around the mark")
  func prices() {
    #expect(refusals(Fixture.limit(1, .buy, 9, 99)) == [-4013])
    #expect(refusals(Fixture.limit(1, .sell, 9, 100_000_001)) == [-4002])
    #expect(refusals(Fixture.limit(1, .buy, 9, 5_250_053)) == [-4016])  // mark 50000.50 × 1.05 = 52500.525
    #expect(refusals(Fixture.limit(1, .buy, 9, 5_250_052)) == [])
    #expect(refusals(Fixture.limit(1, .sell, 9, 4_750_047)) == [-4024])
    #expect(refusals(Fixture.limit(1, .sell, 9, 4_750_048)) == [])
  }

  @Test("too small a notional, except to reduce")
  func notional() {
    var exchange = Fixture.exchange()
    exchange.observe(Fixture.quote(499_900, 500_000))
    #expect(exchange.send(Fixture.limit(1, .buy, 1, 499_900)).codes == [-4164])
    #expect(exchange.send(Fixture.market(2, .buy, 1)).codes == [-4164])
    #expect(exchange.send(Fixture.market(3, .buy, 2)).kinds == [.accepted, .filled])
    #expect(exchange.send(Fixture.market(4, .sell, 1, reduceOnly: true)).kinds == [.accepted, .filled])
  }

  @Test("decimals that are not on the grid")
  func grid() throws {
    let rules = Fixture.rules
    #expect(try OrderFilters.price(e8: 5_000_012_000_000, decimalCount: 2, rules: rules).ticks == 5_000_012)
    #expect(throws: OrderRefusal.precision) {
      try OrderFilters.price(e8: 5_000_012_500_000, decimalCount: 3, rules: rules)
    }
    #expect(throws: OrderRefusal.precision) {
      try OrderFilters.quantity(e8: 12_340_000, decimalCount: 4, rules: rules)
    }
    let coarse = InstrumentRules(tickE8: 5_000_000, stepE8: 500_000)
    #expect(throws: OrderRefusal.priceOffTick) {
      try OrderFilters.price(e8: 102_000_000, decimalCount: 2, rules: coarse)
    }
    #expect(throws: OrderRefusal.quantityOffStep) {
      try OrderFilters.quantity(e8: 1_200_000, decimalCount: 3, rules: coarse)
    }
    #expect(try OrderFilters.quantity(e8: 1_500_000, decimalCount: 3, rules: coarse).steps == 3)
    #expect(OrderRefusal.allCases.allSatisfy { !$0.message.isEmpty })
  }

  @Test("an instrument not listed, and one whose status forbids it")
  func status() {
    #expect(refusals(Fixture.market(1, .buy, 2, InstrumentID(2))) == [-1121])
    #expect(refusals(Fixture.market(1, .buy, 2, .none)) == [-1121])
    var exchange = Fixture.exchange()
    exchange.observe(Fixture.quote(5_000_000, 5_000_100))
    _ = exchange.send(Fixture.market(1, .buy, 2))
    exchange.setStatus(Fixture.btc, TradingStatus(word: "SETTLING"))
    #expect(exchange.send(Fixture.market(2, .buy, 2)).codes == [-4140])
    #expect(exchange.send(Fixture.market(3, .sell, 2, reduceOnly: true)).kinds == [.accepted, .filled])
    exchange.setStatus(Fixture.btc, TradingStatus(word: "CLOSE"))
    #expect(exchange.send(Fixture.market(4, .sell, 2, reduceOnly: true)).codes == [-4141])
  }

  @Test("reduce-only without a position or on its side; a larger one is cut to it")
  func reduceOnly() {
    var exchange = Fixture.exchange()
    exchange.observe(Fixture.quote(5_000_000, 5_000_100))
    #expect(exchange.send(Fixture.market(1, .sell, 2, reduceOnly: true)).codes == [-2022])
    _ = exchange.send(Fixture.market(2, .buy, 3))
    #expect(exchange.send(Fixture.market(3, .buy, 2, reduceOnly: true)).codes == [-2022])
    let reports = exchange.send(Fixture.market(4, .sell, 50, reduceOnly: true))
    #expect(reports.map(\.quantity.steps) == [3, 3])
    #expect(reports[1].isFinal)
    #expect(exchange.position(Fixture.btc).isFlat)
  }

  @Test(
    "resting reduce-only orders expire when the position vanishes or turns", arguments: [3, 5] as [Int64])
  func knockOut(steps: Int64) {
    var exchange = Fixture.exchange()
    exchange.observe(Fixture.quote(5_000_000, 5_000_100))
    _ = exchange.send(Fixture.market(1, .buy, 3))
    _ = exchange.send(Fixture.limit(2, .sell, 3, 5_010_000, reduceOnly: true))
    _ = exchange.send(Fixture.limit(3, .sell, 3, 5_020_000, reduceOnly: true))
    _ = exchange.send(Fixture.limit(4, .buy, 3, 4_990_000))
    let reports = exchange.send(Fixture.market(5, .sell, steps))
    #expect(reports.kinds == [.accepted, .filled, .expired, .expired])
    #expect(reports.dropFirst(2).map(\.id.sequence) == [2, 3])
    #expect(exchange.openOrders().map(\.id.sequence) == [4])
  }

  @Test("a second open order with the same client id, but not after the first is over")
  func duplicates() {
    var exchange = Fixture.exchange()
    exchange.observe(Fixture.quote(5_000_000, 5_000_100))
    _ = exchange.send(Fixture.limit(1, .buy, 2, 4_990_000))
    #expect(exchange.send(Fixture.limit(1, .buy, 2, 4_990_000)).codes == [-4116])
    _ = exchange.send(Fixture.cancel(1))
    #expect(exchange.send(Fixture.limit(1, .buy, 2, 4_990_000)).kinds == [.accepted])
    var nameless = Fixture.market(1, .buy, 2)
    nameless.id = .none
    #expect(exchange.send(nameless).codes == [-4015])
  }

  @Test("the 201st open order of an instrument")
  func openOrderLimit() {
    var exchange = Fixture.exchange()
    exchange.observe(Fixture.quote(5_000_000, 5_000_100))
    let limit = UInt64(SimulatedExchangeSettings.openOrdersPerInstrumentMax)
    for sequence in 1...limit {
      #expect(exchange.send(Fixture.limit(sequence, .buy, 1, 4_990_000)).kinds == [.accepted])
    }
    #expect(exchange.send(Fixture.limit(limit + 1, .buy, 1, 4_990_000)).codes == [-2025])
    _ = exchange.send(Fixture.cancel(17))
    #expect(exchange.send(Fixture.limit(limit + 2, .buy, 1, 4_990_000)).kinds == [.accepted])
  }

  @Test("what the margin does not bear, and takes it at higher leverage")
  func margin() throws {
    var exchange = Fixture.exchange { $0.defaultLeverage = 10 }
    exchange.observe(Fixture.quote(5_000_000, 5_000_000))
    // 10,000 at 10×: 2 BTC need 10,000 of margin and 50 of fee.
    #expect(exchange.send(Fixture.market(1, .buy, 2000)).codes == [-2019])
    try exchange.setLeverage(Fixture.btc, 11)
    #expect(exchange.send(Fixture.market(2, .buy, 2000)).kinds == [.accepted, .filled])
    #expect(exchange.marginSummary().initialMargin == Fixture.quote("9090.90909091"))
    #expect(exchange.send(Fixture.market(3, .sell, 2000)).kinds == [.accepted, .filled])
    var refusal: OrderRefusal?
    do { try exchange.setLeverage(Fixture.btc, 126) } catch { refusal = error }
    #expect(refusal == .leverageInvalid)
  }

  @Test("resting orders hold margin on the worse side only")
  func orderMargin() {
    var exchange = Fixture.exchange { $0.defaultLeverage = 10 }
    exchange.observe(Fixture.quote(5_000_000, 5_000_100))
    #expect(exchange.send(Fixture.limit(1, .buy, 1000, 5_000_000)).kinds == [.accepted])
    #expect(exchange.marginSummary().orderInitialMargin == Fixture.quote("5000"))
    #expect(exchange.send(Fixture.limit(2, .sell, 1500, 5_000_100)).kinds == [.accepted])
    #expect(exchange.marginSummary().orderInitialMargin == Fixture.quote("7500.15"))
    #expect(exchange.send(Fixture.limit(3, .sell, 501, 5_000_100)).codes == [-2019])
    #expect(exchange.send(Fixture.limit(4, .buy, 499, 5_000_000)).kinds == [.accepted])
    #expect(exchange.marginSummary().orderInitialMargin == Fixture.quote("7500.15"))
  }
}
