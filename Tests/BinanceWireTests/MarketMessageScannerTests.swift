import BinanceWire
import Market
import Testing

@Suite("The market message scanner")
struct MarketMessageScannerTests {
  static let quote =
    #"{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":2710249422918,"s":"BTCUSDT","b":"28155.10","B":"0.060","a":"28155.20","A":"3.793","T":1680652800089,"E":1680652800093}}"#
  static let expectedQuote = MarketEvent.quote(
    InstrumentID(0), time: Instant(milliseconds: 1_680_652_800_089), bid: Price(ticks: 281_551),
    bidQuantity: Quantity(steps: 60), ask: Price(ticks: 281_552), askQuantity: Quantity(steps: 3793),
    receivedNanoseconds: 77)

  @Test("reads a recorded quote on the fast path")
  func recordedQuote() {
    var scanner = MarketMessageScanner(table: sampleTable)
    let result = scan(&scanner, Self.quote)
    #expect(result.words == Scan.event(Self.expectedQuote, sequence: 2_710_249_422_918).words)
    #expect(scanner.fallbackCount == 0)
  }

  @Test(
    "reads the other key orders and newer fields on the fast path",
    arguments: [
      #"{"e":"bookTicker","u":2710249422918,"E":1680652800093,"T":1680652800089,"s":"BTCUSDT","b":"28155.10","B":"0.060","a":"28155.20","A":"3.793"}"#,
      #"{"e":"bookTicker","u":2710249422918,"E":1680652800093,"T":1680652800089,"s":"BTCUSDT","b":"28155.10","B":"0.060","a":"28155.20","A":"3.793","st":1,"ps":"BTCUSDT"}"#,
      #"{"stream":"x","data":{"e":"bookTicker","u":2710249422918,"s":"BTCUSDT","b":"28155.1","B":"0.06","a":"28155.20000000","A":"3.793","T":1680652800089,"E":1680652800093,"ps":"BTCUSDT","st":1}}"#,
    ])
  func otherOrders(text: String) {
    var scanner = MarketMessageScanner(table: sampleTable)
    #expect(scan(&scanner, text).words == Scan.event(Self.expectedQuote, sequence: 2_710_249_422_918).words)
    #expect(scanner.fallbackCount == 0)
  }

  @Test("reads any key order, white space and unknown keys, and counts that it had to")
  func general() {
    var scanner = MarketMessageScanner(table: sampleTable)
    let text =
      #" {"data": {"A":"3.793","new":{"x":[1,{"y":null}],"z":"\u00e9\n"},"T":1680652800089, "a":"28155.20","E":1680652800093,"b":"28155.10", "B":"0.060","s":"BTCUSDT","u":2710249422918,"e":"bookTicker","st":1},"stream":"a"} "#
    #expect(scan(&scanner, text).words == Scan.event(Self.expectedQuote, sequence: 2_710_249_422_918).words)
    #expect(scanner.fallbackCount == 1)
  }

  @Test("reads aggregate trades with and without the newer quantity")
  func aggregateTrade() {
    var scanner = MarketMessageScanner(table: sampleTable)
    let expected = MarketEvent.trade(
      InstrumentID(1), time: Instant(milliseconds: 123_456_785), price: Price(ticks: 342_498),
      quantity: Quantity(steps: 22), aggregateID: 5_933_014, tradeCount: 6, buyerIsMaker: true,
      receivedNanoseconds: 77)
    for text in [
      #"{"e":"aggTrade","E":123456789,"a":5933014,"s":"ETHUSDT","p":"3424.98","q":"0.022","f":100,"l":105,"T":123456785,"m":true}"#,
      #"{"e":"aggTrade","E":123456789,"s":"ETHUSDT","a":5933014,"p":"3424.98","q":"0.022","nq":"0.021","f":100,"l":105,"T":123456785,"m":true,"st":1}"#,
    ] {
      #expect(scan(&scanner, text).words == Scan.event(expected, sequence: 5_933_014).words)
    }
    #expect(scanner.fallbackCount == 0)
  }

