import Foundation
import GRDB
import Market
import Testing
import Trading

@testable import Storage

@Suite("The SQLite store")
struct SQLiteStoreTests {
  private typealias Samples = JournalSamples

  private let folder: TemporaryFolder
  private let path: String

  init() throws {
    folder = try TemporaryFolder()
    path = folder.file("store.sqlite")
  }

  private func batch(_ entries: [JournalEntry], from index: UInt64 = 0, run: RunInfo = JournalSamples.run())
    -> StoreBatch
  {
    var rows = JournalRows(table: Samples.table)
    let changes = rows.changes(of: entries, from: index)
    #expect(rows.unreadableCount == 0)
    return StoreBatch(run: run.key, from: index, next: index + UInt64(entries.count), changes: changes)
  }

  /// Everything in the file, for comparing before and after.
  private func dump() throws -> [String] {
    let queue = try DatabaseQueue(path: path)
    return try queue.read { db in
      try String.fetchAll(db, sql: "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        .flatMap { table in try Row.fetchAll(db, sql: "SELECT * FROM \(table)").map { "\(table): \($0)" } }
    }
  }

  @Test("keeps a day as it was, to the last decimal")
  func keepsADay() async throws {
    let store = try SQLiteStore(path: path)
    let run = Samples.run()
    try await store.begin(run)
    try await store.store(batch(Samples.day()))

    let trade = try #require(try await store.trades(run.key.scope, run: nil, limit: 10).first)
    #expect(trade.net.description == "1.23456789")
    #expect(trade.profit.description == "1.23456800")
    #expect(trade.quantity == "0.003")
    #expect(trade.entryPrice == "33333.33333333")
    #expect(trade.reason == "target")

    let order = try #require(try await store.orders(run.key.scope, run: 7, limit: 10).first)
    #expect(order.status == .filled)
    #expect(order.filledQuantity == "0.003")
    #expect(order.averagePrice == "28155.26666667")
    #expect(order.fees.description == "2.00000002")
    #expect(order.orderID == 900)

    let signals = try await store.signals(run.key.scope, run: nil, limit: 10)
    #expect(signals.map(\.symbol) == ["1000PEPEUSDT", "BTCUSDT"])
    #expect(signals.map(\.outcome) == ["cooldown", "open"])
    #expect(signals[0].targetFraction == nil)
    #expect(signals[0].tag == -1)

    let lots = try await store.lots(run.key.scope, run: nil, limit: 10)
    #expect(lots.map(\.lotID) == [2, 1])
    #expect(lots[0].closing == nil)
    #expect(lots[0].refusal == "cooldown")
    #expect(lots[0].entryPrice == "0.0112233")
    #expect(lots[1].closing?.net.e8 == 70)
    #expect(lots[1].confidence == 0.5)

    #expect(try await store.positions(atEndOf: run.key).isEmpty)
    #expect(try await store.equity(run.key, limit: 5).map(\.equity.description) == ["10001.23456789"])
    #expect(try await store.fills(run.key.scope, run: nil, limit: 10).map(\.price) == ["28155.3", "28155.2"])

    let summary = try #require(try await store.summary(of: run.key))
    #expect(summary.signals == 2 && summary.orders == 1 && summary.fills == 2 && summary.trades == 1)
    #expect(summary.wins == 1 && summary.lotsOpen == 1 && summary.lotsClosed == 1)
    #expect(summary.net.e8 == 123_456_789 && summary.virtualProfit.e8 == 70 && summary.fees.e8 == 200_000_002)
    #expect(summary.refusals == [RunSummary.RefusalCount(name: "cooldown", count: 1)])
    #expect(summary.endedNanoseconds == Samples.at(72).nanoseconds)
    #expect(try await store.cursor(of: run.key) == UInt64(Samples.day().count))
  }

  @Test("draining the same journal again, in any pieces, changes nothing", arguments: UInt64(0)..<8)
  func drainingTwice(seed: UInt64) async throws {
    var random = SeededRandom(seed: seed)
    let day = Samples.day()
    let store = try SQLiteStore(path: path)
    try await store.begin(Samples.run())
    try await store.store(batch(day))
    let before = try dump()
    for _ in 0..<12 {
      let from = Int(random.below(UInt64(day.count)))
      let count = Int(random.below(UInt64(day.count - from + 1)))
      try await store.store(batch(Array(day[from..<from + count]), from: UInt64(from)))
    }
    try await store.store(batch(day))
    #expect(try dump() == before, "seed \(seed)")
  }

  @Test("cutting a day into pieces stores what one batch stores", arguments: 1...7)
  func piecesEqualWhole(size: Int) async throws {
    let day = Samples.day()
    let whole = try SQLiteStore(path: path)
    try await whole.begin(Samples.run())
    try await whole.store(batch(day))
    let expected = try dump()

    let other = try SQLiteStoreTests()
    let store = try SQLiteStore(path: other.path)
    try await store.begin(Samples.run())
    for from in stride(from: 0, to: day.count, by: size) {
      try await store.store(
        batch(Array(day[from..<min(from + size, day.count)]), from: UInt64(from)))
    }
    #expect(try other.dump() == expected)
  }

  @Test("a batch that starts after the cursor is refused, and nothing of it stays")
  func refusesGaps() async throws {
    let store = try SQLiteStore(path: path)
    try await store.begin(Samples.run())
    try await store.store(batch([Samples.candle(1)]))
    await #expect(throws: StoreError.gap(expected: 1, got: 2)) {
      try await store.store(batch([Samples.candle(2)], from: 2))
    }
    #expect(
      try await store.candles(
        Samples.run().key.scope, symbol: "BTCUSDT", timeframe: .minute1, fromNanoseconds: 0, limit: 9
      ).count == 1)
  }

  @Test("one bad change keeps the whole batch and its cursor out")
  func allOrNothing() async throws {
    let store = try SQLiteStore(path: path)
    let run = Samples.run()
    try await store.begin(run)
    var bad = batch([Samples.candle(1), Samples.signal(Samples.bitcoin, position: 1, second: 1)])
    guard case .signal(var row) = bad.changes[1] else { throw StoreError.closed }
    row.returnFraction = .nan  // SQLite keeps no NaN: the column refuses it
    bad.changes[1] = .signal(row)
    await #expect(throws: StoreError.self) { try await store.store(bad) }
    #expect(try await store.cursor(of: run.key) == 0)
    #expect(try dump().filter { $0.hasPrefix("candles") }.isEmpty)
  }

  @Test("paper and live, and two venues, never see each other's rows")
  func scopesAreApart() async throws {
    let store = try SQLiteStore(path: path)
    let runs = [
      Samples.run(), Samples.run(mode: .live), Samples.run(venue: "binance"),
      Samples.run(mode: .live, venue: "binance"),
    ]
    let candles = [281_541, 281_542, 281_543, 281_544] as [Int64]
    for (run, close) in zip(runs, candles) {
      try await store.begin(run)
      try await store.store(batch(Samples.day() + [Samples.candle(9, close: close)], run: run))
    }
    for (run, close) in zip(runs, candles) {
      let scope = run.key.scope
      #expect(try await store.trades(scope, run: nil, limit: 99).count == 1)
      #expect(try await store.orders(scope, run: nil, limit: 99).count == 1)
      #expect(try await store.fills(scope, run: nil, limit: 99).count == 2)
      #expect(try await store.lots(scope, run: nil, limit: 99).count == 2)
      #expect(try await store.runs(scope, limit: 9).map(\.key) == [run.key])
      let rows = try await store.candles(
        scope, symbol: "BTCUSDT", timeframe: .minute1, fromNanoseconds: Samples.at(540).nanoseconds, limit: 9)
      #expect(
        rows.compactMap { $0.candle(rules: Samples.table[Samples.bitcoin].rules)?.close.ticks } == [close])
    }
    #expect(try await store.runs(nil, limit: 9).count == 4)
  }

  @Test("reports in any order end in the same order row", arguments: UInt64(0)..<20)
  func reportsInAnyOrder(seed: UInt64) async throws {
    var random = SeededRandom(seed: seed)
    var reports = [
      Samples.report(.accepted, 40, second: 2),
      Samples.fill(40, trade: 1, ticks: 281_552, steps: 1, isFinal: false, second: 2),
      Samples.fill(40, trade: 2, ticks: 281_553, steps: 2, isFinal: true, second: 3),
      Samples.fill(40, trade: 2, ticks: 281_553, steps: 2, isFinal: true, second: 3),
      Samples.report(.unknown, 40, second: 2),
    ]
    for index in reports.indices.reversed() {
      reports.swapAt(index, Int(random.below(UInt64(index + 1))))
    }
    let store = try SQLiteStore(path: path)
    try await store.begin(Samples.run())
    try await store.store(batch([Samples.command(40, steps: 3, second: 1)] + reports))
    let order = try #require(try await store.orders(Samples.run().key.scope, run: nil, limit: 1).first)
    #expect(order.status == .filled, "seed \(seed)")
    #expect(order.filledQuantity == "0.003" && order.fees.e8 == 200_000_002, "seed \(seed)")
    #expect(order.code == 0 || order.status == .filled)
  }

  @Test("a lot that closes in a later run is one row, and counts there")
  func lotsOutliveRuns() async throws {
    let store = try SQLiteStore(path: path)
    let lot = Samples.lot(5, second: 1)
    let (first, second) = (Samples.run(1), Samples.run(2))
    for run in [first, second] { try await store.begin(run) }
    try await store.store(batch([.lotOpened(lot)], run: first))
    try await store.store(
      batch(
        [.openingLot(lot, time: Samples.at(9)), .lotClosed(Samples.closed(lot, net: -5, second: 10))],
        run: second))
    #expect(try await store.lots(first.key.scope, run: nil, limit: 9).count == 1)
    #expect(try await store.summary(of: first.key)?.lotsOpen == 0)
    #expect(try await store.summary(of: second.key)?.virtualProfit.e8 == -5)
  }

  @Test("a complete candle is not replaced by an incomplete one, but by a complete one")
  func candlesKeepTheBest() async throws {
    let store = try SQLiteStore(path: path)
    let scope = Samples.run().key.scope
    try await store.begin(Samples.run())
    func closes() async throws -> [String] {
      try await store.candles(scope, symbol: "BTCUSDT", timeframe: .minute1, fromNanoseconds: 0, limit: 9)
        .map(\.close)
    }
    try await store.store(batch([Samples.candle(1, flags: [], close: 281_541)]))
    try await store.store(batch([Samples.candle(1, close: 281_542)], from: 1))
    #expect(try await closes() == ["28154.2"])
    try await store.store(batch([Samples.candle(1, flags: [], close: 281_543)], from: 2))
    #expect(try await closes() == ["28154.2"])
    try await store.store(
      batch([Samples.candle(1, flags: [.complete, .backfilled], close: 281_544)], from: 3))
    #expect(try await closes() == ["28154.4"])
  }

  @Test("volumes beyond 64 bits of 1e-8 come back whole")
  func hugeVolumes() async throws {
    let store = try SQLiteStore(path: path)
    let rules = Samples.table[Samples.pepe].rules
    let candle = Candle(
      openTime: Samples.at(60), open: Price(ticks: 1), high: Price(ticks: 2), low: Price(ticks: 1),
      close: Price(ticks: 2), volume: Quantity(steps: 900_000_000_000_000), tradeCount: 1)
    try await store.begin(Samples.run())
    try await store.store(
      batch([.history(Samples.pepe, .day1, candle, time: Samples.at(61))]))
    let rows = try await store.candles(
      Samples.run().key.scope, symbol: "1000PEPEUSDT", timeframe: .day1, fromNanoseconds: 0, limit: 1)
    #expect(rows.first?.candle(rules: rules) == candle)
    #expect(rows.first?.volume == "900000000000000")
  }

  @Test(
    "names that look like SQL are only names",
    arguments: ["'; DROP TABLE runs; --", "a\"b", "é\nx", "../.."])
  func hostileNames(name: String) async throws {
    let store = try SQLiteStore(path: path)
    let run = Samples.run(venue: name)
    try await store.begin(run)
    try await store.store(batch(Samples.day(), run: run))
    #expect(try await store.trades(run.key.scope, run: nil, limit: 9).count == 1)
    #expect(
      try await store.candles(run.key.scope, symbol: name, timeframe: .minute1, fromNanoseconds: 0, limit: 9)
        .isEmpty)
    #expect(try await store.runs(nil, limit: 9).map(\.key.scope.venue) == [name])
  }

  @Test("pruning takes what is old and leaves the money")
  func pruning() async throws {
    let store = try SQLiteStore(path: path)
    let run = Samples.run()
    try await store.begin(run)
    try await store.store(batch(Samples.day()))
    let count = try await store.prune(run.key.scope, beforeNanoseconds: Samples.at(1_000).nanoseconds)
    #expect(count == 6)  // two signals, two verdicts, one equity point, one 1m candle
    #expect(try await store.signals(run.key.scope, run: nil, limit: 9).isEmpty)
    #expect(try await store.trades(run.key.scope, run: nil, limit: 9).count == 1)
    #expect(try await store.orders(run.key.scope, run: nil, limit: 9).count == 1)
  }
}
