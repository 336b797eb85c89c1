public import Market

/// When an open position ends: a stop, a target and a last moment.
@frozen public struct ExitPlan: Sendable, BitwiseCopyable, Hashable {
  /// Side of the position.
  public var side: Side
  public var stop: Price
  public var target: Price
  /// The time stop.
  public var expiry: Instant

  @inlinable public init(side: Side, stop: Price, target: Price, expiry: Instant) {
    self.side = side
    self.stop = stop
    self.target = target
    self.expiry = expiry
  }

  /// What an event triggered, and the level that was crossed.
  @frozen public struct Trigger: Sendable, BitwiseCopyable, Hashable {
    public var purpose: OrderPurpose
    public var level: Price

    @inlinable public init(_ purpose: OrderPurpose, level: Price) {
      self.purpose = purpose
      self.level = level
    }
  }

  /// Whether the event reaches the stop or the target; the stop wins when a bar reaches both.
  ///
  /// A long is judged by the bid or a trade's price, a short by the ask or a trade's price, a bar by its low and high.
  /// Quarantined events never trigger. Levels of `Price.none` never trigger.
  @inlinable public func check(_ event: MarketEvent) -> Trigger? {
    if event.flags.contains(.quarantined) { return nil }
    switch event.kind {
    case .quote:
      let price = side == .buy ? event.bid : event.ask
      return check(low: price, high: price)
    case .trade: return check(low: event.price, high: event.price)
    case .bar: return check(low: Price(ticks: event.word2), high: Price(ticks: event.word1))
    case .mark, .gap, .stream: return nil
    }
  }

  @inlinable func check(low: Price, high: Price) -> Trigger? {
    guard low.ticks > 0, high.ticks > 0 else { return nil }
    if side == .buy {
      if stop != .none, low <= stop { return Trigger(.stop, level: stop) }
      if target != .none, high >= target { return Trigger(.target, level: target) }
    } else {
      if stop != .none, high >= stop { return Trigger(.stop, level: stop) }
      if target != .none, low <= target { return Trigger(.target, level: target) }
    }
    return nil
  }
}
