import Binance
import BinanceWire
import Foundation
import Glibc
import Logging
import Market
import PluginHost
import SharedMemory
import Simulator
import Storage
import Tape
import Trading

/// The process that decides: ring → candles → plugins → desk → orders → journal.
///
/// Starting is recovering: what earlier runs left is read from the journal, written down again as the first entries
/// of the new run, and restored from them. A start after a crash takes the same path as any other.
public enum BrainProcess {
  /// Runs until the control page asks to end, or the Orchestrator is gone.
  public static func run(assignmentPath: String) async throws {
    ignoreTerminalSignals()
    let assignment = try ChildAssignment.read(from: assignmentPath)
    let settings = try assignment.loadSettings()
    let logger = processLogger("brain", settings)
    let table = try assignment.loadInstrumentTable()
    let recovered = try Recovery.lastRun(
      in: assignment.directory, openingBalance: settings.openingBalance, logger: logger)
    let policy = try PluginPolicy(settings, folder: assignment.directory.plugins, logger: logger)
    let plan = try BrainPlan(
      assignment: assignment, settings: settings, table: table, run: recovered.nextRun, logger: logger,
      policy: policy)
    switch settings.mode {
    case .live: try await runLive(plan, recovered, policy, logger)
    case .paper, .backtest: try runOnPaper(plan, recovered, policy, logger)
    }
  }

  private static func runOnPaper(
    _ plan: consuming BrainPlan, _ recovered: Recovery, _ policy: PluginPolicy, _ logger: Logger
  ) throws {
    var exchange = SimulatedExchange(instruments: plan.table, settings: plan.settings.paperExchange)
    exchange.restore(from: recovered.openingEntries())
    try start(
      plan, recovered, venue: exchange, reportsAreInputs: false, flattensOnDrain: false, policy, logger)
  }

  private static func runLive(
    _ plan: consuming BrainPlan, _ recovered: Recovery, _ policy: PluginPolicy, _ logger: Logger
  ) async throws {
    guard let credentials = try Credentials(environment: ProcessInfo.processInfo.environment) else {
      throw LiveVenue.Failure.noKeys
    }
    var lastTradeIDs: [InstrumentID: Int64] = [:]
    for position in recovered.state?.positions ?? [] {
      lastTradeIDs[position.record.instrument] = position.lastTradeID
    }
    let venue = try await LiveVenue.open(
      plan.assignment.address, table: plan.table, credentials: credentials,
      leverage: plan.settings.desk.leverage,
      budget: try RestBudget(sharedAt: plan.assignment.regions.budget), lastTradeIDs: lastTradeIDs,
      logger: logger)
    // No stop lives at the venue yet, so nothing may stay open when nobody watches.
    try start(plan, recovered, venue: venue, reportsAreInputs: true, flattensOnDrain: true, policy, logger)
  }

  private static func start<Venue: Exchange & ~Copyable>(
    _ plan: consuming BrainPlan, _ recovered: Recovery, venue: consuming Venue, reportsAreInputs: Bool,
    flattensOnDrain: Bool, _ policy: PluginPolicy, _ logger: Logger
  ) throws {
    let regions = plan.assignment.regions
    let directory = plan.assignment.directory
    let run = plan.run
    let ring = try EventRingReader<MarketEvent>(path: regions.ring, startingAt: .newest)
    let inputs = try HandoffConsumer<JournalEntry>(attachingTo: regions.inputs)
    let control = try ControlPage(path: regions.control, writable: false)
    let counters = try CounterLane(path: regions.counters, lane: ProcessLane.brain.rawValue)
    let writer = try TapeWriter<JournalEntry>(
      directory: directory.journal.path, name: EngineTapes.journalName,
      header: TapeHeader(
        kind: EngineTapes.journalKind, formatVersion: EngineTapes.journalVersion, run: UInt64(run),
        epoch: ring.currentEpoch, createdNanoseconds: Clock.wallNanoseconds(), venue: directory.venue,
        tableVersion: UInt64(plan.table.version)),
      recordsPerSegment: EngineTapes.journalRecordsPerSegment)
    let preparer = SegmentPreparation(writer.makePreparer(), logger: logger)
    preparer.start()
    defer { preparer.stop() }
    try plan.record(marketSession: try EngineTapes.marketSession(directory)).write(
      to: directory.runRecord(run))
    let spinCount = plan.settings.brain.spinMicroseconds * 20  // a poll of the ring takes about 50 ns
    let instrumentCount = plan.table.count
    let mailbox = PluginMailbox()
    let keeper = plan.makeKeeper(
      mailbox: mailbox, control: try ControlPage(path: regions.control, writable: false), policy: policy,
      logger: logger)
    var loop = plan.makeLoop(
      venue: venue, journal: TapeJournal(writer), reportsAreInputs: reportsAreInputs,
      ringSequence: ring.sequence)
    loop.setPluginCallMark(counters.pointer(to: BrainCounter.pluginCall.rawValue))
    for entry in recovered.openingEntries() { loop.take(entry) }
    logger.info(
      "run started",
      metadata: ["run": "\(run)", "plugins": "\(loop.plugins.count)", "instruments": "\(instrumentCount)"])
    var driver = BrainDriver(
      loop: loop, ring: ring, inputs: inputs, control: control, counters: counters,
      reportsAreInputs: reportsAreInputs, spinCount: spinCount, flattensOnDrain: flattensOnDrain,
      mailbox: mailbox)
    keeper.start()
    driver.run()
    mailbox.close()
    keeper.stop()
    try driver.finish()
    logger.info("run ended", metadata: ["run": "\(run)"])
  }
}

/// Makes the journal's next segment ready before it is needed, off the decision thread.
private final class SegmentPreparation: @unchecked Sendable {  // the flag is only ever raised
  private let preparer: TapePreparer
  private let logger: Logger
  private let stopped = DispatchSemaphore(value: 0)

  init(_ preparer: TapePreparer, logger: Logger) {
    self.preparer = preparer
    self.logger = logger
  }

  func start() {
    Thread.detachNewThread { [self] in
      while stopped.wait(timeout: .now() + .seconds(1)) == .timedOut {
        do throws(TapeError) {
          try preparer.prepareNextSegment()
        } catch {
          logger.warning("no room for the next journal segment", metadata: ["error": "\(error)"])
        }
      }
    }
  }

  func stop() { stopped.signal() }
}
