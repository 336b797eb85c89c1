import Foundation
import Testing

@testable import SimulatorServer

@Suite("The simulator's REST port", .serialized)
struct RestTests {
  @Test("answers the public endpoints with the exchange's types")
  func publicEndpoints() async throws {
    try await TestSimulator.run(TestSimulator.generated()) { simulator in
      #expect(try await simulator.get("/fapi/v1/ping").body == Data("{}".utf8))
      let time = try await simulator.get("/fapi/v1/time").object()["serverTime"] as? Int64
      #expect(abs((time ?? 0) - simulator.now) < 2_000)
      let info = try await simulator.get("/fapi/v1/exchangeInfo").object()
      let symbols = try #require(info["symbols"] as? [[String: Any]])
      #expect(symbols.map { $0["symbol"] as? String } == ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"])
      let filters = try #require(symbols[0]["filters"] as? [[String: Any]])
      #expect(
        filters.first { $0["filterType"] as? String == "PRICE_FILTER" }?["tickSize"] as? String == "0.1")
      let depth = try await simulator.get("/fapi/v1/depth?symbol=BTCUSDT&limit=5").object()
      let bids = try #require(depth["bids"] as? [[String]])
      let asks = try #require(depth["asks"] as? [[String]])
      #expect(bids.count == 5 && asks.count == 5)
      #expect((Double(bids[0][0]) ?? 0) < (Double(asks[0][0]) ?? 0))
      #expect((Double(bids[4][0]) ?? 0) < (Double(bids[0][0]) ?? 0))
      #expect(try await simulator.get("/fapi/v1/depth?symbol=BTCUSDT&limit=7").code == -4021)
      let ticker = try await simulator.get("/fapi/v1/ticker/bookTicker?symbol=ETHUSDT").object()
      #expect(ticker["bidPrice"] is String && ticker["time"] is Int64)
      #expect(try await simulator.get("/fapi/v1/ticker/bookTicker").array().count == 4)
      #expect(try await simulator.get("/fapi/v2/ticker/price").array().count == 4)
      let premium = try await simulator.get("/fapi/v1/premiumIndex?symbol=ETHUSDT").object()
      let funding = try #require(premium["nextFundingTime"] as? Int64)
      #expect(funding > simulator.now && funding % 28_800_000 == 0)
      #expect(try await simulator.get("/fapi/v1/premiumIndex?symbol=NOPE").code == -1121)
      let unknown = try await simulator.get("/fapi/v1/nothing")
      #expect(unknown.status == 404 && unknown.code == -5000)
    }
  }

  @Test("serves candles that end at the running one, agree over timeframes and honour their limits")
  func klines() async throws {
    try await TestSimulator.run(TestSimulator.generated()) { simulator in
      func opens(_ target: String) async throws -> [Int64] {
        try await simulator.get("/fapi/v1/klines?symbol=BTCUSDT&" + target).array()
          .compactMap { ($0 as? [Any])?[0] as? Int64 }
      }
      for (name, length) in [
        ("1m", 60_000), ("5m", 300_000), ("15m", 900_000), ("1h", 3_600_000), ("1d", 86_400_000),
      ] {
        let times = try await opens("interval=\(name)&limit=200")
        #expect(times.count == 200)
        #expect(zip(times, times.dropFirst()).allSatisfy { $1 - $0 == Int64(length) })
        #expect(
          (times.last ?? 0) <= simulator.now && (times.last ?? 0) > simulator.now - Int64(length) - 2_000)
      }
      let row = try #require(
        try await simulator.get("/fapi/v1/klines?symbol=BTCUSDT&interval=1h&limit=2").array().first as? [Any])
      #expect(row.count == 12 && row[1] is String && row[6] is Int64 && row[8] is Int64)
      let start = simulator.now - 86_400_000
      let ranged = try await opens("interval=1h&startTime=\(start)&limit=3")
      #expect(ranged.count == 3 && (ranged.first ?? 0) >= start && (ranged.first ?? 0) < start + 3_600_000)
      let bounded = try await opens("interval=1h&startTime=\(start)&endTime=\(start + 7_200_000)")
      #expect(bounded.count == 2)
      let past = try await opens("interval=1m&endTime=\(start)&limit=10")
      #expect(past.count == 10 && (past.last ?? 0) <= start && (past.last ?? 0) > start - 60_000)
      #expect(try await simulator.get("/fapi/v1/klines?symbol=BTCUSDT&interval=7m").code == -1120)
      #expect(try await simulator.get("/fapi/v1/klines?interval=1m").code == -1102)
    }
  }

  @Test("counts request weight and refuses what goes beyond it")
  func weight() async throws {
    try await TestSimulator.run(TestSimulator.generated(weight: 24)) { simulator in
      // The window may turn between two requests; a second round then meets a fresh one.
      var refused: TestClient.Answer?
      for _ in 0..<2 where refused == nil {
        for _ in 0..<25 {
          let answer = try await simulator.get("/fapi/v1/ping")
          #expect(Int(answer.headers["x-mbx-used-weight-1m"] ?? "") != nil)
          if answer.status != 200 { refused = answer }
        }
      }
      #expect(refused?.status == 429 && refused?.code == -1003)
      #expect((1...60).contains(Int(refused?.headers["retry-after"] ?? "") ?? 0))
    }
  }

  @Test("checks keys, signatures and time for real")
  func signatures() async throws {
    var options = TestSimulator.generated()
    options.apiKey = "a-key"
    options.apiSecret = "a-secret"
    try await TestSimulator.run(options) { simulator in
      let path = "/fapi/v3/balance"
      #expect(try await simulator.signed("GET", path).status == 200)
      let bare = try await simulator.get(path)
      #expect(bare.status == 401 && bare.code == -2014)
      let payload = "timestamp=\(simulator.now)"
      func ask(_ key: String, _ secret: String) async throws -> TestClient.Answer {
        try await TestClient.request(
          port: simulator.restPort, "GET",
          "\(path)?\(payload)&signature=\(simulator.signature(payload, secret: secret))",
          headers: ["X-MBX-APIKEY": key])
      }
      let stranger = try await ask("another-key", "a-secret")
      #expect(stranger.status == 401 && stranger.code == -2015)
      #expect(!String(decoding: stranger.body, as: UTF8.self).contains("a-secret"))
      let forged = try await ask("a-key", "another-secret")
      #expect(forged.status == 400 && forged.code == -1022)
      #expect(try await simulator.signed("GET", path, timestamp: simulator.now - 6_000).code == -1021)
      #expect(try await simulator.signed("GET", path, timestamp: simulator.now + 3_000).code == -1021)
      #expect(
        try await simulator.signed("GET", path, "recvWindow=20000", timestamp: simulator.now - 6_000).status
          == 200)
    }
  }

  @Test("takes parameters from the query, the body, or both, and tells its own pair when none was set")
  func parameterPlaces() async throws {
    try await TestSimulator.run(TestSimulator.generated()) { simulator in
      func place(query: String, body: String) async throws -> TestClient.Answer {
        let whole = body + (body.isEmpty ? "" : "&") + "timestamp=\(simulator.now)"
        return try await TestClient.request(
          port: simulator.restPort, "POST", "/fapi/v1/order" + (query.isEmpty ? "" : "?" + query),
          body: whole + "&signature=" + simulator.signature(query + whole),
          headers: ["X-MBX-APIKEY": simulator.apiKey])
      }
      let text = "symbol=ETHUSDT&side=BUY&type=MARKET"
      let inBody = try await place(query: "", body: text + "&quantity=0.01")
      #expect(inBody.status == 200, "\(String(decoding: inBody.body, as: UTF8.self))")
      let mixed = try await place(query: text, body: "quantity=0.01")
      #expect(mixed.status == 200, "\(String(decoding: mixed.body, as: UTF8.self))")
      #expect(mixed.headers["x-mbx-order-count-1m"] == "2")
      let stranger = try await TestClient.request(
        port: simulator.restPort, "POST", "/fapi/v1/listenKey", headers: ["X-MBX-APIKEY": "guess"])
      #expect(stranger.code == -2015)
      #expect(String(decoding: stranger.body, as: UTF8.self).contains(SimulatorOptions.defaultAPISecret))
    }
  }

  @Test("refuses orders with the exchange's codes")
  func refusals() async throws {
    try await TestSimulator.run(TestSimulator.generated()) { simulator in
      let cases: [(String, Int)] = [
        ("symbol=BTCUSDT&side=BUY&type=STOP_MARKET&quantity=0.01&stopPrice=1", -4120),
        ("symbol=BTCUSDT&side=UP&type=MARKET&quantity=0.01", -1117),
        ("symbol=BTCUSDT&side=BUY&type=MARKET", -1102),
        ("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.0011", -1111),
        ("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0", -4003),
        ("symbol=XRPUSDT&side=BUY&type=MARKET&quantity=0.1", -4164),
        ("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=1", -4013),
        ("symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.01&reduceOnly=true", -2022),
        ("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=10", -2019),
        ("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01&newClientOrderId=no%20spaces", -4015),
        ("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01&positionSide=LONG", -4061),
        ("symbol=NOPE&side=BUY&type=MARKET&quantity=0.01", -1121),
      ]
      for (query, code) in cases {
        let answer = try await simulator.signed("POST", "/fapi/v1/order", query)
        #expect(
          answer.status == 400 && answer.code == code,
          "\(query): \(String(decoding: answer.body, as: UTF8.self))")
      }
      #expect(
        try await simulator.signed("POST", "/fapi/v1/marginType", "symbol=BTCUSDT&marginType=CROSSED").code
          == -4046)
      #expect(
        try await simulator.signed("POST", "/fapi/v1/positionSide/dual", "dualSidePosition=false").code
          == -4059)
      #expect(
        try await simulator.signed("POST", "/fapi/v1/leverage", "symbol=BTCUSDT&leverage=200").code == -4028)
      #expect(
        try await simulator.signed("GET", "/fapi/v1/order", "symbol=BTCUSDT&origClientOrderId=x").code
          == -2013)
      #expect(
        try await simulator.signed("DELETE", "/fapi/v1/order", "symbol=BTCUSDT&orderId=99").code == -2011)
    }
  }

  @Test("keeps a resting order through its life: open, asked for, named once, cancelled")
  func restingOrder() async throws {
    try await TestSimulator.run(TestSimulator.generated()) { simulator in
      let ticker = try await simulator.get("/fapi/v1/ticker/bookTicker?symbol=BTCUSDT").object()
      let bid = try #require(Double(ticker["bidPrice"] as? String ?? ""))
      let price = String(format: "%.1f", (bid * 0.97 * 10).rounded(.down) / 10)
      let query =
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.002&price=\(price)&newClientOrderId=aegis-1-a"
      let placed = try await simulator.signed("POST", "/fapi/v1/order", query).object()
      #expect(placed["status"] as? String == "NEW" && placed["clientOrderId"] as? String == "aegis-1-a")
      #expect(placed["price"] as? String == price && placed["avgPrice"] == nil)
      #expect(try await simulator.signed("POST", "/fapi/v1/order", query).code == -4116)
      let open = try await simulator.signed("GET", "/fapi/v1/openOrders").array()
      #expect(open.count == 1)
      let risk = try await simulator.signed("GET", "/fapi/v3/positionRisk").array()
      #expect((risk.first as? [String: Any])?["positionAmt"] as? String == "0.000")
      let asked = try await simulator.signed(
        "GET", "/fapi/v1/order", "symbol=BTCUSDT&origClientOrderId=aegis-1-a"
      ).object()
      #expect(asked["orderId"] as? Int64 == placed["orderId"] as? Int64)
      let cancelled = try await simulator.signed(
        "DELETE", "/fapi/v1/order", "symbol=BTCUSDT&origClientOrderId=aegis-1-a"
      ).object()
      #expect(cancelled["status"] as? String == "CANCELED")
      #expect(
        try await simulator.signed("DELETE", "/fapi/v1/order", "symbol=BTCUSDT&origClientOrderId=aegis-1-a")
          .code == -2011)
      #expect(
        try await simulator.signed("POST", "/fapi/v1/order", query).status == 200, "a name is free again")
      #expect(try await simulator.signed("DELETE", "/fapi/v1/allOpenOrders", "symbol=BTCUSDT").code == 200)
      #expect(try await simulator.signed("GET", "/fapi/v1/openOrders", "symbol=BTCUSDT").array().isEmpty)
      #expect(try await simulator.signed("GET", "/fapi/v1/allOrders", "symbol=BTCUSDT").array().count == 2)
    }
  }

  @Test("says which option cannot be used")
  func badOptions() async throws {
    var options = TestSimulator.generated()
    options.apiKey = "only-a-key"
    await #expect(
      throws: SimulatorError.option(
        name: "api-key", reason: "key and secret come together; give both or neither")
    ) {
      try await SimulatorServer(options: options).run { _ in }
    }
    try await TestSimulator.run(TestSimulator.generated()) { simulator in
      for isRest in [true, false] {
        var taken = TestSimulator.generated()
        if isRest { taken.restPort = simulator.restPort } else { taken.streamPort = simulator.streamPort }
        do {
          try await SimulatorServer(options: taken).run { _ in }
          Issue.record("a taken port must be refused")
        } catch SimulatorError.port(let number, let reason) {
          #expect(number == (isRest ? simulator.restPort : simulator.streamPort))
          #expect(reason.contains("choose another or 0"))
        }
      }
    }
  }
}
