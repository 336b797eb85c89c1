import Glibc
import SharedMemory

/// The clocks of the shells. Decisions never read them: they get times as inputs.
public enum Clock {
  /// Monotonic nanoseconds: time-outs, freshness, latency. The same for every process of the machine.
  public static func monotonicNanoseconds() -> Int64 { SystemClock.monotonicNanoseconds() }

  /// Wall-clock nanoseconds since 1970: records only.
  public static func wallNanoseconds() -> Int64 { SystemClock.realtimeNanoseconds() }

  /// Processor nanoseconds this process has used, all threads; microsecond grain.
  public static func processorNanoseconds() -> Int64 {
    Int64(clock()) * (1_000_000_000 / Int64(CLOCKS_PER_SEC))
  }
}
