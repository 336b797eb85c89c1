import CPlatform
import Glibc
import Market
import PluginABI
import PluginHost

/// `IsolatedBenchmark HOST PLUGIN [trips]`: how long an event needs to an isolated plugin and its signal back.
///
/// HOST is `aegis-plugin-host`; PLUGIN answers every trade with one signal (`echo_plugin.c` here). Two rows: the
/// plugin's process polling, and asleep before each event. One JSON line each, in the form of the other benchmarks.
@main struct IsolatedBenchmark {
  static func main() throws {
    let arguments = CommandLine.arguments
    guard arguments.count >= 3 else {
      let line = Array("usage: IsolatedBenchmark HOST PLUGIN [trips]\n".utf8)
      write(STDERR_FILENO, line, line.count)
      exit(2)
    }
    let trips = arguments.count > 3 ? max(100, Int(arguments[3]) ?? 20_000) : 20_000
    try measure(
      "isolated spinning", goal: (1000, "1 µs"), arguments, trips: trips, spinCount: 1 << 28,
      restMicroseconds: 0)
    try measure(
      "isolated sleeping", goal: (60_000, "60 µs"), arguments, trips: min(trips, 2_000), spinCount: 0,
      restMicroseconds: 300)
  }

  /// - Parameter restMicroseconds: pause before each event, long enough for the plugin's process to fall asleep.
  private static func measure(
    _ row: String, goal: (nanoseconds: Double, name: String), _ arguments: [String], trips: Int,
    spinCount: Int, restMicroseconds: UInt32
  ) throws {
    var limits = IsolationLimits()
    limits.spinCount = spinCount
    // The watching thread must not be what is measured on a machine with two processors.
    limits.lookMilliseconds = 100
    var template = Array("/tmp/aegis-isolated-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { fatalError("mkdtemp failed: errno \(errno)") }
    let cache = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { rmdir(cache) }
    let plugin = try IsolatedPlugin(
      path: arguments[2], cacheDirectory: cache, instruments: ["BTCUSDT"], seed: 1, host: arguments[1],
      hostName: "benchmark", version: "1", limits: limits
    ) { _, line in print("plugin: \(line)") }
    defer { plugin.end() }
    _ = aegis_pin_thread(0)
    let room = UnsafeMutableBufferPointer<Signal>.allocate(capacity: 16)
    defer { room.deallocate() }
    var event = aegis_event()
    event.kind = AEGIS_EV_TRADE
    event.u = aegis_payload(trade: aegis_trade(price: 1, size: 1, trade_id: 1, reserved: (0, 0)))
    var nanoseconds: [Int64] = []
    nanoseconds.reserveCapacity(trips)
    for trip in 1...trips + trips / 10 {
      if restMicroseconds > 0 { usleep(restMicroseconds) }
      event.seq = UInt64(trip)
      event.ts_ns = Int64(trip)
      let begun = aegis_monotonic_nanoseconds()
      plugin.offer(event, now: Instant(nanoseconds: Int64(trip)), phase: .live)
      while plugin.poll(into: room, plugin: 0) == 0 {
        aegis_cpu_pause()
        if !plugin.isRunning { fatalError("the plugin ended: \(plugin.status)") }
      }
      let ended = aegis_monotonic_nanoseconds()
      if trip > trips / 10 { nanoseconds.append(ended - begun) }
    }
    nanoseconds.sort()
    let ratio = Double(nanoseconds[nanoseconds.count / 2]) / goal.nanoseconds
    print(#"{"ratio":"\#(row) p50 / \#(goal.name)","median":\#((ratio * 100).rounded() / 100)}"#)
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
      let value = nanoseconds[min(nanoseconds.count - 1, Int(Double(nanoseconds.count) * share))]
      print(
        #"{"row":"\#(row) \#(name)","median":\#(value),"min":\#(nanoseconds[0]),"max":\#(nanoseconds[nanoseconds.count - 1]),"unit":"ns"}"#
      )
    }
  }
}
