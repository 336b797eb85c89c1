import Binance
import Glibc
import Market

/// Takes in messages from a load server through the market socket's own path, several times, and prints JSON lines.
///
/// Arguments: URL, message count, rounds, kind (`agg`, `book` or `mix`, for the instruments). With the interposed
/// allocator preloaded it also counts allocations on our side of the frame, after a control that must be seen.
@main
struct IngestBenchmark {
  static func main() {
    let arguments = CommandLine.arguments
    guard arguments.count > 2, let count = Int(arguments[2]), count > 1_000 else {
      print(
        "usage: IngestBenchmark ws://127.0.0.1:PORT/stream COUNT [ROUNDS] [agg|book|mix]   (COUNT > 1000)")
      exit(2)
    }
    let rounds = arguments.count > 3 ? max(1, Int(arguments[3]) ?? 5) : 5
    let table = arguments.count > 4 && arguments[4] == "mix" ? mixTable : IngestProbe.loadTable
    let counter = AllocationCounter()
    if counter.isPresent, !controlIsSeen(counter) {
      print("the interposed allocator does not see our allocations: its zero would mean nothing")
      exit(1)
    }
    for _ in 0..<rounds {
      do {
        let run = try IngestProbe.run(url: arguments[1], count: count, table: table)
        guard run.messages > 0 else {
          print("no messages came from \(arguments[1])")
          exit(1)
        }
        print(line(run))
      } catch {
        print("\(arguments[1]): \(error)")
        exit(1)
      }
    }
  }

  /// The 300 symbols of the load server's mix.
  static var mixTable: InstrumentTable {
    let rules = InstrumentRules(tickE8: 10_000_000, stepE8: 100_000)
    return InstrumentTable(
      venue: "load",
      instruments: (0..<300).map { Instrument(symbol: "S\($0)USDT", baseAsset: "S\($0)", rules: rules) })
  }

  /// Allocates on purpose; a counter that misses it is not believed.
  static func controlIsSeen(_ counter: AllocationCounter) -> Bool {
    let before = counter.count
    for size in 1...1_000 { UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16).deallocate() }
    return counter.count - before >= 1_000
  }

  static func line(_ run: IngestMeasurement) -> String {
    let perSecond = Int(Double(run.messages) / run.seconds)
    let cpuNanoseconds = Int(run.cpuSeconds * 1e9 / Double(run.messages))
    let allocations = run.allocations.map { ",\"allocations\":\($0)" } ?? ""
    return "{\"messages\":\(run.messages),\"events\":\(run.events),\"refused\":\(run.refused),"
      + "\"messagesPerSecond\":\(perSecond),\"cpuNanosecondsPerMessage\":\(cpuNanoseconds)\(allocations)}"
  }
}