  @Test("marks single trades, so that their ids are not taken for aggregate ids")
  func singleTrade() {
    var scanner = MarketMessageScanner(table: sampleTable)
    let result = scan(
      &scanner,
      #"{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false}}"#
    )
    guard case .event(let event, let sequence) = result else { return #expect(Bool(false), "no event") }
    #expect(event.detail == MarketMessageScanner.singleTradeDetail)
    #expect(event.price.ticks == 618_003 && event.quantity.steps == 6 && sequence == 5_266_583_935)
    #expect(scanner.fallbackCount == 0)
  }

  @Test(
    "reads the mark price in its three shapes",
    arguments: [
      #""p":"28155.10000000","P":"28141.47600845","i":"28165.04857143","r":"-0.00002760""#,
      #""p":"28155.10000000","i":"28165.04857143","P":"28141.47600845","r":"-0.00002760""#,
      #""p":"28155.10000000","ap":"28150.00000001","i":"28165.04857143","P":"28141.47600845","r":"-0.00002760""#,
    ])
  func mark(fields: String) {
    var scanner = MarketMessageScanner(table: sampleTable)
    let text = #"{"e":"markPriceUpdate","E":1680652800010,"s":"BTCUSDT","# + fields + #","T":1680652800000}"#
    let expected = MarketEvent.mark(
      InstrumentID(0), time: Instant(milliseconds: 1_680_652_800_010), markE8: 2_815_510_000_000,
      indexE8: 2_816_504_857_143, fundingRateE8: -2760, nextFundingMilliseconds: 1_680_652_800_000,
      receivedNanoseconds: 77)
    #expect(scan(&scanner, text).words == Scan.event(expected, sequence: 1_680_652_800_010).words)
    #expect(scanner.fallbackCount == 0)
  }

  @Test(
    "ignores what is not ours",
    arguments: [
      #"{"e":"kline","E":1,"s":"BTCUSDT","k":{"t":1,"T":2,"s":"BTCUSDT","i":"1m"}}"#,
      #"{"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","U":1,"u":1,"pu":1,"b":[["1.0","2"]],"a":[]}"#,
      #"{"e":"somethingNew","x":1}"#,
      #"{"e":"bookTicker","u":1,"s":"NOTOURSUSDT","b":"1.0","B":"1","a":"2.0","A":"1","T":1,"E":1}"#,
      #"{"e":"bookTicker","u":1,"s":"BTCUSDT","b":"1.0","B":"1","a":"2.0","A":"1","T":1,"E":1,"st":2}"#,
      #"{"e":"trade","E":1,"T":1,"s":"BTCUSDT","t":1,"p":"0","q":"0","X":"NA","m":false}"#,
      #"{"e":"trade","E":1,"T":1,"s":"BTCUSDT","t":1,"p":"0.00","q":"0.000","X":"MARKET","m":false}"#,
      #"{"e":"trade","E":1,"T":1,"s":"BTCUSDT","t":1,"p":"100.0","q":"1","X":"INSURANCE_FUND","m":false}"#,
    ])
  func ignored(text: String) {
    var scanner = MarketMessageScanner(table: sampleTable)
    #expect(scan(&scanner, text).isIgnored)
  }

  @Test(
    "recognises answers to subscriptions",
    arguments: [
      #"{"result":null,"id":1}"#, #"{"id":"9f1c","result":["btcusdt@aggTrade"]}"#,
      #"{"code":2,"msg":"Invalid request"}"#,
      #"{"error":{"code":2,"msg":"x"},"id":null}"#,
    ])
  func control(text: String) {
    var scanner = MarketMessageScanner(table: sampleTable)
    #expect(scan(&scanner, text).isControl)
  }

  @Test("hands out every element of an array, raw or enveloped")
  func batch() {
    let element =
      #"{"e":"markPriceUpdate","E":1680652800010,"s":"BTCUSDT","p":"28155.1","P":"1","i":"1","r":"0","T":1680652800000}"#
    for text in [
      "[\(element),\(element)]", #"{"stream":"!markPrice@arr","data":["# + element + "," + element + "]}",
    ] {
      var scanner = MarketMessageScanner(table: sampleTable)
      #expect(scan(&scanner, text).isBatch)
      let padded = Array(text.utf8) + [UInt8](repeating: 0, count: 64)
      var events = 0
      padded.withUnsafeBytes { raw in
        scanner.forEach(
          in: UnsafeRawBufferPointer(rebasing: raw[..<(raw.count - 64)]), receivedNanoseconds: 0
        ) {
          if $0.words != nil { events += 1 }
        }
      }
      #expect(events == 2)
    }
  }

  @Test(
    "refuses bad numbers with the reason",
    arguments: [
      ("28155.15", MarketMessageScanner.Malformed.offGrid), ("028155.10", .number), ("-28155.10", .number),
      ("28155.", .number), (".10", .number), ("", .number), ("NaN", .number), ("1e308", .number),
      ("1e5", .number),
      ("99999999999999999999", .number), ("28155.100000001", .number), (" 28155.10", .number),
      ("28,155.10", .number),
      ("+28155.10", .number), ("Infinity", .number), ("0x10", .number),
    ])
  func badNumbers(text: String, reason: MarketMessageScanner.Malformed) {
    var scanner = MarketMessageScanner(table: sampleTable)
    #expect(scan(&scanner, Self.quote.replacing("28155.10", with: text)).malformed == reason)
  }

  @Test("refuses every truncation, whatever stands behind it")
  func truncations() {
    var scanner = MarketMessageScanner(table: sampleTable)
    let bytes = Array(Self.quote.utf8)
    for count in 0..<bytes.count {
      for padding: UInt8 in [0, 0x31, 0x7D, 0x22] {
        #expect(scan(&scanner, Array(bytes[..<count]), padding: padding).words == nil, "cut at \(count)")
      }
      // The rest of the message itself, as in a buffer that is used again.
      let whole = bytes + [UInt8](repeating: 0x20, count: 64)
      let result = whole.withUnsafeBytes { raw in
        scanner.scan(UnsafeRawBufferPointer(rebasing: raw[..<count]), receivedNanoseconds: 0)
      }
      #expect(result.words == nil, "cut at \(count) with its own rest behind")
    }
  }

  @Test("refuses nesting beyond the limit and messages beyond the size")
  func limits() {
    var scanner = MarketMessageScanner(table: sampleTable)
    let deep = String(repeating: "[", count: 1000) + String(repeating: "]", count: 1000)
    #expect(scan(&scanner, #"{"e":"bookTicker","x":"# + deep + "}").malformed == .depth)
    #expect(scan(&scanner, [UInt8](repeating: 0x20, count: 10_000_000)).malformed == .size)
  }

  @Test(
    "refuses doubled, missing and mistyped fields",
    arguments: [
      #"{"e":"bookTicker","u":1,"u":2,"s":"BTCUSDT","b":"1.0","B":"1","a":"2.0","A":"1","T":1,"E":1}"#,
      #"{"e":"bookTicker","u":1,"s":"BTCUSDT","b":"1.0","B":"1","a":"2.0","T":1,"E":1}"#,
      #"{"e":"bookTicker","u":"1","s":"BTCUSDT","b":"1.0","B":"1","a":"2.0","A":"1","T":1,"E":1}"#,
      #"{"e":"bookTicker","u":1,"s":"BTCUSDT","b":1.0,"B":"1","a":"2.0","A":"1","T":1,"E":1}"#,
      #"{"e":"bookTicker","u":1,"s":"BTCUSDT","b":"1.0","B":"1","a":"2.0","A":"1","T":-1,"E":1}"#,
      #"{"e":"bookTicker","u":1,"s":"BTCUSDT","b":"1.0","B":"1","a":"2.0","A":"1","T":99999999999999,"E":1}"#,
      #"{"e":"aggTrade","E":1,"a":1,"s":"BTCUSDT","p":"1.0","q":"1","f":9,"l":8,"T":1,"m":true}"#,
      #"{"e":"aggTrade","E":1,"a":1,"s":"BTCUSDT","p":"1.0","q":"1","f":8,"l":8,"T":1,"m":1}"#,
      #"{"e":"bookTicker","u":01,"s":"BTCUSDT","b":"1.0","B":"1","a":"2.0","A":"1","T":1,"E":1}"#,
      #"{"e":"bookTicker","u":1,"s":"BTCUSDT","b":"1.0","B":"1","a":"2.0","A":"1","T":1,"E":1}x"#,
      #"{"e":"bookTicker","u":1,"s":"BTCUSDT","b":"1.0","B":"1","a":"2.0","A":"1","T":1,"E":1"#,
    ])
  func badFields(text: String) {
    var scanner = MarketMessageScanner(table: sampleTable)
    #expect(scan(&scanner, text).malformed != nil)
  }

  @Test("finds every symbol of a large table, and none that only looks like one")
  func symbols() {
    let table = InstrumentTable(
      venue: "test",
      instruments: (0..<4096).map {
        Instrument(
          symbol: String("S\($0)" + String(repeating: "X", count: $0 % 27)), baseAsset: "S",
          rules: InstrumentRules(tickE8: 1, stepE8: 1))
      })
    var scanner = MarketMessageScanner(table: table)
    for (index, instrument) in table.instruments.enumerated() {
      let text =
        #"{"e":"bookTicker","u":1,"s":"\#(instrument.symbol)","b":"1.0","B":"1","a":"2.0","A":"1","T":1,"E":1}"#
      #expect(scan(&scanner, text).words?[4] == Int64(index))
      #expect(scan(&scanner, text.replacing(#"","b""#, with: #"_","b""#)).isIgnored)
    }
  }
}
