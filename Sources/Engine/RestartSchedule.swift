/// When a child that ended may start again: at once at first, then with growing pauses.
///
/// Pure: times come in. More than three ends within five minutes are a crash loop: a minute's pause, doubling up to
/// ten. A child that ran for five minutes is forgiven everything.
public struct RestartSchedule: Sendable, Equatable {
  static let windowNanoseconds: Int64 = 300_000_000_000
  static let quickRestartsMax = 3
  static let pauseNanosecondsMin: Int64 = 60_000_000_000
  static let pauseNanosecondsMax: Int64 = 600_000_000_000

  private var recentEnds: [Int64] = []
  private var pauseNanoseconds: Int64 = 0
  /// When the child was to be running again.
  private var restartedAt: Int64?
  /// How often the child has ended since the schedule began.
  public private(set) var endCount = 0

  public init() {}

  /// How long to wait before the next start, given that the child ended now.
  public mutating func delayNanoseconds(afterEndAt monotonicNanoseconds: Int64) -> Int64 {
    endCount += 1
    if let restartedAt, monotonicNanoseconds - restartedAt > Self.windowNanoseconds {
      recentEnds.removeAll()
      pauseNanoseconds = 0
    }
    recentEnds.removeAll { monotonicNanoseconds - $0 > Self.windowNanoseconds }
    recentEnds.append(monotonicNanoseconds)
    var delay: Int64 = 100_000_000 << Int64(recentEnds.count - 1)
    if pauseNanoseconds > 0 || recentEnds.count > Self.quickRestartsMax {
      pauseNanoseconds = min(max(pauseNanoseconds * 2, Self.pauseNanosecondsMin), Self.pauseNanosecondsMax)
      delay = pauseNanoseconds
    }
    restartedAt = monotonicNanoseconds + delay
    return delay
  }
}
