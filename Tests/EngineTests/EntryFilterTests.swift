import Foundation
import Market
import PluginHost
import Testing
import Trading

@testable import Engine

@Suite("Entry filter expressions")
struct EntryExpressionTests {
  @Test(
    "what is wrong is named with its column",
    arguments: [
      ("", 1, "expected a number"), ("close >", 8, "expected a number"), ("close > 1 &", 11, "write &&"),
      ("1 < close < 2", 11, "do not chain"), ("rsi(clse) > 1", 5, "\"clse\" is no series"),
      ("clse > 1", 1, "\"clse\" is no series"), ("(close > 1", 11, "')'"), ("close > 1)", 10, "an operator"),
      ("a.b > 1", 5, "'('"), ("rsi(close,) > 1", 11, "an argument is"), ("rsi(close).", 12, "output's name"),
      ("close > \"a", 9, "closing"), ("close > \"a\"", 9, "argument of a function only"),
      ("close ? 1", 7, "means nothing"),
      ("rsi(--1) > 1", 6, "an argument is"), ("f(\"a\nb\") > 1", 3, "closing"), ("close\n> 1", 6, "\\u{a}"),
      (String(repeating: "(", count: 100) + "1", 65, "nested too deeply"),
      (String(repeating: "!", count: 100) + "true", 65, "nested too deeply"),
    ])
  func problems(text: String, column: Int, says: String) throws {
    let problem = try #require(throws: EntryExpression.Problem.self) { try EntryExpression(parsing: text) }
    #expect(problem.column == column && problem.what.contains(says), "\(problem)")
    #expect(EntryExpression.problem(text) == problem.summary)
    let lines = problem.description.split(separator: "\n", omittingEmptySubsequences: false)
    if !text.contains("\n") { #expect(lines.last?.count == column + 2, "the mark stands under the place") }
  }

  @Test("is a setting that is checked when settings are read")
  func setting() throws {
    func load(_ flags: [String: String]) throws -> Settings {
      try Settings.load(Settings.Sources(flags: flags, environment: [:], file: nil, defaultFile: nil))
    }
    let settings = try load([
      "plugins.entryFilter": "rsi(close, 14) < 70 && adx(14) > 20", "plugins.entryFilterTimeframe": "15m",
    ])
    #expect(settings.plugins.entryFilter == "rsi(close, 14) < 70 && adx(14) > 20")
    #expect(settings.plugins.entryFilterTimeframe == .minute15)
    #expect(try load([:]).plugins.entryFilter == nil)
    let error = try #require(throws: SettingsError.self) { try load(["plugins.entryFilter": "rsi(close"]) }
    #expect("\(error)".contains("plugins.entryFilter: column 10"))
    #expect(throws: SettingsError.self) { try load(["plugins.entryFilterTimeframe": "2m"]) }
  }
}

@Suite(
  "The entry filter",
  .enabled(
    if: FileManager.default.isExecutableFile(atPath: PluginCall.hostPath), "aegis-plugin-host is not built"))
struct EntryFilterTests {
  /// Functions in C: honest ones, and two that break their promise.
  private static let source = """
    #include <stdint.h>
    #define PUBLIC __attribute__((visibility("default")))
    PUBLIC void ahead(const double *x, int64_t n, double *out) {
      for (int64_t i = 0; i + 1 < n; i++) out[i] = x[i + 1];
    }
    PUBLIC void lag(const double *x, int64_t n, int64_t bars, double *out) {
      for (int64_t i = 0; i < n; i++) if (i - bars >= 0 && i - bars < n) out[i] = x[i - bars];
    }
    PUBLIC double length(const double *x, int64_t n) { (void)x; return (double)n; }
    PUBLIC int32_t rising(const double *x, int64_t n) { return n > 1 && x[n - 1] > x[n - 2]; }
    PUBLIC void two(const double *x, int64_t n, double *a, double *b) {
      for (int64_t i = 0; i < n; i++) { a[i] = x[i] + 1; b[i] = x[i] + 2; }
    }
    """
  private static let declarations = [
    "ahead: void(f64* values, i64, f64*out Ahead)", "lag: void(f64* values, i64, i64 bars=1, f64*out Lag)",
    "length: f64(f64*, i64)", "rising: bool(f64*, i64)", "two: void(f64*, i64, f64*out A, f64*out B)",
    "hidden: f64(f64*, i64)",
  ]

