import BinanceWire
import Market
import Testing

@testable import Binance

@Suite("The REST client")
struct RestClientTests {
  static func client(
    _ server: ScriptedHTTPServer, signer: RequestSigner? = nil, totalMilliseconds: Int = 3_000,
    limits: [RateLimit] = RateLimit.published, answerMax: Int = 1 << 20
  ) throws(RestError) -> RestClient {
    var configuration = RestConfiguration(baseURL: server.baseURL)
    configuration.totalTimeoutMilliseconds = totalMilliseconds
    configuration.answerByteCountMax = answerMax
    return try RestClient(configuration, signer: signer, budget: RestBudget(limits: limits))
  }

  static let signer = RequestSigner(apiKey: Secret("test-key"), secret: Secret("canary-secret"))
  static let order = RestRequest(
    .post, "/fapi/v1/order", query: "symbol=BTCUSDT&side=BUY", isSigned: true, weight: 0, orderCost: 1,
    lane: .open)

  @Test("gives status, body and limit headers of any answer, over one warm connection")
  func answers() async throws {
    let server = try await ScriptedHTTPServer { request in
      switch request.path {
      case "/ok": .answer(200, ["X-MBX-USED-WEIGHT-1M": "17", "X-MBX-ORDER-COUNT-10S": "3"], "{}")
      case "/bad": .answer(400, [:], #"{"code":-1121,"msg":"Invalid symbol."}"#)
      default: .answer(503, ["Retry-After": "7"], "Service Unavailable.")
      }
    }
    let client = try Self.client(server)
    let ok = try await client.send(RestRequest(.get, "/ok", query: "a=1"))
    #expect(ok.status == 200 && ok.text == "{}" && ok.usedWeight == 17 && ok.orderCount10s == 3)
    let bad = try await client.send(RestRequest(.delete, "/bad"))
    #expect(
      bad.status == 400
        && HTTPOutcome.classify(status: bad.status, body: bad.body)
          == .refused(code: -1121, message: "Invalid symbol.")
    )
    let late = try await client.send(RestRequest(.put, "/late"))
    #expect(late.status == 503 && late.retryAfterSeconds == 7)
    #expect(server.requests.map(\.method) == ["GET", "DELETE", "PUT"])
    #expect(server.requests.map(\.target) == ["/ok?a=1", "/bad", "/late"])
    #expect(Set(server.requests.map(\.connection)).count == 1)
    client.shutdown()
    try await server.stop()
  }

  @Test("signs the bytes it sends: a POST in the body, the rest in the URL")
  func signs() async throws {
    let server = try await ScriptedHTTPServer { _ in .answer(200, [:], "{}") }
    let client = try Self.client(server, signer: Self.signer)
    _ = try await client.send(Self.order)
    _ = try await client.send(RestRequest(.get, "/fapi/v3/balance", isSigned: true))
    let verifier = SignatureVerifier(apiKey: Secret("test-key"), secret: Secret("canary-secret"))
    for request in server.requests {
      let query = request.target.contains("?") ? String(request.target.drop { $0 != "?" }.dropFirst()) : ""
      let verdict = verifier.verdict(
        apiKey: request.headers["x-mbx-apikey"], query: query, body: request.body,
        serverNow: client.clock.now())
      #expect(verdict == .accepted)
    }
    #expect(server.requests[0].target == "/fapi/v1/order")
    #expect(server.requests[0].body.hasPrefix("symbol=BTCUSDT&side=BUY&"))
    #expect(server.requests[0].headers["content-type"] == "application/x-www-form-urlencoded")
    client.shutdown()
    try await server.stop()
  }

