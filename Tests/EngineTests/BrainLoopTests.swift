import Market
import PluginHost
import Testing
import Trading

@testable import Engine

/// A venue that remembers what it was told and says only what a test gives it.
private struct ScriptedVenue: Exchange {
  var observed = 0
  var submitted: [OrderCommand] = []
  mutating func observe(_ event: MarketEvent) { observed += 1 }
  mutating func submit(_ command: OrderCommand) { submitted.append(command) }
  mutating func poll(now: Instant) -> ExchangeReport? { nil }
}

@Suite("The Brain's loop")
struct BrainLoopTests {
  private static let rules = [InstrumentRules(tickE8: 10_000_000, stepE8: 100_000)]
  private static let start = Instant(milliseconds: 1_795_250_040_000)
  private static let bitcoin = InstrumentID(0)

  private static func loop() -> BrainLoop<ScriptedVenue, MemoryJournal> {
    BrainLoop(
      venue: ScriptedVenue(), journal: MemoryJournal(),
      desk: Desk(
        rules: rules, settings: DeskSettings(), run: 1, openingBalance: Quote(e8: 1_000_000_000_000)),
      candles: CandleBook(rules: rules, windowBars: [.minute1: 16]),
      ledger: VirtualLedger(rules: rules, settings: LedgerSettings(DeskSettings())),
      plugins: PluginSet(hostName: "test", version: "1"), rules: rules, reportsAreInputs: true,
      journalsCandles: true, ringSequence: 40)
  }

  private static func trade(_ ticks: Int64, after seconds: Double, id: Int64) -> MarketEvent {
    .trade(
      bitcoin, time: start.advanced(byNanoseconds: Int64(seconds * 1e9)), price: Price(ticks: ticks),
      quantity: Quantity(steps: 5), aggregateID: id)
  }

  @Test("every input takes one position, and entries carry position and ring sequence")
  func positions() {
    var loop = Self.loop()
    loop.take(.runReady(time: .never))
    loop.take(Self.trade(280_000, after: 0, id: 1), sequence: 40)
    loop.take(Self.trade(280_010, after: 0.1, id: 2), sequence: 41)
    loop.take(.control(mode: .reduceOnly, isDraining: false, time: loop.now))
    #expect(loop.position == 4 && loop.ringSequence == 42 && loop.counts.marketEvents == 2)
    let control = loop.journal.entries.last
    #expect(control?.kind == .control && control?.position == 3 && control?.ringSequence == 42)
    #expect(loop.desk.mode == .reduceOnly)
  }

  @Test("poison passes neither to the venue nor to the candles, and still takes its position")
  func poison() {
    var loop = Self.loop()
    loop.take(Self.trade(-5, after: 0, id: 1), sequence: 40)
    loop.take(
      .trade(
        InstrumentID(9), time: Self.start, price: Price(ticks: 5), quantity: Quantity(steps: 1),
        aggregateID: 1),
      sequence: 41)
    #expect(loop.counts.implausibleEvents == 2 && loop.venue.observed == 0 && loop.position == 2)
  }

  @Test("time never runs backwards, whatever events and clocks say")
  func timeIsMonotonic() {
    var loop = Self.loop()
    loop.take(Self.trade(280_000, after: 5, id: 1), sequence: 40)
    let now = loop.now
    loop.take(Self.trade(280_000, after: 4, id: 2), sequence: 41)
    loop.take(clock: Self.start)
    #expect(loop.now == now)
    loop.take(clock: now.advanced(byNanoseconds: 1))
    #expect(loop.now > now)
  }

  @Test("a closed minute is journaled; one that lost events is marked incomplete")
  func candles() throws {
    var loop = Self.loop()
    loop.take(Self.trade(280_000, after: 1, id: 1), sequence: 40)
    loop.take(.ringGap(cause: .overrun, missingCount: 7, firstSequence: 41, epoch: 1, time: loop.now))
    loop.take(Self.trade(280_000, after: 61, id: 9), sequence: 48)
    loop.take(Self.trade(280_000, after: 121, id: 10), sequence: 49)
    let closed = loop.journal.entries.filter { $0.kind == .candleClosed }.compactMap(\.candle)
      .filter { $0.timeframe == .minute1 }
    #expect(closed.count == 2)
    #expect(closed.first.map { !$0.candle.flags.contains(.complete) } == true)
    #expect(closed.last.map { $0.candle.flags.contains(.complete) } == true)
  }

  @Test("the fingerprint differs when any event differs, and agrees when all agree")
  func fingerprint() {
    func checkpoints(_ price: Int64) -> [JournalEntry] {
      var loop = Self.loop()
      for step in 0..<50 {
        loop.take(
          Self.trade(step == 20 ? price : 280_000, after: Double(step) * 0.1, id: Int64(step) + 1),
          sequence: 40 + UInt64(step))
      }
      return loop.journal.entries.filter { $0.kind == .checkpoint }
    }
    let one = checkpoints(280_000)
    let same = checkpoints(280_000)
    let other = checkpoints(280_001)
    #expect(one.count >= 4 && one == same)
    #expect(one.prefix(2) == other.prefix(2) && one.last != other.last)
  }
}
