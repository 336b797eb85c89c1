import BinanceWire
import Logging
import Market
import SharedMemory
import Synchronization
import Testing

@testable import Binance

/// Answers calls from a script, on the caller's thread, at once or when told to.
final class ScriptedTransport: OrderTransport, Sendable {
  typealias Answer = Result<RestAnswer, RestError>

  private struct State {
    var log: [RestRequest] = []
    var script: @Sendable (RestRequest, Int) -> Answer? = { _, _ in .failure(.notSent("no script")) }
    var waiting: [(RestRequest, RestClient.Completion)] = []
  }

  private let state = Mutex(State())

  /// - Parameter script: gets the request and how many of this method and path came before; nil leaves it waiting.
  init(_ script: @escaping @Sendable (RestRequest, Int) -> Answer?) { state.withLock { $0.script = script } }

  var log: [RestRequest] { state.withLock { $0.log } }
  func count(_ method: RestRequest.Method, _ path: String) -> Int {
    log.count { $0.method == method && $0.path == path }
  }

  func submit(_ request: RestRequest, patienceMilliseconds: Int, completion: @escaping RestClient.Completion)
  {
    let (script, before) = state.withLock { state in
      let before = state.log.count { $0.method == request.method && $0.path == request.path }
      state.log.append(request)
      return (state.script, before)
    }
    if let answer = script(request, before) { return completion(answer) }
    state.withLock { $0.waiting.append((request, completion)) }
  }
}

extension Result<RestAnswer, RestError> {
  static func body(_ status: Int, _ text: String) -> Self {
    .success(RestAnswer(status: status, body: Array(text.utf8)))
  }
}

/// The dispatch between a script and a test: no thread, no socket, and the time is an argument.
struct DispatchBench: ~Copyable {
  static let table = InstrumentTable(
    venue: "simulator",
    instruments: [
      Instrument(
        symbol: "BTCUSDT", baseAsset: "BTC", rules: InstrumentRules(tickE8: 10_000_000, stepE8: 100_000))
    ])
  static let bitcoin = InstrumentID(0)
  static let second: Int64 = 1_000_000_000

  let transport: ScriptedTransport
  let clock = VenueClock()
  var parts: OrderGateway.Parts
  let start: Int64 = 1_000_000_000_000
  /// What the dispatch takes for the monotonic time.
  let time = TestTime()

  init(
    options: GatewayOptions = GatewayOptions(),
    _ script: @escaping @Sendable (RestRequest, Int) -> Result<RestAnswer, RestError>?
  )
    throws
  {
    transport = ScriptedTransport(script)
    parts = try OrderGateway.make(
      transport: transport, clock: clock, table: Self.table, recvWindowMilliseconds: 5_000, options: options,
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, time: { [time] in time.now })
  }

  static let id = ClientOrderID(run: 3, sequence: 44)

  func order(_ action: OrderCommand.Action = .place, quantity: Int64 = 2) -> OrderCommand {
    OrderCommand(
      id: Self.id, instrument: Self.bitcoin, action: action, side: .buy, reduceOnly: false, purpose: .entry,
      quantity: Quantity(steps: quantity), time: clock.now())
  }

  mutating func push(_ command: OrderCommand) {
    let taken = parts.commands.tryPush(command)
    precondition(taken, "the queue has room")
  }

  /// Runs the dispatch over a stretch of time in steps of 50 ms and collects what it reported.
  mutating func run(from: Double = 0, to: Double) -> [ExchangeReport] {
    var now = start + Int64(from * 1e9)
    let end = start + Int64(to * 1e9)
    while now <= end {
      time.set(now)
      _ = parts.dispatch.turn(now: now)
      now += 50_000_000
    }
    var heard: [ExchangeReport] = []
    while let slot = parts.reports.tryPop() { heard.append(slot.report) }
    return heard
  }

