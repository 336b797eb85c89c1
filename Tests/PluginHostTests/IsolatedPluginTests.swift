import Foundation
import Glibc
import Market
import PluginABI
import Testing

@testable import PluginHost

@Suite("An isolated plugin", .serialized)
struct IsolatedPluginTests {
  @Test("says what it is and answers every event like one in this process")
  func answersLikeInProcess() throws {
    let fixture = try Fixture()
    let path = try fixture.plugin("answers")
    let events = (1...2000).map { trade(Int64($0), at: Int64($0) * 1000) }
    var set = PluginSet(hostName: "aegis", version: "1")
    try set.load(path: path, cacheDirectory: fixture.cache, instruments: ["BTCUSDT", "ETHUSDT"], seed: 7)
    let expected = signals(of: &set, events)

    let plugin = try fixture.isolate(path)
    #expect(plugin.descriptor.id == "answers")
    #expect(plugin.descriptor.subscriptions.map(\.kind) == [.trades])
    #expect(plugin.descriptor.sha256.count == 64)
    let found = plugin.signals(of: events)
    #expect(found.count == 2000)
    #expect(haveSameBits(found, expected))
    #expect(plugin.counters.refusedCount == 0)
    #expect(plugin.status == .running)
    plugin.end()
    #expect(plugin.status == .ended)
  }

  @Test(
    "of ours gives the same signals as in this process, over bars, and its state carries over",
    arguments: ["C", "Swift"])
  func trendFollower(language: String) throws {
    let fixture = try Fixture()
    let path = try language == "C" ? fixture.trendFollowerC() : fixture.trendFollower()
    let events = (0..<3000).map { index in
      bar(10_000 + Int64(sin(Double(index) / 40) * 900), index: index)
    }
    var set = PluginSet(hostName: "aegis", version: "1")
    try set.load(path: path, cacheDirectory: fixture.cache, instruments: ["BTCUSDT"], seed: 7)
    let expected = signals(of: &set, events)
    try #require(!expected.isEmpty)

    let whole = try fixture.isolate(path, instruments: ["BTCUSDT"])
    let found = whole.signals(of: events)
    #expect(haveSameBits(found, expected))
    whole.end()

    let first = try fixture.isolate(path, instruments: ["BTCUSDT"])
    try #require(first.hasState)
    let before = first.signals(of: Array(events[..<1500]))
    let state = try first.saveState()
    #expect(state.sequence == 1500)
    first.end()
    let second = try fixture.isolate(path, instruments: ["BTCUSDT"])
    try second.loadState(state)
    try second.activate(now: events[1500].time)
    let after = second.signals(of: Array(events[1500...]), firstSequence: 1501)
    #expect(haveSameBits(before + after, expected))
    second.end()
  }

  @Test("refuses a damaged state and says why")
  func damagedState() throws {
    let fixture = try Fixture()
    let plugin = try fixture.isolate(try fixture.trendFollowerC(), instruments: ["BTCUSDT"])
    var state = try plugin.saveState()
    state.bytes = [1, 2, 3]
    #expect(throws: PluginError.self) { try plugin.loadState(state) }
    state.version = 99
    do {
      try plugin.loadState(state)
      Issue.record("an unknown version was loaded")
    } catch {
      #expect(error.description.contains("state version 99"))
    }
  }

