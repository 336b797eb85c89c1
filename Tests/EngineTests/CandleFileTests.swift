import Foundation
import Market
import Testing

@testable import Engine

@Suite("Candle files")
struct CandleFileTests {
  static let header = "open_time,open,high,low,close,volume"

  private func read(_ text: String, name: String = "BTCUSDT_1m.csv") throws -> CandleFile {
    let fixture = try BacktestFixture()
    return try CandleFile(path: try fixture.write(name, text))
  }

  @Test("a header may name its columns in any order, with times as text")
  func headerInAnyOrder() throws {
    let file = try read(
      """
      volume,Close,low,high,open,extra,Date
      1.5,100.2,99.9,100.30,100,x,2024-02-29 00:00:00
      0,100.1,100.1,100.1,100.1,x,2024-02-29 00:01:00

      2.25,101,100,101,100.1,x,2024-02-29T00:02:00Z\r

      """)
    #expect(file.symbol == "BTCUSDT")
    #expect(file.timeframe == .minute1)
    #expect(file.rules.tickE8 == 10_000_000)
    #expect(file.rules.stepE8 == 1_000_000)
    #expect(file.candles.count == 3)
    #expect(file.candles[0].openTime.milliseconds == 1_709_164_800_000)
    #expect(file.candles[0].open.ticks == 1000)
    #expect(file.candles[0].high.ticks == 1003)
    #expect(file.candles[0].low.ticks == 999)
    #expect(file.candles[0].close.ticks == 1002)
    #expect(file.candles[0].volume.steps == 150)
    #expect(file.candles[2].openTime.milliseconds == 1_709_164_920_000)
    #expect(file.candles.allSatisfy { $0.flags == [.complete, .backfilled] })
  }

  @Test("the exchange's dumps are read without a header, in milliseconds and microseconds, plain and packed")
  func dumps() throws {
    let fixture = try BacktestFixture()
    let rest = "1704067259999,1000.0,100,5.0,500.0,0"
    let plain = try fixture.write(
      "ETHUSDT-5m-2024-01.csv",
      "1704067200000,10.50,11.00,10.00,10.75,3.5,\(rest)\n1704067500000,10.75,10.75,10.75,10.75,1.5,\(rest)\n"
    )
    try BacktestFixture.run(["gzip", "-k", plain])
    let packed = try CandleFile(path: "\(plain).gz")
    #expect(packed.symbol == "ETHUSDT")
    #expect(packed.timeframe == .minute5)
    #expect(packed.candles == (try CandleFile(path: plain).candles))
    let micro = try fixture.write(
      "ETHUSDT.csv",
      "1704067200000000,10.50,11.00,10.00,10.75,3.5,\(rest)\n1704067500000000,10.75,10.75,10.75,10.75,1.5,\(rest)\n"
    )
    #expect(try CandleFile(path: micro).candles == packed.candles)
  }

  static let row = "1704067200000,10.5,11,10,10.75,3.5"
  static let next = "1704067260000,10.5,11,10,10.75,3.5"