  static func orderBody(
    _ status: String, executed: String, id: ClientOrderID = Self.id, quantity: String = "0.002"
  ) -> String {
    #"{"orderId":77,"symbol":"BTCUSDT","status":"\#(status)","clientOrderId":"\#(id.text)","price":"0","#
      + #""origQty":"\#(quantity)","executedQty":"\#(executed)","timeInForce":"GTC","type":"MARKET","side":"BUY","#
      + #""updateTime":1795250000123}"#
  }

  static func tradesBody(_ ids: [Int]) -> String {
    let rows = ids.map {
      #"{"symbol":"BTCUSDT","id":\#($0),"orderId":77,"side":"BUY","price":"100000.0","qty":"0.001","#
        + #""realizedPnl":"0","commission":"0.05","commissionAsset":"USDT","time":1795250000130,"maker":false}"#
    }
    return "[" + rows.joined(separator: ",") + "]"
  }

  static func tradeEvent(_ trade: Int, filled: String, status: String) -> [UInt8] {
    Array(
      (#"{"e":"ORDER_TRADE_UPDATE","E":1795250000131,"T":1795250000130,"o":{"s":"BTCUSDT","c":"\#(id.text)","S":"BUY","#
        + #""x":"TRADE","X":"\#(status)","i":77,"q":"0.002","l":"0.001","z":"\#(filled)","L":"100000.0","N":"USDT","#
        + #""n":"0.05","T":1795250000130,"t":\#(trade),"m":false,"rp":"0"}}"#).utf8)
  }

  func hear(_ bytes: [UInt8]) throws {
    parts.mailbox.add(.event(try OrderUpdates(table: Self.table).decode(bytes)))
  }
}

@Suite("The order gateway")
struct OrderDispatchTests {
  static let order = "/fapi/v1/order"
  static let missing = #"{"code":-2013,"msg":"Order does not exist."}"#

  /// Answers of an account on which nothing ever happened.
  static func empty(_ request: RestRequest) -> Result<RestAnswer, RestError>? {
    switch request.path {
    case "/fapi/v1/openOrders", "/fapi/v1/userTrades", "/fapi/v3/positionRisk", "/fapi/v3/balance":
      .body(200, "[]")
    default: .body(400, missing)
    }
  }

  @Test("fills come from the stream once each, and the last one ends the order")
  func fillsFromTheStream() throws {
    var bench = try DispatchBench { request, _ in
      request.method == .post
        ? .body(200, DispatchBench.orderBody("NEW", executed: "0.000")) : Self.empty(request)
    }
    bench.push(bench.order())
    #expect(bench.run(to: 0.1).map(\.kind) == [.accepted])
    for _ in 0..<2 {
      try bench.hear(DispatchBench.tradeEvent(501, filled: "0.001", status: "PARTIALLY_FILLED"))
      try bench.hear(DispatchBench.tradeEvent(502, filled: "0.002", status: "FILLED"))
    }
    let fills = bench.run(from: 0.1, to: 10)
    #expect(fills.map(\.kind) == [.filled, .filled])
    #expect(fills.map(\.tradeID) == [501, 502])
    #expect(fills.map(\.isFinal) == [false, true])
    #expect(fills.map(\.filledTotal.steps) == [1, 2])
    #expect(fills.allSatisfy { $0.id == DispatchBench.id })
    #expect(bench.transport.count(.get, "/fapi/v1/userTrades") == 0)
  }

  @Test("a fill before the answer, and the answer after it, are one order")
  func fillBeforeAnswer() throws {
    var bench = try DispatchBench { request, _ in
      request.method == .post ? nil : Self.empty(request)
    }
    bench.push(bench.order())
    _ = bench.run(to: 0.05)
    try bench.hear(DispatchBench.tradeEvent(501, filled: "0.001", status: "PARTIALLY_FILLED"))
    try bench.hear(DispatchBench.tradeEvent(502, filled: "0.002", status: "FILLED"))
    #expect(bench.run(from: 0.05, to: 1).map(\.kind) == [.filled, .filled])
  }

  @Test(
    "a lost answer is settled by asking, at 0.2, 0.5, 1, 2 and 5 s, with exactly one post", arguments: 0..<5)
  func lostAnswer(foundAt: Int) throws {
    var bench = try DispatchBench { request, before in
      switch (request.method, request.path) {
      case (.post, _): .failure(.outcomeUnknown("timeout"))
      case (.get, Self.order):
        before < foundAt
          ? .body(400, Self.missing) : .body(200, DispatchBench.orderBody("FILLED", executed: "0.002"))
      case (.get, "/fapi/v1/userTrades"): .body(200, DispatchBench.tradesBody([501, 502]))
      default: Self.empty(request)
      }
    }
    bench.push(bench.order())
    let early = bench.run(to: [0.1, 0.4, 0.9, 1.9, 4.9][foundAt])
    #expect(early.map(\.kind) == [.unknown])
    #expect(bench.transport.count(.get, Self.order) == foundAt)
    let later = bench.run(from: [0.1, 0.4, 0.9, 1.9, 4.9][foundAt], to: 12)
    #expect(later.map(\.kind) == [.accepted, .filled, .filled])
    #expect(later.last?.isFinal == true)
    #expect(bench.transport.count(.post, Self.order) == 1)
  }

  @Test(
    "what may have been executed is never refused and never sent again",
    arguments: [
      (408, ""), (500, ""), (502, "<html>"), (504, ""), (503, #"{"code":-1007,"msg":"Timeout"}"#),
      (503, #"{"code":-1000,"msg":"Unknown error, please check your request or try again later."}"#),
      (400, #"{"code":-1006,"msg":"Unexpected response"}"#), (400, #"{"code":-1000,"msg":"unknown"}"#),
      (400, #"{"code":-4116,"msg":"ClientOrderId is duplicated."}"#), (200, "not json"),
    ])
  func unknownAnswers(status: Int, body: String) throws {
    var bench = try DispatchBench { request, _ in
      request.method == .post ? .body(status, body) : Self.empty(request)
    }
    bench.push(bench.order())
    #expect(bench.run(to: 3).map(\.kind) == [.unknown])
    #expect(bench.transport.count(.post, Self.order) == 1)
  }

  @Test(
    "a definite refusal ends the order at once, with the venue's code",
    arguments: [
      (400, #"{"code":-2019,"msg":"Margin is insufficient."}"#, Int32(-2019)),
      (429, #"{"code":-1015,"msg":"Too many orders"}"#, -1015),
      (401, #"{"code":-2015,"msg":"Invalid API-key"}"#, -2015),
      (503, #"{"code":-1008,"msg":"Request throttled"}"#, -1008), (503, "Service Unavailable.", -100_503),
    ])
  func refusals(status: Int, body: String, code: Int32) throws {
    var bench = try DispatchBench { request, _ in
      request.method == .post ? .body(status, body) : Self.empty(request)
    }
    bench.push(bench.order())
    let heard = bench.run(to: 8)
    #expect(heard.map(\.kind) == [.rejected])
    #expect(heard.first?.code == code && heard.first?.isFinal == true)
    #expect(bench.transport.count(.post, Self.order) == 1)
    #expect(bench.transport.count(.get, Self.order) == 0)
  }

  @Test("what was never sent is rejected without asking")
  func neverSent() throws {
    var bench = try DispatchBench { request, _ in .failure(.notSent("no route")) }
    bench.push(bench.order())
    let heard = bench.run(to: 1)
    #expect(heard.map(\.kind) == [.rejected] && heard.first?.code == GatewayCode.notSent)
    #expect(bench.transport.log.count == 1)
  }

  @Test("the first proof from the stream settles an unknown order and ends the asking")
  func streamSettles() throws {
    var bench = try DispatchBench { request, _ in
      request.method == .post ? .failure(.outcomeUnknown("cut")) : Self.empty(request)
    }
    bench.push(bench.order())
    #expect(bench.run(to: 0.1).map(\.kind) == [.unknown])
    try bench.hear(DispatchBench.tradeEvent(501, filled: "0.001", status: "PARTIALLY_FILLED"))
    try bench.hear(DispatchBench.tradeEvent(502, filled: "0.002", status: "FILLED"))
    #expect(bench.run(from: 0.1, to: 8).map(\.kind) == [.filled, .filled])
    #expect(bench.transport.count(.get, Self.order) == 0)
    #expect(bench.transport.count(.post, Self.order) == 1)
  }

  @Test(
    "fills the stream never told of are fetched two seconds after the answer, and an echo that fails doubts the stream"
  )
  func missingFills() throws {
    var bench = try DispatchBench { request, _ in
      switch request.path {
      case Self.order: .body(200, DispatchBench.orderBody("FILLED", executed: "0.002"))
      case "/fapi/v1/userTrades": .body(200, DispatchBench.tradesBody([501, 502]))
      default: Self.empty(request)
      }
    }
    let counter = DoubtCounter()
    bench.parts.dispatch.onStreamDoubt = { counter.add() }
    bench.push(bench.order())
    #expect(bench.run(to: 1.9).map(\.kind) == [.accepted])
    let later = bench.run(from: 1.9, to: 4)
    #expect(later.map(\.tradeID) == [501, 502])
    #expect(later.last?.isFinal == true)
    #expect(counter.count == 1)
  }

  @Test("a cancel that finds nothing asks, and the fills count")
  func cancelRace() throws {
    var bench = try DispatchBench { request, _ in
      switch (request.method, request.path) {
      case (.post, _): .body(200, DispatchBench.orderBody("NEW", executed: "0.000"))
      case (.delete, _): .body(400, #"{"code":-2011,"msg":"Unknown order sent."}"#)
      case (.get, Self.order): .body(200, DispatchBench.orderBody("FILLED", executed: "0.002"))
      case (.get, "/fapi/v1/userTrades"): .body(200, DispatchBench.tradesBody([501, 502]))
      default: Self.empty(request)
      }
    }
    bench.push(bench.order())
    #expect(bench.run(to: 0.1).map(\.kind) == [.accepted])
    bench.push(bench.order(.cancel))
    let heard = bench.run(from: 0.1, to: 5)
    #expect(heard.map(\.kind) == [.filled, .filled])
    #expect(bench.transport.count(.delete, Self.order) == 1)
  }

  @Test("a cancelled order ends only when its fills are complete")
  func cancelledAfterPartialFill() throws {
    var bench = try DispatchBench { request, _ in
      switch (request.method, request.path) {
      case (.post, _): .body(200, DispatchBench.orderBody("NEW", executed: "0.000"))
      case (.delete, _): .body(200, DispatchBench.orderBody("CANCELED", executed: "0.001"))
      case (.get, "/fapi/v1/userTrades"): .body(200, DispatchBench.tradesBody([501]))
      default: Self.empty(request)
      }
    }
    bench.push(bench.order())
    _ = bench.run(to: 0.1)
    bench.push(bench.order(.cancel))
    #expect(bench.run(from: 0.1, to: 0.5).isEmpty)
    let heard = bench.run(from: 0.5, to: 4)
    #expect(heard.map(\.kind) == [.filled, .cancelled])
    #expect(heard.last?.isFinal == true && heard.last?.filledTotal.steps == 1)
  }

  @Test("reconciliation reports fills, then positions, then the wallet, and a failed part reports nothing")
  func reconciliation() throws {
    var options = GatewayOptions()
    options.lastTradeIDs = [DispatchBench.bitcoin: 500]
    let position =
      #"[{"symbol":"BTCUSDT","positionSide":"BOTH","positionAmt":"0.002","entryPrice":"100000.0","updateTime":1}]"#
    var bench = try DispatchBench(options: options) { request, before in
      switch request.path {
      case "/fapi/v3/positionRisk": before == 0 ? .body(500, "") : .body(200, position)
      case "/fapi/v3/balance": .body(200, #"[{"asset":"USDT","balance":"9999.5","availableBalance":"9000"}]"#)
      case "/fapi/v1/userTrades": .body(200, DispatchBench.tradesBody([499, 500, 501, 502]))
      default: Self.empty(request)
      }
    }
    bench.parts.mailbox.add(.connected)
    #expect(bench.run(to: 0.2).isEmpty)
    let heard = bench.run(from: 0.2, to: 2)
    #expect(heard.map(\.kind) == [.filled, .filled, .position, .balance])
    #expect(heard.map(\.tradeID).prefix(2) == [501, 502])
    #expect(heard[2].quantity.steps == 2 && heard[3].amount == Quote(9999.5))
    // The next one finds everything in agreement and fetches no trades.
    let fetches = bench.transport.count(.get, "/fapi/v1/userTrades")
    #expect(bench.run(from: 2, to: 33).map(\.kind) == [.position, .balance])
    #expect(bench.transport.count(.get, "/fapi/v1/userTrades") == fetches)
  }

  @Test("an order no source knows is missing only after its time window and the quiet after it")
  func neverAccepted() throws {
    var bench = try DispatchBench { request, _ in
      request.method == .post ? .failure(.outcomeUnknown("cut")) : Self.empty(request)
    }
    var command = bench.order()
    command.time = bench.clock.now().advanced(byNanoseconds: -60 * DispatchBench.second)
    bench.push(command)
    #expect(bench.run(to: 6).map(\.kind) == [.unknown])
    #expect(bench.transport.count(.get, Self.order) == 5)
    let heard = bench.run(from: 6, to: 20)
    #expect(heard.map(\.kind) == [.missing])
    #expect(heard.first?.isFinal == true && heard.first?.code == GatewayCode.neverAccepted)
    #expect(bench.transport.count(.get, "/fapi/v1/openOrders") == 1)
    #expect(bench.transport.count(.get, "/fapi/v1/userTrades") == 1)
    #expect(bench.transport.count(.post, Self.order) == 1)
  }

  @Test("an id answered with another order's numbers is rejected loudly")
  func foreignOrder() throws {
    var bench = try DispatchBench { request, _ in
      switch (request.method, request.path) {
      case (.post, _): .body(400, #"{"code":-4116,"msg":"ClientOrderId is duplicated."}"#)
      case (.get, Self.order):
        .body(200, DispatchBench.orderBody("NEW", executed: "0.000", quantity: "5.000"))
      default: Self.empty(request)
      }
    }
    bench.push(bench.order())
    let heard = bench.run(to: 1)
    #expect(heard.map(\.kind) == [.unknown, .rejected] && heard.last?.code == GatewayCode.foreignOrder)
  }

  @Test("trades are known by id, however they come", arguments: UInt64(0)..<50)
  func seenTrades(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var seen = SeenTrades(known: 100)
    var twin: Set<Int64> = []
    var next: Int64 = 101
    var differences = 0
    for _ in 0..<10_000 {
      let id = random.below(3) == 0 ? max(1, next - Int64(random.below(50))) : next
      next = max(next, id + 1)
      if seen.insert(id) != (id > 100 && twin.insert(id).inserted) { differences += 1 }
    }
    #expect(differences == 0, "seed \(seed)")
  }
}

/// A monotonic clock that a test moves.
final class TestTime: Sendable {
  private let value = Mutex<Int64>(0)
  func set(_ now: Int64) { value.withLock { $0 = now } }
  var now: Int64 { value.withLock { $0 } }
}

/// Counts calls from any thread.
final class DoubtCounter: Sendable {
  private let value = Mutex(0)
  func add() { value.withLock { $0 += 1 } }
  var count: Int { value.withLock { $0 } }
}
