import Market
import Testing
import Trading

@Suite("The journal")
struct JournalTests {
  @Test("every typed entry reads back what was written")
  func readsBack() {
    var opening = RunOpening(run: 7, wallet: Quote(e8: -5), dayOpeningEquity: Quote(e8: 9), dayOpened: at(1))
    opening.nextLotID = 12
    opening.lastTradeID = 13
    opening.lastOrderID = 14
    opening.mode = .halted
    opening.ledgerBalance = Quote(e8: 15)
    opening.ledgerFunding = Quote(e8: -16)
    #expect(JournalEntry.runStarted(opening, time: at(2)).runOpening == opening)

    let record = PositionRecord(
      instrument: InstrumentID(3), steps: -12, cost: Quote(e8: 99), stop: Price(ticks: 8),
      target: Price(ticks: 4),
      opened: at(3), fees: Quote(e8: 1), wallet: Quote(e8: 1_000), entryCost: Quote(e8: 120), entrySteps: 15,
      exitValue: Quote(e8: 33), plugin: 0xFFF, side: .sell, purpose: .target)
    #expect(JournalEntry.positionChanged(record, time: at(4)).positionRecord == record)
    let restored = JournalEntry.openingPosition(record, lastTradeID: 77, time: at(4))
    #expect(restored.openingTradeID == 77)
    #expect(restored.positionRecord?.steps == -12)

    let closing = TradeRecord(closing: record, at: at(5))
    #expect(closing.net == Quote(e8: 120 - 33 - 1))
    #expect(JournalEntry.tradeClosed(closing).tradeRecord == closing)

    let verdict = Verdict(
      action: .reverse, refusal: .cooldown, side: .sell, plugin: 5, reference: Price(ticks: 1),
      stop: Price(ticks: 2), target: Price(ticks: 3), quantity: Quantity(steps: 4), equity: Quote(e8: 5),
      risk: Quote(e8: 6), notional: Quote(e8: 7), margin: Quote(e8: 8), measured: -0.25, limit: 1e-9)
    #expect(JournalEntry.verdict(verdict, instrument: btc, time: at(6)).deskVerdict == verdict)

    let equity = EquityRecord(
      equity: Quote(e8: 1), wallet: Quote(e8: 2), unrealized: Quote(e8: -1), usedMargin: Quote(e8: 3),
      openPositions: 4, dayOpeningEquity: Quote(e8: 5), dayOpened: at(0), tradeCount: 6,
      realizedNet: Quote(e8: 7), fees: Quote(e8: 8))
    #expect(JournalEntry.equity(equity, afterTrade: true, time: at(7)).equityRecord == equity)

    let lot = LotRecord(
      id: 4, instrument: btc, side: .sell, quantity: Quantity(steps: 9), entry: Price(ticks: 1_000),
      stop: Price(ticks: 1_010), target: Price(ticks: 980), opened: at(8), entryFee: Quote(e8: 5),
      low: Price(ticks: 990), high: Price(ticks: 1_004), funding: Quote(e8: -2), confidence: 0.75, plugin: 3,
      refusal: .tooManyPositions, tag: .max)
    #expect(JournalEntry.lotOpened(lot).lotRecord == lot)
    #expect(JournalEntry.openingLot(lot, time: at(9)).lotRecord == lot)
    let closed = ClosedLotRecord(
      id: 4, instrument: btc, side: .sell, quantity: Quantity(steps: 9), entry: Price(ticks: 1_000),
      exit: Price(ticks: 980), stop: Price(ticks: 1_010), target: Price(ticks: 980), opened: at(8),
      closed: at(10), low: Price(ticks: 980), high: Price(ticks: 1_004), net: Quote(e8: 55),
      fees: Quote(e8: 10), funding: Quote(e8: -2), purpose: .target, plugin: 0xFFF)
    #expect(JournalEntry.lotClosed(closed).closedLotRecord == closed)

    let control = JournalEntry.control(mode: .reduceOnly, isDraining: true, flattens: true, time: at(11))
    #expect(control.controlRequest?.mode == .reduceOnly)
    #expect(control.controlRequest?.isDraining == true && control.controlRequest?.flattens == true)
    let gap = JournalEntry.ringGap(
      cause: .overrun, missingCount: 5, firstSequence: 9, epoch: 2, time: at(12))
    #expect(gap.ringLoss?.missingCount == 5 && gap.ringLoss?.cause == .overrun && gap.ringLoss?.epoch == 2)
    #expect(JournalEntry.clock(time: at(1)).runOpening == nil)
  }

  /// What a restart must bring back.
  struct Snapshot: Equatable {
    var wallet: Quote
    var positions: [PositionRecord]

    init(_ desk: borrowing Desk) {
      wallet = desk.portfolio.wallet
      positions = (0..<desk.portfolio.instrumentCount).compactMap { index in
        let holding = desk.portfolio.holding(InstrumentID(index))
        guard !holding.position.isFlat else { return nil }
        return PositionRecord(
          instrument: InstrumentID(index), steps: holding.position.steps, cost: holding.position.cost,
          stop: holding.stop, target: holding.target, opened: holding.opened, fees: holding.fees,
          wallet: .zero, entryCost: holding.entryCost, entrySteps: holding.entrySteps,
          exitValue: holding.exitValue, plugin: holding.plugin, side: holding.side, purpose: .entry)
      }
    }
  }

