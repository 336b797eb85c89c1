/// What an isolated plugin may use before it is stopped.
public struct IsolationLimits: Sendable, Hashable {
  /// Address space of its process, runtime libraries included; a leak ends in a refused allocation.
  public var addressSpaceByteCountMax = 2 << 30
  /// Largest file it may write, when it may write at all (`AEGIS_CAP_FILES`).
  public var fileByteCountMax = 64 << 20
  public var openFilesMax = 64
  /// Threads of a plugin with `AEGIS_CAP_THREADS`; counts everything of the user, so it is generous.
  public var processesMax = 4096
  /// Events between engine and plugin, a power of two. What does not fit becomes one gap event.
  public var inputCapacity = 1 << 13
  /// Closed candles kept per instrument and timeframe for `aegis.host.candles/1`.
  public var candlesMax = 512
  /// How often the plugin's process looks for an event before it sleeps. More answers faster and burns a core.
  public var spinCount = 2000
  /// A call that takes longer is counted and told once.
  public var softBudgetNanoseconds: Int64 = 10_000_000
  /// A call that takes longer ends the process.
  public var hardBudgetNanoseconds: Int64 = 1_000_000_000
  /// How often the budgets are looked at.
  public var lookMilliseconds = 1
  /// Signals that break the header's rules before the plugin is taken out of service.
  public var badSignalsMax: UInt64 = 1000
  /// Limits of what it may print per second; the rest is cut and counted.
  public var logLinesPerSecondMax = 50
  public var logByteCountPerSecondMax = 64 << 10
  /// For load, create, activate, state and end, each.
  public var controlTimeoutMilliseconds = 10_000
  /// Largest saved state.
  public var stateByteCountMax = 64 << 20

  public init() {}
}

/// How much of the sandbox must be there.
public enum SandboxMode: String, Sendable, CaseIterable {
  /// The machine must let us filter system calls; a plugin with `AEGIS_CAP_FILES` also needs Landlock.
  case required
  /// What the machine refuses is left out and logged.
  case bestEffort = "best-effort"
}
