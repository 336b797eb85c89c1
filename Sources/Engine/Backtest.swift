import Foundation
import Market
import PluginHost
import Simulator
import Trading

/// The Brain over recorded data as fast as the machine goes: the loop, desk, ledger and exchange of a paper run.
///
/// Nothing here asks a clock for a decision: the same market, plugin and settings give the same journal, byte for byte.
public struct Backtest: Sendable {
  public var settings: Settings
  /// The plugin's library, id and parameters.
  public var plugin: Settings.Plugins.Choice
  /// Where the journal goes; nil keeps none.
  public var journalFile: String?

  public init(settings: Settings, plugin: Settings.Plugins.Choice, journalFile: String? = nil) {
    self.settings = settings
    self.plugin = plugin
    self.journalFile = journalFile
  }

  /// Events between two reports of progress.
  static let eventsPerProgress = 1 << 16
  /// Recorded streams are never silent for so long; more lies between two recordings.
  static let silenceNanoseconds: Int64 = 60_000_000_000

  /// Plays a market from its first event to its last.
  ///
  /// - Parameter progress: called now and then on this thread.
  /// - Throws: `PluginError` or `BacktestError`. The journal file is then as it was.
  public func run(
    _ market: BacktestMarket, progress: ((BacktestProgress) -> Void)? = nil
  ) throws -> BacktestReport {
    let table = market.table
    let rules = table.rules
    let loader = try BacktestPlugins(path: settings.pluginPath(plugin.path), id: plugin.id, table: table)
    let parameters = Dictionary(plugin.parameters.map { ($0.name, $0.value) }) { _, last in last }
    let plugins = try loader.load(parameters: parameters)
    let descriptor = plugins.descriptors[0]
    let balance = settings.openingBalance
    var exchange = settings.paperExchange
    exchange.matching.fillModel = market.timeframe == nil ? .touch : .barClose
    let entryFilter = try EntryFilter.load(
      settings, cacheDirectory: loader.cacheDirectory, instrumentCount: table.count,
      candles: market.timeframe)
    let wanted = wantedTimeframes(plugins, market, entryFilter?.timeframe)
    var loop = BrainLoop(
      venue: SimulatedExchange(instruments: table, settings: exchange),
      journal: try BacktestJournal(path: journalFile, opening: balance),
      desk: Desk(rules: rules, settings: settings.desk, run: 1, openingBalance: balance),
      candles: CandleBook(rules: rules, windowBars: wanted.windowBars, startsComplete: !market.hasHistory),
      ledger: VirtualLedger(rules: rules, settings: LedgerSettings(settings.desk)), plugins: plugins,
      rules: rules,
      reportsAreInputs: false, journalsCandles: journalFile != nil, isWarm: !market.hasHistory,
      entryFilter: entryFilter)
    loop.take(.runStarted(RunOpening(run: 1, wallet: balance), time: .never))
    loop.take(.runReady(time: .never))

    let started = Clock.monotonicNanoseconds()
    var count = 0
    var first = Instant.never
    var isReady = Array(repeating: !market.hasHistory, count: table.count)
    market.forEachEvent { event in
      if count == 0 { first = event.time }
      let index = Int(event.instrument.index)
      let silence = event.time.nanoseconds(since: loop.now)
      if count > 0, silence > Self.silenceNanoseconds, market.timeframe == nil {
        passSilence(until: event.time, into: &loop)
      }
      if !isReady[index] {
        isReady[index] = true
        takeHistory(market, event.instrument, wanted.warmUpBars, at: event.time, into: &loop)
      }
      loop.take(event, sequence: UInt64(count))
      count += 1
      if count % Self.eventsPerProgress == 0, let progress {
        progress(
          BacktestProgress(
            eventCount: count, eventTotal: market.eventCount, time: event.time,
            elapsedSeconds: Double(Clock.monotonicNanoseconds() - started) / 1e9))
      }
    }
    loop.end()
    let seconds = Double(Clock.monotonicNanoseconds() - started) / 1e9

    let equity = loop.desk.equity
    let fees = loop.desk.portfolio.fees
    let openPositions = loop.desk.portfolio.openCount
    let ledgerBalance = loop.ledger.balance
    let last = loop.now
    var journal = loop.takeJournal()
    journal.noteEquity(equity)
    let tally = journal.tally
    try journal.finish()
    return BacktestReport(
      plugin: descriptor.id, pluginVersion: descriptor.version, symbols: table.instruments.map(\.symbol),
      timeframe: market.timeframe?.name, fromMilliseconds: first.milliseconds,
      toMilliseconds: last.milliseconds,
      events: count, signals: tally.signals, orders: tally.orders, trades: tally.trades, wins: tally.wins,
      openPositions: openPositions, openingEquity: "\(balance)", finalEquity: "\(equity)",
      net: "\(equity - balance)", fees: "\(fees)", maxDrawdown: "\(tally.drawdown)",
      maxDrawdownFraction: tally.drawdownFraction,
      refusals: tally.refusals.map { BacktestReport.RefusalCount(name: $0.key.name, count: $0.value) }
        .sorted { ($1.count, $0.name) < ($0.count, $1.name) },
      ledgerBalance: "\(ledgerBalance)", ledgerLots: tally.lotsClosed, runSeconds: seconds)
  }

