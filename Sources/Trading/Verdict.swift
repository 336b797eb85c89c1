public import Market

/// What the desk decided about one idea, with the arithmetic behind it.
@frozen public struct Verdict: Sendable, BitwiseCopyable, Hashable {
  @frozen public enum Action: UInt8, Sendable, BitwiseCopyable {
    case refuse = 0
    case open = 1
    /// Close what is open; `refusal` says why nothing is opened instead.
    case close = 2
    /// Close what is open, then open the other side.
    case reverse = 3
  }

  public var action: Action
  public var refusal: Refusal
  public var side: Side
  public var plugin: UInt16
  /// The price the sizing assumed: ask for a buy, bid for a sell, else the last price.
  public var reference: Price
  public var stop: Price
  public var target: Price
  public var quantity: Quantity
  /// Equity the sizing used.
  public var equity: Quote
  /// Quote currency lost if the stop is hit, before fees.
  public var risk: Quote
  public var notional: Quote
  /// Initial margin of the order.
  public var margin: Quote
  /// The number that decided: what was found. When opening, the net return fraction; unit as in `Refusal.text`.
  public var measured: Double
  /// What it was compared with.
  public var limit: Double

  @inlinable public init(
    action: Action = .refuse, refusal: Refusal = .none, side: Side, plugin: UInt16, reference: Price = .none,
    stop: Price = .none, target: Price = .none, quantity: Quantity = .zero, equity: Quote = .zero,
    risk: Quote = .zero, notional: Quote = .zero, margin: Quote = .zero, measured: Double = 0,
    limit: Double = 0
  ) {
    self.action = action
    self.refusal = refusal
    self.side = side
    self.plugin = plugin
    self.reference = reference
    self.stop = stop
    self.target = target
    self.quantity = quantity
    self.equity = equity
    self.risk = risk
    self.notional = notional
    self.margin = margin
    self.measured = measured
    self.limit = limit
  }

  public var opens: Bool { action == .open || action == .reverse }
}