  /// A plugin folder with the library bound as `foo`, and the settings that look there.
  private static func settings(_ fixture: BacktestFixture, _ filter: String) throws -> Settings {
    let library = "\(fixture.folder)/libfoo.so"
    try fixture.write(
      "foo.c",
      source.replacing("#include <stdint.h>", with: "#include <stdint.h>\n") + """

        PUBLIC double hidden(const double *x, int64_t n) { return n ? x[0] : 0; }
        """)
    try BacktestFixture.run([
      "cc", "-std=c11", "-fPIC", "-shared", "-o", library, "\(fixture.folder)/foo.c",
    ])
    for path in [fixture.folder, library] { _ = chmod(path, 0o755) }
    _ = try PluginBind(
      library: library, declarations: declarations,
      causal: ["ahead", "lag", "length", "rising", "two"], id: nil, directory: fixture.folder
    ).run(json: false)
    var settings = Settings()
    settings.plugins.directory = fixture.folder
    settings.plugins.entryFilter = filter
    return settings
  }

  private static func filter(_ fixture: BacktestFixture, _ text: String) throws -> EntryFilter {
    let settings = try settings(fixture, text)
    return try #require(
      try EntryFilter.load(settings, cacheDirectory: "\(fixture.folder)/cache", instrumentCount: 2))
  }

  /// Closed one-minute candles with these closes, in cents.
  private static func book(_ closes: [Int64]) -> CandleBook {
    let rules = [InstrumentRules(tickE8: 1_000_000, stepE8: 100_000)]
    var book = CandleBook(rules: rules, windowBars: [.minute1: 50])
    for (index, close) in closes.enumerated() {
      book.absorbHistory(
        InstrumentID(0), .minute1,
        Candle(
          openTime: Instant(nanoseconds: Int64(1_000_000 + index) * Timeframe.minute1.nanoseconds),
          open: Price(ticks: close), high: Price(ticks: close + 10), low: Price(ticks: close - 10),
          close: Price(ticks: close), volume: Quantity(steps: 1000)))
    }
    return book
  }

  private static func answer(_ filter: EntryFilter, _ closes: [Int64]) -> EntryFilter.Answer {
    let book = book(closes)
    return filter.answer(InstrumentID(0), window: book.window(InstrumentID(0), .minute1))
  }

  private static func passes(_ filter: EntryFilter, _ closes: [Int64]) -> Bool {
    answer(filter, closes).passes
  }

  @Test(
    "numbers, series, functions and logic give what they say",
    arguments: [
      ("close == 1.03 && open < high && low < close && volume == 1", true),
      ("-close < -1 && !(close < 1)", true),
      ("(close + 1) * 2 / 4 - 0.01 > 1 && (close + 1) * 2 / 4 - 0.02 < 1", true),
      ("close > 2 || close != 1", true), ("close >= 1.04", false),
      ("foo.lag(close) == 1.02 && foo.lag(close, 2) == 1.01", true), ("foo.lag(close, bars=2) <= 1.01", true),
      ("foo.length(close) == 4", true), ("foo.rising(close)", true), ("!foo.rising(close)", false),
      ("foo.two(close).B - foo.two(close).a == 1", true), ("true", true), ("false || foo.rising(high)", true),
      // Not valid yet: neither a condition nor its opposite is fulfilled.
      ("foo.lag(close, 9) > 0", false), ("!(foo.lag(close, 9) > 0)", false),
      ("foo.lag(close, 9) > 0 || close > 1", true), ("close > 9 && foo.lag(close, 9) > 0", false),
    ])
  func meaning(text: String, expected: Bool) throws {
    let fixture = try BacktestFixture()
    let filter = try Self.filter(fixture, text)
    #expect(Self.passes(filter, [100, 101, 102, 103]) == expected)
  }

