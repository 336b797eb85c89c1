import BinanceWire
import Market
import Testing

@Suite("The exchange's list of contracts")
struct ExchangeInfoTests {
  @Test("survives encoding and decoding")
  func roundTrip() throws {
    let rules = InstrumentRules(
      tickE8: 10_000_000, stepE8: 100_000, priceTicksMin: 2611, priceTicksMax: 8_090_000, quantityStepsMin: 1,
      quantityStepsMax: 1_000_000, marketStepsMax: 120_000, notionalMinE8: 10_000_000_000)
    let table = InstrumentTable(
      version: 3, venue: "v",
      instruments: [
        Instrument(symbol: "BTCUSDT", baseAsset: "BTC", rules: rules, onboardMilliseconds: 1_569_398_400_000),
        Instrument(symbol: "测试USDT", baseAsset: "测试", rules: InstrumentRules(tickE8: 7, stepE8: 2_500_000)),
      ])
    let body = ExchangeInfo.encode(table, serverTime: Instant(milliseconds: 5))
    let info = try ExchangeInfo.decode(body, venue: "v", version: 3)
    #expect(info.table == table && info.skipped.isEmpty && info.rateLimits == RateLimit.published)
    #expect(body == ExchangeInfo.encode(table, serverTime: Instant(milliseconds: 5)), "same bytes")
    let text = String(decoding: body, as: UTF8.self)
    #expect(text.contains(#""tickSize":"0.1""#) && text.contains(#""deliveryDate":4133404800000"#))
    #expect(text.contains(#""limit":200"#) && text.contains(#""notional":"100""#))
  }

  @Test("the fallback is twenty contracts that survive the document")
  func fallback() throws {
    let table = ExchangeInfo.fallbackMajors(venue: "binance")
    #expect(table.count == 20)
    let info = try ExchangeInfo.decode(
      ExchangeInfo.encode(table, serverTime: .never), venue: "binance")
    #expect(info.table == table)
  }

  @Test("one bad contract is named and does not spoil the rest")
  func badContracts() throws {
    let table = InstrumentTable(
      venue: "v",
      instruments: ["AUSDT", "BUSDT", "CUSDT", "DUSDT", "EUSDT"].map {
        Instrument(symbol: $0, baseAsset: "X", rules: InstrumentRules(tickE8: 1_000, stepE8: 1_000))
      })
    var text = String(decoding: ExchangeInfo.encode(table, serverTime: .never), as: UTF8.self)
    func change(_ symbol: String, _ from: String, _ to: String) {
      let parts = text.components(splitBy: #"{"symbol":"#)
      text = parts.map { $0.hasPrefix(#""\#(symbol)""#) ? $0.replacing(from, with: to) : $0 }
        .joined(separator: #"{"symbol":"#)
    }
    change("AUSDT", "PRICE_FILTER", "OTHER_FILTER")
    change("BUSDT", #""tickSize":"0.00001""#, #""tickSize":"0""#)
    change("CUSDT", #""status":"TRADING""#, #""status":"SETTLING""#)
    change("DUSDT", #""onboardDate":0"#, #""onboardDate":"soon""#)
    let info = try ExchangeInfo.decode(Array(text.utf8), venue: "v")
    #expect(info.table.instruments.map(\.symbol) == ["EUSDT"])
    #expect(info.skipped.map(\.symbol).sorted() == ["AUSDT", "BUSDT", "DUSDT"])
    #expect(info.skipped.contains { $0.description == "AUSDT: filter PRICE_FILTER is missing" })
  }

  @Test("a document without a contract is an error that says so")
  func empty() {
    #expect(throws: WireError.self) { try ExchangeInfo.decode(Array("{}".utf8), venue: "v") }
    #expect(
      throws: WireError.malformed("exchangeInfo", detail: "no trading USDT perpetual among 0 contracts")
    ) {
      try ExchangeInfo.decode(Array(#"{"symbols":[]}"#.utf8), venue: "v")
    }
  }

  @Test(
    "reads a real document",
    .enabled(if: RecordedData.isThere, "needs the recorded answers beside the project"))
  func recorded() throws {
    let info = try ExchangeInfo.decode(
      try RecordedData.unpacked("rest/exchangeInfo_full_20210721.json.gz"), venue: "binance")
    #expect(info.table.count > 80 && info.skipped.isEmpty)
    #expect(info.rateLimits.count == 3)
    let bitcoin = try #require(info.table.instruments.first { $0.symbol == "BTCUSDT" })
    #expect(bitcoin.rules.tickE8 == 1_000_000 && bitcoin.rules.stepE8 == 100_000)
    #expect(bitcoin.rules.notionalMinE8 == 500_000_000 && bitcoin.rules.multiplierUpE8 == 115_000_000)
    #expect(info.table.instruments.map(\.symbol) == info.table.instruments.map(\.symbol).sorted())
  }
}

extension String {
  fileprivate func components(splitBy separator: String) -> [String] {
    split(separator: separator, omittingEmptySubsequences: false).map(String.init)
  }
}
