/// The candle lengths the engine keeps. The raw value crosses the plugin ABI and the tapes: never renumber.
@frozen public enum Timeframe: UInt8, CaseIterable, Sendable, BitwiseCopyable, Codable, Comparable {
  case minute1 = 0
  case minute5 = 1
  case minute15 = 2
  case hour1 = 3
  case day1 = 4

  /// Length in nanoseconds.
  @inlinable public var nanoseconds: Int64 {
    switch self {
    case .minute1: 60_000_000_000
    case .minute5: 300_000_000_000
    case .minute15: 900_000_000_000
    case .hour1: 3_600_000_000_000
    case .day1: 86_400_000_000_000
    }
  }

  /// The exchange's name for it: `1m`, `5m`, `15m`, `1h`, `1d`.
  public var name: String {
    switch self {
    case .minute1: "1m"
    case .minute5: "5m"
    case .minute15: "15m"
    case .hour1: "1h"
    case .day1: "1d"
    }
  }

  public init?(name: some StringProtocol) {
    guard let match = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = match
  }

  /// The open time of the candle a moment falls into; candles start at whole multiples of their length, UTC.
  @inlinable public func openTime(of instant: Instant) -> Instant {
    Instant(nanoseconds: instant.nanoseconds - instant.nanoseconds % nanoseconds)
  }

  @inlinable public static func < (a: Timeframe, b: Timeframe) -> Bool { a.rawValue < b.rawValue }
}
