import Binance
import BinanceWire
import Foundation
import Glibc
import Logging
import Market
import SharedMemory
import Storage
import Synchronization
import Tape
import Trading

/// The process a person starts: API first, then store, regions, universe, children; ends everything in order.
public final class OrchestratorProcess: Sendable {
  public struct Options: Sendable {
    /// Ends by itself after this long; nil runs until a signal.
    public var durationSeconds: Double?
    /// Live table instead of log lines.
    public var showsTable: Bool
    /// This very program, to start children from.
    public var executable: String

    public init(durationSeconds: Double? = nil, showsTable: Bool, executable: String) {
      self.durationSeconds = durationSeconds
      self.showsTable = showsTable
      self.executable = executable
    }
  }

  public enum Failure: Error, CustomStringConvertible {
    case alreadyRunning(dataDirectory: String)
    case exchangeInfo(reason: String)
    case childNeverStarted(name: String)

    public var description: String {
      switch self {
      case .alreadyRunning(let directory):
        "dataDirectory: another engine is running on \(directory); stop it, or use another with --data-dir"
      case .exchangeInfo(let reason): "venue: the list of instruments cannot be had: \(reason)"
      case .childNeverStarted(let name):
        "\(name): the process did not come up within 30 s; its log lines say why"
      }
    }
  }

  private let settings: Settings
  private let credentials: Credentials?
  private let options: Options
  private let logger: Logger
  private let board: HealthBoard
  private let hangUp = HangUpSignal()

  public init(settings: Settings, credentials: Credentials?, options: Options) {
    self.settings = settings
    self.credentials = credentials
    self.options = options
    var logger = processLogger("run", settings)
    if options.showsTable { logger.logLevel = max(logger.logLevel, .warning) }
    self.logger = logger
    board = HealthBoard(version: EngineVersion.text, scope: settings.scope)
  }

  /// Trades until told to end.
  /// - Returns: the summary of the run, for a person.
  public func run() async throws -> String {
    let signals = TerminationSignals()
    let api = try await HealthAPI.start(board: board, port: settings.api.port, token: try apiToken())
    do {
      let summary = try await run(api: api, signals: signals)
      await api.stop()
      return summary
    } catch {
      await api.stop()
      throw error
    }
  }

  private func apiToken() throws(SettingsError) -> Secret? {
    guard let file = settings.api.tokenFile else { return nil }
    return try HealthAPI.token(file: file)
  }

  private func run(api: HealthAPI, signals: TerminationSignals) async throws -> String {
    try await PluginPreflight.run(settings, executable: options.executable)
    try settings.prepareDataDirectory()
    let lock = try DirectoryLock(settings.dataDirectory)
    defer { lock.release() }
    let venue = try await VenueSelection.select(
      settings, credentials: credentials, executable: options.executable, logger: logger)
    defer { venue.client.shutdown() }
    do {
      let summary = try await trade(at: venue, api: api, signals: signals)
      await end(venue.simulator)
      return summary
    } catch {
      await end(venue.simulator)
      throw error
    }
  }

  private func end(_ simulator: Supervisor?) async {
    guard let simulator else { return }
    simulator.stop()
    simulator.signal(SIGTERM)
    await wait(seconds: 3) { simulator.currentProcessID == 0 }
    simulator.signal(SIGKILL)
  }

