import Market
import Testing
import Trading

@Suite("The desk")
struct DeskTests {
  func bench(_ change: (inout DeskSettings) -> Void = { _ in }, rules: [InstrumentRules] = [sampleRules])
    -> Bench
  {
    var settings = openSettings()
    settings.sizing = .fixedQuantity(baseQuantity: 1)
    change(&settings)
    return Bench(rules: rules, settings: settings)
  }

  @Test("opens at the touch, protects the fill, closes at the stop and books every cent")
  func roundTrip() {
    var bench = bench()
    bench.venue.usesLevels = false
    bench.feed(quote(10_000, 10_002, at: at(0)))
    let verdict = bench.consider(idea(.buy, at: at(1)))
    #expect(verdict.action == .open && verdict.quantity == Quantity(steps: 1_000))
    let plan = bench.desk.exitPlan(btc)
    #expect(plan?.stop == Price(ticks: 9_902), "100.02 less 1 % is 99.0198: the safe side is above")
    #expect(plan?.target == Price(ticks: 10_202))
    bench.feed(quote(9_903, 9_905, at: at(2)))
    #expect(bench.trades.isEmpty)
    bench.feed(quote(9_902, 9_904, at: at(3)))
    #expect(bench.commands.last?.purpose == .stop)
    #expect(bench.commands.last?.reduceOnly == true)
    #expect(bench.commands.last?.price == Price(ticks: 9_902))
    let trade = bench.trades.first
    #expect(trade?.purpose == .stop)
    // Bought 1 at 100.02, sold at 99.02, fees 0.05 % of each.
    #expect(trade?.net == Quote(e8: -100_000_000 - 5_001_000 - 4_951_000))
    #expect(bench.desk.equity == Quote(10_000) + (trade?.net ?? .zero))
    #expect(bench.desk.portfolio.openCount == 0)
  }

  @Test("every order id of a run is different, and none is reused over inputs", arguments: UInt64(0)..<5)
  func idsAreUnique(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var bench = bench { $0.openPositionsMax = 3 }
    for step in 0..<300 {
      let price = 10_000 + Int64(random.below(400))
      bench.feed(quote(price, price + 1, at: at(Double(step))))
      bench.consider(idea(random.below(2) == 0 ? .buy : .sell, at: at(Double(step))))
    }
    let ids = bench.commands.filter { $0.action == .place }.map(\.id)
    #expect(ids.count > 50)
    #expect(Set(ids).count == ids.count, "seed \(seed)")
  }

