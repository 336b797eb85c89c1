import Foundation
import Testing

@testable import SimulatorServer

@Suite("The simulator's stream port", .serialized)
struct StreamTests {
  static func id(_ object: [String: Any], _ id: Int) -> Bool { object["id"] as? Int == id }

  @Test("carries each stream on its own entry point, raw and combined")
  func streams() async throws {
    try await TestSimulator.run(TestSimulator.generated()) { simulator in
      try await simulator.socket("/public/ws/btcusdt@bookTicker") { socket in
        let first = try socket.until { $0["e"] as? String == "bookTicker" }
        #expect(first["s"] as? String == "BTCUSDT" && first["b"] is String && first["u"] is Int64)
        let next = try socket.until { $0["e"] as? String == "bookTicker" }
        #expect((next["u"] as? Int64 ?? 0) > (first["u"] as? Int64 ?? 0))
      }
      try await simulator.socket(
        "/market/stream?streams=btcusdt@aggTrade/ethusdt@markPrice@1s/btcusdt@kline_1m"
      ) { socket in
        var seen: Set<String> = []
        var aggregates: [Int64] = []
        while seen.count < 3 || aggregates.count < 5 {
          let envelope = try socket.until { $0["stream"] != nil }
          guard let data = envelope["data"] as? [String: Any] else { continue }
          seen.insert(envelope["stream"] as? String ?? "")
          if data["e"] as? String == "aggTrade" {
            aggregates.append(data["a"] as? Int64 ?? 0)
            #expect((data["f"] as? Int64 ?? 1) <= (data["l"] as? Int64 ?? 0))
          }
        }
        #expect(seen == ["btcusdt@aggTrade", "ethusdt@markPrice@1s", "btcusdt@kline_1m"])
        #expect(zip(aggregates, aggregates.dropFirst()).allSatisfy { $1 == $0 + 1 })
      }
      try await simulator.socket("/market/ws/!markPrice@arr@1s") { socket in
        let frame = try #require(try socket.next())
        let all = try JSONSerialization.jsonObject(with: Data(frame.payload)) as? [[String: Any]]
        #expect(all?.count == 4)
      }
    }
  }