  private func trade(at venue: SelectedVenue, api: HealthAPI, signals: TerminationSignals) async throws
    -> String
  {
    let directory = DataDirectory(
      root: settings.dataDirectory, venue: venue.key, mode: settings.mode.rawValue)
    try directory.prepare()
    try writeAPIAddress(api)
    defer { unlink(settings.apiAddressPath) }
    let table = try InstrumentTableFiles.numbered(try await universe(venue), in: directory)
    let store = Archivist(table: table, now: Clock.monotonicNanoseconds) {
      [path = settings.storePath] () throws(StoreError) in
      try SQLiteStore(path: path)
    }
    let regions = SharedRegions(for: directory)
    MarketSalvage.run(regions: regions, directory: directory, logger: logger)
    regions.remove()
    try regions.prepare()
    defer { regions.remove() }
    let assignment = try prepare(regions, directory, venue, table)
    let control = try ControlPage(path: regions.control, writable: true)
    control.instrumentTableVersion = UInt64(table.version)
    let scope = StoreScope(venue: venue.key, mode: settings.mode)
    board.begin(
      run: 0, scope: scope, table: table, glance: try MarketGlances(regions, venue.client.clock).glance)

    let requests = PluginRequestFiles(directory)
    unlink(requests.statusFile.path)  // of an earlier engine
    board.set { requests.status() }

    let recorder = MarketRecorder()
    try recorder.start(
      regions: regions, directory: directory,
      header: TapeHeader(
        kind: EngineTapes.marketKind, formatVersion: EngineTapes.marketVersion,
        run: UInt64(Clock.wallNanoseconds()), createdNanoseconds: Clock.wallNanoseconds(), venue: venue.key,
        tableVersion: UInt64(table.version)),
      retentionHours: settings.retention.marketTapeHours, logger: logger)
    let blame = PluginBlame(settings: settings, directory: directory, regions: regions, logger: logger)
    let children = [
      child("feed", assignment, hidesKeys: true),
      child("brain", assignment, hidesKeys: settings.mode != .live, onEnd: blame.look),
    ]
    let rows = try SQLiteStore(path: settings.storePath)
    let upkeep = Upkeep(
      directory: directory, scope: scope, store: rows, retention: settings.retention, logger: logger)
    let loader = HistoryLoader(
      table: table, client: venue.client, store: rows, scope: scope,
      usesREST: !settings.warmup.isRESTFallbackDisabled,
      inputs: try HandoffProducer<JournalEntry>(attachingTo: regions.inputs), logger: logger)
    let readers = JournalReaders(
      directory: directory, scope: scope, board: board, archivist: store, loader: loader, settings: settings,
      lastRunBefore: try EngineTapes.runs(directory).last?.run ?? 0, logger: logger)

    let summary = await withTaskGroup(of: Void.self) { group in
      for child in children { group.addTask { await child.run() } }
      group.addTask { await readers.followForScreen() }
      group.addTask { await readers.followForStore() }
      let watch = Watch(
        board: board, children: children, simulator: venue.simulator, regions: regions, archivist: store,
        logger: logger)
      group.addTask { await watch.run() }
      group.addTask { await upkeep.run() }
      if options.showsTable { group.addTask { await LiveScreen(board: self.board).run() } }
      await waitForEnd(signals, venue.simulator, control, requests)
      await drain(control, children, readers)
      recorder.stop()
      group.cancelAll()
      await group.waitForAll()
      return Summary.text(board.view())
    }
    board.set(phase: "ended")
    await store.close()
    return summary
  }

  // MARK: Parts of the start

  private func universe(_ venue: SelectedVenue) async throws -> InstrumentTable {
    let table: InstrumentTable
    do {
      let answer = try await venue.client.send(OrderRequests.exchangeInfo())
      guard answer.status == 200 else { throw Failure.exchangeInfo(reason: "status \(answer.status)") }
      let info = try ExchangeInfo.decode(answer.body, venue: venue.key)
      if !info.skipped.isEmpty {
        logger.info("instruments left out", metadata: ["count": "\(info.skipped.count)"])
      }
      table = info.table
    } catch {
      guard settings.mode == .paper else { throw Failure.exchangeInfo(reason: "\(error)") }
      let fallback = ExchangeInfo.fallbackMajors(venue: venue.key)
      logger.error(
        "the list of instruments cannot be had: trading the built-in majors only",
        metadata: ["error": "\(error)", "instruments": "\(fallback.count)"])
      table = fallback
    }
    return try Universe.selected(
      from: table, symbols: settings.universe.symbols, countMax: settings.universe.symbolsMax)
  }

