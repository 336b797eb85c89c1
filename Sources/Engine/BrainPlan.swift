import Foundation
import Logging
import Market
import PluginHost
import SharedMemory
import Simulator
import Trading

/// Everything a Brain is made of but its venue and its journal: the same for a live run, a backtest and a replay.
struct BrainPlan: ~Copyable {
  let assignment: ChildAssignment
  let settings: Settings
  let table: InstrumentTable
  let run: UInt32
  private var plugins: PluginSet
  private let parameters: [[String: String]]
  /// What the run before worked with.
  private let atWork: PluginsAtWork
  private let entryFilter: EntryFilter?

  /// - Parameter functions: of a recorded run, whose kept copies are used; nil looks the entry filter's libraries up.
  /// - Throws: `PluginError`, `EntryFilterError`.
  init(
    assignment: ChildAssignment, settings: Settings, table: InstrumentTable, run: UInt32, logger: Logger,
    functions: [RunRecord.FunctionFile]? = nil, functionFolder: String = ""
  ) throws {
    self.assignment = assignment
    self.settings = settings
    self.table = table
    self.run = run
    var plugins = PluginSet(hostName: "aegis", version: EngineVersion.text) { level, text in
      logger.log(level: level.loggerLevel, "\(text)", metadata: ["source": "plugin"])
    }
    var parameters: [[String: String]] = []
    atWork = PluginsAtWork(in: assignment.directory.plugins)
    for choice in settings.plugins.load {
      let values = Dictionary(choice.parameters.map { ($0.name, $0.value) }) { _, last in last }
      let file = PluginFileChoice(
        path: settings.pluginPath(choice.path), id: choice.id, parameters: values,
        symbols: table.instruments.map(\.symbol), folder: assignment.directory.plugins,
        known: atWork.plugin(path: settings.pluginPath(choice.path), id: choice.id), logger: logger)
      try plugins.load(
        path: try file.chosen(), cacheDirectory: assignment.directory.plugins.path, keepsCopy: true,
        id: choice.id, parameters: values, instruments: table.instruments.map(\.symbol),
        seed: Self.pluginSeed)
      parameters.append(values)
    }
    plugins.setShadowBudget(nanoseconds: Int64(settings.reload.budgetMicroseconds) * 1000)
    entryFilter = try EntryFilter.load(
      settings, cacheDirectory: assignment.directory.plugins.path, keepsCopy: true,
      instrumentCount: table.count, kept: functions.map { (files: $0, folder: functionFolder) })
    self.plugins = plugins
    self.parameters = parameters
  }

  /// The plugins as the run starts with them.
  var seats: [PluginSeat] {
    zip(settings.plugins.load, zip(plugins.descriptors, parameters)).map { choice, loaded in
      let path = settings.pluginPath(choice.path)
      return PluginSeat(
        path: path, id: choice.id, parameters: loaded.1, descriptor: loaded.0,
        sinceNanoseconds: Clock.wallNanoseconds(),
        refusedHashes: atWork.plugin(path: path, id: loaded.0.id)?.refused ?? [:])
    }
  }

  /// Looks after the plugins while the loop is at work.
  func makeKeeper(mailbox: PluginMailbox, control: consuming ControlPage, logger: Logger) -> PluginKeeper {
    PluginKeeper(
      PluginKeeper.Surroundings(
        loader: pluginLoader(), mailbox: mailbox, host: Settings.pluginHostPath,
        cacheDirectory: assignment.directory.plugins.path, symbols: table.instruments.map(\.symbol),
        settings: settings.reload, files: PluginRequestFiles(assignment.directory), logger: logger),
      seats: seats, control: control)
  }

  /// Makes more instances for this plan's plugin set, while the set is at work in a loop.
  func pluginLoader() -> PluginLoader {
    PluginLoader(for: plugins, instruments: table.instruments.map(\.symbol))
  }

  /// The only randomness plugins get.
  static let pluginSeed: UInt64 = 1

  /// Closed candles kept per timeframe: what the settings and the plugins want to look back on, and a few of the others
  /// for the desk's gates and the store.
  var windowBars: [Timeframe: Int] {
    var bars: [Timeframe: Int] = [:]
    for timeframe in Timeframe.allCases { bars[timeframe] = warmUpBars[timeframe] ?? Self.windowBarsMin }
    if let timeframe = entryFilter?.timeframe {
      bars[timeframe] = max(bars[timeframe] ?? 0, EntryFilter.windowBars)
    }
    return bars
  }

  /// Kept of a timeframe no plugin asked for.
  static let windowBarsMin = 16

  /// Closed candles to start with, of the timeframes plugins asked for.
  var warmUpBars: [Timeframe: Int] {
    var bars: [Timeframe: Int] = [:]
    for timeframe in Timeframe.allCases where plugins.wantsBars(timeframe) {
      bars[timeframe] = max(plugins.warmupBarCount(timeframe), settings.warmup.candles)
    }
    if let timeframe = entryFilter?.timeframe, bars[timeframe] == nil {
      bars[timeframe] = settings.warmup.candles
    }
    return bars
  }

  /// What this run is made with, for the journal's folder.
  ///
  /// - Parameter marketSession: the session of the market tape that is being recorded; 0 without one.
  func record(marketSession: UInt64 = 0) -> RunRecord {
    RunRecord(
      run: run, venue: assignment.venueKey, mode: assignment.mode, settings: SettingsRendering.json(settings),
      plugins: zip(plugins.descriptors, parameters).map { descriptor, parameters in
        RunRecord.Plugin(
          id: descriptor.id, version: descriptor.version, sha256: descriptor.sha256,
          file: "\(descriptor.sha256).so", parameters: parameters)
      },
      instrumentTable: URL(filePath: assignment.instrumentTableFile).lastPathComponent,
      marketSession: marketSession,
      warmUpBars: Dictionary(uniqueKeysWithValues: warmUpBars.map { ($0.key.name, $0.value) }),
      startedMilliseconds: Clock.wallNanoseconds() / 1_000_000, engineVersion: EngineVersion.text,
      functions: entryFilter?.files)
  }

  consuming func makeLoop<Venue: Exchange & ~Copyable, Journal: JournalSink & ~Copyable>(
    venue: consuming Venue, journal: consuming Journal, reportsAreInputs: Bool, ringSequence: UInt64
  ) -> BrainLoop<Venue, Journal> {
    let rules = table.rules
    let bars = windowBars
    return BrainLoop(
      venue: venue, journal: journal,
      desk: Desk(rules: rules, settings: settings.desk, run: run, openingBalance: settings.openingBalance),
      candles: CandleBook(rules: rules, windowBars: bars),
      ledger: VirtualLedger(rules: rules, settings: LedgerSettings(settings.desk)), plugins: plugins,
      rules: rules,
      reportsAreInputs: reportsAreInputs, journalsCandles: true, ringSequence: ringSequence,
      entryFilter: entryFilter)
  }
}