  @Test("is computed once per closed candle, again after a repair, and never without candles")
  func caching() throws {
    let fixture = try BacktestFixture()
    let filter = try Self.filter(fixture, "close > 1")
    #expect(!Self.passes(filter, []))
    #expect(Self.passes(filter, [101]))
    #expect(Self.passes(filter, [99]), "the same candle with another close is not looked at again")
    filter.forget(InstrumentID(0))
    #expect(Self.answer(filter, [99]) == EntryFilter.Answer(passes: false, measured: 0.99, limit: 1))
    #expect(Self.passes(filter, [99, 101]))
  }

  @Test(
    "what cannot be used is refused at start, with its place",
    arguments: [
      ("foo.ahead(close) > 1", 1, "ahead is declared CAUSAL and looks ahead: cell 0 of Ahead"),
      ("close > foo.lag(close, -1)", 9, "declared CAUSAL and looks ahead"),
      ("close > foo.hidden(close)", 9, "not declared CAUSAL"),
      ("foo.none(close) > 1", 1, "no function \"none\""),
      ("foo.two(close) > 1", 1, "gives A, B; say which"), ("foo.two(close).C > 1", 16, "no output \"C\""),
      ("foo.lag(3) > 1", 9, "must be one of open"),
      ("foo.lag(close, 1.5) > 1", 16, "must be an integer (i64)"),
      ("foo.lag(close, 1, 2) > 1", 19, "one argument too many"),
      ("foo.lag() > 1", 1, "argument values is missing"),
      ("foo.lag(close, n=2) > 1", 18, "no argument \"n\""), ("foo.lag(close)", 1, "compare it"),
      ("foo.rising(close) > 1", 1, "gives true or false where a number"), ("close", 1, "compare it"),
      ("(close > 1) + 1 > 2", 2, "is a condition where a number"), ("close + 1", 1, "compare it"),
    ])
  func refusals(text: String, column: Int, says: String) throws {
    let fixture = try BacktestFixture()
    let error = try #require(throws: EntryFilterError.self) { try Self.filter(fixture, text) }
    guard case .expression(let problem) = error else {
      throw BacktestFixture.Failure(description: "\(error)")
    }
    #expect(problem.column == column && problem.what.contains(says), "\(problem)")
  }

