/// Whether orders reach an account or the simulated exchange inside the Brain.
public enum TradingMode: String, Sendable, Codable, Hashable, CaseIterable {
  case paper
  case live
  case backtest
}

/// Whose rows these are. Nothing of one scope is ever read by another: not paper by live, not one venue by another.
public struct StoreScope: Sendable, Hashable, Codable {
  /// `binance`, `simulator`, or the URL of another venue; the instrument table says the same.
  public var venue: String
  public var mode: TradingMode

  public init(venue: String, mode: TradingMode) {
    self.venue = venue
    self.mode = mode
  }
}

/// One run of the engine within a scope. Journal indexes count from zero in every run.
public struct RunKey: Sendable, Hashable, Codable {
  public var scope: StoreScope
  /// Unique within the scope and rising; the run's start in epoch milliseconds is a good choice.
  public var run: Int64

  public init(scope: StoreScope, run: Int64) {
    self.scope = scope
    self.run = run
  }
}

/// What is known about a run when it begins.
public struct RunInfo: Sendable, Hashable, Codable {
  public var key: RunKey
  /// On the venue's clock, epoch nanoseconds.
  public var startedNanoseconds: Int64
  /// Version of the engine that made the rows.
  public var version: String
  /// The effective settings as JSON with secrets masked, so that a stranger can ask what a run was made with.
  public var settings: String

  public init(key: RunKey, startedNanoseconds: Int64, version: String, settings: String = "{}") {
    self.key = key
    self.startedNanoseconds = startedNanoseconds
    self.version = version
    self.settings = settings
  }
}