  @Test("answers control messages and echoes any id")
  func commands() async throws {
    try await TestSimulator.run(TestSimulator.generated()) { simulator in
      try await simulator.socket("/public/ws") { socket in
        try socket.send(
          #"{"method":"SUBSCRIBE","params":["btcusdt@bookTicker","ethusdt@trade"],"id":1,"more":{}}"#)
        let added = try socket.until { Self.id($0, 1) }
        #expect(added["result"] is NSNull)
        try socket.send(#"{"method":"LIST_SUBSCRIPTIONS","id":"text-id"}"#)
        let list = try socket.until { $0["id"] as? String == "text-id" }
        #expect(list["result"] as? [String] == ["btcusdt@bookTicker", "ethusdt@trade"])
        _ = try socket.until { $0["e"] as? String == "trade" }
        try socket.send(#"{"method":"SET_PROPERTY","params":["combined",true],"id":3}"#)
        _ = try socket.until { Self.id($0, 3) }
        let envelope = try socket.until { $0["stream"] != nil }
        #expect(envelope["data"] is [String: Any])
        try socket.send(#"{"method":"GET_PROPERTY","params":["combined"],"id":4}"#)
        let property = try socket.until { Self.id($0, 4) }
        #expect(property["result"] as? Bool == true)
        try socket.send(#"{"method":"UNSUBSCRIBE","params":["btcusdt@bookTicker","ethusdt@trade"],"id":5}"#)
        _ = try socket.until { Self.id($0, 5) }
        try socket.send(#"{"method":"DANCE","id":6}"#)
        let refused = try #require(try socket.next())
        #expect(
          refused.text.contains(#""code":2"#) && refused.text.contains(#""id":6"#), "silent after UNSUBSCRIBE"
        )
        try socket.send("{")
        let broken = try #require(try socket.next())
        #expect(broken.text.contains(#""code":3"#))
        try socket.send("ping", opcode: 9)
        let pong = try socket.next()
        #expect(pong == TestSocket.Frame(opcode: 10, payload: Array("ping".utf8)))
      }
    }
  }

  @Test("stays silent for streams of another entry point and for names nobody knows")
  func wrongPathIsSilent() async throws {
    try await TestSimulator.run(TestSimulator.generated()) { simulator in
      try await simulator.socket("/market/ws/0/btcusdt@bookTicker/nosuch@aggTrade") { socket in
        try socket.send(#"{"method":"SUBSCRIBE","params":["ethusdt@bookTicker"],"id":1}"#)
        #expect(try #require(try socket.next()).text.contains(#""result":null"#))
        try socket.send(#"{"method":"LIST_SUBSCRIPTIONS","id":2}"#)
        #expect(try #require(try socket.next()).text.contains("nosuch@aggTrade"))
        // The market plays for others meanwhile: when the right stream speaks, the wrong ones had their chance.
        try socket.send(#"{"method":"SUBSCRIBE","params":["btcusdt@markPrice@1s"],"id":3}"#)
        #expect(try #require(try socket.next()).text.contains(#""id":3"#))
        for _ in 0..<2 { #expect(try #require(try socket.next()).text.contains("markPriceUpdate")) }
      }
      let status = try await simulator.socket("/nowhere/ws") { $0.status }
      #expect(status == 404)
    }
  }

  @Test("cuts a client that talks more than ten times a second")
  func tooManyMessages() async throws {
    try await TestSimulator.run(TestSimulator.generated()) { simulator in
      try await simulator.socket("/public/ws") { socket in
        var isOpen = true
        for number in 0..<40 {
          do { try socket.send(#"{"method":"LIST_SUBSCRIPTIONS","id":\#(number)}"#) } catch {
            isOpen = false
            break
          }
        }
        while isOpen {
          do { isOpen = try socket.next() != nil } catch { isOpen = false }
        }
      }
    }
  }

  @Test("tells orders and balances on the private entry, and REST agrees to the last decimal")
  func userEvents() async throws {
    try await TestSimulator.run(TestSimulator.generated()) { simulator in
      let answer = try await TestClient.request(
        port: simulator.restPort, "POST", "/fapi/v1/listenKey", headers: ["X-MBX-APIKEY": simulator.apiKey])
      let key = try #require(try answer.object()["listenKey"] as? String)
      #expect(key.utf8.count == 64)
      let port = simulator.streamPort
      let socket = try await TestClient.blocking {
        let socket = try TestSocket(port: port, "/private/ws?listenKey=\(key)")
        try socket.send(#"{"method":"LIST_SUBSCRIPTIONS","id":1}"#)
        #expect(try socket.until { Self.id($0, 1) }["result"] as? [String] == [key])
        return socket
      }
      // A market client sets prices moving, so that marks and fills are not all one number.
      _ = try await simulator.socket("/public/ws/btcusdt@bookTicker") { try $0.until { _ in true }.count }
      let bought = try await simulator.signed(
        "POST", "/fapi/v1/order",
        "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.013&newOrderRespType=RESULT&newClientOrderId=one"
      ).object()
      #expect(bought["status"] as? String == "FILLED" && bought["executedQty"] as? String == "0.013")
      let sold = try await simulator.signed(
        "POST", "/fapi/v1/order", "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.004"
      ).object()
      #expect(
        sold["status"] as? String == "NEW" && sold["executedQty"] as? String == "0.000", "ACK knows nothing")
      let lines = try await TestClient.blocking { try (0..<6).compactMap { _ in try socket.next()?.text } }
      let parsed = try lines.map {
        try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:]
      }
      #expect(
        parsed.map { $0["e"] as? String ?? "" } == [
          "ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE", "ORDER_TRADE_UPDATE",
          "ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE", "ORDER_TRADE_UPDATE",
        ])
      let fill = try #require(parsed[2]["o"] as? [String: Any])
      #expect(
        fill["x"] as? String == "TRADE" && fill["X"] as? String == "FILLED" && fill["c"] as? String == "one")
      let update = try #require(parsed[3]["a"] as? [String: Any])
      let balance = try #require((update["B"] as? [[String: Any]])?.first)
      let position = try #require((update["P"] as? [[String: Any]])?.first)
      let rest = try #require(
        try await simulator.signed("GET", "/fapi/v3/balance").array().first as? [String: Any])
      let risk = try #require(
        try await simulator.signed("GET", "/fapi/v3/positionRisk").array().first as? [String: Any])
      #expect(balance["wb"] as? String == rest["balance"] as? String)
      #expect(
        position["pa"] as? String == risk["positionAmt"] as? String && position["pa"] as? String == "0.009")
      #expect(position["ep"] as? String == risk["entryPrice"] as? String)
      let trades = try await simulator.signed("GET", "/fapi/v1/userTrades", "symbol=BTCUSDT").array()
        .compactMap { $0 as? [String: Any] }
      #expect(trades.count == 2)
      var wallet = Decimal(10_000)
      for trade in trades {
        wallet += try #require(Decimal(string: trade["realizedPnl"] as? String ?? ""))
        wallet -= try #require(Decimal(string: trade["commission"] as? String ?? ""))
      }
      #expect(Decimal(string: rest["balance"] as? String ?? "") == wallet)
    }
  }
}