  @Test("an unknown library and a changed one are refused by name")
  func libraries() throws {
    let fixture = try BacktestFixture()
    let missing = try #require(throws: EntryFilterError.self) { try Self.filter(fixture, "bar.x(close) > 1") }
    #expect("\(missing)".contains("plugins.entryFilter: bar: "))
    let settings = try Self.settings(fixture, "foo.length(close) > 1")
    let file = try FileHandle(forWritingTo: URL(filePath: "\(fixture.folder)/libfoo.so"))
    try file.seekToEnd()
    try file.write(contentsOf: Data([0]))
    try file.close()
    let changed = try #require(throws: EntryFilterError.self) {
      try EntryFilter.load(settings, cacheDirectory: "\(fixture.folder)/cache", instrumentCount: 1)
    }
    #expect("\(changed)".contains("bind it again"))
  }

  @Test("what a run kept is what its replay uses, whatever the folder holds by then")
  func keptCopies() throws {
    let fixture = try BacktestFixture()
    var settings = try Self.settings(fixture, "foo.lag(close, 2) == 1.01")
    let cache = "\(fixture.folder)/cache"
    let original = try #require(
      try EntryFilter.load(settings, cacheDirectory: cache, keepsCopy: true, instrumentCount: 1))
    #expect(original.files.map(\.library) == ["foo"] && original.files[0].bound?.count == 5)
    #expect(FileManager.default.fileExists(atPath: "\(cache)/\(original.files[0].file)"))
    settings.plugins.directory = "/nowhere"
    let again = try #require(
      try EntryFilter.load(
        settings, cacheDirectory: "\(fixture.folder)/scratch", keepsCopy: true, instrumentCount: 1,
        kept: (original.files, cache)))
    let closes: [Int64] = [100, 101, 102, 103]
    #expect(Self.passes(original, closes) && Self.passes(again, closes))
    #expect(again.files == original.files)
    let record = try JSONEncoder().encode(original.files)
    #expect(try JSONDecoder().decode([RunRecord.FunctionFile].self, from: record) == original.files)
  }

  @Test("in a backtest it refuses entries by name, closes what it held, and gives the same journal twice")
  func backtest() throws {
    let fixture = try BacktestFixture()
    let plugin = try fixture.trendFollower()
    let candles = try fixture.candles("AAAUSDT_1m.csv", count: 3000, seed: 5)
    func run(_ filter: String, _ journal: String) throws -> (report: BacktestReport, journal: Data) {
      let settings = try Self.settings(fixture, filter)
      let file = "\(fixture.folder)/\(journal)"
      let report = try Backtest(
        settings: settings, plugin: Settings.Plugins.Choice(path: plugin), journalFile: file
      ).run(BacktestMarket(candleFiles: [candles]))
      return (report, try Data(contentsOf: URL(filePath: file)))
    }
    let open = try run("true", "open.journal")
    #expect(open.report.signals > 0 && open.report.trades > 0)
    #expect(!open.report.refusals.contains { $0.name == "entryFilter" })
    let half = try run("foo.rising(close)", "half.journal")
    let refused = half.report.refusals.first { $0.name == "entryFilter" }?.count ?? 0
    #expect(half.report.signals == open.report.signals && refused > 0 && refused < half.report.signals)
    #expect(try run("foo.rising(close)", "again.journal").journal == half.journal)
    let closed = try run("false", "closed.journal")
    #expect(closed.report.orders == 0 && closed.report.refusals.contains { $0.name == "entryFilter" })
    var late = try Self.settings(fixture, "true")
    late.plugins.entryFilterTimeframe = .minute1
    let hourly = try fixture.write(
      "BBBUSDT_1h.csv",
      "open_time,open,high,low,close,volume\n1704067200000,1,1,1,1,1\n1704070800000,1,1,1,1,1\n")
    let error = try #require(throws: EntryFilterError.self) {
      try Backtest(settings: late, plugin: Settings.Plugins.Choice(path: plugin)).run(
        BacktestMarket(candleFiles: [hourly]))
    }
    #expect("\(error)".contains("1m is shorter than the candles given (1h)"))
  }
}

@Suite("Risk gate and entry filter")
struct EntryFilterGateTests {
  @Test("a filtered idea opens nothing and still closes the opposite side")
  func gate() {
    var context = IdeaContext()
    context.isFilteredOut = true
    context.filterMeasured = 80
    context.filterLimit = 70
    var state = RiskState(
      now: Instant(milliseconds: 1_795_250_040_000),
      rules: InstrumentRules(tickE8: 1_000_000, stepE8: 100_000))
    state.context = context
    state.bid = Price(ticks: 10_000)
    state.ask = Price(ticks: 10_001)
    state.last = state.ask
    state.priceTime = state.now
    state.equity = Quote(e8: 1_000_000_000_000)
    state.dayOpeningEquity = state.equity
    let idea = Signal(
      causeSequence: 1, time: state.now, horizonNanoseconds: 60_000_000_000, returnFraction: 0.05,
      confidence: 0.9,
      instrument: InstrumentID(0))
    let refused = RiskGate.verdict(on: idea, state: state, settings: DeskSettings())
    #expect(refused.action == .refuse && refused.refusal == .entryFilter)
    #expect(refused.measured == 80 && refused.limit == 70)
    state.positionSteps = -5
    let closing = RiskGate.verdict(on: idea, state: state, settings: DeskSettings())
    #expect(closing.action == .close && closing.refusal == .entryFilter)
    state.context.isFilteredOut = false
    #expect(RiskGate.verdict(on: idea, state: state, settings: DeskSettings()).action == .reverse)
  }
}
