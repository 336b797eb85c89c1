import Market
import Testing
import Trading

@Suite("The virtual ledger")
struct VirtualLedgerTests {
  private func closed(_ out: borrowing DeskOutput) -> [ClosedLotRecord] {
    (0..<out.entryCount).compactMap { out.entry(at: $0).closedLotRecord }
  }

  private let refused = Verdict(refusal: .tooManyPositions, side: .buy, plugin: 0)

  @Test(
    "a refused signal gets its lot, at the touch, of the fixed notional, and ends at the stop with both fees")
  func stopLot() {
    var ledger = VirtualLedger(rules: [sampleRules])
    var out = DeskOutput()
    ledger.observe(quote(9_999, 10_000, at: at(0)), now: at(0), out: &out)
    let hasLot1 = ledger.open(idea(.buy, at: at(1)), verdict: refused, now: at(1), out: &out)
    #expect(hasLot1)
    let lot = out.entry(at: 0).lotRecord
    #expect(lot?.entry == Price(ticks: 10_000) && lot?.quantity == Quantity(steps: 1_000))
    #expect(lot?.refusal == .tooManyPositions && lot?.stop == Price(ticks: 9_900))
    ledger.observe(trade(9_950, at: at(2)), now: at(2), out: &out)
    ledger.observe(trade(10_100, at: at(3)), now: at(3), out: &out)
    ledger.observe(trade(9_890, at: at(4)), now: at(4), out: &out)
    let end = closed(out).first
    #expect(end?.purpose == .stop && end?.exit == Price(ticks: 9_890))
    #expect(end?.low == Price(ticks: 9_890) && end?.high == Price(ticks: 10_100))
    // 1 unit from 100.00 to 98.90, fees 0.05 % of each.
    #expect(end?.net == Quote(e8: -110_000_000 - 5_000_000 - 4_945_000))
    #expect(ledger.balance == VirtualLedger.openingBalance + (end?.net ?? .zero))
    #expect(ledger.openCount == 0)
  }

  @Test("flat signals, observations and signals without a usable price have no lot")
  func noLot() {
    var ledger = VirtualLedger(rules: [sampleRules])
    var out = DeskOutput()
    let hasLot2 = ledger.open(idea(.buy, at: at(0)), verdict: refused, now: at(0), out: &out)
    #expect(!hasLot2)
    ledger.observe(quote(9_999, 10_000, at: at(0)), now: at(0), out: &out)
    let hasLot3 = ledger.open(idea(.buy, at: at(0), flags: .flat), verdict: refused, now: at(0), out: &out)
    #expect(!hasLot3)
    let hasLot4 = ledger.open(
      idea(.buy, at: at(0), flags: .observation), verdict: refused, now: at(0), out: &out)
    #expect(!hasLot4)
    let stale = Verdict(refusal: .staleData, side: .buy, plugin: 0)
    let hasLot5 = ledger.open(idea(.buy, at: at(0)), verdict: stale, now: at(0), out: &out)
    #expect(!hasLot5)
    #expect(out.entryCount == 0 && ledger.skippedCount == 2)
  }

  @Test("the time stop closes at the touch, oldest first")
  func timeStop() {
    var ledger = VirtualLedger(rules: [sampleRules])
    var out = DeskOutput()
    ledger.observe(quote(9_999, 10_000, at: at(0)), now: at(0), out: &out)
    _ = ledger.open(idea(.buy, at: at(0)), verdict: refused, now: at(0), out: &out)
    _ = ledger.open(idea(.sell, at: at(10)), verdict: refused, now: at(10), out: &out)
    ledger.advance(to: at(7_199), out: &out)
    #expect(ledger.openCount == 2)
    ledger.advance(to: at(7_200), out: &out)
    #expect(closed(out).map(\.exit.ticks) == [9_999])
    ledger.advance(to: at(7_210), out: &out)
    #expect(closed(out).map(\.exit.ticks) == [9_999, 10_000])
    #expect(closed(out).allSatisfy { $0.purpose == .time })
  }

  @Test("a full pool closes the oldest at market and counts it")
  func fullPool() {
    var settings = LedgerSettings()
    settings.lotsMax = 3
    var ledger = VirtualLedger(rules: [sampleRules], settings: settings)
    var out = DeskOutput()
    ledger.observe(quote(9_999, 10_000, at: at(0)), now: at(0), out: &out)
    for second in 0..<5 {
      _ = ledger.open(
        idea(.buy, at: at(Double(second))), verdict: refused, now: at(Double(second)), out: &out)
    }
    #expect(ledger.openCount == 3 && ledger.evictedCount == 2)
    #expect(closed(out).map(\.id) == [1, 2])
  }

  @Test("funding is kept in its own column: a long pays a positive rate, a short receives it")
  func funding() {
    var ledger = VirtualLedger(rules: [sampleRules])
    var out = DeskOutput()
    ledger.observe(quote(9_999, 10_000, at: at(0)), now: at(0), out: &out)
    _ = ledger.open(idea(.buy, at: at(0)), verdict: refused, now: at(0), out: &out)
    _ = ledger.open(idea(.sell, at: at(0)), verdict: refused, now: at(0), out: &out)
    func mark(_ second: Double, next: Double) -> MarketEvent {
      .mark(
        btc, time: at(second), markE8: 100 * FixedPoint.one, indexE8: 0, fundingRateE8: 10_000,
        nextFundingMilliseconds: at(next).milliseconds)
    }
    ledger.observe(mark(1, next: 100), now: at(1), out: &out)
    ledger.observe(mark(99, next: 100), now: at(99), out: &out)
    let lots6 = ledger.openLots()
    #expect(lots6.allSatisfy { $0.funding == .zero })
    ledger.observe(mark(101, next: 200), now: at(101), out: &out)
    ledger.observe(mark(102, next: 200), now: at(102), out: &out)
    let lots = ledger.openLots()
    #expect(lots.first?.funding == Quote(e8: -1_000_000))
    #expect(lots.last.map { $0.funding.e8 > 0 } == true)
  }

