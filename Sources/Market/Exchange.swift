/// A place that accepts orders: Binance when live, `SimulatedExchange` in paper, backtest and replay.
///
/// No call blocks. [decision-thread]
public protocol Exchange: ~Copyable {
  /// A market event passed by: the simulator matches resting and pending orders against it.
  mutating func observe(_ event: MarketEvent)
  mutating func submit(_ command: OrderCommand)
  /// The next thing the exchange has to say, or nil for now.
  mutating func poll(now: Instant) -> ExchangeReport?
}
