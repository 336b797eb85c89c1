import Foundation
import Market
import PluginHost
import Simulator
import Synchronization
import Trading

/// What doing a piece of standard work took and gave; the keys are the benchmark's.
public struct BenchResult: Sendable, Codable, Hashable {
  public var events: Int
  /// Reading and decoding.
  public var loadSeconds: Double
  /// From the first event entering the engine to the last one processed; processor time counts all threads.
  public var runSeconds: Double
  public var runProcessorSeconds: Double
  public var eventsPerSecond: Double
  /// Closed round trips.
  public var trades: Int
  /// To the cent; open positions at the last price.
  public var finalEquity: Double
  public var note: String

  enum CodingKeys: String, CodingKey {
    case events
    case loadSeconds = "load_s"
    case runSeconds = "run_s"
    case runProcessorSeconds = "run_cpu_s"
    case eventsPerSecond = "events_per_s"
    case trades
    case finalEquity = "final_equity"
    case note
  }

  /// One line of JSON.
  public func line() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }
}

/// Does the standard work with the engine's own parts: plugin over the C ABI, Brain loop, desk, ledger, exchange.
public enum BenchWorkloads {
  /// - Parameters:
  ///   - directory: folder of the raw data files.
  ///   - limit: records used of each file; 0 for all.
  ///   - plugin: path of a trend follower: it must know the parameters of the bundled one.
  public static func run(
    _ workload: StandardWorkload, directory: String, limit: Int, plugin: String
  ) async throws -> BenchResult {
    let loadStart = Clock.monotonicNanoseconds()
    let events = try BenchWorkloadsData.events(workload, directory: directory, limit: limit)
    let loadNanoseconds = Clock.monotonicNanoseconds() - loadStart

    let parameters = workload.parameters
    let loader = try BacktestPlugins(path: plugin, table: workload.table)
    let workerCount = min(parameters.count, ProcessInfo.processInfo.activeProcessorCount)
    let work = Work(workload: workload, events: events, loader: loader)
    let outcome: Outcome
    if parameters.count == 1 {
      outcome = try work.run(parameters[0])
    } else {
      outcome = try await runAll(work, parameters, workerCount: workerCount)
    }
    let seconds = Double(outcome.nanoseconds) / 1e9
    let eventCount = events.count * parameters.count
    let cents = (Double(outcome.equity.e8) / Double(parameters.count) / 1e6).rounded() / 100
    return BenchResult(
      events: eventCount, loadSeconds: Double(loadNanoseconds) / 1e9, runSeconds: seconds,
      runProcessorSeconds: Double(outcome.processorNanoseconds) / 1e9,
      eventsPerSecond: (Double(eventCount) / seconds).rounded(), trades: outcome.trades, finalEquity: cents,
      note: workload.note(plugin: outcome.plugin, workerCount: workerCount))
  }

  /// Runs side by side; wall time from the first to the last.
  private static func runAll(
    _ work: Work, _ parameters: [[String: String]], workerCount: Int
  ) async throws -> Outcome {
    let started = Clock.monotonicNanoseconds()
    let startedProcessor = Clock.processorNanoseconds()
    let next = NextIndex()
    var total = try await withThrowingTaskGroup(of: Outcome.self) { group in
      for _ in 0..<workerCount {
        group.addTask {
          var sum = Outcome()
          while let index = next.take(below: parameters.count) { sum.add(try work.run(parameters[index])) }
          return sum
        }
      }
      var total = Outcome()
      for try await part in group { total.add(part) }
      return total
    }
    total.nanoseconds = Clock.monotonicNanoseconds() - started
    total.processorNanoseconds = Clock.processorNanoseconds() - startedProcessor
    return total
  }

  private final class NextIndex: Sendable {
    private let value = Atomic<Int>(0)

    func take(below count: Int) -> Int? {
      let index = value.add(1, ordering: .relaxed).oldValue
      return index < count ? index : nil
    }
  }

  private struct Outcome: Sendable {
    var nanoseconds: Int64 = 0
    var processorNanoseconds: Int64 = 0
    var trades = 0
    var equity = Quote.zero
    var plugin = ""

    mutating func add(_ other: Outcome) {
      trades += other.trades
      equity = equity + other.equity
      if !other.plugin.isEmpty { plugin = other.plugin }
    }
  }

  private struct Work: Sendable {
    let workload: StandardWorkload
    let events: [MarketEvent]
    let loader: BacktestPlugins

    func run(_ parameters: [String: String]) throws(PluginError) -> Outcome {
      let table = workload.table
      let rules = table.rules
      let desk = workload.desk
      let plugins = try loader.load(parameters: parameters)
      let plugin = plugins.descriptors[0].id
      var loop = BrainLoop(
        venue: SimulatedExchange(instruments: table, settings: workload.exchange), journal: NoJournal(),
        desk: Desk(rules: rules, settings: desk, run: 1, openingBalance: StandardWorkload.balance),
        candles: CandleBook(rules: rules, windowBars: workload.windowBars, startsComplete: true),
        ledger: VirtualLedger(rules: rules, settings: LedgerSettings(desk)), plugins: plugins, rules: rules,
        reportsAreInputs: false, journalsCandles: false, isWarm: true)
      let started = Clock.monotonicNanoseconds()
      let startedProcessor = Clock.processorNanoseconds()
      events.withUnsafeBufferPointer { events in
        for index in events.indices { loop.take(events[index], sequence: UInt64(index)) }
      }
      return Outcome(
        nanoseconds: Clock.monotonicNanoseconds() - started,
        processorNanoseconds: Clock.processorNanoseconds() - startedProcessor,
        trades: loop.desk.portfolio.tradeCount, equity: loop.desk.equity, plugin: plugin)
    }
  }
}
