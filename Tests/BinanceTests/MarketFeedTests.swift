import Logging
import Market
import NIOWebSocket
import SharedMemory
import Synchronization
import Testing

@testable import Binance

@Suite("The market feed")
struct MarketFeedTests {
  /// A feed of some instruments against a scripted server, with a reader on its ring.
  final class Bench: Sendable {
    let server: ScriptedSocketServer
    let feed: MarketFeed
    let clock = VenueClock()
    let counters = Mutex(FeedCounters())
    let events: Mutex<[MarketEvent]> = Mutex([])
    private let reader: Mutex<EventRingReader<MarketEvent>>
    private let running: Task<Void, Never>

    init(instruments: Int = 2, options: FeedOptions = FeedOptions()) async throws {
      server = try await ScriptedSocketServer { _, _, text in
        guard let id = MarketConnection.identifier(in: text), text.contains("SUBSCRIBE") else { return [] }
        return [#"{"result":null,"id":\#(id)}"#]
      }
      let writer = try EventRingWriter<MarketEvent>(anonymousCapacity: 1 << 12)
      reader = Mutex(try EventRingReader<MarketEvent>(of: writer, startingAt: .oldest))
      let box = CounterBox()
      feed = try MarketFeed(
        endpoint: StreamEndpoint(isSecure: false, host: "127.0.0.1", port: server.port),
        table: StreamPlanTests.table(instruments), ring: writer, clock: clock, options: options,
        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, onSecond: { box.set($0) })
      self.box = box
      let feed = self.feed
      running = Task { await feed.run() }
    }

    let box: CounterBox

    final class CounterBox: Sendable {
      private let value = Mutex(FeedCounters())
      func set(_ counters: FeedCounters) { value.withLock { $0 = counters } }
      var counters: FeedCounters { value.withLock { $0 } }
    }

    /// Takes what is in the ring; returns everything so far.
    func heard() -> [MarketEvent] {
      reader.withLock { reader in
        events.withLock { events in
          while case .record(let event) = reader.next() { events.append(event) }
          return events
        }
      }
    }

    func count(_ kind: MarketEvent.Kind) -> Int { heard().count { $0.kind == kind } }
    func states(_ instrument: Int) -> [UInt8] {
      heard().filter { $0.kind == .stream && $0.instrument == InstrumentID(instrument) }.map(\.detail)
    }

    func trade(_ id: Int, symbol: String = "S0USDT", price: String = "100.1") -> String {
      let now = clock.now().milliseconds
      return
        #"{"stream":"x@aggTrade","data":{"e":"aggTrade","E":\#(now),"s":"\#(symbol)","a":\#(id),"p":"\#(price)","#
        + #""q":"0.005","f":\#(id),"l":\#(id),"T":\#(now),"m":true}}"#
    }

    func quote(_ id: Int, symbol: String = "S0USDT") -> String {
      let now = clock.now().milliseconds
      return
        #"{"stream":"x@bookTicker","data":{"e":"bookTicker","u":\#(id),"s":"\#(symbol)","b":"100.0","B":"1.000","#
        + #""a":"100.1","A":"2.000","T":\#(now),"E":\#(now)}}"#
    }

    /// Both sessions are open and subscribed.
    func ready() async throws -> (quotes: Int, trades: Int) {
      #expect(try await eventually { server.session("/public") != nil && server.session("/market") != nil })
      #expect(try await eventually { server.texts.count >= 2 })
      return (server.session("/public") ?? 0, server.session("/market") ?? 0)
    }

    func stop() async throws {
      feed.shutdown()
      await running.value
      try await server.stop()
    }
  }

  @Test("subscribes each stream at its own entry point, and publishes what comes")
  func publishes() async throws {
    let bench = try await Bench()
    let (quotes, trades) = try await bench.ready()
    let texts = bench.server.withState { state in state.texts.map { (state.paths[$0.session] ?? "", $0.text) }
    }
    for (path, text) in texts {
      #expect(text.contains("@bookTicker") == path.hasPrefix("/public"))
      #expect(text.contains("@aggTrade") == path.hasPrefix("/market"))
      #expect(text.contains("@markPrice@1s") == path.hasPrefix("/market"))
    }
    bench.server.send(bench.quote(1), to: quotes)
    bench.server.send(bench.trade(10), to: trades)
    #expect(try await eventually { bench.count(.quote) == 1 && bench.count(.trade) == 1 })
    let trade = try #require(bench.heard().first { $0.kind == .trade })
    #expect(trade.price.ticks == 1001 && trade.quantity.steps == 5 && trade.aggregateID == 10)
    #expect(trade.receivedNanoseconds > 0)
    // The other instrument has no data yet, so only the first is live.
    #expect(try await eventually { bench.states(0).last == StreamState.live.rawValue })
    #expect(bench.states(1).last == StreamState.acknowledged.rawValue)
    try await bench.stop()
  }

