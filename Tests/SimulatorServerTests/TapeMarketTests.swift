import Foundation
import Market
import Simulator
import Testing

@testable import SimulatorServer

@Suite("A recorded market")
struct TapeMarketTests {
  /// A folder with the files given, removed when the test ends.
  static func withFolder<Value>(_ files: [String: String], _ body: (String) throws -> Value) throws -> Value {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("aegis-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    // A leftover in the temporary folder harms nobody.
    defer { try? FileManager.default.removeItem(at: folder) }
    for (name, text) in files {
      let path = folder.appendingPathComponent(name).path
      try FileManager.default.createDirectory(
        atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      try text.write(toFile: path, atomically: true, encoding: .utf8)
    }
    return try body(folder.path)
  }

  static func trade(
    _ received: String, _ price: String, _ quantity: String, maker: Bool, symbol: String = "BTCUSDT"
  ) -> String {
    #"\#(received) {"stream":"x@trade","data":{"e":"trade","E":1,"T":1,"s":"\#(symbol)","t":9,"p":"\#(price)","q":"\#(quantity)","X":"MARKET","m":\#(maker)}}"#
      + "\n"
  }

  static func quote(_ received: String, _ bid: String, _ ask: String, symbol: String = "BTCUSDT") -> String {
    #"\#(received) {"stream":"x@bookTicker","data":{"e":"bookTicker","u":7,"s":"\#(symbol)","b":"\#(bid)","B":"1.500","a":"\#(ask)","A":"2.250","T":1,"E":1}}"#
      + "\n"
  }

  @Test("joins fills of one price and side within 100 ms to an aggregate, and keeps the fills")
  func aggregates() throws {
    let text =
      Self.quote("1680652800000000", "100.0", "100.5")
      + Self.trade("1680652800010000", "100.5", "1.000", maker: false)
      + Self.trade("1680652800020000", "100.5", "2.000", maker: false)
      + Self.trade("1680652800090000", "100.0", "0.500", maker: true)
      + Self.trade("1680652800095000", "100.0", "0.250", maker: false)
      + Self.trade("1680652800300000", "100.0", "0.250", maker: false)
    try Self.withFolder(["a.txt": text]) { folder in
      let tape = try TapeMarket.load(path: folder)
      #expect(tape.table.instruments[0].rules.tickE8 == 50_000_000)
      #expect(tape.table.instruments[0].rules.stepE8 == 25_000_000)
      let trades = tape.tracks[0].events.filter { $0.kind == .trade }
      let fills = trades.filter { $0.detail == TapeMarket.singleFill }
      let aggregates = trades.filter { $0.detail == 0 }
      #expect(fills.map(\.quantity.steps) == [4, 8, 2, 1, 1])
      #expect(aggregates.map(\.quantity.steps) == [12, 2, 1, 1])
      #expect(aggregates.map(\.tradeCount) == [2, 1, 1, 1])
      #expect(aggregates.map(\.price.ticks) == [201, 200, 200, 200])
      #expect(aggregates.map { $0.flags.contains(.buyerIsMaker) } == [false, true, false, false])
      #expect(zip(tape.tracks[0].events, tape.tracks[0].events.dropFirst()).allSatisfy { $0.time <= $1.time })
      #expect(
        tape.tracks[0].events.contains { $0.kind == .mark && $0.markE8 == 10_025_000_000 },
        "made from the mid")
    }
  }

  @Test("reads decimals from bytes as the vocabulary reads them from text")
  func decimals() {
    let texts = [
      "0", "1", "28155.20", "0.00012", "-0.00012", "1.123456780", "1.123456789", "", ".", "1.", ".5", "-",
      "1e5",
      "92233720368.54775807", "92233720368.54775808", "99999999999999999999", "+1", "1.2.3", "00.10",
    ]
    for text in texts {
      let value = Array(text.utf8).withUnsafeBufferPointer { TapeLine.e8($0) }
      #expect(value == FixedPoint.parse(text), "\(text)")
    }
  }

  @Test("reads milliseconds, microseconds and nanoseconds alike")
  func units() throws {
    for (unit, zeros) in [("", 0), ("000", 3), ("000000", 6)] {
      let text =
        Self.quote("1680652800000" + unit, "10.0", "10.1")
        + Self.quote("1680652800250" + unit, "10.1", "10.2")
      try Self.withFolder(["a.txt": text]) { folder in
        let quotes = try TapeMarket.load(path: folder).tracks[0].events.filter { $0.kind == .quote }
        #expect(quotes.map(\.time.nanoseconds) == [0, 250_000_000], "\(zeros) more digits")
      }
    }
  }

  @Test("plays forever: times and ids never go back, several files follow each other, symbols start together")
  func loops() throws {
    let files = [
      "late.txt": Self.quote("1723161255000", "200.0", "200.1")
        + Self.trade("1723161256000", "200.1", "1.5", maker: false),
      "early.txt": Self.quote("1680652800000", "100.0", "100.1")
        + Self.trade("1680652801000", "100.1", "1.5", maker: false),
      "other.txt": Self.quote("1500000000000", "5.0", "5.1", symbol: "ETHUSDT"),
    ]
    try Self.withFolder(files) { folder in
      let start = Instant(milliseconds: 1_795_250_000_000)
      var player = TapePlayer(try TapeMarket.load(path: folder), start: start)
      var last = start
      var bids: [Int64] = []
      var first: [InstrumentID: Instant] = [:]
      for _ in 0..<60 {
        let event = player.next()
        #expect(event.time >= last)
        last = event.time
        if first[event.instrument] == nil { first[event.instrument] = event.time }
        if event.kind == .quote, event.instrument == InstrumentID(0) { bids.append(event.bid.ticks) }
        if event.kind == .mark { #expect(event.nextFunding > event.time) }
      }
      #expect(Array(bids.prefix(4)) == [1_000, 2_000, 1_000, 2_000])
      #expect(first == [InstrumentID(0): start, InstrumentID(1): start])
    }
  }

  @Test("puts history before the start, scaled to join it")
  func history() throws {
    let csv =
      "open_time_ms,open,high,low,close,volume\n"
      + (0..<120).map {
        "\(1_746_372_780_000 + $0 * 60_000),\(200 + $0),\(202 + $0),\(199 + $0),\(201 + $0),3.5\n"
      }.joined()
    let files = [
      "raw/a.txt": Self.trade("1680652800000", "642.0", "0.5", maker: false)
        + Self.quote("1680652800001", "642.0", "642.5"),
      "klines/BTCUSDT_1m.csv": csv,
    ]
    try Self.withFolder(files) { folder in
      let tape = try TapeMarket.load(path: folder + "/raw")
      let end = Instant(milliseconds: 1_795_250_040_000)
      let bars = tape.history.bars(InstrumentID(0), .minute1, from: .never, to: end, end: end, countMax: 500)
      #expect(bars.count == 120)
      #expect(bars.last?.openTime == end.advanced(byNanoseconds: -60_000_000_000))
      #expect(bars.last?.closeTicks == 1_284, "last close 320 became 642")
      #expect(bars.first?.openTicks == 803, "200 × 642 ÷ 320 = 401.25, on a grid of 0.5")
      let hours = tape.history.bars(InstrumentID(0), .hour1, from: .never, to: end, end: end, countMax: 2)
      #expect(hours.count == 2 && hours.last?.closeTicks == 1_284)
      #expect(hours.allSatisfy { $0.openTime.milliseconds % 3_600_000 == 0 })
    }
  }

  @Test("names file, line and fix when a file cannot be played")
  func refusals() throws {
    func reason(_ files: [String: String]) throws -> String {
      try Self.withFolder(files) { folder in
        do {
          _ = try TapeMarket.load(path: folder)
          return "played"
        } catch { return "\(error)".replacingOccurrences(of: folder + "/", with: "") }
      }
    }
    let sinceMidnight = try reason(["ADAUSDT_1m.csv": "0,0.3067,0.3068,0.3066,0.3068,274004\n"])
    #expect(sinceMidnight.hasPrefix("ADAUSDT_1m.csv:1: open time 0 is not an epoch time"))
    #expect(sinceMidnight.contains("add the day's epoch milliseconds to the first column"))
    #expect(
      try reason(["a.txt": "43200000 {}\n"]).hasPrefix("a.txt:1: receive time 43200000 is not an epoch time"))
    #expect(try reason(["a.txt": "hello\n"]).hasPrefix("a.txt:1: line starts with 'hello'"))
    let missing = Self.quote("1680652800000", "1.0", "1.1").replacingOccurrences(of: "\"B\"", with: "\"Z\"")
    #expect(try reason(["a.txt": missing]).hasPrefix("a.txt:1: member \"B\""))
    #expect(try reason([:]).contains("holds no recorded stream"))
    #expect(
      try reason(["a.txt": #"1680652800000 {"lastUpdateId":1}"# + "\n"]).contains(
        "no recorded quotes or trades"))
  }

  @Test(
    "plays the recorded files beside the project",
    .enabled(if: RecordedData.isPresent, "the recorded data is not there: ../shared/data/binance"))
  func recordedFiles() throws {
    let tape = try TapeMarket.load(path: RecordedData.folder + "/ws/raw/ethusdt_20240718.gz")
    #expect(tape.table.instruments.map(\.symbol) == ["ETHUSDT"])
    let rules = tape.table.instruments[0].rules
    #expect(rules.tickE8 == 1_000_000 && rules.stepE8 == 100_000)
    #expect(rules.text(Price(ticks: rules.priceTicksMax)) == "100000000.00", "limits can be written")
    #expect(rules.text(Quantity(steps: rules.quantityStepsMax)) == "100000000.000")
    let events = tape.tracks[0].events
    #expect(events.filter { $0.kind == .quote }.count == 9_089)
    let fills = events.filter { $0.detail == TapeMarket.singleFill }
    let aggregates = events.filter { $0.kind == .trade && $0.detail == 0 }
    #expect(fills.count > 1_500 && aggregates.count < fills.count)
    #expect(aggregates.reduce(0) { $0 + $1.tradeCount } == Int64(fills.count))
    #expect(aggregates.reduce(0) { $0 + $1.quantity.steps } == fills.reduce(0) { $0 + $1.quantity.steps })
    let end = Instant(milliseconds: 1_795_250_040_000)
    let bars = tape.history.bars(InstrumentID(0), .minute5, from: .never, to: end, end: end, countMax: 200)
    #expect(bars.count == 200 && bars.last?.closeTicks == tape.tracks[0].firstPrice.ticks)
  }
}
