public import Market
public import Storage
import Synchronization
public import Trading

/// Where the Orchestrator pins what it knows and the API and the screen read it. Every access is short: one lock around
/// values in memory. [any thread]
public final class HealthBoard: Sendable {
  /// A process whose heartbeat is older counts as not running.
  public static let heartbeatMillisecondsMax: Int64 = 5000

  private struct State: Sendable {
    var projection: EngineProjection?
    var glance: @Sendable (InstrumentID) -> MarketGlance? = { _ in nil }
    var processes: [ProcessView] = []
    var store = StoreHealth()
    var phase: String?
    var plugins: @Sendable () -> PluginsAnswer = { PluginsAnswer() }
    var scope: StoreScope
    var run: Int64 = 0
  }

  private let state: Mutex<State>
  private let version: String
  private let start = ContinuousClock.now

  public init(version: String, scope: StoreScope) {
    self.version = version
    state = Mutex(State(scope: scope))
  }

  /// The instruments are known and a run begins; before that the state is `starting`.
  ///
  /// - Parameter glance: the newest price by instrument; called with the board's lock held, so it must not wait.
  public func begin(
    run: Int64, scope: StoreScope, table: InstrumentTable,
    glance: @escaping @Sendable (InstrumentID) -> MarketGlance?
  ) {
    state.withLock {
      $0.projection = EngineProjection(table: table)
      $0.glance = glance
      $0.scope = scope
      $0.run = run
    }
  }

  public func absorb(_ entries: [JournalEntry], from index: UInt64) {
    state.withLock { $0.projection?.absorb(entries, from: index) }
  }

  public func set(processes: [ProcessView]) { state.withLock { $0.processes = processes } }
  public func set(store: StoreHealth) { state.withLock { $0.store = store } }
  /// Overrules what the journal says, such as `draining` while the Brain no longer answers; nil ends it.
  public func set(phase: String?) { state.withLock { $0.phase = phase } }

  /// Where the plugins at work are asked for.
  func set(plugins: @escaping @Sendable () -> PluginsAnswer) { state.withLock { $0.plugins = plugins } }

  /// The plugins at work; empty before the Brain has said anything.
  public func plugins() -> PluginsAnswer { state.withLock { $0.plugins }() }

  public func trades(limit: Int) -> [TradeRow] {
    state.withLock { $0.projection?.recentTrades.newest(limit) ?? [] }
  }

  public func signals(limit: Int) -> [SignalRow] {
    state.withLock { $0.projection?.recentSignals.newest(limit) ?? [] }
  }

  public func view() -> EngineView {
    let uptime = ContinuousClock.now - start
    let seconds = Double(uptime.components.seconds) + Double(uptime.components.attoseconds) * 1e-18
    return state.withLock { state in
      let projection = state.projection ?? EngineProjection(table: Self.noInstruments)
      let symbols = projection.symbols(glance: state.glance)
      return EngineView(
        version: version, venue: state.scope.venue, mode: state.scope.mode,
        state: state.phase ?? projection.state, run: state.run, uptimeSeconds: seconds,
        processes: state.processes, store: state.store, totals: projection.totals(symbols: symbols),
        symbols: symbols)
    }
  }

  private static let noInstruments = InstrumentTable(venue: "", instruments: [])
}

extension EngineView {
  /// `starting` until trading was possible, `degraded` when something a person should look at is wrong, else `ok`.
  public var status: String {
    if state == "starting" || state == "recovering" { return "starting" }
    let isStale = processes.contains {
      $0.state != "running" && $0.state != "ended"
        || ($0.heartbeatAgeMilliseconds ?? 0) > HealthBoard.heartbeatMillisecondsMax
    }
    return isStale || store.isDegraded ? "degraded" : "ok"
  }
}
