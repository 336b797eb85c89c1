import Market
import Testing

@testable import Binance

@Suite("The stream plan")
struct StreamPlanTests {
  static func table(_ count: Int) -> InstrumentTable {
    InstrumentTable(
      venue: "simulator",
      instruments: (0..<count).map {
        Instrument(
          symbol: "S\($0)USDT", baseAsset: "S\($0)",
          rules: InstrumentRules(tickE8: 10_000_000, stepE8: 100_000))
      })
  }

  @Test(
    "puts every stream of every instrument on one connection of the right entry",
    arguments: [1, 99, 100, 101, 300])
  func coversEverything(count: Int) {
    let table = Self.table(count)
    let plans = StreamPlan.connections(for: Array(table.ids))
    #expect(plans.map(\.number) == Array(plans.indices))
    for entry in StreamEntry.allCases {
      let mine = plans.filter { $0.entry == entry }
      #expect(mine.flatMap(\.instruments) == Array(table.ids))
      #expect(mine.allSatisfy { $0.instruments.count * entry.streamsPerInstrument <= 200 })
    }
  }

  @Test("subscribes in numbered batches of at most a hundred streams")
  func subscribesInBatches() throws {
    let table = Self.table(80)
    let plans = StreamPlan.connections(for: Array(table.ids))
    let market = try #require(plans.first { $0.entry == .marketData })
    let texts = StreamPlan.subscriptions(of: market, table: table)
    #expect(texts.count == 2)
    #expect(texts[0].hasPrefix(#"{"method":"SUBSCRIBE","params":["s0usdt@aggTrade","s0usdt@markPrice@1s","#))
    #expect(texts[1].hasSuffix(#""s79usdt@markPrice@1s"],"id":2}"#))
    #expect(texts.map { $0.split(separator: "@aggTrade").count - 1 }.reduce(0, +) == 80)
  }

  @Test(
    "reads stream addresses, and refuses plain ones to other machines",
    arguments: [
      ("wss://fstream.binance.com", StreamEndpoint(isSecure: true, host: "fstream.binance.com", port: 443)),
      ("ws://127.0.0.1:8080/", StreamEndpoint(isSecure: false, host: "127.0.0.1", port: 8080)),
      ("ws://[::1]:9/x/", StreamEndpoint(isSecure: false, host: "::1", port: 9, path: "/x")),
      ("wss://HOST:1/a", StreamEndpoint(isSecure: true, host: "host", port: 1, path: "/a")),
      ("ws://fstream.binance.com", nil), ("ws://127.evil.com", nil), ("http://localhost", nil),
      ("wss://user@host", nil), ("wss://host:0", nil), ("wss://host:99999", nil), ("wss://", nil),
      ("wss://host/?x", nil), ("", nil), ("ws://localhost.evil.com:1", nil),
    ])
  func readsAddresses(url: String, endpoint: StreamEndpoint?) {
    #expect(StreamEndpoint(url: url) == endpoint)
  }
}
