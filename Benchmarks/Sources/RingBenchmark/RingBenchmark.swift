import Glibc

/// `RingBenchmark [peers-program] [rounds] [millions-of-records]`: the rings against others' queues, in interleaved
/// rounds.
///
/// One JSON line per row: `{"row":…,"median":…,"min":…,"max":…,"unit":…}`, then one per ratio with its goal. Ratios are
/// taken within each round, so that a slow moment of the machine weighs on both sides; the median round counts.
@main struct RingBenchmark {
  static func main() throws {
    let arguments = CommandLine.arguments
    let peers = arguments.count > 1 ? Peers(program: arguments[1]) : nil
    if arguments.count > 1, peers == nil {
      let line = Array("\(arguments[1]) is no peers program; build it from peers/queues.cpp\n".utf8)
      write(STDERR_FILENO, line, line.count)
      exit(2)
    }
    let rounds = arguments.count > 2 ? max(1, Int(arguments[2]) ?? 5) : 5
    let millions = arguments.count > 3 ? min(1000, max(1, UInt64(arguments[3]) ?? 20)) : 20
    let records = millions * 1_000_000
    let trips = Int(millions) * 5000
    var table = Table()
    for _ in 0..<rounds {
      let processes = TwoProcesses()
      table.add("broadcast", "records/s", try broadcastThroughput(count: records, on: processes))
      table.add("handoff", "records/s", try handoffThroughput(count: records, on: processes))
      table.add("broadcast lapped", "records/s", try lappedThroughput(count: records, on: processes))
      for name in peers?.names ?? [] {
        guard let value = peers?.throughput(name, count: records, on: processes) else {
          fatalError("\(name) failed")
        }
        table.add(name, "records/s", value)
      }
      let broadcast = try broadcastRoundTrip(count: trips, on: processes)
      table.add("broadcast rtt p50", "ns", broadcast.median)
      table.add("broadcast rtt p99", "ns", broadcast.percentile99)
      let handoff = try handoffRoundTrip(count: trips, on: processes)
      table.add("handoff rtt p50", "ns", handoff.median)
      table.add("handoff rtt p99", "ns", handoff.percentile99)
      for name in peers?.names ?? [] {
        guard let (median, percentile99) = peers?.roundTrip(name, count: trips, on: processes) else {
          fatalError("\(name) failed")
        }
        table.add("\(name) rtt p50", "ns", median)
        table.add("\(name) rtt p99", "ns", percentile99)
      }
    }
    table.printRows()
    for name in peers?.names ?? [] {
      table.printRatio("broadcast", to: name, goal: name == "boost" ? .atLeast(2.5) : nil)
      table.printRatio("handoff", to: name, goal: name == "boost" ? .atLeast(1.2) : nil)
      table.printRatio("broadcast rtt p50", to: "\(name) rtt p50", goal: name == "boost" ? .atMost(1) : nil)
      table.printRatio("handoff rtt p50", to: "\(name) rtt p50", goal: name == "boost" ? .atMost(1) : nil)
    }
  }
}
