import Foundation
import Market
import Storage
import Testing
import Trading

@testable import Engine

@Suite("What the journal shows")
struct ProjectionTests {
  private typealias Samples = JournalSamples

  private func board(_ entries: [JournalEntry]) -> HealthBoard {
    let board = HealthBoard(version: "1.2.3", scope: Samples.run().key.scope)
    board.begin(run: 7, scope: Samples.run().key.scope, table: Samples.table) { id in
      id == Samples.bitcoin ? MarketGlance(price: Price(ticks: 281_600), ageNanoseconds: 12_000_000) : nil
    }
    board.absorb(entries, from: 0)
    return board
  }

  @Test("a whole day adds up")
  func wholeDay() throws {
    let view = board(Samples.day()).view()
    let totals = view.totals
    #expect(view.state == "ended")
    #expect(totals.signals == 2 && totals.orders == 1 && totals.roundTrips == 1 && totals.wins == 1)
    #expect(totals.openPositions == 0 && totals.equity.e8 == 1_000_123_456_788)
    #expect(totals.net.e8 == 123_456_789 && totals.fees.e8 == 11 && totals.inputs == 11)
    #expect(totals.refusals == [RunSummary.RefusalCount(name: "cooldown", count: 1)])
    #expect(totals.ledger.lotsOpen == 1 && totals.ledger.lotsClosed == 1 && totals.ledger.wins == 1)
    #expect(totals.ledger.balance.quote == VirtualLedger.openingBalance + Quote(e8: 70))
    let bitcoin = view.symbols[0]
    #expect(bitcoin.signalFraction == 0.0125 && bitcoin.confidence == 0.75 && bitcoin.outcome == "open")
    #expect(bitcoin.position == nil && bitcoin.stopPrice == nil && bitcoin.dataAgeMilliseconds == 12)
    #expect(view.symbols[1].outcome == "cooldown" && view.symbols[1].dataAgeMilliseconds == nil)
  }

  @Test("an open position shows its prices, and its profit at the last price less the fees paid")
  func openPosition() {
    let entries =
      Array(Samples.day()[..<9]) + [
        Samples.position(steps: 3, cost: 8_446_580_000, fees: 2_000_000, second: 3)
      ]
    let view = board(entries).view()
    let bitcoin = view.symbols[0]
    #expect(view.state == "trading")
    #expect(bitcoin.position == "0.003" && bitcoin.entryPrice == "28155.26666667")
    #expect(bitcoin.stopPrice == "27900.0" && bitcoin.targetPrice == "29000.0")
    #expect(bitcoin.unrealized?.e8 == 1_420_000)  // 0.003 × 28160.0 = 84.48, cost 84.4658
    #expect(bitcoin.net.e8 == 1_420_000 - 2_000_000)
    #expect(view.totals.openPositions == 1)
  }

  @Test("after a restart of the Brain what was closed stays, what is open comes from the openings")
  func restart() {
    var entries = Array(Samples.day().dropLast())
    entries += Samples.day()[2..<10]
    let opening = RunOpening(run: 8, wallet: Quote(e8: 5), ledgerBalance: Quote(e8: 1_000_000_000_070))
    entries += [
      .runStarted(opening, time: Samples.at(100)),
      .openingLot(Samples.lot(2, second: 2), time: Samples.at(100)),
    ]
    let view = board(entries).view()
    #expect(view.state == "recovering")
    #expect(view.totals.openPositions == 0 && view.totals.roundTrips == 1)
    #expect(view.totals.ledger.lotsOpen == 1)
    #expect(view.totals.ledger.balance.e8 == 1_000_000_000_070)
    #expect(view.totals.fees.e8 == 11)
  }

  @Test("memory does not grow with the day")
  func bounded() {
    let board = board([])
    for round in 0..<200 { board.absorb(Samples.day(), from: UInt64(round * 100)) }
    #expect(board.trades(limit: .max).count == 200)
    #expect(board.signals(limit: .max).count == 400)
    for round in 200..<1500 { board.absorb(Samples.day(), from: UInt64(round * 100)) }
    #expect(board.trades(limit: .max).count == EngineProjection.recentRowsMax)
    #expect(board.trades(limit: 3).map(\.journalIndex) == [149_915, 149_815, 149_715])
    #expect(board.signals(limit: 2).map(\.outcome) == ["cooldown", "open"])
  }

  @Test("entries outside the table or of an unknown layout change nothing but the count of inputs")
  func strangeEntries() {
    let strange = JournalEntry.Kind.allCases.map {
      JournalEntry(
        $0, detail: 0xFFFF, instrument: InstrumentID(9999), time: Samples.at(1),
        words: (-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1))
    }
    let view = board(strange).view()
    #expect(view.totals.roundTrips == 0 && view.totals.openPositions == 0)
  }

