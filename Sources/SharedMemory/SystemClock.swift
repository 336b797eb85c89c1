internal import CPlatform

/// The machine's clocks, for the shells; pure code gets time as an input.   [any thread]
public enum SystemClock {
  /// Nanoseconds since an arbitrary start. Never goes back; the same in every process of the machine.
  public static func monotonicNanoseconds() -> Int64 { aegis_monotonic_nanoseconds() }

  /// Nanoseconds since 1970-01-01 UTC. May be set back by whoever keeps the clock.
  public static func realtimeNanoseconds() -> Int64 { aegis_realtime_nanoseconds() }
}
