import Foundation
import Market
import Testing

@testable import PluginHost

/// One column of the reference files and the call that gives it.
struct IndicatorCase: Sendable, CustomTestStringConvertible {
  var column: String
  var function: String
  /// After the list or the candles.
  var arguments: [String]
  var output: String
  var isOfList = true

  var testDescription: String { column }

  static func list(_ column: String, _ function: String, _ arguments: [String], _ output: String) -> Self {
    IndicatorCase(column: column, function: function, arguments: arguments, output: output)
  }

  static func candles(_ column: String, _ function: String, _ arguments: [String], _ output: String) -> Self {
    IndicatorCase(column: column, function: function, arguments: arguments, output: output, isOfList: false)
  }

  static let all: [IndicatorCase] = [
    .list("ema_9", "ema", ["9"], "EMA"), .list("ema_21", "ema", ["21"], "EMA"),
    .list("ema_50", "ema", ["50"], "EMA"), .list("ema_200", "ema", ["200"], "EMA"),
    .list("sma_20", "sma", [], "SMA"), .list("wma_20", "wma", [], "WMA"), .list("rsi_14", "rsi", [], "RSI"),
    .candles("tr", "tr", [], "TR"), .candles("atr_14", "atr", [], "ATR"),
    .candles("natr_14", "natr", [], "NATR"), .candles("plus_di_14", "adx", [], "PlusDI"),
    .candles("minus_di_14", "adx", [], "MinusDI"), .candles("dx_14", "adx", [], "DX"),
    .candles("adx_14", "adx", ["period=14"], "ADX"), .list("macd", "macd", [], "MACD"),
    .list("macd_signal", "macd", [], "Signal"), .list("macd_hist", "macd", ["12", "26", "9"], "Histogram"),
    .list("bb_upper", "bollinger", [], "Upper"), .list("bb_middle", "bollinger", ["20", "2"], "Middle"),
    .list("bb_lower", "bollinger", [], "Lower"), .list("stddev_20", "stddev", [], "StdDev"),
    .candles("stoch_k", "stochastic", [], "K"), .candles("stoch_d", "stochastic", [], "D"),
    .candles("cci_20", "cci", [], "CCI"), .candles("willr_14", "willr", [], "WillR"),
    .candles("mfi_14", "mfi", [], "MFI"), .candles("obv", "obv", [], "OBV"),
    .list("roc_10", "roc", [], "ROC"),
    .list("mom_10", "mom", [], "MOM"), .candles("aroon_down_14", "aroon", [], "Down"),
    .candles("aroon_up_14", "aroon", [], "Up"), .candles("sar", "sar", [], "SAR"),
    .candles("donchian_high_20", "donchian", [], "High"), .candles("donchian_low_20", "donchian", [], "Low"),
    .candles("vwap_day", "vwap", [], "VWAP"), .candles("vp_poc", "volume_profile", [], "POC"),
    .candles("vp_vah", "volume_profile", [], "VAH"), .candles("vp_val", "volume_profile", [], "VAL"),
  ]
}

/// A CSV file as columns; empty cells are NaN, times become nanoseconds.
struct ReferenceTable {
  private(set) var columns: [String: [Double]] = [:]
  private(set) var times: [Int64] = []

  init(_ path: String) throws {
    let lines = try Fixture.run("zcat", [path]).split(separator: "\n")
    let names = try #require(lines.first).split(separator: ",").map(String.init)
    let format = Date.ParseStrategy(
      format:
        "\(year: .defaultDigits)-\(month: .twoDigits)-\(day: .twoDigits) \(hour: .twoDigits(clock: .twentyFourHour, hourCycle: .zeroBased)):\(minute: .twoDigits):\(second: .twoDigits)",
      timeZone: .gmt)
    for line in lines.dropFirst() {
      let cells = line.split(separator: ",", omittingEmptySubsequences: false)
      try #require(cells.count == names.count)
      for (name, cell) in zip(names, cells) where name != "time" {
        columns[name, default: []].append(cell.isEmpty ? .nan : try #require(Double(cell)))
      }
      let time = try Date(String(cells[0]), strategy: format)
      times.append(Int64(time.timeIntervalSince1970) * 1_000_000_000)
    }
  }

  var candles: FunctionValue.CandleColumns {
    var candles = FunctionValue.CandleColumns()
    candles.openTimes = times
    candles.open = columns["open"] ?? []
    candles.high = columns["high"] ?? []
    candles.low = columns["low"] ?? []
    candles.close = columns["close"] ?? []
    candles.volume = columns["volume"] ?? []
    return candles
  }
}

/// As built with the tests.
private let builtIndicators = "\(Fixture.products)/libindicators.so"

@Suite(
  "The indicators plugin",
  .enabled(
    if: FileManager.default.fileExists(atPath: builtIndicators),
    "libindicators.so is not built: swift build --product indicators"))
struct IndicatorsTests {
  static let data = "\(Fixture.root)/../shared/data"
  static let hasData = FileManager.default.fileExists(atPath: "\(data)/indicators")

