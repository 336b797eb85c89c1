import Foundation
import Logging
import Market
import PluginHost
import SharedMemory
import Simulator
import Tape
import Testing
import Trading

@testable import Engine

/// A recorded run made in this process: a data directory with market tape, journal, settings, table, record and kept
/// plugin, as `aegis run` leaves them behind.
final class ReplayFixture {
  let root: URL
  let directory: DataDirectory
  let table: InstrumentTable
  static let session: UInt64 = 77

  /// Where the sample plugins lie; nil when they are not built.
  static let plugin: String? = {
    let project = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let folders: [String?] = [
      ProcessInfo.processInfo.environment["AEGIS_TEST_PLUGINS"],
      project.appending(path: "build/plugins").path,
    ]
    return folders.compactMap { $0.map { "\($0)/libtrend_follower_c.so" } }
      .first { FileManager.default.fileExists(atPath: $0) }
  }()

  init(symbolCount: Int = 4) throws {
    root = FileManager.default.temporaryDirectory.appending(path: "aegis-replay-test-\(UUID().uuidString)")
    directory = DataDirectory(root: root.path, venue: "127.0.0.1-9", mode: "paper")
    try directory.prepare()
    table = GeneratedMarket(Self.market(symbolCount, seed: 1)).table
  }

  // A left-over folder among the temporary ones harms nobody.
  deinit { try? FileManager.default.removeItem(at: root) }

  private static func market(_ symbolCount: Int, seed: UInt64) -> GeneratedMarketSettings {
    GeneratedMarketSettings(
      symbolCount: symbolCount, seed: seed, messagesPerSecond: 400,
      start: Instant(milliseconds: 1_795_250_012_345))
  }

  /// The events of a seeded market in order; the tape holds all of them.
  func events(_ count: Int, seed: UInt64 = 1) -> [MarketEvent] {
    var market = GeneratedMarket(Self.market(table.count, seed: seed))
    return (0..<count).map { _ in market.next() }
  }

  func writeMarket(_ events: some Collection<MarketEvent>, firstSequence: UInt64 = 0) throws {
    var writer = try TapeWriter<MarketEvent>(
      directory: directory.market.path, name: EngineTapes.marketName,
      header: TapeHeader(
        kind: EngineTapes.marketKind, formatVersion: EngineTapes.marketVersion, run: Self.session,
        firstSequence: firstSequence, createdNanoseconds: 1, venue: directory.venue),
      recordsPerSegment: 1 << 14)
    for event in events { try writer.append(event) }
    try writer.seal()
  }

  func removeMarket() throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: directory.market.path) {
      try FileManager.default.removeItem(at: directory.market.appending(path: name))
    }
  }

  /// Runs a Brain over the events as the process does, from what the runs before left.
  ///
  /// - Parameters:
  ///   - taken: sequences the run takes, in order; a jump is an overrun.
  ///   - ends: false is a kill: no drain, no last entry.
  ///   - reloads: called before each market event with its sequence, to change plugins.
  func run(
    _ events: [MarketEvent], taken: [Range<Int>], ends: Bool = true,
    reloads: (inout BrainLoop<SimulatedExchange, TapeJournal>, PluginLoader, Int) throws -> Void = {
      _, _, _ in
    }
  ) throws {
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    var settings = Settings()
    settings.desk.takerFeeE8 = 0
    settings.plugins.load = [
      Settings.Plugins.Choice(
        path: Self.plugin ?? "",
        parameters: [
          Settings.Plugins.Parameter(name: "source", value: "trades"),
          Settings.Plugins.Parameter(name: "fast", value: "5"),
          Settings.Plugins.Parameter(name: "slow", value: "20"),
        ])
    ]
    let recovered = try Recovery.lastRun(
      in: directory, openingBalance: settings.openingBalance, logger: logger)
    let tableURL = directory.instrumentTable(version: table.version)
    try JSONEncoder().encode(table).write(to: tableURL)
    let assignment = ChildAssignment(
      settingsFile: "", dataRoot: root.path, venueKey: directory.venue, mode: "paper", regionsFolder: "",
      address: .binance, instrumentTableFile: tableURL.path, speed: 1)
    let plan = try BrainPlan(
      assignment: assignment, settings: settings, table: table, run: recovered.nextRun, logger: logger)
    let writer = try TapeWriter<JournalEntry>(
      directory: directory.journal.path, name: EngineTapes.journalName,
      header: TapeHeader(
        kind: EngineTapes.journalKind, formatVersion: EngineTapes.journalVersion,
        run: UInt64(recovered.nextRun),
        createdNanoseconds: 1, venue: directory.venue),
      recordsPerSegment: 1 << 12)
    try plan.record(marketSession: Self.session).write(to: directory.runRecord(recovered.nextRun))
    var exchange = SimulatedExchange(instruments: table, settings: settings.paperExchange)
    exchange.restore(from: recovered.openingEntries())
    let loader = plan.pluginLoader()
    var loop = plan.makeLoop(
      venue: exchange, journal: TapeJournal(writer), reportsAreInputs: false,
      ringSequence: UInt64(taken[0].lowerBound))
    for entry in recovered.openingEntries() { loop.take(entry) }
    loop.take(.instrumentReady(.none, time: .never))
    var previousEnd: Int?
    for range in taken {
      if let previousEnd, range.lowerBound > previousEnd {
        loop.take(
          .ringGap(
            cause: .overrun, missingCount: Int64(range.lowerBound - previousEnd),
            firstSequence: Int64(previousEnd), epoch: 1, time: loop.now))
      }
      for sequence in range {
        try reloads(&loop, loader, sequence)
        for plugin in loop.takeRemovedPlugins() { loader.end(plugin) }
        loop.take(events[sequence], sequence: UInt64(sequence))
        if sequence % 700 == 699 { loop.take(clock: loop.now.advanced(byNanoseconds: 3_000_000)) }
        if sequence == 2_000 {
          loop.take(.control(mode: .reduceOnly, isDraining: false, time: loop.now))
          loop.take(.control(mode: .normal, isDraining: false, time: loop.now))
        }
      }
      previousEnd = range.upperBound
    }
    if ends { loop.end() }
    try loop.takeJournal().seal()
  }

  func journal(_ run: UInt32 = 1) throws -> [JournalEntry] {
    let found = try #require(try EngineTapes.runs(directory).first { $0.run == run })
    return try EngineTapes.entries(directory, run: run, firstSegment: found.firstSegment)
  }

  /// Writes the journal anew, as far as a kill would have left it.
  func rewriteJournal(_ entries: some Collection<JournalEntry>, run: UInt32 = 1) throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: directory.journal.path) {
      try FileManager.default.removeItem(at: directory.journal.appending(path: name))
    }
    try appendRun(run, entries)
  }

  func appendRun(_ run: UInt32, _ entries: some Collection<JournalEntry>) throws {
    var writer = try TapeWriter<JournalEntry>(
      directory: directory.journal.path, name: EngineTapes.journalName,
      header: TapeHeader(
        kind: EngineTapes.journalKind, formatVersion: EngineTapes.journalVersion, run: UInt64(run),
        createdNanoseconds: 1, venue: directory.venue),
      recordsPerSegment: 1 << 12)
    for entry in entries { try writer.append(entry) }
    try writer.seal()
  }
}
