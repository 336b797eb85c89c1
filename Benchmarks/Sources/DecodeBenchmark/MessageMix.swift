import BinanceWire
import Market

/// A generated stretch of market messages, back to back, with the readable bytes behind that the scanner asks
/// for.
struct MessageMix {
  let table: InstrumentTable
  private(set) var bytes: [UInt8] = []
  private(set) var lengths: [UInt16] = []

  init(messageCount: Int, symbolCount: Int, seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let ticks: [Int64] = [10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100]
    let steps: [Int64] = [100_000, 1_000_000, 10_000_000, 100_000_000]
    table = InstrumentTable(
      venue: "benchmark",
      instruments: (0..<symbolCount).map { index in
        let letters = (0..<(2 + random.below(6))).map { _ in
          Character(Unicode.Scalar(UInt8(65 + random.below(26))))
        }
        return Instrument(
          symbol: String(letters) + "\(index)USDT", baseAsset: String(letters),
          rules: InstrumentRules(
            tickE8: ticks[Int(random.below(UInt64(ticks.count)))],
            stepE8: steps[Int(random.below(UInt64(steps.count)))]))
      })
    let writer = MarketMessageWriter(table: table)
    var prices = (0..<symbolCount).map { _ in 20_000 + Int64(random.below(1_000_000)) }
    var ids = (0..<symbolCount).map { _ in 1_000_000_000 + Int64(random.below(1_000_000_000)) }
    var milliseconds: Int64 = 1_795_250_000_000
    var updateID: Int64 = 5_123_107_832_006
    bytes.reserveCapacity(messageCount * 260)
    for index in 0..<messageCount {
      let symbol = Int(random.below(UInt64(symbolCount)))
      let instrument = InstrumentID(symbol)
      if index % 30 == 0 { milliseconds += 1 }
      let time = Instant(milliseconds: milliseconds)
      prices[symbol] += Int64(random.below(3)) - 1
      let price = Price(ticks: prices[symbol])
      let quantity = Quantity(steps: 1 + Int64(random.below(100_000)))
      let before = bytes.count
      switch random.below(100) {
      case 0..<62:
        updateID += 1 + Int64(random.below(100))
        writer.bookTicker(
          instrument, updateID: updateID, eventTime: time, time: time, bid: price, bidQuantity: quantity,
          ask: Price(ticks: price.ticks + 1), askQuantity: Quantity(steps: 1 + Int64(random.below(100_000))),
          isCombined: true, into: &bytes)
      case 62..<92:
        ids[symbol] += 1
        writer.aggregateTrade(
          instrument, aggregateID: ids[symbol], firstTradeID: ids[symbol] * 2,
          lastTradeID: ids[symbol] * 2 + 1,
          eventTime: time, time: time, price: price, quantity: quantity, buyerIsMaker: random.below(2) == 0,
          isCombined: true, into: &bytes)
      case 92..<96:
        let candle = Candle(
          openTime: Timeframe.minute1.openTime(of: time), open: price, high: price, low: price, close: price,
          volume: quantity, tradeCount: 3)
        writer.kline(
          instrument, .minute1, candle, eventTime: time, quoteVolume: Quote(e8: 12_345_678_900),
          isClosed: false,
          isCombined: true, into: &bytes)
      default:
        let markE8 = price.ticks * table.instruments[symbol].rules.tickE8
        // Two marks of a symbol in one millisecond would be one sequence twice.
        milliseconds += 1
        writer.markPrice(
          instrument, eventTime: Instant(milliseconds: milliseconds), markE8: markE8, indexE8: markE8,
          fundingRateE8: 10_000, nextFunding: time, isCombined: true, into: &bytes)
      }
      lengths.append(UInt16(bytes.count - before))
    }
    bytes += [UInt8](repeating: 0, count: MarketMessageScanner.paddingBytes)
  }

  /// What the scanner reads of the first messages, to compare with the decoder.
  func checksum(firstMessages count: Int) -> Int64 {
    var scanner = MarketMessageScanner(table: table)
    var checksum: Int64 = 0
    var offset = 0
    bytes.withUnsafeBytes { raw in
      for length in lengths.prefix(count) {
        let message = UnsafeRawBufferPointer(rebasing: raw[offset..<(offset + Int(length))])
        offset += Int(length)
        guard case .event(let event, let sequence) = scanner.scan(message, receivedNanoseconds: 1) else {
          continue
        }
        checksum &+= event.word0 &+ event.word1 &+ event.word2 &+ event.word3 &+ sequence
      }
    }
    return checksum
  }
}