  /// Mapped once: images stay for ever anyway.
  private static let library = Result { () throws -> FunctionLibrary in
    let fixture = try Fixture()
    return try FunctionLibrary(path: builtIndicators, cacheDirectory: fixture.cache)
  }

  @Test(
    "equals the reference values to 1e-9, from the same first row on",
    .enabled(if: hasData, "../shared/data/indicators is not there"),
    arguments: ["synthetic_ties_1h", "xrpusdt_perp_5m"])
  func referenceValues(file: String) throws {
    let library = try Self.library.get()
    let reference = try ReferenceTable("\(Self.data)/indicators/\(file).csv.gz")
    let candles = try ReferenceTable("\(Self.data)/smc/\(file).csv.gz").candles
    #expect(Set(reference.columns.keys) == Set(IndicatorCase.all.map(\.column) + ["close"]))
    for check in IndicatorCase.all {
      let function = try library.function(check.function)
      let values = try FunctionArguments(
        function: check.function, signature: function.signature, candles: candles
      ).bind((check.isOfList ? ["close"] : []) + check.arguments)
      let outcome = FunctionCall(function).run(values)
      let found = try #require(outcome.columns.first { $0.name == check.output }, "\(check.output)")
      let expected = try #require(reference.columns[check.column])
      #expect(found.values.count == expected.count)
      #expect(
        found.values.firstIndex { !$0.isNaN } == expected.firstIndex { !$0.isNaN },
        "\(check.column): first valid row")
      let wrong = zip(found.values, expected).enumerated().first { !Self.isClose($1.0, $1.1) }
      if let wrong {
        Issue.record("\(check.column) row \(wrong.offset): \(wrong.element.0), expected \(wrong.element.1)")
      }
    }
  }

  /// Relative 1e-9, absolute 1e-9 where the value is below 1e-3.
  private static func isClose(_ a: Double, _ b: Double) -> Bool {
    if a.isNaN || b.isNaN { return a.isNaN && b.isNaN }
    return abs(a - b) <= (abs(b) < 1e-3 ? 1e-9 : 1e-9 * abs(b))
  }

  @Test("every function keeps its promises on edge lists, twice, and on cut histories")
  func causal() throws {
    for function in try Self.library.get().functions {
      #expect(function.isDeclaredCausal && function.isPure, "\(function.name)")
      #expect(
        function.signature.inputs.allSatisfy {
          $0.kind == .list || $0.kind == .candles || $0.defaultValue != nil
        })
      #expect(FunctionTrial.problem(of: function, seed: 1) == nil, "\(function.name)")
    }
  }

  @Test("short histories and senseless periods give empty cells and no crash", arguments: [0, 1, 2, 15, 30])
  func edges(count: Int) throws {
    let candles = FunctionCausality.history(seed: 7, barCount: 40).prefix(count)
    for function in try Self.library.get().functions {
      for period: Int64 in [-1, 0, 1, 2, 29, 1_000_000, .max] {
        let values = function.signature.inputs.map { input -> FunctionValue in
          switch input.kind {
          case .list: .list(candles.close)
          case .candles: .candles(candles)
          case .i64: .integer(period)
          default: .number(Double(period))
          }
        }
        let outcome = FunctionCall(function).run(values)
        #expect(outcome.columns.allSatisfy { $0.values.count == count })
        if period <= 0 || period > 30, function.signature.inputs.contains(where: { $0.kind == .i64 }) {
          #expect(outcome.columns.allSatisfy { $0.values.allSatisfy(\.isNaN) }, "\(function.name) \(period)")
        }
      }
    }
  }
}
