/// When to save a plugin's state so that a crash loses little: every so often and every so many events. Pure.
public struct SnapshotSchedule: Sendable, Hashable {
  private let nanosecondsMax: Int64
  private let eventsMax: UInt64
  private var lastNanoseconds: Int64
  private var lastEvents: UInt64

  /// - Parameter nanoseconds: monotonic, now.
  public init(
    startingAt nanoseconds: Int64, everyNanoseconds: Int64 = 60_000_000_000, everyEvents: UInt64 = 10_000
  ) {
    nanosecondsMax = everyNanoseconds
    eventsMax = everyEvents
    lastNanoseconds = nanoseconds
    lastEvents = 0
  }

  /// Whether to save now; it then counts as saved. Nothing is saved while no event came.
  ///
  /// - Parameters:
  ///   - nanoseconds: monotonic, now.
  ///   - events: events the plugin was given so far.
  public mutating func isDue(at nanoseconds: Int64, events: UInt64) -> Bool {
    guard events > lastEvents else {
      lastNanoseconds = nanoseconds
      return false
    }
    guard nanoseconds - lastNanoseconds >= nanosecondsMax || events - lastEvents >= eventsMax else {
      return false
    }
    lastNanoseconds = nanoseconds
    lastEvents = events
    return true
  }
}

/// What to do after an isolated plugin ended by itself. Pure.
public enum RestartDecision: Sendable, Hashable {
  /// Start it again with this state, none when there is none or it has been tried, and repeat the events after it as
  /// `replay`; where they are gone, tell of a gap and warm up.
  case restart(state: PluginState?)
  /// Not now: look again at that time, seconds since 1970; nil = a person has to release it.
  case wait(until: Int64?)

  /// - Parameters:
  ///   - quarantine: with the failure already taken in.
  ///   - snapshot: the newest saved state.
  ///   - failedWithSnapshot: the last start with this snapshot failed while the state was loaded: starting with it again
  ///     would only fail again.
  public static func after(
    sha256: String, quarantine: QuarantineStore, snapshot: PluginState?, failedWithSnapshot: Bool,
    seconds: Int64
  ) -> RestartDecision {
    switch quarantine.verdict(sha256: sha256, seconds: seconds) {
    case .quarantined(let record): .wait(until: record.until)
    case .free: .restart(state: failedWithSnapshot ? nil : snapshot)
    }
  }
}