  private func prepare(
    _ regions: SharedRegions, _ directory: DataDirectory, _ venue: SelectedVenue, _ table: InstrumentTable
  ) throws -> String {
    let tableFile = directory.instrumentTable(version: table.version)
    try JSONEncoder().encode(table).write(to: tableFile, options: .atomic)
    let settingsFile = directory.runtime.appending(path: "settings.json")
    var childSettings = settings
    if options.showsTable, childSettings.logLevel == .debug || childSettings.logLevel == .info {
      childSettings.logLevel = .warning  // their lines would tear the table
    }
    try Data(SettingsRendering.json(childSettings).utf8).write(to: settingsFile, options: .atomic)
    try EventRingWriter<MarketEvent>.create(path: regions.ring, capacity: settings.ring.capacity)
    try LastValueWriter<MarketEvent>.create(
      path: regions.lastValues, count: LastValueIndex.count(instruments: table.count))
    try HandoffProducer<JournalEntry>.create(path: regions.inputs, capacity: 1 << 13)
    try ControlPage.create(path: regions.control, desiredState: .normal)
    try CounterLane.createPage(
      path: regions.counters, laneCount: ProcessLane.allCases.count, counterCount: ProcessLane.counterCount)
    try venue.client.budget.share(at: regions.budget)
    let assignment = ChildAssignment(
      settingsFile: settingsFile.path, dataRoot: settings.dataDirectory, venueKey: venue.key,
      mode: settings.mode.rawValue, regionsFolder: regions.folder.path, address: venue.address,
      instrumentTableFile: tableFile.path, speed: venue.speed)
    let file = directory.runtime.appending(path: "assignment.json")
    try assignment.write(to: file)
    return file.path
  }

  private func child(
    _ name: String, _ assignment: String, hidesKeys: Bool,
    onEnd: @escaping @Sendable (Supervisor.Ending) -> Void = { _ in }
  ) -> Supervisor {
    Supervisor(
      name: name, executable: options.executable, arguments: [name, "--assignment", assignment],
      removedVariables: hidesKeys ? [Credentials.keyName, Credentials.secretName] : [], logger: logger,
      onEnd: onEnd)
  }

  private func writeAPIAddress(_ api: HealthAPI) throws {
    let text = "{\"url\":\"\(api.url)\",\"pid\":\(getpid())}\n"
    try Data(text.utf8).write(to: URL(filePath: settings.apiAddressPath), options: .atomic)
  }

  // MARK: The end

  private func waitForEnd(
    _ signals: TerminationSignals, _ simulator: Supervisor?, _ control: borrowing ControlPage,
    _ requests: PluginRequestFiles
  ) async {
    let deadline = options.durationSeconds.map { Clock.monotonicNanoseconds() + Int64($0 * 1e9) } ?? .max
    while signals.count == 0, Clock.monotonicNanoseconds() < deadline, !Task.isCancelled {
      if let simulator, simulator.currentProcessID == 0 {
        logger.error("the simulator is gone, and its account with it: ending")
        return
      }
      if hangUp.take() { askForReload(control, requests) }
      do { try await Task.sleep(nanoseconds: 50_000_000) } catch { return }
    }
  }

  /// A SIGHUP that came with no request asks for everything that has changed.
  private func askForReload(_ control: borrowing ControlPage, _ requests: PluginRequestFiles) {
    do {
      if requests.isEmpty { try requests.put(.hangUp) }
      control.reloadNumber += 1
    } catch {
      logger.error("plugins cannot be reloaded", metadata: ["error": "\(error)"])
    }
  }

  /// Brain opens nothing and finishes, then Feed ends, then the journal is drained; each step has its time.
  private func drain(_ control: borrowing ControlPage, _ children: [Supervisor], _ readers: JournalReaders)
    async
  {
    board.set(phase: "draining")
    for child in children { child.stop() }
    control.isDraining = true
    control.isShutdownRequested = true
    await wait(seconds: 10) { children.allSatisfy { $0.currentProcessID == 0 } }
    for child in children where child.currentProcessID != 0 {
      logger.error("child did not end in time", metadata: ["process": "\(child.name)"])
      child.signal(SIGKILL)
    }
    await readers.finish()
  }

  private func wait(seconds: Int, until condition: () -> Bool) async {
    let deadline = Clock.monotonicNanoseconds() + Int64(seconds) * 1_000_000_000
    while !condition(), Clock.monotonicNanoseconds() < deadline {
      do { try await Task.sleep(nanoseconds: 10_000_000) } catch { return }
    }
  }
}