  @Test("numbers that are none never reach the JSON")
  func notNumbers() throws {
    let signal = Signal(
      causeSequence: 1, time: Samples.at(1), horizonNanoseconds: 1, returnFraction: .nan,
      confidence: .infinity,
      instrument: Samples.bitcoin)
    let view = board([.signal(signal, time: Samples.at(1))]).view()
    #expect(view.totals.signals == 1 && view.symbols[0].signalFraction == nil)
    _ = try JSONEncoder().encode(view)
  }

  @Test("the desk's mode shows in the state")
  func states() {
    func state(_ entries: [JournalEntry]) -> String { board(entries).view().state }
    let ready = Array(Samples.day()[..<2])
    #expect(state([]) == "starting")
    #expect(state([ready[0]]) == "recovering")
    #expect(state(ready) == "trading")
    #expect(state(ready + [.control(mode: .reduceOnly, isDraining: false, time: .never)]) == "reduce-only")
    #expect(state(ready + [.control(mode: .halted, isDraining: false, time: .never)]) == "halted")
    #expect(state(ready + [.control(mode: .normal, isDraining: true, time: .never)]) == "draining")
  }

  @Test(
    "the table fits every window and shows what is open first",
    arguments: [(40, 8), (80, 24), (100, 30), (200, 60), (20, 3), (1, 1)])
  func tableFits(width: Int, height: Int) {
    let entries = Array(Samples.day()[..<10])
    let text = LiveTable.render(board(entries).view(), size: TerminalSize(width: width, height: height))
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count <= max(height - 1, 1))
    #expect(lines.allSatisfy { $0.count <= max(width, 20) })
    guard height > 8 else { return }
    #expect(lines[0].hasPrefix("aegis 1.2.3 · PAPER · simulator · trading"))
    #expect(lines[4].hasPrefix("BTCUSDT") && lines[5].hasPrefix("1000PEPEUSDT"))
  }

  @Test("a wide table reads like this")
  func wideTable() {
    let text = LiveTable.render(
      board(Array(Samples.day()[..<10])).view(), size: TerminalSize(width: 140, height: 20))
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    #expect(
      lines[3].split(separator: " ") == [
        "SYMBOL", "AGE", "PRICE", "SIGNAL", "CONF", "POSITION", "ENTRY", "STOP", "TARGET", "TRIPS", "PNL",
        "OUTCOME",
      ])
    #expect(
      lines[4].split(separator: " ") == [
        "BTCUSDT", "12ms", "28160.0", "+1.25%", "75%", "0.003", "28155.266666", "27900.0", "29000.0", "0",
        "0.01", "open",
      ])
    #expect(
      lines.last?.hasPrefix("signals 1 · orders 1 · round trips 0 (0 won) · open 1 · lots 1 open, 0 closed")
        == true)
  }

  @Test("with more instruments than lines the rest is counted")
  func manyInstruments() {
    let table = InstrumentTable(
      venue: "x",
      instruments: (0..<500).map {
        Instrument(symbol: "S\($0)USDT", baseAsset: "S", rules: InstrumentRules(tickE8: 1, stepE8: 1))
      })
    let board = HealthBoard(version: "1", scope: Samples.run().key.scope)
    board.begin(run: 1, scope: Samples.run().key.scope, table: table) { _ in nil }
    let text = LiveTable.render(board.view(), size: TerminalSize(width: 80, height: 24))
    let shown = text.split(separator: "\n").filter { $0.hasPrefix("S") && $0.contains("USDT") }.count
    #expect(text.contains("… and \(500 - shown) more"))
    #expect(text.split(separator: "\n", omittingEmptySubsequences: false).count == 23)
  }

  @Test("what comes from outside cannot move the cursor")
  func hostileNames() {
    var view = board(Samples.day()).view()
    view.symbols[0].symbol = "\u{1B}[2JBTC\n\u{202E}"
    view.venue = "\u{7}bell"
    view.store.isDegraded = true
    view.store.detail = "x\u{1B}]0;title\u{7}"
    let text = LiveTable.render(view, size: TerminalSize(width: 120, height: 30)) + Summary.text(view)
    #expect(!text.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" || $0.value == 0x202E })
    #expect(LiveTable.painted("a\nb") == "\u{1B}[Ha\u{1B}[K\r\nb\u{1B}[K\u{1B}[J")
  }

  @Test("the summary names everything a person asks for at the end")
  func summary() {
    let text = Summary.text(board(Samples.day()).view())
    for part in [
      "paper on simulator", "signals       2", "orders        1", "round trips   1 (1 won)",
      "fees          0.00000011", "PnL           1.23456789 after fees", "virtual       10000.00000070",
      "refused       cooldown 1",
    ] {
      #expect(text.contains(part), "\(part) in\n\(text)")
    }
    #expect(
      Summary.duration(3723) == "1h 02m 03s" && Summary.duration(245) == "4m 05s"
        && Summary.duration(6.78) == "6.7s")
  }
}
