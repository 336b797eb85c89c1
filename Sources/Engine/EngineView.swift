public import Storage

// What the API answers and the screen shows: plain values, the same in JSON as in the table.

/// One of the engine's processes as the Orchestrator sees it.
public struct ProcessView: Sendable, Hashable, Codable {
  public var name: String
  public var pid: Int32
  /// `starting`, `running`, `restarting`, `ended`.
  public var state: String
  /// nil before the first heartbeat.
  public var heartbeatAgeMilliseconds: Int64?
  public var restartCount: Int

  public init(
    name: String, pid: Int32, state: String, heartbeatAgeMilliseconds: Int64?, restartCount: Int = 0
  ) {
    self.name = name
    self.pid = pid
    self.state = state
    self.heartbeatAgeMilliseconds = heartbeatAgeMilliseconds
    self.restartCount = restartCount
  }
}

/// One instrument as it stands.
public struct SymbolView: Sendable, Hashable, Codable {
  public var symbol: String
  /// Age of the newest market event; nil when none came yet.
  public var dataAgeMilliseconds: Int64?
  public var lastPrice: String?
  /// Of the newest signal; 0.01 expects +1 %.
  public var signalFraction: Double?
  public var confidence: Double?
  public var signalNanoseconds: Int64?
  public var outcome: String?
  /// Signed decimal text; nil when flat.
  public var position: String?
  public var entryPrice: String?
  public var stopPrice: String?
  public var targetPrice: String?
  /// At the last price, before the fees of the exit; nil when flat or without a price.
  public var unrealized: ExactAmount?
  /// Closed round trips after fees, and what is open with the fees paid so far.
  public var net: ExactAmount
  public var roundTrips: Int
}

/// The account and the counts of everything that happened.
public struct TotalsView: Sendable, Hashable, Codable {
  public var equity: ExactAmount
  public var wallet: ExactAmount
  /// As `SymbolView.net`, over all instruments.
  public var net: ExactAmount
  public var fees: ExactAmount
  public var inputs: UInt64
  public var signals: Int
  public var orders: Int
  public var roundTrips: Int
  public var wins: Int
  public var openPositions: Int
  /// Sorted by count, then name.
  public var refusals: [RunSummary.RefusalCount]
  public var ringGaps: Int
  public var ledger: LedgerView
}

/// The virtual account of the lots.
public struct LedgerView: Sendable, Hashable, Codable {
  public var balance: ExactAmount
  public var net: ExactAmount
  public var funding: ExactAmount
  public var lotsOpen: Int
  public var lotsClosed: Int
  public var wins: Int
}

/// Everything at one moment.
public struct EngineView: Sendable, Hashable, Codable {
  public var version: String
  public var venue: String
  public var mode: TradingMode
  /// `starting`, `recovering`, `trading`, `reduce-only`, `halted`, `draining`, `ended`.
  public var state: String
  public var run: Int64
  public var uptimeSeconds: Double
  public var processes: [ProcessView]
  public var store: StoreHealth
  public var totals: TotalsView
  public var symbols: [SymbolView]
}