  @Test("marks jumps in trade ids exactly, keeps poison out, and counts both")
  func gapsAndPoison() async throws {
    let bench = try await Bench()
    let (_, trades) = try await bench.ready()
    bench.server.send(bench.trade(10), to: trades)
    bench.server.send(bench.trade(10), to: trades)  // twice
    bench.server.send(bench.trade(11, price: "-3.0"), to: trades)
    bench.server.send(bench.trade(11, price: "NaN"), to: trades)
    bench.server.send("{\"e\":\"aggTrade\",", to: trades)
    bench.server.send(bench.trade(15), to: trades)
    #expect(try await eventually { bench.count(.trade) == 2 })
    let gap = try #require(bench.heard().first { $0.kind == .gap })
    #expect(gap.word0 == 11 && gap.word1 == 14 && gap.missingCount == 4)
    #expect(gap.detail == GapCause.tradeIdentifiers.rawValue)
    #expect(try await eventually { bench.box.counters.rejected + bench.box.counters.malformed == 4 })
    let counters = bench.box.counters
    #expect(counters.events == 2 && counters.missingTrades == 4)
    #expect(counters.malformed == 3 && counters.rejections[Int(FirewallRejection.duplicate.rawValue)] == 1)
    try await bench.stop()
  }

  @Test("a lost connection is told at once, comes back by itself, and what was missed has its ids")
  func reconnects() async throws {
    let bench = try await Bench(instruments: 1)
    let (_, trades) = try await bench.ready()
    bench.server.send(bench.trade(10), to: trades)
    #expect(try await eventually { bench.count(.trade) == 1 })
    bench.server.cut(trades)
    #expect(
      try await eventually {
        bench.heard().contains { $0.kind == .gap && $0.missingCount == 0 && $0.word0 == 11 }
      })
    #expect(try await eventually { bench.states(0).contains(StreamState.closed.rawValue) })
    #expect(try await eventually { (bench.server.session("/market") ?? 0) > trades })
    let again = try #require(bench.server.session("/market"))
    #expect(try await eventually { bench.server.texts.count >= 3 })
    bench.server.send(bench.trade(14), to: again)
    #expect(try await eventually { bench.count(.trade) == 2 })
    let exact = try #require(bench.heard().last { $0.kind == .gap })
    #expect(exact.word0 == 11 && exact.word1 == 13 && exact.missingCount == 3)
    #expect(exact.detail == GapCause.disconnected.rawValue)
    try await bench.stop()
  }

  @Test("answers pings, sends its own, and ends a connection after twenty bad frames")
  func pingsAndBadFrames() async throws {
    var options = FeedOptions()
    options.pingNanoseconds = 1_000_000_000
    let bench = try await Bench(instruments: 1, options: options)
    let (quotes, trades) = try await bench.ready()
    bench.server.send(.ping, [1, 2, 3], to: quotes)
    #expect(try await eventually { bench.server.withState { $0.pongs.contains([1, 2, 3]) } })
    #expect(try await eventually { bench.server.withState { $0.pings > 0 } })
    for _ in 0..<19 { bench.server.send("{]", to: trades) }
    bench.server.send(bench.trade(10), to: trades)
    #expect(try await eventually { bench.count(.trade) == 1 })
    #expect(bench.server.session("/market") == trades)
    bench.server.send(.binary, [1], to: trades)
    #expect(try await eventually { (bench.server.session("/market") ?? 0) > trades })
    try await bench.stop()
  }

  @Test("ends within its time when asked to, also while nothing answers")
  func shutsDown() async throws {
    let bench = try await Bench()
    let start = ContinuousClock.now
    try await bench.stop()
    #expect(ContinuousClock.now - start < .seconds(4))
  }
}
