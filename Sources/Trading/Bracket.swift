public import Market

/// Stop and target around an entry, on the instrument's grid.
@frozen public struct Bracket: Sendable, BitwiseCopyable, Hashable {
  public var stop: Price
  public var target: Price

  @inlinable public init(stop: Price, target: Price) {
    self.stop = stop
    self.target = target
  }

  /// The bracket `stopFraction` and `targetFraction` away from `entry`.
  ///
  /// - Parameter entry: price in quote currency; an average may lie between ticks.
  /// - Returns: nil when a fraction is not inside 0…1 or the prices do not fit. Both levels lie at least a tick away
  ///   from the entry on their own side, and are positive.
  public init?(
    entry: Double, side: Side, stopFraction: Double, targetFraction: Double, rules: InstrumentRules,
    rounding: DeskSettings.BracketRounding
  ) {
    guard stopFraction > 0, stopFraction < 1, targetFraction > 0, targetFraction < 1, entry > 0 else {
      return nil
    }
    let sign = side == .buy ? 1.0 : -1.0
    let stopValue = Self.ticks(entry * (1 - sign * stopFraction), rules)
    let targetValue = Self.ticks(entry * (1 + sign * targetFraction), rules)
    let entryTicks = Self.ticks(entry, rules)
    guard stopValue.magnitude < 9e15, targetValue.magnitude < 9e15, entryTicks >= 1 else { return nil }
    var stopTicks: Int64
    var targetTicks: Int64
    switch rounding {
    case .nearest:
      stopTicks = Int64(stopValue.rounded(.toNearestOrEven))
      targetTicks = Int64(targetValue.rounded(.toNearestOrEven))
    case .safe:
      stopTicks = Self.safe(stopValue, up: side == .buy)
      targetTicks = Self.safe(targetValue, up: side == .sell)
    }
    if side == .buy {
      stopTicks = min(stopTicks, Self.safe(entryTicks, up: true) - 1)
      targetTicks = max(targetTicks, Self.safe(entryTicks, up: false) + 1)
    } else {
      stopTicks = max(stopTicks, Self.safe(entryTicks, up: false) + 1)
      targetTicks = min(targetTicks, Self.safe(entryTicks, up: true) - 1)
    }
    guard stopTicks >= 1, targetTicks >= 1 else { return nil }
    self.init(stop: Price(ticks: stopTicks), target: Price(ticks: targetTicks))
  }

  /// A price as a count of ticks, not rounded. Multiplies where a unit holds whole ticks, as other engines do.
  private static func ticks(_ price: Double, _ rules: InstrumentRules) -> Double {
    FixedPoint.one % rules.tickE8 == 0
      ? price * Double(FixedPoint.one / rules.tickE8) : price * 1e8 / Double(rules.tickE8)
  }

  /// Rounds in one direction, but takes a value within a millionth of a tick for that tick.
  private static func safe(_ ticks: Double, up: Bool) -> Int64 {
    let nearest = ticks.rounded(.toNearestOrEven)
    if abs(ticks - nearest) < 1e-6 { return Int64(nearest) }
    return Int64(ticks.rounded(up ? .up : .down))
  }
}