  @Test("has its parameters checked before it is created")
  func parameters() throws {
    let fixture = try Fixture()
    let path = try fixture.trendFollowerC()
    let error = #expect(throws: PluginError.self) {
      _ = try fixture.isolate(path, parameters: ["nonsense": "1"])
    }
    guard case .unknownParameter(_, "nonsense", _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test("sees quotes as seldom as it asked, and closed candles as they were at each event")
  func candlesAndConflation() throws {
    let fixture = try Fixture()
    let path = try fixture.plugin(
      "candles",
      process: """
        for (uint32_t i = 0; i < b->count; i++) {
          const aegis_event *e = &b->events[i];
          aegis_candles c = {.size = sizeof c};
          aegis_status status = table->window(kept, e->instrument, AEGIS_TIMEFRAME_1M, 3, &c);
          double last = status == AEGIS_OK && c.count ? c.close[c.count - 1] : 0;
          aegis_signal s = {e->seq, e->ts_ns, 1000, 0.01, 0.5f, NAN, NAN, NAN, e->instrument, 0, 0, 0};
          s.tag = (uint64_t)(last * 100 + 0.5) * 10 + c.count;
          b->out[b->out_count++] = s;
        }
        return AEGIS_OK;
        """, extra: "static const aegis_host *kept; static const aegis_host_candles *table;",
      subscriptions: """
        {sizeof(aegis_subscription), AEGIS_EV_TRADE, 0, 0, 0, 0},
        {sizeof(aegis_subscription), AEGIS_EV_QUOTE, 0, 0, 100, 0}
        """,
      create:
        "kept = h; table = h->get_extension(h, AEGIS_HOST_CANDLES); if (!table) return AEGIS_E_UNSUPPORTED;")
    let plugin = try fixture.isolate(path)
    let minute = Timeframe.minute1.nanoseconds
    var events: [MarketEvent] = []
    for index in 0..<1100 {
      events.append(bar(Int64(1000 + index), index: index))
      events.append(trade(5, at: Int64(index + 1) * minute))
    }
    let found = plugin.signals(of: events)
    #expect(found.count == 1100)
    #expect(found.enumerated().allSatisfy { $1.tag == UInt64(1000 + $0) * 10 + UInt64(min($0 + 1, 3)) })

    let start = 2000 * minute
    let quotes = (0..<1000).map { index in
      MarketEvent.quote(
        InstrumentID(0), time: Instant(nanoseconds: start + Int64(index) * 1_000_000), bid: Price(ticks: 1),
        bidQuantity: Quantity(steps: 1), ask: Price(ticks: 2), askQuantity: Quantity(steps: 1))
    }
    #expect(plugin.signals(of: quotes, firstSequence: 10_000).count == 10)
  }

  @Test("gets its feature rows and annotations across")
  func featuresAndAnnotations() throws {
    let fixture = try Fixture()
    let path = try fixture.plugin(
      "annotates", signal: "",
      process: """
        for (uint32_t i = 0; i < b->count; i++) {
          const aegis_event *e = &b->events[i];
          aegis_annotation a = {.size = sizeof a, .instrument = 1, .timeframe = 2, .direction = -1,
            .cause_seq = e->seq, .bar = 9, .origin = 4, .name = "order-block.with-a-long-name", .level = 1.5, .top = NAN,
            .bottom = NAN, .value = 7};
          if (table->annotate(kept, &a) != AEGIS_OK) return AEGIS_E_INTERNAL;
          a.name = "Not A Name";
          if (table->annotate(kept, &a) != AEGIS_E_INVALID) return AEGIS_E_INTERNAL;
        }
        return AEGIS_OK;
        """, extra: "static const aegis_host *kept; static const aegis_host_annotate *table;",
      create: "kept = h; table = h->get_extension(h, AEGIS_HOST_ANNOTATE);")
    let plugin = try fixture.isolate(path)
    let room = UnsafeMutableBufferPointer<Signal>.allocate(capacity: 16)
    defer { room.deallocate() }
    plugin.offer(
      aegis_event(trade(5, at: 1000), sequence: 1, rules: centRules), now: Instant(nanoseconds: 1000),
      phase: .live)
    try #require(eventually { plugin.hasCaughtUp })
    #expect(plugin.poll(into: room, plugin: 3) == 0)
    #expect(plugin.annotations.count == 1)
    let seen = try #require(plugin.annotations.first)
    #expect(seen.name == "order-block.with-a-long-name")
    #expect(seen.record.direction == -1 && seen.record.bar == 9 && seen.record.origin == 4)
    #expect(seen.record.cause_seq == 1 && seen.record.level == 1.5 && seen.record.value == 7)
    #expect(plugin.counters[.failed] == 0)
  }

  @Test("that is too far behind misses events, and learns of it as one gap")
  func gap() throws {
    let fixture = try Fixture()
    let path = try fixture.plugin(
      "slow",
      process: """
        for (uint32_t i = 0; i < b->count; i++) {
          const aegis_event *e = &b->events[i];
          if (e->kind == AEGIS_EV_TRADE) { usleep(2000); continue; }
          aegis_signal s = {e->seq, e->ts_ns, 1000, 0.01, 0.5f, NAN, NAN, NAN, 0, 0, 0, 0};
          s.tag = e->u.gap.missing;
          b->out[b->out_count++] = s;
        }
        return AEGIS_OK;
        """, extra: "int usleep(unsigned);",
      subscriptions: """
        {sizeof(aegis_subscription), AEGIS_EV_TRADE, 0, 0, 0, 0}, {sizeof(aegis_subscription), AEGIS_EV_GAP, 0, 0, 0, 0}
        """)
    var limits = IsolationLimits.quick
    limits.inputCapacity = 16
    let plugin = try fixture.isolate(path, limits: limits)
    for index in 1...100 {
      let event = aegis_event(trade(5, at: Int64(index)), sequence: UInt64(index), rules: centRules)
      plugin.offer(event, now: Instant(nanoseconds: Int64(index)), phase: .live)
    }
    #expect(plugin.missedEventCount > 0)
    let missed = plugin.missedEventCount
    try #require(eventually { plugin.hasCaughtUp })
    let found = plugin.signals(of: [trade(5, at: 200)], firstSequence: 200)
    #expect(found.map(\.tag).reduce(0, +) == missed)
    #expect(plugin.status == .running)
  }

  @Test("gets a changed parameter in order, its text included")
  func parameterChange() throws {
    let fixture = try Fixture()
    let path = try fixture.plugin(
      "changes",
      process: """
        for (uint32_t i = 0; i < b->count; i++) {
          const aegis_event *e = &b->events[i];
          if (e->kind == AEGIS_EV_PARAM) {
            mark = e->u.param.value.len * 1000 + (uint64_t)strlen(e->u.param.value.v.str);
            continue;
          }
          aegis_signal s = {e->seq, e->ts_ns, 1000, 0.01, 0.5f, NAN, NAN, NAN, 0, 0, 0, mark};
          b->out[b->out_count++] = s;
        }
        return AEGIS_OK;
        """, extra: "static uint64_t mark;")
    let plugin = try fixture.isolate(path)
    #expect(plugin.signals(of: [trade(5, at: 1)]).map(\.tag) == [0])
    var change = aegis_event()
    change.ts_ns = 2
    change.seq = 2
    change.kind = AEGIS_EV_PARAM
    change.u.param.value.type = AEGIS_T_STR
    plugin.offer(change, text: "thirteen char", now: Instant(nanoseconds: 2), phase: .live)
    #expect(plugin.signals(of: [trade(5, at: 3)], firstSequence: 3).map(\.tag) == [13013])
  }
}
