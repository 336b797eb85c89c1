import Foundation
import Glibc
import Market

@testable import PluginHost

/// A private folder with plugins compiled for one test, removed with its owner.
final class Fixture: Sendable {
  let folder: String
  var cache: String { "\(folder)/cache" }

  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
  /// Where this test program, and so the built products, lie.
  static let products = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    .path

  /// The slim host, when it was built with the tests.
  static let host = "\(products)/aegis-plugin-host"
  static let isHostBuilt = FileManager.default.isExecutableFile(atPath: host)

  struct Failure: Error, CustomStringConvertible { var description: String }

  init() throws {
    var template = Array("\(FileManager.default.temporaryDirectory.path)/aegis-plugins-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Failure(description: errorText(errno)) }
    folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  // A left-over folder among the temporary ones harms nobody.
  deinit { try? FileManager.default.removeItem(atPath: folder) }

  /// Runs a program and returns what it printed.
  /// - Throws: when it fails, with its messages.
  @discardableResult
  static func run(_ program: String, _ arguments: [String]) throws -> String {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [program] + arguments
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Failure(description: "\(program) \(arguments.joined(separator: " ")): \(text)")
    }
    return text
  }

  /// The C trend follower, built by its own Makefile.
  func trendFollowerC() throws -> String {
    try Self.run("make", ["-s", "-C", "\(Self.root)/Plugins/TrendFollowerC", "OUT=\(folder)"])
    return "\(folder)/libtrend_follower_c.so"
  }

  /// A private copy of the Swift trend follower that was built with the tests.
  func trendFollower() throws -> String {
    let built = "\(Self.products)/libtrend_follower.so"
    guard FileManager.default.fileExists(atPath: built) else {
      throw Failure(description: "\(built) is missing: swift build --product trend_follower")
    }
    let copy = "\(folder)/libtrend_follower.so"
    try FileManager.default.copyItem(atPath: built, toPath: copy)
    chmod(copy, 0o755)
    return copy
  }

  /// Compiles C text to a shared object.
  func compile(_ name: String, _ source: String, _ flags: [String] = []) throws -> String {
    let text = "\(folder)/\(name).c"
    let object = "\(folder)/\(name).so"
    try source.write(toFile: text, atomically: true, encoding: .utf8)
    try Self.run(
      "cc",
      [
        "-std=c11", "-fPIC", "-shared", "-fvisibility=hidden", "-I", "\(Self.root)/plugin-sdk/include", "-o",
        object, text,
      ]
        + flags)
    return object
  }

  /// A plugin that answers every trade with what `body` does to a signal that keeps all rules.
  func plugin(
    _ name: String, signal body: String = "", process: String? = nil, capacity: Int = 1, extra: String = "",
    subscriptions: String = "{sizeof(aegis_subscription), AEGIS_EV_TRADE, 0, 0, 0, 0}", abiMajor: Int = 1,
    create: String = ""
  ) throws -> String {
    let emit =
      process ?? """
        for (uint32_t i = 0; i < b->count; i++) {
          const aegis_event *e = &b->events[i];
          aegis_signal s = {e->seq, e->ts_ns, 1000, 0.01, 0.5f, NAN, NAN, NAN, e->instrument, 0, 0, 0};
          \(body)
          b->out[b->out_count++] = s;
        }
        return AEGIS_OK;
        """
    return try compile(
      name,
      """
      #include <math.h>
      #include <stdlib.h>
      #include <string.h>
      #include "aegis_plugin.h"
      \(extra)
      static aegis_status create(const aegis_descriptor *d, const aegis_host *h, const aegis_config *c,
                                 aegis_instance **out, aegis_error *error) {
        (void)d; (void)h; (void)c; (void)error;
        \(create)
        *out = calloc(1, sizeof(aegis_instance));
        return AEGIS_OK;
      }
      static void destroy(aegis_instance *i) { free(i); }
      static aegis_status process(aegis_instance *instance, aegis_batch *b) { (void)instance; \(emit) }
      static const aegis_strategy strategy = {sizeof strategy, 0, create, destroy, 0, 0, process, 0, 0};
      static const aegis_subscription subscriptions[] = {\(subscriptions)};
      static const aegis_descriptor descriptor = {
        .size = sizeof descriptor, .kind = AEGIS_KIND_STRATEGY, .id = "\(name)", .version = "1.0.0",
        .max_signals_per_event = \(capacity), .strategy = &strategy, .subscriptions = subscriptions,
        .n_subscriptions = sizeof subscriptions / sizeof subscriptions[0]};
      static const aegis_descriptor *const plugins[] = {&descriptor};
      static const aegis_entry entry = {AEGIS_ABI_MAGIC, sizeof entry, \(abiMajor), 0, 0, "cc", 1, 0, plugins, 0, 0};
      const aegis_entry *aegis_plugin_v1(void);
      AEGIS_EXPORT const aegis_entry *aegis_plugin_v1(void) { return &entry; }
      """)
  }
}

/// Two decimals of price, three of quantity: the grid of most made-up events here.
let centRules = InstrumentRules(tickE8: 1_000_000, stepE8: 100_000)

func trade(_ price: Int64, at nanoseconds: Int64, instrument: Int = 0) -> MarketEvent {
  .trade(
    InstrumentID(instrument), time: Instant(nanoseconds: nanoseconds), price: Price(ticks: price),
    quantity: Quantity(steps: 1), aggregateID: 1)
}

func bar(_ close: Int64, index: Int, instrument: Int = 0, flags: CandleFlags = .complete) -> MarketEvent {
  .bar(
    InstrumentID(instrument), .minute1,
    Candle(
      openTime: Instant(nanoseconds: Int64(index) * Timeframe.minute1.nanoseconds), open: Price(ticks: close),
      high: Price(ticks: close), low: Price(ticks: close), close: Price(ticks: close),
      volume: Quantity(steps: 1),
      flags: flags))
}

/// Feeds events with sequence = position + 1 and collects what passes.
func signals(
  of set: inout PluginSet, _ events: [MarketEvent], phase: EventPhase = .live, firstSequence: UInt64 = 1
) -> [Signal] {
  var result: [Signal] = []
  let room = UnsafeMutableBufferPointer<Signal>.allocate(capacity: max(set.signalsPerEventMax, 1))
  defer { room.deallocate() }
  for (offset, event) in events.enumerated() {
    let count = set.process(
      event, sequence: firstSequence + UInt64(offset), rules: centRules, now: event.time, phase: phase,
      into: room)
    result += room[..<count]
  }
  return result
}

/// Equality by bits, so that two NaNs are equal and two zeros of different sign are not.
func haveSameBits(_ a: [Signal], _ b: [Signal], ignoringPlugin: Bool = true) -> Bool {
  guard a.count == b.count else { return false }
  return zip(a, b).allSatisfy { x, y in
    var y = y
    if ignoringPlugin { y.plugin = x.plugin }
    return x.causeSequence == y.causeSequence && x.time == y.time
      && x.horizonNanoseconds == y.horizonNanoseconds
      && x.returnFraction.bitPattern == y.returnFraction.bitPattern
      && x.confidence.bitPattern == y.confidence.bitPattern
      && x.stopFraction.bitPattern == y.stopFraction.bitPattern
      && x.targetFraction.bitPattern == y.targetFraction.bitPattern && x.instrument == y.instrument
      && x.flags == y.flags && x.plugin == y.plugin && x.tag == y.tag
  }
}
