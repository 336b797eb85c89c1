/// One net position (one-way mode), with its cost kept exactly.
///
/// Engine and simulator share this arithmetic; reports in live mode are checked against it.
@frozen public struct NetPosition: Sendable, BitwiseCopyable, Hashable {
  /// Positive long, negative short.
  public var steps: Int64
  /// Sum of price × quantity of what is open; entry price = cost ÷ quantity. Never negative.
  public var cost: Quote

  @inlinable public init(steps: Int64 = 0, cost: Quote = .zero) {
    self.steps = steps
    self.cost = cost
  }

  @inlinable public var isFlat: Bool { steps == 0 }
  @inlinable public var side: Side { steps >= 0 ? .buy : .sell }
  @inlinable public var quantity: Quantity { Quantity(steps: abs(steps)) }

  /// Applies one fill: an opposite fill reduces first, the rest opens the other way.
  ///
  /// - Returns: the profit realised before fees. Reducing realises `closed × (exit − entry)`; the cost share of a
  ///   partial close is rounded half away from zero, and the last close takes what is left, so nothing is lost.
  @inlinable public mutating func apply(
    _ side: Side, _ price: Price, _ quantity: Quantity, rules: InstrumentRules
  ) -> Quote {
    let signed = side.sign * quantity.steps
    if steps == 0 || (steps > 0) == (signed > 0) {
      steps += signed
      cost = cost + rules.notional(price, quantity)
      return .zero
    }
    let closed = min(abs(signed), abs(steps))
    let share =
      closed == abs(steps)
      ? cost : Quote(e8: FixedPoint.divided(Int128(cost.e8) * Int128(closed), by: Int128(abs(steps))))
    let exit = rules.notional(price, Quantity(steps: closed))
    let realized = steps > 0 ? exit - share : share - exit
    let rest = abs(signed) - closed
    cost = cost - share
    steps += steps > 0 ? -closed : closed
    if rest > 0 {
      steps = side.sign * rest
      cost = rules.notional(price, Quantity(steps: rest))
    }
    return realized
  }

  /// Profit if closed at `price`, before fees.
  @inlinable public func unrealized(at price: Price, rules: InstrumentRules) -> Quote {
    guard steps != 0 else { return .zero }
    let value = rules.notional(price, quantity)
    return steps > 0 ? value - cost : cost - value
  }

  /// Profit at a mark price × 10^8, which is finer than the tick; half away from zero.
  @inlinable public func unrealized(atMarkE8 markE8: Int64, rules: InstrumentRules) -> Quote {
    guard steps != 0 else { return .zero }
    let value = Quote(
      e8: FixedPoint.divided(
        Int128(markE8) * Int128(abs(steps)) * Int128(rules.stepE8), by: Int128(FixedPoint.one)))
    return steps > 0 ? value - cost : cost - value
  }

  /// Average entry price × 10^8, half away from zero; 0 when flat.
  @inlinable public func entryPriceE8(rules: InstrumentRules) -> Int64 {
    guard steps != 0 else { return 0 }
    return FixedPoint.divided(
      Int128(cost.e8) * Int128(FixedPoint.one), by: Int128(abs(steps)) * Int128(rules.stepE8))
  }
}
