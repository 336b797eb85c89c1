import Foundation
import Market
import Testing
import Trading

@testable import Engine

@Suite("Backtests")
struct BacktestTests {
  private func settings() -> Settings {
    var settings = Settings()
    settings.desk.cooldownNanoseconds = 0
    settings.desk.dailyLossFractionMax = 1
    return settings
  }

  private func entries(_ path: String) throws -> [JournalEntry] {
    let bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
    let size = MemoryLayout<JournalEntry>.size
    try #require(bytes.count % size == 0)
    return (0..<bytes.count / size).map { index in
      bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: index * size, as: JournalEntry.self) }
    }
  }

  @Test(
    "two backtests with the same inputs write the same journal, byte for byte, and its sums are the report's")
  func identicalJournals() throws {
    let fixture = try BacktestFixture()
    let plugin = Settings.Plugins.Choice(path: try fixture.trendFollower())
    let files = [
      try fixture.candles("AAAUSDT_1m.csv", count: 3000, seed: 11),
      try fixture.candles("BBBUSDT_1m.csv", count: 2500, seed: 12, skipped: 700..<760),
    ]
    var reports: [BacktestReport] = []
    for run in 1...2 {
      let market = try BacktestMarket(candleFiles: files)
      var report = try Backtest(
        settings: settings(), plugin: plugin, journalFile: "\(fixture.folder)/journal\(run)"
      ).run(market)
      report.runSeconds = 0
      reports.append(report)
    }
    let first = try Data(contentsOf: URL(filePath: "\(fixture.folder)/journal1"))
    #expect(first == (try Data(contentsOf: URL(filePath: "\(fixture.folder)/journal2"))))
    #expect(reports[0] == reports[1])

    // A byte that belongs to no field would hold whatever was in memory.
    #expect(first.indices.filter { $0 % MemoryLayout<JournalEntry>.size == 1 }.allSatisfy { first[$0] == 0 })
    let report = reports[0]
    let journal = try entries("\(fixture.folder)/journal1")
    let trades = journal.compactMap(\.tradeRecord)
    #expect(report.events == 5440)
    #expect(report.trades == trades.count && trades.count > 50)
    #expect(report.wins == trades.count { $0.net > .zero })
    #expect(report.signals == journal.count { $0.kind == .signal })
    #expect(
      report.refusals.reduce(0) { $0 + $1.count }
        == journal.count { ($0.deskVerdict?.refusal ?? .none) != .none })
    let sum = trades.reduce(Quote.zero) { $0 + $1.net }
    if report.openPositions == 0 { #expect(report.net == "\(sum)") }
    let fees = journal.compactMap(\.exchangeReport).reduce(Quote.zero) { $0 + $1.fee }
    #expect(report.fees == "\(fees)" && fees > .zero)
    #expect(try fixture.files().allSatisfy { !$0.hasSuffix(".partial") })
  }

  @Test("candles missing from a file become incomplete ones, and no position is opened on them")
  func holes() throws {
    let fixture = try BacktestFixture()
    let file = try fixture.candles("AAAUSDT_1m.csv", count: 600, seed: 5, skipped: 200..<230)
    let journal = "\(fixture.folder)/journal"
    _ = try Backtest(
      settings: settings(), plugin: .init(path: try fixture.trendFollower()), journalFile: journal
    ).run(try BacktestMarket(candleFiles: [file]))
    let closed = try entries(journal).compactMap { $0.kind == .candleClosed ? $0.candle : nil }
    #expect(closed.count == 600)
    #expect(closed.count { !$0.candle.flags.contains(.complete) } == 30)
  }

  @Test("several files are one market in time order")
  func mergedInTimeOrder() throws {
    let fixture = try BacktestFixture()
    let market = try BacktestMarket(candleFiles: [
      try fixture.candles("AAAUSDT.csv", count: 50, seed: 1, skipped: 0..<10),
      try fixture.candles("BBBUSDT.csv", count: 60, seed: 2, skipped: 20..<30),
    ])
    var events: [MarketEvent] = []
    market.forEachEvent { events.append($0) }
    #expect(events.count == market.eventCount && events.count == 90)
    for (earlier, later) in zip(events, events.dropFirst()) {
      #expect(
        earlier.time < later.time || (earlier.time == later.time && earlier.instrument < later.instrument))
    }
  }

  @Test("what cannot be run is said in one line, and leaves no journal behind")
  func refusals() throws {
    let fixture = try BacktestFixture()
    let minutes = try fixture.candles("AAAUSDT_1m.csv", count: 50, seed: 1)
    let again = try fixture.candles("AAAUSDT-again.csv", count: 50, seed: 1)
    let hours = try fixture.write(
      "BBBUSDT_1h.csv",
      "open_time,open,high,low,close,volume\n1704067200000,1,1,1,1,1\n1704070800000,1,1,1,1,1\n")
    let mixed = #expect(throws: BacktestError.self) { try BacktestMarket(candleFiles: [minutes, hours]) }
    #expect(mixed?.description.contains("candles of 1h, but \(minutes) has 1m") == true)
    let twice = #expect(throws: BacktestError.self) { try BacktestMarket(candleFiles: [minutes, again]) }
    #expect(twice?.description.contains("AAAUSDT comes with \(minutes) already") == true)
    #expect(throws: BacktestError.nothingGiven) { try BacktestMarket(candleFiles: []) }

    let market = try BacktestMarket(candleFiles: [minutes])
    let journal = "\(fixture.folder)/journal"
    #expect(throws: (any Error).self) {
      try Backtest(
        settings: settings(), plugin: .init(path: "\(fixture.folder)/none.so"), journalFile: journal
      )
      .run(market)
    }
    #expect(throws: BacktestError.self) {
      try Backtest(
        settings: settings(), plugin: .init(path: try fixture.trendFollower()),
        journalFile: "\(fixture.folder)/none/journal"
      ).run(market)
    }
    #expect(try !fixture.files().contains { $0.hasPrefix("journal") })
  }

  @Test(
    "recorded streams are played at their own times, and no position is held from one recording to the next")
  func tape() throws {
    let fixture = try BacktestFixture()
    try FileManager.default.createDirectory(
      atPath: "\(fixture.folder)/tape", withIntermediateDirectories: true)
    try fixture.write(
      "tape/one.txt", Self.recording(startSeconds: 1_700_000_000, minutes: 90, price: 30_000, seed: 1))
    try fixture.write(
      "tape/two.txt", Self.recording(startSeconds: 1_710_000_000, minutes: 90, price: 60_000, seed: 2))
    let plugin = Settings.Plugins.Choice(
      path: try fixture.trendFollower(),
      parameters: [.init(name: "fast", value: "2"), .init(name: "slow", value: "5")])
    var journals: [[JournalEntry]] = []
    for run in 1...2 {
      let market = try BacktestMarket(tape: "\(fixture.folder)/tape")
      let path = "\(fixture.folder)/journal\(run)"
      let report = try Backtest(settings: settings(), plugin: plugin, journalFile: path).run(market)
      #expect(report.events == market.eventCount)
      #expect(report.fromMilliseconds == 1_700_000_000_000)
      #expect(report.toMilliseconds > 1_710_000_000_000)
      journals.append(try entries(path))
    }
    #expect(journals[0] == journals[1])
    let trades = journals[0].compactMap(\.tradeRecord)
    #expect(trades.count > 2)
    let second = Instant(milliseconds: 1_710_000_000_000)
    #expect(trades.allSatisfy { ($0.opened < second) == ($0.closed < second) }, "a position crossed the hole")
  }

  /// Lines of a raw recording: a quote and a trade every two seconds.
  private static func recording(startSeconds: Int64, minutes: Int64, price: Double, seed: UInt64) -> String {
    var random = SeededRandom(seed: seed)
    var text = ""
    var tenths = Int64(price * 10)
    for step in 0..<(minutes * 30) {
      tenths += Int64(random.below(201)) - 100
      let time = (startSeconds + step * 2) * 1_000_000
      func decimal(_ tenths: Int64) -> String { "\(tenths / 10).\(tenths % 10)" }
      text +=
        "\(time) {\"stream\":\"btcusdt@bookTicker\",\"data\":{\"e\":\"bookTicker\",\"s\":\"BTCUSDT\","
        + "\"b\":\"\(decimal(tenths))\",\"B\":\"1.5\",\"a\":\"\(decimal(tenths + 1))\",\"A\":\"2.5\"}}\n"
      text +=
        "\(time + 500_000) {\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"s\":\"BTCUSDT\","
        + "\"p\":\"\(decimal(tenths))\",\"q\":\"0.010\",\"X\":\"MARKET\",\"m\":true}}\n"
    }
    return text
  }
}
