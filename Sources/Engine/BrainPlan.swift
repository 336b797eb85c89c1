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

  /// Where each plugin runs.
  private var places: [Place] = []

  private struct Place {
    var isIsolated = false
    var isLedgerOnly = false
    /// Why it does not run at all.
    var absence: String?
    var isolated: IsolatedPlugin?
  }

  /// - Parameters:
  ///   - policy: trust and quarantine; nil runs every plugin in this process, as a backtest does.
  ///   - recorded: the plugins of a recorded run, which then run or rest as they did; nil for a run of its own.
  ///   - functions: of a recorded run, whose kept copies are used; nil looks the entry filter's libraries up.
  /// - Throws: `PluginError`, `EntryFilterError`.
  init(
    assignment: ChildAssignment, settings: Settings, table: InstrumentTable, run: UInt32, logger: Logger,
    policy: PluginPolicy? = nil, recorded: [RunRecord.Plugin]? = nil,
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
    let symbols = table.instruments.map(\.symbol)
    for (index, choice) in settings.plugins.load.enumerated() {
      let values = Dictionary(choice.parameters.map { ($0.name, $0.value) }) { _, last in last }
      let known = atWork.plugin(path: settings.pluginPath(choice.path), id: choice.id)
      let file = PluginFileChoice(
        path: settings.pluginPath(choice.path), id: choice.id, parameters: values, symbols: symbols,
        folder: assignment.directory.plugins, known: known, policy: policy, logger: logger)
      parameters.append(values)
      if let plugin = recorded?[index], plugin.isIsolated == true || plugin.isAbsent == true {
        try Self.addAbsent(plugin, path: file.path, values, symbols, assignment, &plugins)
        places.append(
          Place(isIsolated: plugin.isIsolated == true, isLedgerOnly: plugin.isLedgerOnly == true))
        continue
      }
      places.append(try Self.add(file, choice, policy, assignment, &plugins))
    }
    plugins.setShadowBudget(nanoseconds: Int64(settings.reload.budgetMicroseconds) * 1000)
    entryFilter = try EntryFilter.load(
      settings, cacheDirectory: assignment.directory.plugins.path, keepsCopy: true,
      instrumentCount: table.count, kept: functions.map { (files: $0, folder: functionFolder) })
    self.plugins = plugins
    self.parameters = parameters
  }

  /// Gives a plugin its seat: in this process, in one of its own, or an empty one.
  private static func add(
    _ file: PluginFileChoice, _ choice: Settings.Plugins.Choice, _ policy: PluginPolicy?,
    _ assignment: ChildAssignment, _ plugins: inout PluginSet
  ) throws(PluginError) -> Place {
    let path = try file.chosen()
    let cache = assignment.directory.plugins.path
    guard let policy else {
      try plugins.load(
        path: path, cacheDirectory: cache, keepsCopy: true, id: choice.id, parameters: file.parameters,
        instruments: file.symbols, seed: pluginSeed)
      return Place()
    }
    let sha256 = try PluginContent.sha256(of: path)
    if let reason = policy.objection(to: sha256) {
      let id =
        file.known?.id ?? choice.id ?? URL(filePath: file.path).deletingPathExtension().lastPathComponent
      plugins.addPlaceholder(
        .unloaded(id: id, version: "-", file: file.path, sha256: sha256), instruments: file.symbols)
      policy.logger.error("plugin left out", metadata: ["plugin": "\(id)", "reason": "\(reason)"])
      return Place(absence: reason)
    }
    let placement = try policy.placement(of: choice, file: file.path, sha256: sha256)
    if placement.feedsLedgerOnly {
      policy.logger.warning(
        "plugin feeds the virtual ledger only",
        metadata: ["plugin": "\(file.path)", "reason": "\(placement.reason)"])
    }
    guard placement.isIsolated else {
      let sentinel = try? LoadSentinel(folder: cache, sha256: sha256)  // without it a crash is not remembered
      // Also after a refusal: only a load that ended the process leaves it behind.
      defer { sentinel?.remove() }
      try plugins.load(
        path: path, cacheDirectory: cache, keepsCopy: true, id: choice.id, parameters: file.parameters,
        instruments: file.symbols, seed: pluginSeed)
      return Place(isLedgerOnly: placement.feedsLedgerOnly)
    }
    let isolated = try policy.startIsolated(
      path: path, id: choice.id, parameters: file.parameters, instruments: file.symbols, cacheDirectory: cache
    )
    plugins.add(isolated, instruments: file.symbols)
    return Place(isIsolated: true, isLedgerOnly: placement.feedsLedgerOnly, isolated: isolated)
  }

  /// A seat of a recorded run whose plugin ran elsewhere, or not at all. What it subscribed to is asked of the kept copy,
  /// in a process of its own: it decides which events take a number.
  private static func addAbsent(
    _ plugin: RunRecord.Plugin, path: String, _ values: [String: String], _ symbols: [String],
    _ assignment: ChildAssignment, _ plugins: inout PluginSet
  ) throws(PluginError) {
    guard plugin.isAbsent != true else {
      plugins.addPlaceholder(
        .unloaded(id: plugin.id, version: plugin.version, file: path, sha256: plugin.sha256),
        instruments: symbols)
      return
    }
    plugins.addPlaceholder(
      try ReplayPlugins.descriptor(
        path: path, id: plugin.id, parameters: values, symbols: symbols,
        cache: assignment.directory.plugins.path),
      instruments: symbols)
  }

  /// The plugins as the run starts with them.
  var seats: [PluginSeat] {
    plugins.descriptors.indices.map { index in
      let choice = settings.plugins.load[index]
      let path = settings.pluginPath(choice.path)
      let descriptor = plugins.descriptors[index]
      return PluginSeat(
        path: path, id: choice.id, parameters: parameters[index], descriptor: descriptor,
        isLedgerOnly: places[index].isLedgerOnly, sinceNanoseconds: Clock.wallNanoseconds(),
        suspension: places[index].absence, isAbsent: places[index].absence != nil,
        isolated: places[index].isolated,
        refusedHashes: atWork.plugin(path: path, id: descriptor.id)?.refused ?? [:])
    }
  }

  /// Looks after the plugins while the loop is at work.
  func makeKeeper(
    mailbox: PluginMailbox, control: consuming ControlPage, policy: PluginPolicy, logger: Logger
  ) -> PluginKeeper {
    PluginKeeper(
      PluginKeeper.Surroundings(
        loader: pluginLoader(), mailbox: mailbox, host: Settings.pluginHostPath,
        cacheDirectory: assignment.directory.plugins.path, symbols: table.instruments.map(\.symbol),
        settings: settings.reload, files: PluginRequestFiles(assignment.directory), policy: policy,
        logger: logger),
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
      plugins: plugins.descriptors.indices.map { index in
        let descriptor = plugins.descriptors[index]
        var plugin = RunRecord.Plugin(
          id: descriptor.id, version: descriptor.version, sha256: descriptor.sha256,
          file: "\(descriptor.sha256).so", parameters: parameters[index])
        if places[index].isIsolated { plugin.isIsolated = true }
        if places[index].isLedgerOnly { plugin.isLedgerOnly = true }
        if places[index].absence != nil { plugin.isAbsent = true }
        return plugin
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
      entryFilter: entryFilter,
      ledgerOnly: Set(places.indices.filter { places[$0].isLedgerOnly }.map(UInt16.init)))
  }
}