  /// One lot per signal, looked at on every event: the slow twin.
  private struct Twin {
    var lots: [LotRecord] = []
    var ended: [(id: Int64, exit: Int64, low: Int64, high: Int64)] = []

    mutating func observe(_ event: MarketEvent) {
      lots.removeAll { lot in
        var lot = lot
        let isLong = lot.side == .buy
        let low =
          event.kind == .quote
          ? (isLong ? event.word0 : event.word2) : event.kind == .bar ? event.word2 : event.word0
        let high = event.kind == .quote ? low : event.kind == .bar ? event.word1 : event.word0
        lot.low.ticks = min(lot.low.ticks, low)
        lot.high.ticks = max(lot.high.ticks, high)
        extremes[lot.id] = (
          min(extremes[lot.id]?.0 ?? lot.low.ticks, low), max(extremes[lot.id]?.1 ?? lot.high.ticks, high)
        )
        let stopHit = isLong ? low <= lot.stop.ticks : high >= lot.stop.ticks
        let targetHit = isLong ? high >= lot.target.ticks : low <= lot.target.ticks
        guard stopHit || targetHit else { return false }
        var exit = low
        if event.kind == .bar {
          let level = stopHit ? lot.stop.ticks : lot.target.ticks
          let isFalling = isLong == stopHit
          exit = (isFalling ? event.word0 < level : event.word0 > level) ? event.word0 : level
        }
        let known = extremes[lot.id] ?? (low, high)
        ended.append((lot.id, exit, min(known.0, exit), max(known.1, exit)))
        return true
      }
    }
    var extremes: [Int64: (Int64, Int64)] = [:]
  }

  @Test(
    "closes the same lots at the same prices as looking at every lot on every event",
    arguments: UInt64(0)..<20)
  func equalsTwin(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var ledger = VirtualLedger(rules: [sampleRules, sampleRules])
    var out = DeskOutput()
    var twins = [Twin(), Twin()]
    var prices: [Int64] = [10_000, 3_000]
    var ends: [ClosedLotRecord] = []
    for step in 0..<3_000 {
      let which = Int(random.below(2))
      let time = at(Double(step))
      prices[which] = max(
        500, prices[which] + Int64((random.normal() * Double(prices[which]) * 0.002).rounded()))
      let price = prices[which]
      let instrument = InstrumentID(which)
      let event: MarketEvent
      switch random.below(3) {
      case 0: event = quote(price - 1, price + 1, at: time, instrument: instrument)
      case 1: event = trade(price, at: time, instrument: instrument)
      default:
        event = bar(
          price + Int64(random.below(9)) - 4, price + 6, price - 6, price, openTime: time,
          instrument: instrument)
      }
      ledger.observe(event, now: time, out: &out)
      twins[which].observe(event)
      if random.below(5) == 0 {
        let signal = idea(
          random.below(2) == 0 ? .buy : .sell, at: time, instrument: instrument,
          stop: Float(0.002 + 0.01 * random.uniform()), target: Float(0.002 + 0.02 * random.uniform()))
        _ = ledger.open(signal, verdict: refused, now: time, out: &out)
      }
      for index in 0..<out.entryCount {
        if let lot = out.entry(at: index).lotRecord {
          twins[which].lots.append(lot)
          twins[which].extremes[lot.id] = (lot.low.ticks, lot.high.ticks)
        }
        if let end = out.entry(at: index).closedLotRecord { ends.append(end) }
      }
      out.removeAll()
    }
    let expected = (twins[0].ended + twins[1].ended).sorted { $0.id < $1.id }
    ends.sort { $0.id < $1.id }
    #expect(ends.count > 100)
    #expect(ends.map(\.id) == expected.map(\.id), "seed \(seed)")
    #expect(ends.map(\.exit.ticks) == expected.map(\.exit), "seed \(seed)")
    #expect(ends.map(\.low.ticks) == expected.map(\.low), "seed \(seed)")
    #expect(ends.map(\.high.ticks) == expected.map(\.high), "seed \(seed)")
    #expect(ledger.openCount == twins[0].lots.count + twins[1].lots.count)
  }

  @Test("open lots survive a restart through the journal")
  func restart() {
    var ledger = VirtualLedger(rules: [sampleRules])
    var out = DeskOutput()
    ledger.observe(quote(9_999, 10_000, at: at(0)), now: at(0), out: &out)
    for second in 0..<4 {
      _ = ledger.open(
        idea(.buy, at: at(Double(second))), verdict: refused, now: at(Double(second)), out: &out)
    }
    ledger.advance(to: at(7_201), out: &out)
    var fold = JournalFold(openingBalance: Quote(1))
    for index in 0..<out.entryCount { fold.absorb(out.entry(at: index)) }
    let state = fold.recovered
    var second = VirtualLedger(rules: [sampleRules])
    for entry in state.openingEntries(time: at(8_000)) { second.restore(from: entry) }
    let lots7 = second.openLots()
    #expect(lots7.map(\.id) == ledger.openLots().map(\.id))
    #expect(second.openCount == 2)
    #expect(second.balance == ledger.balance)
    #expect(second.nextLotID == ledger.nextLotID)
    second.advance(to: at(7_203), out: &out)
    #expect(second.openCount == 0, "the time of opening was kept")
  }
}