  @Test(
    "a line that cannot be used is named with its file, line, field and fix",
    arguments: [
      ("\(header)\n\(row)\n1704067260000,10.5,11,x,10.75,3.5\n", ":3: low: \"x\" is not a positive decimal"),
      ("\(header)\n\(row)\n1704067260000,10.5,11,10,10.75\n", ":3: volume: is missing"),
      ("\(header)\n\(row)\n1704067260000,-10.5,11,10,10.75,3\n", ":3: open: \"-10.5\""),
      ("\(header)\n\(row)\n1704067260000,10.123456789,11,10,10.75,3\n", "at most eight decimals"),
      ("\(header)\n\(row)\n1704067260000,10.5,11,10,10.75,NaN\n", ":3: volume: \"NaN\""),
      ("\(header)\n\(row)\n1704067260000,10.5,10.6,10,10.75,3\n", ":3: high/low: open or close lies outside"),
      ("\(header)\n\(row)\n60000,10.5,11,10,10.75,3\n", ":3: open_time: \"60000\" is not a time"),
      (
        "\(header)\n2023-02-29 00:00:00,10.5,11,10,10.75,3\n",
        ":2: open_time: \"2023-02-29 00:00:00\" is not a time"
      ),
      ("\(header)\n2023-02-28 00:00:00+01:00,10.5,11,10,10.75,3\n", ":2: open_time"),
      ("\(header)\n\(next)\n\(row)\n", ":3: open_time: is not after the line before"),
      ("\(header)\n\(row)\n\(row)\n", ":3: open_time: is not after the line before"),
      (
        "\(header)\n1704067230000,10.5,11,10,10.75,3\n1704067290000,10.5,11,10,10.75,3\n",
        ":2: open_time: is no whole"
      ),
      ("0,0.3,0.3,0.3,0.3,27\n60000,0.3,0.3,0.3,0.3,27\n", ":1: header: no header line, and 6 columns"),
      (
        "0,0.3,0.3,0.3,0.3,27,1,1,1,1,1,0\n60000,0.3,0.3,0.3,0.3,27,1,1,1,1,1,0\n",
        ":1: open_time: \"0\" is not a time"
      ),
      (
        "open_time,open,high,low,close\n1704067200000,10.5,11,10,10.75\n",
        ":1: volume: the header has no such column"
      ),
      ("\(header)\n\(row)\n1704067201000,10.5,11,10,10.75,3.5\n", ": open_time: candles are 1000 ms apart"),
      ("\(header)\n\(row)\n", ": has fewer than two candles"),
      ("", ": has fewer than two candles"),
    ])
  func badLines(_ text: String, _ expected: String) throws {
    let fixture = try BacktestFixture()
    let path = try fixture.write("BTCUSDT_1m.csv", text)
    let failure = #expect(throws: CandleFile.Failure.self) { try CandleFile(path: path) }
    let description = failure?.description ?? ""
    #expect(description.hasPrefix(path), "\(description)")
    #expect(description.contains(expected), "\(description)")
    #expect(!description.contains("\n"))
  }

  @Test("a missing file, a folder and a torn gzip file are refused")
  func unreadable() throws {
    let fixture = try BacktestFixture()
    for path in ["\(fixture.folder)/none.csv", fixture.folder] {
      let failure = #expect(throws: CandleFile.Failure.self) { try CandleFile(path: path) }
      #expect(failure?.description.hasPrefix("\(path): cannot be read") == true)
    }
    let plain = try fixture.candles("BTCUSDT.csv", count: 2000, seed: 1)
    try BacktestFixture.run(["gzip", plain])
    let whole = try Data(contentsOf: URL(filePath: "\(plain).gz"))
    let torn = try fixture.write("torn.csv.gz", [UInt8](whole.prefix(whole.count / 2)))
    #expect(throws: CandleFile.Failure.self) { try CandleFile(path: torn) }
  }

  @Test("holes between candles keep the smallest distance as the timeframe")
  func holes() throws {
    let fixture = try BacktestFixture()
    let file = try CandleFile(
      path: try fixture.candles("ADAUSDT_x.csv", count: 100, seed: 3, skipped: 40..<60))
    #expect(file.timeframe == .minute1)
    #expect(file.candles.count == 80)
    #expect(file.rules.tickE8 == 1_000_000)
  }

  @Test(
    "decimals are exact", arguments: [("0.00000001", 1), ("28155.2", 2_815_520_000_000), ("7", 700_000_000)])
  func decimals(_ text: String, _ expected: Int64) {
    #expect(CandleFileLines.decimalE8(ArraySlice(text.utf8)) == expected)
    #expect(CandleFileLines.decimalE8(ArraySlice("\(text)e1".utf8)) == nil)
    for bad in ["", ".", "1.", ".5", "+1", "1 ", "99999999999999999999"] {
      #expect(CandleFileLines.decimalE8(ArraySlice(bad.utf8)) == nil, "\(bad)")
    }
  }
}
