import BinanceWire
import Market
import Testing

@Suite("The market message writer")
struct MarketMessageWriterTests {
  let writer = MarketMessageWriter(table: sampleTable, newerFields: [])

  @Test("writes a quote as it was recorded")
  func quote() {
    var buffer: [UInt8] = []
    writer.bookTicker(
      InstrumentID(0), updateID: 2_710_249_422_918, eventTime: Instant(milliseconds: 1_680_652_800_093),
      time: Instant(milliseconds: 1_680_652_800_089), bid: Price(ticks: 281_551),
      bidQuantity: Quantity(steps: 60),
      ask: Price(ticks: 281_552), askQuantity: Quantity(steps: 3793), isCombined: true, into: &buffer)
    #expect(
      String(decoding: buffer, as: UTF8.self)
        == MarketMessageScannerTests.quote.replacing("28155.10", with: "28155.1").replacing(
          "28155.20", with: "28155.2"))
  }

  @Test("writes a candle that says what it holds")
  func kline() {
    var buffer: [UInt8] = []
    let candle = Candle(
      openTime: Instant(milliseconds: 1_680_652_800_000), open: Price(ticks: 10), high: Price(ticks: 30),
      low: Price(ticks: 5), close: Price(ticks: 20), volume: Quantity(steps: 1500), tradeCount: 7)
    writer.kline(
      InstrumentID(0), .minute1, candle, eventTime: Instant(milliseconds: 1_680_652_860_001),
      quoteVolume: Quote(e8: 300_000_000), isClosed: true, isCombined: false, into: &buffer)
    #expect(
      String(decoding: buffer, as: UTF8.self)
        == #"{"e":"kline","E":1680652860001,"s":"BTCUSDT","k":{"t":1680652800000,"T":1680652859999,"s":"BTCUSDT","i":"1m","f":-1,"L":-1,"o":"1.0","c":"2.0","h":"3.0","l":"0.5","v":"1.500","n":7,"x":true,"q":"3.00000000","V":"0.750","Q":"1.50000000","B":"0"}}"#
    )
    var scanner = MarketMessageScanner(table: sampleTable)
    #expect(scan(&scanner, buffer).isIgnored)
  }

  @Test("appends to what is there and grows nothing once the buffer is large enough")
  func reuse() {
    var buffer: [UInt8] = []
    buffer.reserveCapacity(10_000)
    for _ in 0..<10 {
      writer.trade(
        InstrumentID(2), tradeID: 1, eventTime: Instant(milliseconds: 1), time: Instant(milliseconds: 1),
        price: Price(ticks: 12_345_678), quantity: Quantity(steps: 1), buyerIsMaker: true, isCombined: false,
        into: &buffer)
    }
    let one =
      #"{"e":"trade","E":1,"T":1,"s":"1000SHIBUSDT","t":1,"p":"12.345678","q":"1","X":"MARKET","m":true}"#
    #expect(String(decoding: buffer, as: UTF8.self) == String(repeating: one, count: 10))
    #expect(buffer.capacity < 20_000)
  }

  @Test("writes every decimal as the rules would", arguments: UInt64(0)..<20)
  func decimals(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<50 {
      let index = Int(random.below(UInt64(sampleTable.count)))
      let rules = sampleTable.instruments[index].rules
      let price = Price(ticks: Int64(random.below(1 << UInt64(1 + random.below(36)))))
      var buffer: [UInt8] = []
      writer.trade(
        InstrumentID(index), tradeID: 1, eventTime: .never, time: .never, price: price,
        quantity: Quantity(steps: 3),
        buyerIsMaker: false, isCombined: false, into: &buffer)
      let text = String(decoding: buffer, as: UTF8.self)
      #expect(text.contains(#""p":"\#(rules.text(price))","#), "seed \(seed): \(text)")
    }
  }
}