  @Test(
    "the wallet is the opening balance plus all realised profit less all fees, for any day",
    arguments: UInt64(0)..<20)
  func moneyIsConserved(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let rules = Array(repeating: sampleRules, count: 3)
    var settings = openSettings()
    settings.sizing = .fixedRisk(riskFraction: 0.01)
    var bench = Bench(rules: rules, settings: settings)
    bench.venue.pieces = 1 + Int(random.below(4))
    var prices: [Int64] = [10_000, 3_000, 60_000]
    for step in 0..<600 {
      let which = Int(random.below(3))
      prices[which] = max(
        200, prices[which] + Int64((random.normal() * Double(prices[which]) * 0.003).rounded()))
      let time = at(Double(step) * 20)
      bench.feed(quote(prices[which], prices[which] + 2, at: time, instrument: InstrumentID(which)))
      if random.below(4) == 0 {
        bench.consider(idea(random.below(2) == 0 ? .buy : .sell, at: time, instrument: InstrumentID(which)))
      }
      for index in 0..<3 {
        #expect(
          bench.desk.portfolio.holding(InstrumentID(index)).position.steps == bench.venue.positions[index])
      }
    }
    bench.begin()
    bench.desk.flattenAll(now: at(20_000), out: &bench.out)
    bench.settle(now: at(20_000))
    #expect(bench.venue.positions == [0, 0, 0])
    let net = bench.trades.reduce(Quote.zero) { $0 + $1.net }
    #expect(bench.trades.count > 10)
    #expect(bench.desk.portfolio.wallet == Quote(10_000) + net, "seed \(seed)")
    #expect(bench.desk.portfolio.realizedNet == net)
    #expect(bench.desk.equity == bench.desk.portfolio.wallet)
  }

  @Test("an opposite signal closes first and opens in the same step when the venue fills at once")
  func reversal() {
    var bench = bench { $0.cooldownNanoseconds = seconds(60) }
    bench.feed(quote(10_000, 10_001, at: at(0)))
    bench.consider(idea(.buy, at: at(1)))
    let verdict = bench.consider(idea(.sell, at: at(2)))
    #expect(verdict.action == .reverse)
    #expect(bench.desk.portfolio.holding(btc).position.steps == -1_000)
    #expect(bench.commands.map(\.purpose) == [.entry, .reversal, .entry])
    #expect(bench.entries(.verdict).compactMap(\.deskVerdict).map(\.action) == [.open, .reverse, .open])
    let plan1 = bench.desk.exitPlan(btc)
    #expect(plan1?.stop ?? .none > Price(ticks: 10_000))
  }

  @Test("a reversal whose signal expires before the close is filled opens nothing")
  func reversalExpires() {
    var bench = bench()
    bench.feed(quote(10_000, 10_001, at: at(0)))
    bench.consider(idea(.buy, at: at(1)))
    bench.venue.behaviour = .ignore
    bench.consider(idea(.sell, at: at(2), horizonSeconds: 5))
    guard let close = bench.commands.last else { return }
    bench.advance(to: at(10))
    bench.venue.behaviour = .fill
    bench.report(
      ExchangeReport(
        kind: .filled, side: .sell, isFinal: true, instrument: btc, id: close.id, orderID: 9, tradeID: 900,
        price: Price(ticks: 10_000), quantity: close.quantity, filledTotal: close.quantity, time: at(11)))
    #expect(bench.desk.portfolio.holding(btc).position.isFlat)
    #expect(bench.commands.filter { $0.purpose == .entry }.count == 1)
  }

  @Test("a flat signal closes what its plugin opened, in every mode, and nothing of another plugin")
  func flatSignal() {
    var bench = bench()
    bench.feed(quote(10_000, 10_001, at: at(0)))
    bench.consider(idea(.buy, at: at(1), plugin: 3))
    let answer2 = bench.consider(idea(.buy, at: at(2), plugin: 4, flags: .flat))
    #expect(answer2.refusal == .nothingToClose)
    bench.begin()
    bench.desk.setState(.halted, isDraining: false, now: at(3), out: &bench.out)
    bench.settle(now: at(3))
    let answer3 = bench.consider(idea(.buy, at: at(4), plugin: 3, flags: .flat))
    #expect(answer3.action == .close)
    #expect(bench.desk.portfolio.openCount == 0)
    let answer4 = bench.consider(idea(.buy, at: at(5), plugin: 3))
    #expect(answer4.refusal == .halted)
  }

  @Test(
    "a position older than the limit is closed within a second of venue time, also by other instruments' events"
  )
  func timeStop() {
    var bench = bench(rules: [sampleRules, sampleRules])
    bench.feed(quote(10_000, 10_001, at: at(0)))
    bench.consider(idea(.buy, at: at(1)))
    bench.feed(quote(50, 51, at: at(7_200.9), instrument: InstrumentID(1)))
    #expect(bench.desk.portfolio.openCount == 1)
    bench.feed(quote(50, 51, at: at(7_202), instrument: InstrumentID(1)))
    #expect(bench.trades.first?.purpose == .time)
  }

  @Test("an exit that is refused is tried again with growing pauses for ever, each time as a new order")
  func exitRetries() {
    var bench = bench()
    bench.feed(quote(10_000, 10_001, at: at(0)))
    bench.consider(idea(.buy, at: at(1)))
    bench.venue.behaviour = .reject
    bench.feed(quote(9_000, 9_001, at: at(2)))
    var second = 2.0
    for _ in 0..<2_000 {
      second += 0.05
      bench.advance(to: at(second))
    }
    let exits = bench.commands.filter { $0.purpose == .stop }
    let pauses = zip(exits, exits.dropFirst()).map { Double($1.time.nanoseconds - $0.time.nanoseconds) / 1e9 }
    #expect(exits.count > 20)
    #expect(Set(exits.map(\.id)).count == exits.count)
    #expect(pauses.first.map { $0 >= 0.2 && $0 < 0.4 } == true)
    #expect(pauses.last.map { $0 >= 5 && $0 < 5.2 } == true)
    bench.venue.behaviour = .fill
    bench.advance(to: at(second + 6))
    #expect(bench.trades.count == 1)
    let orderCount5 = bench.desk.openOrderCount(btc)
    #expect(orderCount5 == 0)
  }

  @Test("a position of three and a half market maxima closes in legs with different ids")
  func exitLegs() {
    var rules = sampleRules
    rules.marketStepsMax = 1_000
    var bench = bench({ $0.sizing = .fixedQuantity(baseQuantity: 3.5) }, rules: [rules])
    bench.feed(quote(10_000, 10_001, at: at(0)))
    bench.consider(idea(.buy, at: at(1)))
    #expect(bench.venue.positions == [3_500])
    bench.feed(quote(9_000, 9_001, at: at(2)))
    let exits = bench.commands.filter { $0.reduceOnly }
    #expect(exits.map(\.quantity.steps) == [1_000, 1_000, 1_000, 500])
    #expect(Set(exits.map(\.id)).count == 4)
    #expect(bench.trades.count == 1)
    #expect(bench.venue.positions == [0])
  }

  @Test("an order nobody answers for becomes unknown, is asked for, and blocks the instrument until settled")
  func unknownOrder() {
    var bench = bench()
    bench.feed(quote(10_000, 10_001, at: at(0)))
    bench.venue.behaviour = .ignore
    bench.consider(idea(.buy, at: at(1)))
    let answer6 = bench.consider(idea(.buy, at: at(2)))
    #expect(answer6.refusal == .instrumentBusy)
    bench.advance(to: at(7))
    #expect(bench.commands.map(\.action) == [.place, .query])
    bench.advance(to: at(8))
    bench.advance(to: at(9))
    #expect(bench.commands.filter { $0.action == .place }.count == 1, "never sent again")
    bench.venue.behaviour = .fill
    bench.advance(to: at(30))
    let orderCount7 = bench.desk.openOrderCount(btc)
    #expect(orderCount7 == 0)
    let answer8 = bench.consider(idea(.buy, at: at(31)))
    #expect(answer8.action == .open)
  }

  @Test("the same fill from two sources counts once")
  func duplicateFill() {
    var bench = bench()
    bench.feed(quote(10_000, 10_001, at: at(0)))
    bench.venue.behaviour = .ignore
    bench.consider(idea(.buy, at: at(1)))
    guard let order = bench.commands.first else { return }
    let fill = ExchangeReport(
      kind: .filled, side: .buy, isFinal: true, instrument: btc, id: order.id, orderID: 1, tradeID: 55,
      price: Price(ticks: 10_001), quantity: order.quantity, filledTotal: order.quantity,
      fee: Quote(e8: 7), time: at(2))
    for _ in 0..<3 { bench.report(fill) }
    #expect(bench.desk.portfolio.holding(btc).position.steps == 1_000)
    #expect(bench.desk.portfolio.wallet == Quote(10_000) - Quote(e8: 7))
    #expect(bench.entries(.positionChanged).count == 1)
  }

  @Test("a partial fill is protected at once and the stop covers what was filled")
  func partialFill() {
    var bench = bench()
    bench.feed(quote(10_000, 10_001, at: at(0)))
    bench.venue.behaviour = .ignore
    bench.consider(idea(.buy, at: at(1)))
    guard let order = bench.commands.first else { return }
    bench.report(
      ExchangeReport(
        kind: .filled, side: .buy, instrument: btc, id: order.id, orderID: 1, tradeID: 55,
        price: Price(ticks: 10_001), quantity: Quantity(steps: 330), filledTotal: Quantity(steps: 330),
        time: at(2)))
    bench.report(
      ExchangeReport(
        kind: .expired, side: .buy, isFinal: true, instrument: btc, id: order.id, orderID: 1,
        filledTotal: Quantity(steps: 330), time: at(3)))
    let plan9 = bench.desk.exitPlan(btc)
    #expect(plan9 != nil)
    bench.venue.behaviour = .fill
    bench.venue.positions = [330]
    bench.feed(quote(9_000, 9_001, at: at(4)))
    #expect(bench.commands.last?.quantity == Quantity(steps: 330))
    #expect(bench.desk.portfolio.openCount == 0)
  }

  @Test("the exchange's position replaces ours only when no order explains the difference, and is protected")
  func adoptsPosition() {
    var bench = bench()
    bench.feed(quote(10_000, 10_001, at: at(0)))
    let report = ExchangeReport(
      kind: .position, instrument: btc, quantity: Quantity(steps: -500), amount: Quote(50), time: at(1))
    bench.report(report)
    bench.report(report)
    #expect(bench.desk.counts.adoptedPositions == 1)
    #expect(bench.desk.portfolio.holding(btc).position.steps == -500)
    let plan10 = bench.desk.exitPlan(btc)
    #expect(plan10?.stop == Price(ticks: 10_100))
    bench.venue.behaviour = .ignore
    bench.feed(quote(11_000, 11_001, at: at(2)))
    bench.report(ExchangeReport(kind: .position, instrument: btc, time: at(3)))
    #expect(bench.desk.counts.adoptedPositions == 1, "the exit on its way explains it")
  }

  @Test("a balance report corrects the wallet and keeps the difference")
  func balanceReport() {
    var bench = bench()
    bench.report(ExchangeReport(kind: .balance, instrument: .none, amount: Quote(9_990), time: at(1)))
    #expect(bench.desk.portfolio.wallet == Quote(9_990))
    #expect(bench.desk.portfolio.walletCorrections == Quote(-10))
  }

  @Test("a restart keeps the time of entry: the time stop does not start anew")
  func restartKeepsTimeStop() {
    var bench = bench()
    bench.feed(quote(10_000, 10_001, at: at(0)))
    bench.consider(idea(.buy, at: at(1)))
    var fold = JournalFold(openingBalance: Quote(10_000))
    for entry in bench.journal { fold.absorb(entry) }
    var second = Bench(settings: bench.desk.settings, run: 2)
    second.venue.positions = bench.venue.positions
    second.venue.nextTradeID = 100
    for entry in fold.recovered.openingEntries(time: at(7_140)) { second.desk.restore(from: entry) }
    second.feed(quote(10_000, 10_001, at: at(7_190)))
    #expect(second.trades.isEmpty)
    second.feed(quote(10_000, 10_001, at: at(7_202)))
    #expect(second.trades.first?.purpose == .time)
    #expect(second.trades.first?.opened == at(1))
  }

  @Test("a control entry with flatten closes everything with the next input")
  func controlFlattens() {
    var bench = bench()
    bench.feed(quote(10_000, 10_001, at: at(0)))
    bench.consider(idea(.buy, at: at(1)))
    bench.desk.restore(from: .control(mode: .halted, isDraining: false, flattens: true, time: at(2)))
    bench.advance(to: at(2.1))
    #expect(bench.trades.first?.purpose == .flatten)
    #expect(bench.desk.mode == .halted)
  }

  @Test("quarantined events trigger nothing and refuse entries")
  func quarantine() {
    var bench = bench()
    bench.feed(quote(10_000, 10_001, at: at(0)))
    bench.consider(idea(.buy, at: at(1)))
    var spike = trade(5_000, at: at(2))
    spike.flags.insert(.quarantined)
    bench.feed(spike)
    #expect(bench.trades.isEmpty)
    var second = self.bench()
    second.feed(quote(10_000, 10_001, at: at(0)))
    second.feed(spike)
    let answer11 = second.consider(idea(.buy, at: at(3)))
    #expect(answer11.refusal == .quarantinedPrice)
    second.feed(quote(10_000, 10_001, at: at(4)))
    let answer12 = second.consider(idea(.buy, at: at(5)))
    #expect(answer12.action == .open)
  }

  @Test("the daily loss stops entries until the next day")
  func dailyLoss() {
    var bench = bench {
      $0.dailyLossFractionMax = 0.001
      $0.defaultStopFraction = 0.5
    }
    bench.feed(quote(10_000, 10_001, at: dayStart.advanced(byNanoseconds: seconds(60))))
    bench.consider(idea(.buy, at: dayStart.advanced(byNanoseconds: seconds(61))))
    bench.feed(quote(4_000, 4_001, at: dayStart.advanced(byNanoseconds: seconds(62))))
    #expect(bench.trades.count == 1)
    #expect(
      bench.consider(idea(.buy, at: dayStart.advanced(byNanoseconds: seconds(63)))).refusal == .dailyLoss)
    let tomorrow = dayStart.advanced(byNanoseconds: seconds(86_401))
    bench.feed(quote(4_000, 4_001, at: tomorrow))
    let answer13 = bench.consider(idea(.buy, at: tomorrow))
    #expect(answer13.action == .open)
  }
}
