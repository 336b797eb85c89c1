import Binance
import Engine
import Foundation
import Market
import PluginHost
import SharedMemory
import Simulator
import Tape
import Trading

/// `BrainBenchmark PLUGIN [EVENTS]`: allocations and processor time of ring → Brain → plugin → desk → journal.
///
/// A generated market of 300 instruments is published into a ring and taken from it by the Brain, with a plugin that
/// trades and with the journal on disk. The first part of the market warms everything up and is not counted. Prints
/// one JSON line; without the interposed allocator it has no allocations. Exits 1 when an event was lost, nothing was
/// traded, or the allocator misses a control.
@main
struct BrainBenchmark {
  private static let symbolCount = 300
  /// Slow enough that a million events hold minute closes, so that candles are part of the count.
  private static let messagesPerSecond = 5_000
  private static let ringCapacity = 1 << 12
  private static let batchCount = 1_000

  static func main() {
    let arguments = CommandLine.arguments
    guard arguments.count > 1 else { fail("usage: BrainBenchmark PLUGIN.so [EVENTS]", status: 2) }
    let eventCount = arguments.count > 2 ? max(Int(arguments[2]) ?? 1_000_000, batchCount) : 1_000_000
    let folder = FileManager.default.temporaryDirectory.appending(path: "aegis-brain-\(getpid())")
    do {
      try FileManager.default.createDirectory(
        at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      let line = try run(plugin: arguments[1], eventCount: eventCount, folder: folder)
      try FileManager.default.removeItem(at: folder)
      print(line)
    } catch {
      fail("\(error)", status: 1)
    }
  }

  private static func run(plugin: String, eventCount: Int, folder: URL) throws -> String {
    let allocations = AllocationCounter()
    if allocations.isPresent, !controlIsSeen(allocations) {
      fail("the interposed allocator does not see our allocations: its zero would mean nothing", status: 1)
    }
    var market = GeneratedMarket(
      GeneratedMarketSettings(
        symbolCount: symbolCount, seed: 1, messagesPerSecond: messagesPerSecond,
        start: Instant(milliseconds: 1_795_250_000_000)))
    var writer = try EventRingWriter<MarketEvent>(anonymousCapacity: ringCapacity)
    var reader = try EventRingReader(of: writer, startingAt: .oldest)
    var loop = try makeLoop(market.table, plugin: plugin, folder: folder)

    var cost = Cost()
    take(eventCount, from: &market, through: &writer, &reader, into: &loop, allocations, &cost)
    let warm = loop.counts
    cost = Cost()
    take(eventCount, from: &market, through: &writer, &reader, into: &loop, allocations, &cost)
    let signals = loop.counts.signals - warm.signals
    let commands = loop.counts.commands - warm.commands
    guard commands > 0 else { fail("nothing was traded, so the count would leave the orders out", status: 1) }
    guard !loop.journal.isFull else { fail("the journal is full", status: 1) }
    let nanoseconds = (cost.processorNanoseconds / Double(cost.events) * 10).rounded() / 10
    let counted = allocations.isPresent ? ",\"allocations\":\(cost.allocations)" : ""
    return #"{"benchmark":"brain","events":\#(cost.events),"nanosecondsPerEvent":\#(nanoseconds),"#
      + #""signals":\#(signals),"orders":\#(commands)\#(counted)}"#
  }

  /// What the Brain's side cost; making the market is not part of it.
  private struct Cost {
    var events = 0
    var processorNanoseconds = 0.0
    var allocations: UInt64 = 0
  }

  private static func take(
    _ count: Int, from market: inout GeneratedMarket, through writer: inout EventRingWriter<MarketEvent>,
    _ reader: inout EventRingReader<MarketEvent>, into loop: inout BrainLoop<SimulatedExchange, TapeJournal>,
    _ allocations: AllocationCounter, _ cost: inout Cost
  ) {
    var published = 0
    while published < count {
      let batch = min(batchCount, count - published)
      for _ in 0..<batch { writer.publish(market.next()) }
      published += batch
      let allocatedBefore = allocations.count
      let begun = processorNanoseconds()
      var taken = 0
      while taken < batch {
        let sequence = reader.sequence
        guard case .record(let event) = reader.next() else {
          fail("an event was lost in the ring", status: 1)
        }
        loop.take(event, sequence: sequence)
        taken &+= 1
      }
      cost.processorNanoseconds += processorNanoseconds() - begun
      cost.allocations += allocations.count - allocatedBefore
      cost.events += taken
    }
  }

  private static func makeLoop(
    _ table: InstrumentTable, plugin: String, folder: URL
  ) throws -> BrainLoop<SimulatedExchange, TapeJournal> {
    var plugins = PluginSet(hostName: "BrainBenchmark", version: "1")
    try plugins.load(
      path: plugin, cacheDirectory: folder.appending(path: "plugins").path,
      parameters: ["source": "trades", "fast": "20", "slow": "60"],
      instruments: table.instruments.map(\.symbol), seed: 1)
    var settings = DeskSettings()
    settings.openPositionsMax = 50
    settings.marginFractionTotalMax = 1
    settings.marginFractionPerTradeMax = 0.01
    settings.cooldownNanoseconds = 0
    settings.requiresNetReturn = false
    settings.dailyLossFractionMax = 1
    let rules = table.rules
    let balance = Quote(e8: 1_000_000 * FixedPoint.one)
    let journal = folder.appending(path: "journal")
    try FileManager.default.createDirectory(at: journal, withIntermediateDirectories: true)
    let writer = try TapeWriter<JournalEntry>(
      directory: journal.path, name: "journal",
      header: TapeHeader(kind: "JRNL", formatVersion: 1, run: 1, createdNanoseconds: 1, venue: table.venue),
      recordsPerSegment: 1 << 20)
    return BrainLoop(
      venue: SimulatedExchange(
        instruments: table, settings: SimulatedExchangeSettings(startingBalance: balance)),
      journal: TapeJournal(writer),
      desk: Desk(rules: rules, settings: settings, run: 1, openingBalance: balance),
      candles: CandleBook(
        rules: rules, windowBars: Dictionary(uniqueKeysWithValues: Timeframe.allCases.map { ($0, 64) })),
      ledger: VirtualLedger(rules: rules, settings: LedgerSettings(settings)), plugins: plugins, rules: rules,
      reportsAreInputs: false, journalsCandles: true, isWarm: true)
  }

  /// Allocates on purpose; a counter that misses it is not believed.
  private static func controlIsSeen(_ allocations: AllocationCounter) -> Bool {
    let before = allocations.count
    for size in 1...1_000 { UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16).deallocate() }
    return allocations.count - before >= 1_000
  }

  private static func processorNanoseconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
  }

  private static func fail(_ text: String, status: Int32) -> Never {
    FileHandle.standardError.write(Data("BrainBenchmark: \(text)\n".utf8))
    exit(status)
  }
}
