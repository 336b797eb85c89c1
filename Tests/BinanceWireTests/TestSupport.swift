import BinanceWire
import Foundation
import Market

/// Two majors on their 2023 grids, a tiny price, a long symbol and one that is not ASCII.
let sampleTable = InstrumentTable(
  venue: "test",
  instruments: [
    Instrument(
      symbol: "BTCUSDT", baseAsset: "BTC", rules: InstrumentRules(tickE8: 10_000_000, stepE8: 100_000)),
    Instrument(
      symbol: "ETHUSDT", baseAsset: "ETH", rules: InstrumentRules(tickE8: 1_000_000, stepE8: 100_000)),
    Instrument(
      symbol: "1000SHIBUSDT", baseAsset: "1000SHIB", rules: InstrumentRules(tickE8: 100, stepE8: 100_000_000)),
    Instrument(
      symbol: "1000000VERYLONGNAMEUSDT", baseAsset: "1000000VERYLONGNAME",
      rules: InstrumentRules(tickE8: 1, stepE8: 1)),
    Instrument(symbol: "测试USDT", baseAsset: "测试", rules: InstrumentRules(tickE8: 7, stepE8: 2_500_000)),
  ])

typealias Scan = MarketMessageScanner.Scan

/// Scans bytes that are followed by hostile padding: digits, so that a number cut off would seem to go on.
func scan(_ scanner: inout MarketMessageScanner, _ bytes: [UInt8], padding: UInt8 = 0x31) -> Scan {
  let padded = bytes + [UInt8](repeating: padding, count: MarketMessageScanner.paddingBytes)
  return padded.withUnsafeBytes { raw in
    scanner.scan(UnsafeRawBufferPointer(rebasing: raw[..<bytes.count]), receivedNanoseconds: 77)
  }
}

func scan(_ scanner: inout MarketMessageScanner, _ text: String) -> Scan { scan(&scanner, Array(text.utf8)) }

extension Scan {
  /// Every word of an event, so that two can be compared.
  var words: [Int64]? {
    guard case .event(let event, let sequence) = self else { return nil }
    return [
      sequence, Int64(event.kind.rawValue), Int64(event.detail), Int64(event.flags.rawValue),
      Int64(event.instrument.index), event.time.nanoseconds, event.word0, event.word1, event.word2,
      event.word3,
      event.word4,
    ]
  }

  var isIgnored: Bool { if case .ignored = self { true } else { false } }
  var isControl: Bool { if case .control = self { true } else { false } }
  var isBatch: Bool { if case .batch = self { true } else { false } }
  var malformed: MarketMessageScanner.Malformed? {
    if case .malformed(let reason) = self { reason } else { nil }
  }
}

/// Random market messages, through the writer, with known contents.
struct MessageSource {
  var random: SeededRandom
  let writer: MarketMessageWriter
  let table: InstrumentTable

  init(seed: UInt64, table: InstrumentTable = sampleTable, hasNewerFields: Bool = true) {
    random = SeededRandom(seed: seed)
    writer = MarketMessageWriter(
      table: table, newerFields: hasNewerFields ? [.values, .source] : [])
    self.table = table
  }

  /// The event a correct reader finds, and the message.
  mutating func next(kind: UInt64? = nil) -> (event: MarketEvent, sequence: Int64, bytes: [UInt8]) {
    var bytes: [UInt8] = []
    let instrument = InstrumentID(Int(random.below(UInt64(table.count))))
    let milliseconds = Int64(1_600_000_000_000 + random.below(400_000_000_000))
    let time = Instant(milliseconds: milliseconds)
    let eventTime = Instant(milliseconds: milliseconds + Int64(random.below(20)))
    let id = Int64(random.below(1 << UInt64(1 + random.below(50))))
    let price = Price(ticks: 1 + Int64(random.below(1 << UInt64(1 + random.below(26)))))
    let quantity = Quantity(steps: 1 + Int64(random.below(1 << UInt64(1 + random.below(26)))))
    let isCombined = random.below(2) == 0
    switch kind ?? random.below(4) {
    case 0:
      let ask = Price(ticks: price.ticks + 1 + Int64(random.below(50)))
      let askQuantity = Quantity(steps: Int64(random.below(1 << 24)))
      writer.bookTicker(
        instrument, updateID: id, eventTime: eventTime, time: time, bid: price, bidQuantity: quantity,
        ask: ask,
        askQuantity: askQuantity, isCombined: isCombined, into: &bytes)
      return (
        .quote(
          instrument, time: time, bid: price, bidQuantity: quantity, ask: ask, askQuantity: askQuantity,
          receivedNanoseconds: 77), id, bytes
      )
    case 1:
      let count = Int64(random.below(40))
      let isMaker = random.below(2) == 0
      writer.aggregateTrade(
        instrument, aggregateID: id, firstTradeID: id * 2, lastTradeID: id * 2 + count, eventTime: eventTime,
        time: time, price: price, quantity: quantity, buyerIsMaker: isMaker, isCombined: isCombined,
        into: &bytes)
      return (
        .trade(
          instrument, time: time, price: price, quantity: quantity, aggregateID: id, tradeCount: count + 1,
          buyerIsMaker: isMaker, receivedNanoseconds: 77), id, bytes
      )
    case 2:
      let isMaker = random.below(2) == 0
      writer.trade(
        instrument, tradeID: id, eventTime: eventTime, time: time, price: price, quantity: quantity,
        buyerIsMaker: isMaker, isCombined: isCombined, into: &bytes)
      var event = MarketEvent.trade(
        instrument, time: time, price: price, quantity: quantity, aggregateID: id, buyerIsMaker: isMaker,
        receivedNanoseconds: 77)
      event.detail = MarketMessageScanner.singleTradeDetail
      return (event, id, bytes)
    default:
      let markE8 = 1 + Int64(random.below(1 << 43))
      let rateE8 = Int64(random.below(200_000)) - 100_000
      writer.markPrice(
        instrument, eventTime: eventTime, markE8: markE8, indexE8: markE8 + 5, fundingRateE8: rateE8,
        nextFunding: time, isCombined: isCombined, into: &bytes)
      return (
        .mark(
          instrument, time: eventTime, markE8: markE8, indexE8: markE8 + 5, fundingRateE8: rateE8,
          nextFundingMilliseconds: milliseconds, receivedNanoseconds: 77), eventTime.milliseconds, bytes
      )
    }
  }
}

/// Recorded exchange data beside the project; tests that need it are skipped without it.
enum RecordedData {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../../shared/data/binance").standardizedFileURL

  static var isThere: Bool { FileManager.default.fileExists(atPath: folder.appending(path: "ws/raw").path) }

  static func bytes(_ path: String) throws -> [UInt8] {
    Array(try Data(contentsOf: folder.appending(path: path)))
  }

  /// A gzip file's contents.
  static func unpacked(_ path: String) throws -> [UInt8] {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["gzip", "-dc", folder.appending(path: path).path]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return Array(data)
  }
}
