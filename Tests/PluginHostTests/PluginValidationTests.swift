import Foundation
import Glibc
import Market
import PluginABI
import Testing

@testable import PluginHost

@Suite("The parts of validation")
struct PluginValidationTests {
  private func image(_ fixture: Fixture, _ path: String) throws -> PluginImage {
    try PluginImage(path: path, cacheDirectory: fixture.cache)
  }

  @Test("a made-up market is the same for the same seed, and its candles are candles")
  func market() {
    let history = TrialHistory.generated(seed: 7, intervalNanoseconds: Timeframe.minute5.nanoseconds)
    let again = TrialHistory.generated(seed: 7, intervalNanoseconds: Timeframe.minute5.nanoseconds)
    let other = TrialHistory.generated(seed: 8, intervalNanoseconds: Timeframe.minute5.nanoseconds)
    #expect(history.instruments.map { $0.map(\.close) } == again.instruments.map { $0.map(\.close) })
    #expect(history.instruments.map { $0.map(\.close) } != other.instruments.map { $0.map(\.close) })
    for bars in history.instruments {
      #expect(
        bars.allSatisfy {
          $0.low <= min($0.open, $0.close) && $0.high >= max($0.open, $0.close) && $0.low > 0
        })
      #expect(
        zip(bars, bars.dropFirst()).allSatisfy { $1.openNanoseconds - $0.openNanoseconds == 300_000_000_000 })
    }
  }

  @Test("larger candles are put together from whole smaller ones, and a hole makes them incomplete")
  func aggregation() {
    let minute = Timeframe.minute1.nanoseconds
    let bars = (0..<25).filter { $0 != 12 }.map { index in
      let price = 100 + Double(index)
      return TrialHistory.Bar(
        openNanoseconds: 1_700_006_400_000_000_000 + Int64(index) * minute, open: price, high: price + 0.5,
        low: price - 0.5, close: price + 0.25, volume: 2)
    }
    let history = TrialHistory(intervalNanoseconds: minute, instruments: [bars], symbols: ["A"])
    let wishes = TrialEvents.EventWishes([
      PluginSubscription(kind: .bars(.minute1), warmupBarCount: 0, conflationMilliseconds: 0),
      PluginSubscription(kind: .bars(.minute5), warmupBarCount: 0, conflationMilliseconds: 0),
    ])
    let trial = TrialEvents(history, wishes: wishes)
    let larger = trial.events.filter { $0.flags & AEGIS_EVENT_TIMEFRAME_MASK == UInt16(AEGIS_TIMEFRAME_5M) }
    #expect(larger.map(\.u.bar.open) == [100, 105, 110, 115, 120])
    #expect(larger.map(\.u.bar.close) == [104.25, 109.25, 114.25, 119.25, 124.25])
    #expect(larger.map(\.u.bar.volume) == [10, 10, 8, 10, 10])
    #expect(larger.map { $0.flags & AEGIS_EVENT_COMPLETE != 0 } == [true, true, false, true, true])
    #expect(
      zip(trial.events, trial.events.dropFirst()).allSatisfy { $0.seq < $1.seq && $0.ts_ns <= $1.ts_ns })
  }

  @Test("no batch goes on over a close the plugin can see")
  func batches() {
    let history = TrialHistory.generated(
      seed: 1, intervalNanoseconds: Timeframe.minute1.nanoseconds, barCount: 50, instrumentCount: 3)
    let wishes = TrialEvents.EventWishes([
      PluginSubscription(kind: .bars(.minute1), warmupBarCount: 0, conflationMilliseconds: 0),
      PluginSubscription(kind: .quotes, warmupBarCount: 0, conflationMilliseconds: 0),
    ])
    let trial = TrialEvents(history, wishes: wishes)
    for index in 1..<trial.events.count {
      let isAcross =
        trial.events[index - 1].kind == AEGIS_EV_BAR
        && trial.events[index].ts_ns > trial.events[index - 1].ts_ns
      #expect(trial.endsBatch(before: index) == isAcross)
    }
  }

  @Test("annotations that break a rule of the header are refused and counted")
  func annotations() throws {
    let buffer = AnnotationBuffer(capacity: 2)
    let services = HostServices(name: "t", version: "1", log: { _, _ in })
    #expect(services.host.pointee.get_extension(services.host, AEGIS_HOST_ANNOTATE) == nil)
    services.provideAnnotations(into: buffer, instrumentCount: 2)
    let address = try #require(services.host.pointee.get_extension(services.host, AEGIS_HOST_ANNOTATE))
    let table = address.assumingMemoryBound(to: aegis_host_annotate.self).pointee
    var event = aegis_event()
    event.seq = 9
    let good = { (name: UnsafePointer<CChar>) in
      aegis_annotation(
        size: UInt32(MemoryLayout<aegis_annotation>.size), instrument: 1, timeframe: 0, direction: -1,
        cause_seq: 9, bar: 5, origin: 3, name: name, level: 1.5, top: .nan, bottom: .nan, value: .nan)
    }
    func say(_ change: (inout aegis_annotation) -> Void = { _ in }, name: String = "bos") -> aegis_status {
      name.withCString { name in
        var annotation = good(name)
        change(&annotation)
        return table.annotate(services.host, &annotation)
      }
    }
    #expect(say() == AEGIS_E_INVALID, "outside process")
    withUnsafePointer(to: event) { event in
      var batch = aegis_batch()
      batch.count = 1
      batch.events = event
      withUnsafePointer(to: batch) { batch in
        services.beginProcess(batch)
        #expect(say { $0.instrument = 2 } == AEGIS_E_INVALID)
        #expect(say { $0.timeframe = 5 } == AEGIS_E_INVALID)
        #expect(say { $0.direction = 2 } == AEGIS_E_INVALID)
        #expect(say { $0.cause_seq = 8 } == AEGIS_E_INVALID)
        #expect(say { $0.origin = 6 } == AEGIS_E_INVALID)
        #expect(say { $0.bar = -2 } == AEGIS_E_INVALID)
        #expect(say { $0.level = .infinity } == AEGIS_E_INVALID)
        #expect(say { $0.size = 8 } == AEGIS_E_INVALID)
        #expect(say { $0.name = nil } == AEGIS_E_INVALID)
        #expect(say(name: "") == AEGIS_E_INVALID && say(name: "Upper") == AEGIS_E_INVALID)
        #expect(say(name: String(repeating: "x", count: 48)) == AEGIS_E_INVALID)
        #expect(say(name: String(repeating: "x", count: 47)) == AEGIS_OK)
        #expect(say() == AEGIS_OK)
        #expect(say() == AEGIS_E_OVERFLOW)
        services.endProcess()
      }
    }
    #expect(buffer.count == 2 && buffer.droppedCount == 1 && buffer.refusedCount == 13)
    #expect(buffer[1].name == "bos" && buffer[1].bar == 5 && buffer[1].level == 1.5 && buffer[1].top.isNaN)
    buffer.removeAll()
    #expect(buffer.count == 0)
  }

  @Test("the thread check answers for the thread inside a call only")
  func threadCheck() throws {
    let services = HostServices(name: "t", version: "1", log: { _, _ in })
    #expect(services.host.pointee.get_extension(services.host, AEGIS_HOST_THREAD_CHECK) == nil)
    services.provideThreadCheck()
    let address = try #require(services.host.pointee.get_extension(services.host, AEGIS_HOST_THREAD_CHECK))
    let table = address.assumingMemoryBound(to: aegis_host_thread_check.self).pointee
    func tags() -> [Int32] { [table.is_control(services.host), table.is_strategy(services.host)] }
    #expect(tags() == [0, 0])
    #expect(services.control { tags() } == [1, 0])
    services.beginProcess(nil)
    #expect(tags() == [0, 1])
    services.endProcess()
    #expect(tags() == [0, 0])
  }

  @Test("a signature is judged by the header's grammar")
  func signatures() {
    for good in [
      "f64(f64*,i64,i32)", "void(candles, i64 period=14, f64*out RSI)", "bool()", "i64(str \"a, b\", f64)",
    ] {
      #expect(SignatureText.problem(good) == nil, "\(good)")
    }
    for bad in [
      "", "f64", "int(f64)", "f64(f64*)", "f64(f64*,f64)", "f64(double)", "f64(str \"open)", "f64(f64,)",
    ] {
      #expect(SignatureText.problem(bad) != nil, "\(bad)")
    }
    let long = "f64(" + Array(repeating: "f64", count: 21).joined(separator: ",") + ")"
    #expect(SignatureText.problem(long)?.contains("21 words") == true)
  }

  @Test(
    "numbers are written as the shortest decimal that reads back",
    arguments: [
      (0.1, "0.1"), (100.0, "100"), (1e-7, "0.0000001"), (1.5e-7, "0.00000015"),
      (1e22, "10000000000000000000000"),
      (-2.5e-5, "-0.000025"), (.nan, ""), (123456.789, "123456.789"), (0.0, "0"),
    ])
  func decimals(value: Double, text: String) {
    #expect(ShortDecimal.text(value) == text)
    if !value.isNaN { #expect(Double(text) == value) }
  }

  @Test("calendar times follow the Gregorian calendar")
  func calendar() {
    for (text, seconds) in [
      ("1970-01-01 00:00:00", Int64(0)), ("2000-02-29 23:59:59", 951_868_799),
      ("2024-12-31 00:00:00", 1_735_603_200),
      ("1969-12-31 23:59:59", -1),
    ] {
      #expect(CalendarTime.text(seconds * 1_000_000_000) == text)
    }
  }

  @Test(
    "a plugin that promises nothing is not failed for what it did not promise",
    .enabled(if: Fixture.isHostBuilt, "aegis-plugin-host is not built"))
  func promises() throws {
    let fixture = try Fixture()
    let loud = try fixture.plugin(
      "loud", signal: "if (b->flags & AEGIS_BATCH_WARMUP || e->kind != AEGIS_EV_TRADE) continue;")
    let checks = try PluginValidation.run(path: loud, host: Fixture.host, options: ValidationOptions()).checks
    #expect(checks.filter { $0.result == .failed }.isEmpty, "\(checks)")
    #expect(checks.first { $0.name == "state" }?.detail == "none, and none promised")
    #expect(checks.first { $0.name == "info" }?.result == .warning)
  }

  @Test("made-up events never go back in time, whatever is asked for")
  func order() {
    let history = TrialHistory.generated(
      seed: 3, intervalNanoseconds: Timeframe.minute1.nanoseconds, barCount: 200)
    let kinds: [PluginSubscription.Kind] = [.bars(.minute1), .bars(.hour1), .quotes, .trades, .marks, .gaps]
    let wishes = TrialEvents.EventWishes(
      kinds.map { PluginSubscription(kind: $0, warmupBarCount: 0, conflationMilliseconds: 0) })
    let trial = TrialEvents(history, wishes: wishes)
    #expect(
      zip(trial.events, trial.events.dropFirst()).allSatisfy { $0.ts_ns <= $1.ts_ns && $0.seq < $1.seq })
    #expect(Set(trial.events.map(\.kind)) == [AEGIS_EV_BAR, AEGIS_EV_QUOTE, AEGIS_EV_TRADE, AEGIS_EV_MARK])
  }

  @Test("every check in one process finds what the checks in children find")
  func inProcess() throws {
    let faults = try FaultFixtures.shared()
    var options = ValidationOptions()
    options.only = ["replay", "causality"]
    let checks = PluginValidation.inProcess(path: faults.path("looks_ahead"), options: options)
    #expect(checks.map(\.name) == ["load", "replay", "causality"])
    #expect(checks.map(\.result) == [.ok, .ok, .failed])
    #expect(checks[2].detail.contains("bar 600 of TEST0USDT"))
  }
}