  /// What the plugin and the entry filter read, and the base timeframe always.
  private func wantedTimeframes(
    _ plugins: borrowing PluginSet, _ market: BacktestMarket, _ filtered: Timeframe?
  ) -> (windowBars: [Timeframe: Int], warmUpBars: [Timeframe: Int]) {
    var windowBars: [Timeframe: Int] = [:]
    var warmUpBars: [Timeframe: Int] = [:]
    for timeframe in Timeframe.allCases where plugins.wantsBars(timeframe) {
      let count = plugins.warmupBarCount(timeframe)
      warmUpBars[timeframe] = count
      windowBars[timeframe] = max(count, BrainPlan.windowBarsMin)
    }
    let base = market.timeframe ?? .minute1
    if windowBars[base] == nil { windowBars[base] = BrainPlan.windowBarsMin }
    if let filtered {
      warmUpBars[filtered] = max(warmUpBars[filtered] ?? 0, settings.warmup.candles)
      windowBars[filtered] = max(windowBars[filtered] ?? 0, EntryFilter.windowBars)
    }
    return (windowBars, warmUpBars)
  }

  /// What a live run does between two recordings: running candles lost something, and time goes on, so that a position
  /// that is held too long is closed at the last price there was and not at the first of the next recording.
  private func passSilence(
    until time: Instant, into loop: inout BrainLoop<SimulatedExchange, BacktestJournal>
  ) {
    let begun = loop.now
    for step in [Self.silenceNanoseconds, settings.desk.holdingNanosecondsMax + Desk.sweepNanoseconds] {
      let moment = begun.advanced(byNanoseconds: step)
      if moment < time { loop.take(clock: moment) }
    }
    loop.take(
      .ringGap(
        cause: .disconnected, missingCount: 0, firstSequence: Int64(loop.ringSequence), epoch: 0, time: time))
  }

  /// Candles before an instrument's first event, then the word that it is ready: as in a live run.
  private func takeHistory(
    _ market: BacktestMarket, _ instrument: InstrumentID, _ bars: [Timeframe: Int], at time: Instant,
    into loop: inout BrainLoop<SimulatedExchange, BacktestJournal>
  ) {
    for timeframe in Timeframe.allCases {
      guard let count = bars[timeframe], count > 0 else { continue }
      for candle in market.history(instrument, timeframe, countMax: count) {
        loop.take(.history(instrument, timeframe, candle, time: time))
      }
    }
    loop.take(.instrumentReady(instrument, time: time))
  }
}
