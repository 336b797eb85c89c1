import Foundation
import Market
import PluginABI
import Testing

@testable import PluginHost

@Suite("A plugin set")
struct PluginSetTests {
  private func set() -> PluginSet { PluginSet(hostName: "tests", version: "1.0") }

  @Test("passes a good signal on with the plugin's index and every field")
  func goodSignal() throws {
    let fixture = try Fixture()
    var set = set()
    try set.load(path: fixture.trendFollowerC(), cacheDirectory: fixture.cache, instruments: ["A"], seed: 1)
    let path = try fixture.plugin(
      "good", signal: "s.stop_fraction = 0.25f; s.target_fraction = 0.5f; s.flags = 0xFFFF; s.tag = 77;")
    #expect(try set.load(path: path, cacheDirectory: fixture.cache, instruments: ["A"], seed: 1) == 1)
    let result = signals(of: &set, [trade(10_000, at: 5)], firstSequence: 9)
    #expect(result.count == 1)
    let signal = try #require(result.first)
    #expect(
      signal.plugin == 1 && signal.causeSequence == 9 && signal.time.nanoseconds == 5 && signal.tag == 77)
    #expect(signal.horizonNanoseconds == 1000 && signal.returnFraction == 0.01 && signal.confidence == 0.5)
    #expect(signal.stopFraction == 0.25 && signal.targetFraction == 0.5 && signal.deviationFraction.isNaN)
    #expect(signal.flags == [.calibrated, .observation, .flat], "unknown flags are dropped")
    #expect(set.counters(1).signalCount == 1 && set.counters(1).eventCount == 1)
  }

  @Test("refuses a signal that breaks a rule and counts the reason")
  func badSignal() throws {
    let cases: [(body: String, reason: SignalRefusal)] = [
      ("s.return_fraction = NAN;", .notFinite), ("s.return_fraction = -INFINITY;", .notFinite),
      ("s.confidence = NAN;", .notFinite), ("s.return_fraction = 1.0000001;", .returnTooLarge),
      ("s.horizon_ns = 0;", .horizon), ("s.horizon_ns = INT64_MAX;", .horizon),
      ("s.confidence = 1.01f;", .confidence), ("s.confidence = -0.01f;", .confidence),
      ("s.stop_fraction = 0;", .stop), ("s.stop_fraction = INFINITY;", .stop),
      ("s.target_fraction = -0.1f;", .target), ("s.stddev_fraction = -1;", .deviation),
      ("s.instrument = 2;", .instrument), ("s.instrument = UINT32_MAX;", .instrument),
      ("s.cause_seq += 1;", .cause), ("s.cause_seq = 0;", .cause), ("s.ts_ns -= 1;", .time),
      ("s.ts_ns += 1;", .time),
      ("s.ts_ns = INT64_MIN;", .time), ("s.feature_count = 1;", .features),
    ]
    let fixture = try Fixture()
    // One plugin for all: the trade's id says which rule to break.
    let branches = cases.enumerated().map { "case \($0): \($1.body) break;" }.joined(separator: "\n")
    let path = try fixture.plugin("bad", signal: "switch (e->u.trade.trade_id) { \(branches) }")
    for (index, (body, reason)) in cases.enumerated() {
      var set = set()
      try set.load(path: path, cacheDirectory: fixture.cache, instruments: ["A", "B"], seed: 1)
      var event = trade(10_000, at: 5)
      event.word2 = Int64(index)
      #expect(signals(of: &set, [event, event]).isEmpty, "\(body)")
      #expect(set.counters(0)[reason] == 2 && set.counters(0).refusedCount == 2, "\(body)")
    }
  }

  @Test("accepts values at the very edge of the rules")
  func edges() throws {
    let fixture = try Fixture()
    var set = set()
    let path = try fixture.plugin(
      "edges",
      signal:
        "s.return_fraction = -1; s.confidence = 1; s.stddev_fraction = 0; s.instrument = 1; s.horizon_ns = 1;"
    )
    try set.load(path: path, cacheDirectory: fixture.cache, instruments: ["A", "B"], seed: 1)
    #expect(signals(of: &set, [trade(10_000, at: 5)]).count == 1)
  }

  @Test("refuses everything of a call that overflows or fails")
  func overflowAndFailure() throws {
    let fixture = try Fixture()
    let write =
      "b->out[0] = (aegis_signal){b->events[0].seq, b->events[0].ts_ns, 1, 0.01, 0.5f, NAN, NAN, NAN, 0, 0, 0, 0};"
    let cases = [
      ("many", "\(write) b->out_count = b->out_capacity + 1; return AEGIS_OK;", SignalRefusal.tooMany),
      ("wild", "\(write) b->out_count = UINT32_MAX; return AEGIS_OK;", .tooMany),
      ("over", "\(write) b->out_count = 1; return AEGIS_E_OVERFLOW;", .tooMany),
      ("fail", "\(write) b->out_count = 1; return AEGIS_E_INTERNAL;", .failed),
      ("odd", "\(write) b->out_count = 1; return -12345;", .failed),
    ]
    var set = set()
    for (name, process, _) in cases {
      try set.load(
        path: try fixture.plugin(name, process: process), cacheDirectory: fixture.cache, instruments: ["A"],
        seed: 1)
    }
    #expect(signals(of: &set, [trade(10_000, at: 5)]).isEmpty)
    for (index, (name, _, reason)) in cases.enumerated() {
      #expect(set.counters(index)[reason] == 1 && set.counters(index).refusedCount == 1, "\(name)")
    }
  }

  @Test("drops signals while warming up and replaying, and counts only the former")
  func phases() throws {
    let fixture = try Fixture()
    var set = set()
    try set.load(
      path: try fixture.plugin("eager"), cacheDirectory: fixture.cache, instruments: ["A"], seed: 1)
    #expect(signals(of: &set, [trade(1, at: 1)], phase: .warmup).isEmpty)
    #expect(set.counters(0)[.warmup] == 1)
    #expect(signals(of: &set, [trade(1, at: 2)], phase: .replay, firstSequence: 2).isEmpty)
    #expect(set.counters(0).refusedCount == 1)
    #expect(signals(of: &set, [trade(1, at: 3)], phase: [.live, .shadow], firstSequence: 3).count == 1)
  }

  @Test("shows a plugin only what it asked for, and nobody quarantined or unknown facts")
  func interest() throws {
    let fixture = try Fixture()
    var set = set()
    try set.load(
      path: try fixture.plugin("trades"), cacheDirectory: fixture.cache, instruments: ["A"], seed: 1)
    #expect(set.wantsTrades && !set.wantsQuotes && !set.wantsMarks && !set.wantsBars(.minute1))
    var quarantined = trade(1, at: 2)
    quarantined.flags.insert(.quarantined)
    let events = [bar(1, index: 0), quarantined, trade(1, at: 3, instrument: 1), trade(1, at: 4)]
    #expect(signals(of: &set, events).map(\.causeSequence) == [4])
    #expect(set.counters(0).eventCount == 1)
  }

  @Test("shows at most one quote per instrument and interval")
  func conflation() throws {
    let fixture = try Fixture()
    var set = set()
    let path = try fixture.plugin(
      "quotes", subscriptions: "{sizeof(aegis_subscription), AEGIS_EV_QUOTE, 0, 0, 100, 0}")
    try set.load(path: path, cacheDirectory: fixture.cache, instruments: ["A", "B"], seed: 1)
    let events = (0..<1000).map { index in
      MarketEvent.quote(
        InstrumentID(index % 2), time: Instant(milliseconds: Int64(index)), bid: Price(ticks: 10),
        bidQuantity: Quantity(steps: 1), ask: Price(ticks: 11), askQuantity: Quantity(steps: 1))
    }
    let result = signals(of: &set, events)
    #expect(result.count == 20, "one second, two instruments, ten each")
    for instrument in 0..<2 {
      let times = result.filter { $0.instrument == InstrumentID(instrument) }.map(\.time.milliseconds)
      #expect(zip(times, times.dropFirst()).allSatisfy { $1 - $0 >= 100 })
    }
  }

  @Test("converts every kind of event to the units of the header")
  func conversion() throws {
    let fixture = try Fixture()
    var set = set()
    let kinds = "BAR QUOTE TRADE GAP MARK".split(separator: " ").map {
      "{sizeof(aegis_subscription), AEGIS_EV_\($0), 0, 0, 0, 0}"
    }
    // The plugin answers only when the event is exactly as expected.
    let process = """
      const aegis_event *e = b->events; int ok = 0;
      if (b->now_ns != e->ts_ns || b->flags != AEGIS_BATCH_LIVE || b->count != 1 || b->size != 64) return AEGIS_E_INTERNAL;
      switch (e->kind) {
      case AEGIS_EV_BAR: ok = e->u.bar.open == 100.01 && e->u.bar.high == 100.03 && e->u.bar.low == 99.99 &&
        e->u.bar.close == 100.02 && e->u.bar.volume == 0.007 && e->flags == (AEGIS_EVENT_COMPLETE | AEGIS_EVENT_SYNTHETIC) &&
        e->ts_ns == 60000000000; break;
      case AEGIS_EV_QUOTE: ok = e->u.quote.bid == 100.01 && e->u.quote.ask == 100.02 && e->u.quote.bid_size == 0.003 &&
        e->u.quote.ask_size == 0.004; break;
      case AEGIS_EV_TRADE: ok = e->u.trade.price == 100.01 && e->u.trade.size == 0.005 && e->u.trade.trade_id == 42 &&
        e->flags == AEGIS_EVENT_BUYER_IS_MAKER; break;
      case AEGIS_EV_GAP: ok = e->u.gap.missing == 3 && e->u.gap.from_ns == e->ts_ns; break;
      case AEGIS_EV_MARK: ok = e->u.mark.mark == 100.5 && e->u.mark.index == 100.25 && e->u.mark.funding_fraction == 0.0001 &&
        e->u.mark.next_funding_ns == 28800000000000; break;
      }
      if (!ok) return AEGIS_E_INTERNAL;
      b->out[b->out_count++] = (aegis_signal){e->seq, e->ts_ns, 1, 0.01, 0.5f, NAN, NAN, NAN, e->instrument, 0, 0, 0};
      return AEGIS_OK;
      """
    let path = try fixture.plugin("units", process: process, subscriptions: kinds.joined(separator: ", "))
    try set.load(path: path, cacheDirectory: fixture.cache, instruments: ["A"], seed: 1)
    let id = InstrumentID(0)
    let candle = Candle(
      openTime: .never, open: Price(ticks: 10_001), high: Price(ticks: 10_003), low: Price(ticks: 9_999),
      close: Price(ticks: 10_002), volume: Quantity(steps: 7), flags: [.complete, .synthetic])
    let events: [MarketEvent] = [
      .bar(id, .minute1, candle),
      .quote(
        id, time: Instant(nanoseconds: 1), bid: Price(ticks: 10_001), bidQuantity: Quantity(steps: 3),
        ask: Price(ticks: 10_002), askQuantity: Quantity(steps: 4)),
      .trade(
        id, time: Instant(nanoseconds: 1), price: Price(ticks: 10_001), quantity: Quantity(steps: 5),
        aggregateID: 42,
        buyerIsMaker: true),
      .gap(id, time: Instant(nanoseconds: 1), cause: .tradeIdentifiers, count: 3),
      .mark(
        id, time: Instant(nanoseconds: 1), markE8: 10_050_000_000, indexE8: 10_025_000_000,
        fundingRateE8: 10_000,
        nextFundingMilliseconds: 28_800_000),
    ]
    #expect(signals(of: &set, events).map(\.causeSequence) == [1, 2, 3, 4, 5])
  }

  @Test("names the parameter, the value and the range when configuration is wrong")
  func parameters() throws {
    let fixture = try Fixture()
    let path = try fixture.trendFollowerC()
    func refusal(_ parameters: [String: String]) -> String {
      var set = set()
      do throws(PluginError) {
        try set.load(
          path: path, cacheDirectory: fixture.cache, parameters: parameters, instruments: ["A"], seed: 1)
        return "loaded"
      } catch {
        return error.description
      }
    }
    #expect(refusal(["fats": "3"]).contains("no parameter \"fats\"; it has source, timeframe, fast"))
    #expect(
      refusal(["fast": "ten"]) == "plugin trend-follower-c: parameter fast = \"ten\" must be a whole number")
    #expect(refusal(["fast": "0"]).contains("must be in 1…1000000 bars"))
    #expect(refusal(["source": "quotes"]).contains("must be one of bars, trades"))
    #expect(refusal(["confidence": "1.5"]).contains("must be in 0.0…1.0"))
    #expect(refusal(["confidence": "nan"]).contains("must be a number"))
    #expect(refusal(["stop": "-0.1"]).contains("must be in"))
    #expect(refusal(["enter_on_start": "maybe"]).contains("must be true or false"))
    #expect(
      refusal(["fast": "30", "slow": "30"])
        == "plugin trend-follower-c: refused to start (-1): fast (30) must be less than slow (30)")
    #expect(refusal(["stop": "none", "target": "0.02", "source": "trades"]) == "loaded")
  }

  @Test("refuses tables that break the header's rules")
  func malformedTables() throws {
    let fixture = try Fixture()
    func refusal(_ path: String) -> PluginError? {
      var set = set()
      do throws(PluginError) {
        try set.load(path: path, cacheDirectory: fixture.cache, instruments: ["A"], seed: 1)
        return nil
      } catch {
        return error
      }
    }
    for (name, capacity) in [("zero", 0), ("huge", 257)] {
      let path = try fixture.plugin(name, capacity: capacity)
      guard case .malformed(path, let field, _)? = refusal(path) else {
        Issue.record("\(name) was accepted")
        continue
      }
      #expect(field.contains("max_signals_per_event"))
    }
    let unknown = try fixture.plugin("unknown", subscriptions: "{sizeof(aegis_subscription), 99, 0, 0, 0, 0}")
    #expect(refusal(unknown)?.description.contains("event kind 99") == true)
    let frame = try fixture.plugin(
      "frame", subscriptions: "{sizeof(aegis_subscription), AEGIS_EV_BAR, 17, 0, 0, 0}")
    #expect(refusal(frame)?.description.contains("timeframe 17") == true)
    let small = try fixture.plugin("small", subscriptions: "{8, AEGIS_EV_TRADE, 0, 0, 0, 0}")
    #expect(refusal(small)?.description.contains("states a size of 8 bytes") == true)
    let name = try fixture.plugin("Upper")
    #expect(refusal(name)?.description.contains("\"Upper\"") == true)
    let failing = try fixture.plugin(
      "failing", create: "strcpy(error->message, \"no luck\"); return AEGIS_E_MODEL;")
    #expect(refusal(failing) == .createFailed(plugin: "failing", code: -7, message: "no luck"))
  }

  @Test("loads each id once and leaves the set usable after a refusal")
  func duplicates() throws {
    let fixture = try Fixture()
    var set = set()
    let path = try fixture.trendFollowerC()
    try set.load(path: path, cacheDirectory: fixture.cache, instruments: ["A"], seed: 1)
    do throws(PluginError) {
      try set.load(path: path, cacheDirectory: fixture.cache, instruments: ["A"], seed: 1)
      Issue.record("the second was accepted")
    } catch {
      #expect(error == .alreadyLoaded(file: path, id: "trend-follower-c"))
    }
    #expect(set.count == 1 && set.descriptors.count == 1 && set.signalsPerEventMax == 1)
  }

  @Test("lets a plugin read candles in place and refuses what it does not know")
  func candles() throws {
    let fixture = try Fixture()
    let extra = "static const aegis_host_candles *candles; static const aegis_host *host;"
    let create = """
      host = h; candles = h->get_extension(h, AEGIS_HOST_CANDLES);
      if (!candles || h->get_extension(h, "aegis.host.candles/1x")) return AEGIS_E_UNSUPPORTED;
      h->log(h, AEGIS_LOG_WARNING, "two\\nlines", 9);
      """
    let process = """
      aegis_candles c = {.size = sizeof c};
      if (candles->window(host, 0, AEGIS_TIMEFRAME_1M, 2, &c) != AEGIS_OK || c.count != 2) return AEGIS_E_INTERNAL;
      if (candles->window(host, 9, AEGIS_TIMEFRAME_1M, 2, &(aegis_candles){.size = sizeof c}) != AEGIS_E_INVALID)
        return AEGIS_E_INTERNAL;
      b->out[b->out_count++] = (aegis_signal){b->events->seq, b->events->ts_ns, 1, c.close[1], 0.5f, NAN, NAN, NAN, 0, 0, 0, 0};
      return AEGIS_OK;
      """
    let path = try fixture.plugin(
      "windows", process: process, extra: extra,
      subscriptions: """
        {sizeof(aegis_subscription), AEGIS_EV_TRADE, 0, 0, 0, 0},
        {sizeof(aegis_subscription), AEGIS_EV_BAR, AEGIS_TIMEFRAME_1M, 0, 0, 0}
        """, create: create)
    let lines = LogLines()
    var set = PluginSet(hostName: "tests", version: "1.0") { level, line in lines.add("\(level) \(line)") }
    try set.load(path: path, cacheDirectory: fixture.cache, instruments: ["A"], seed: 1)
    let bars = (0..<3_000).map { bar(10 + Int64($0 % 50), index: $0) }
    let result = signals(of: &set, bars, firstSequence: 1)
    // The first bar finds one candle only; from the second on the newest is the bar itself, as long as one looks.
    #expect(result.count == bars.count - 1 && set.counters(0)[.failed] == 1)
    #expect(
      result.map(\.returnFraction)
        == bars.dropFirst().enumerated().map { Double(10 + ($0.offset + 1) % 50) / 100 })
    let last = signals(of: &set, [trade(1, at: 3_001 * Timeframe.minute1.nanoseconds)], firstSequence: 5_000)
    #expect(last.map(\.returnFraction) == [Double(10 + 2_999 % 50) / 100])
    #expect(lines.all == ["warning two lines"], "control bytes become spaces")
  }
}

/// Collects log lines from any thread.
private final class LogLines: @unchecked Sendable {
  private let lock = NSLock()
  private var lines: [String] = []
  func add(_ line: String) { lock.withLock { lines.append(line) } }
  var all: [String] { lock.withLock { lines } }
}