  @Test("never sends an order twice when a warm connection dies under it")
  func sendsOnce() async throws {
    let server = try await ScriptedHTTPServer { request in
      request.method == "POST" ? .hangUp : .answer(200, [:], "{}")
    }
    let client = try Self.client(server, signer: Self.signer)
    for _ in 0..<20 {
      _ = try await client.send(RestRequest(.get, "/warm"))
      await #expect { try await client.send(Self.order) } throws: {
        ($0 as? RestError)?.mayHaveExecuted == true
      }
    }
    #expect(server.requests.count { $0.method == "POST" } == 20)
    client.shutdown()
    try await server.stop()
  }

  @Test("a truncated answer, a broken one and silence leave the outcome unknown")
  func unknownOutcomes() async throws {
    let server = try await ScriptedHTTPServer { request in
      switch request.path {
      case "/truncated": .raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"orderId\":1")
      case "/noise": .raw("what is this")
      default: .silence
      }
    }
    let client = try Self.client(server, totalMilliseconds: 1_500)
    for path in ["/truncated", "/noise", "/silent"] {
      await #expect("\(path)") { try await client.send(RestRequest(.post, path, query: "a=1")) } throws: {
        guard case .outcomeUnknown = $0 as? RestError else { return false }
        return true
      }
    }
    client.shutdown()
    try await server.stop()
  }

  @Test("a closed port means that nothing was sent")
  func notSent() async throws {
    let server = try await ScriptedHTTPServer { _ in .silence }
    let client = try Self.client(server, signer: Self.signer)
    try await server.stop()
    await #expect { try await client.send(Self.order) } throws: {
      guard case .notSent = $0 as? RestError else { return false }
      return true
    }
    client.shutdown()
  }

  @Test("a redirect is an answer, not an instruction: no signed byte leaves for another host")
  func redirect() async throws {
    let thief = try await ScriptedHTTPServer { _ in .answer(200, [:], "{}") }
    let target = thief.baseURL
    let server = try await ScriptedHTTPServer { _ in .answer(307, ["Location": target + "/fapi/v1/order"], "")
    }
    let client = try Self.client(server, signer: Self.signer)
    let answer = try await client.send(Self.order)
    #expect(answer.status == 307)
    #expect(thief.requests.isEmpty)
    client.shutdown()
    try await server.stop()
    try await thief.stop()
  }

  @Test("an answer over the limit is refused")
  func tooLong() async throws {
    let server = try await ScriptedHTTPServer { _ in .answer(200, [:], String(repeating: "x", count: 5_000)) }
    let client = try Self.client(server, answerMax: 4_096)
    await #expect(throws: RestError.self) { try await client.send(RestRequest(.get, "/long")) }
    client.shutdown()
    try await server.stop()
  }

  @Test("after a ban nothing is sent any more")
  func ban() async throws {
    let server = try await ScriptedHTTPServer { _ in .answer(418, ["Retry-After": "120"], "{}") }
    let client = try Self.client(server)
    _ = try await client.send(RestRequest(.get, "/first"))
    for _ in 0..<5 {
      await #expect { try await client.send(RestRequest(.get, "/again")) } throws: {
        guard case .denied = $0 as? RestError else { return false }
        return true
      }
    }
    #expect(server.requests.count == 1)
    client.shutdown()
    try await server.stop()
  }

  @Test("a call without budget waits, and is denied when its patience ends")
  func budget() async throws {
    let server = try await ScriptedHTTPServer { _ in .answer(200, [:], "{}") }
    let limit = RateLimit(.requestWeight, intervalNanoseconds: 600_000_000_000, limit: 2)
    let client = try Self.client(server, limits: [limit])
    _ = try await client.send(RestRequest(.get, "/a", lane: .protect))
    _ = try await client.send(RestRequest(.get, "/b", lane: .protect))
    await #expect {
      try await client.send(RestRequest(.get, "/c", lane: .protect), patienceMilliseconds: 50)
    } throws: {
      guard case .denied = $0 as? RestError else { return false }
      return true
    }
    #expect(server.requests.count == 2)
    client.shutdown()
    try await server.stop()
  }

  @Test(
    "refuses addresses it must not talk to",
    arguments: [
      "http://fapi.binance.com", "https://evil.example", "ftp://127.0.0.1", "https://user@fapi.binance.com",
      "https://fapi.binance.com.evil.example", "",
    ])
  func hosts(url: String) {
    #expect { try RestClient(RestConfiguration(baseURL: url)) } throws: {
      guard case .configuration = $0 as? RestError else { return false }
      return true
    }
  }

  @Test("no error text ever holds the key, the secret or a signature")
  func keepsSecrets() async throws {
    let server = try await ScriptedHTTPServer { _ in .hangUp }
    let client = try Self.client(server, signer: Self.signer, totalMilliseconds: 10_000)
    for request in [Self.order, RestRequest(.get, "/fapi/v3/balance", isSigned: true)] {
      do {
        _ = try await client.send(request)
        Issue.record("the call should have failed")
      } catch {
        let text = "\(error)"
        #expect(!text.contains("signature") && !text.contains("canary") && !text.contains("test-key"))
      }
    }
    client.shutdown()
    try await server.stop()
  }

  @Test("measures the venue's clock to half a round trip")
  func clock() async throws {
    let start = monotonicNanoseconds()
    let venueStart: Int64 = 1_700_000_000_000_000_000
    let server = try await ScriptedHTTPServer { _ in
      .answer(
        200, [:], #"{"serverTime":\#((venueStart + (monotonicNanoseconds() - start) * 60) / 1_000_000)}"#)
    }
    let client = try Self.client(server)
    let clock = VenueClock(speed: 60)
    let before = monotonicNanoseconds()
    try await clock.measure(with: client)
    let measuring = monotonicNanoseconds() - before
    let reading = clock.reading
    let truth = venueStart + (reading.monotonicNanoseconds - start) * 60
    // The venue answered somewhere within the round trip, which is no longer than the whole measurement.
    #expect(abs(reading.venueNanoseconds - truth) <= measuring / 2 * 60 + 1_000_000)
    client.shutdown()
    try await server.stop()
  }

  @Test("learns the venue's speed from two readings a second apart, and from nothing closer")
  func clockSpeed() {
    let clock = VenueClock()
    clock.set(venueTime: Instant(nanoseconds: 5_000_000_000), atMonotonicNanoseconds: 100)
    #expect(clock.reading.speed == 1)
    clock.set(venueTime: Instant(nanoseconds: 64_999_999_940), atMonotonicNanoseconds: 100 + 999_999_999)
    #expect(clock.reading.speed == 1, "less than a second says nothing")
    clock.set(venueTime: Instant(nanoseconds: 124_999_999_940), atMonotonicNanoseconds: 100 + 1_999_999_999)
    #expect(clock.reading.speed == 60)
    let later = clock.reading.time(atMonotonicNanoseconds: 100 + 2_999_999_999)
    #expect(later.nanoseconds == 184_999_999_940)
    clock.set(venueTime: Instant(nanoseconds: 126_004_999_940), atMonotonicNanoseconds: 100 + 2_999_999_999)
    #expect(clock.reading.speed == 1, "within 1 % of real time is real time")
  }
}