  @Test(
    "cut at every entry, folded and restored it gives the same wallet, positions and stops",
    arguments: UInt64(0)..<4)
  func restoresAtEveryCut(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var settings = openSettings()
    settings.sizing = .fixedNotional(notionalQuote: 500)
    settings.openPositionsMax = 4
    let rules = Array(repeating: sampleRules, count: 4)
    var bench = Bench(rules: rules, settings: settings)
    bench.venue.usesLevels = false
    bench.venue.pieces = 1 + Int(seed % 3)
    var prices: [Int64] = [10_000, 20_000, 5_000, 40_000]
    // After each journal entry: the state of the desk before and after the input that wrote it.
    var snapshots: [(first: Int, after: Snapshot)] = [(0, Snapshot(bench.desk))]
    for step in 0..<150 {
      let which = Int(random.below(4))
      prices[which] = max(
        500, prices[which] + Int64((random.normal() * Double(prices[which]) * 0.004).rounded()))
      let time = at(Double(step) * 30)
      bench.feed(
        quote(prices[which] - 1, prices[which] + 1, at: time, instrument: InstrumentID(which)))
      snapshots.append((bench.journal.count, Snapshot(bench.desk)))
      if random.below(3) == 0 {
        bench.consider(
          idea(random.below(2) == 0 ? .buy : .sell, at: time, instrument: InstrumentID(which), plugin: 2))
        snapshots.append((bench.journal.count, Snapshot(bench.desk)))
      }
    }
    #expect(bench.trades.count > 5, "the day must trade")
    var fold = JournalFold(openingBalance: Quote(10_000))
    var place = 0
    for cut in 0...bench.journal.count {
      if cut > 0 { fold.absorb(bench.journal[cut - 1]) }
      while place + 1 < snapshots.count, snapshots[place + 1].first <= cut { place += 1 }
      let state = fold.recovered
      var second = Desk(rules: rules, settings: settings, run: state.opening.run, openingBalance: .zero)
      for entry in state.openingEntries(time: at(0)) { second.restore(from: entry) }
      let restored = Snapshot(second)
      if snapshots[place].first == cut {
        #expect(restored == snapshots[place].after, "seed \(seed), cut \(cut)")
      }
      // Folding what was restored gives the same again.
      var again = JournalFold(openingBalance: .zero)
      for entry in state.openingEntries(time: at(0)) { again.absorb(entry) }
      again.absorb(.runReady(time: at(0)))
      var next = again.recovered
      #expect(next.opening.run == state.opening.run + 1)
      next.opening.run = state.opening.run
      next.lastTime = state.lastTime
      var before = state
      before.unrecordedTrade = nil
      for index in before.positions.indices { before.positions[index].record.wallet = .zero }
      #expect(next == before, "seed \(seed), cut \(cut)")
    }
  }

  @Test("a fill cut off from its position change did not happen, and its order is asked for again")
  func cutInsideAFill() {
    var bench = Bench(settings: openSettings())
    bench.feed(quote(10_000, 10_001, at: at(0)))
    bench.consider(idea(.buy, at: at(1)))
    let cut = bench.journal.lastIndex { $0.exchangeReport?.kind == .filled } ?? 0
    var fold = JournalFold(openingBalance: Quote(10_000))
    for entry in bench.journal[...cut] { fold.absorb(entry) }
    let state = fold.recovered
    #expect(state.positions.isEmpty)
    #expect(state.opening.wallet == Quote(10_000))
    #expect(state.orders.count == 1)

    var second = Bench(settings: openSettings(), run: state.opening.run)
    for entry in state.openingEntries(time: at(2)) { second.desk.restore(from: entry) }
    let orderCount1 = second.desk.openOrderCount(btc)
    #expect(orderCount1 == 1)
    second.advance(to: at(3))
    #expect(second.commands.map(\.action) == [.query])
    #expect(second.commands.first?.id == bench.commands.first?.id)
    let orderCount2 = second.desk.openOrderCount(btc)
    #expect(orderCount2 == 0, "the venue does not know it")
  }

  @Test("a run whose openings are cut off leaves the state before it, with a higher run number")
  func cutInsideOpenings() {
    var bench = Bench(settings: openSettings())
    bench.feed(quote(10_000, 10_001, at: at(0)))
    bench.consider(idea(.buy, at: at(1)))
    var fold = JournalFold(openingBalance: Quote(10_000))
    fold.absorb(.runStarted(RunOpening(run: 1, wallet: Quote(10_000)), time: at(0)))
    for entry in bench.journal { fold.absorb(entry) }
    let first = fold.recovered
    #expect(first.positions.count == 1)
    fold.absorb(first.openingEntries(time: at(2))[0])
    let second = fold.recovered
    #expect(second.positions == first.positions)
    #expect(second.opening.run == first.opening.run + 1)
    #expect(second.opening.wallet == first.opening.wallet)
  }

  @Test("a round trip whose own entry was cut off is given to the next run, once")
  func unrecordedTrade() {
    var bench = Bench(settings: openSettings())
    bench.feed(quote(10_000, 10_001, at: at(0)))
    bench.consider(idea(.buy, at: at(1)))
    bench.feed(quote(9_000, 9_001, at: at(2)))
    let cut = bench.journal.firstIndex { $0.kind == .tradeClosed } ?? 0
    var fold = JournalFold(openingBalance: Quote(10_000))
    for entry in bench.journal[..<cut] { fold.absorb(entry) }
    let state = fold.recovered
    #expect(state.unrecordedTrade == bench.trades.first)
    #expect(state.openingEntries(time: at(3)).last?.tradeRecord == bench.trades.first)
    for entry in state.openingEntries(time: at(3)) { fold.absorb(entry) }
    #expect(fold.recovered.unrecordedTrade == nil)
  }
}
