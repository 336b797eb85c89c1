public import Market

/// One order as the exchange knows it.
public struct SimulatedOrder: Sendable, BitwiseCopyable, Hashable {
  public enum Status: UInt8, Sendable, BitwiseCopyable {
    case new = 1
    case partiallyFilled = 2
    case filled = 3
    case cancelled = 4
    case expired = 5

    public var isOpen: Bool { self == .new || self == .partiallyFilled }
  }

  /// `.none` on an order of the exchange itself (liquidation).
  public var id: ClientOrderID
  /// Unique over all instruments, rising.
  public var orderID: Int64
  public var instrument: InstrumentID
  public var side: Side
  public var kind: OrderCommand.Kind
  public var timeInForce: OrderCommand.TimeInForce
  public var reduceOnly: Bool
  public var purpose: OrderPurpose
  public var status: Status
  /// A reduce-only order larger than the position is cut to it when it arrives.
  public var quantity: Quantity
  /// Limit price, or the level of a market exit on bars; `.none` at market.
  public var price: Price
  public var filled: Quantity
  /// Sum of price × quantity of the fills.
  public var filledNotional: Quote
  /// The latest fill; 0 without one.
  public var lastTradeID: Int64
  public var lastPrice: Price
  public var lastQuantity: Quantity
  /// When the exchange took it.
  public var createdTime: Instant
  public var updatedTime: Instant

  /// A new order as a placement asks for it; also what the journal knows of one that rested (`restore`).
  ///
  /// - Parameter filled: steps filled before, with their notional.
  public init(
    _ command: OrderCommand, orderID: Int64, filled: Quantity = .zero, filledNotional: Quote = .zero,
    createdTime: Instant
  ) {
    id = command.id
    self.orderID = orderID
    instrument = command.instrument
    side = command.side
    kind = command.kind
    timeInForce = command.timeInForce
    reduceOnly = command.reduceOnly
    purpose = command.purpose
    status = filled == .zero ? .new : .partiallyFilled
    quantity = command.quantity
    price = command.price
    self.filled = filled
    self.filledNotional = filledNotional
    lastTradeID = 0
    lastPrice = .none
    lastQuantity = .zero
    self.createdTime = createdTime
    updatedTime = createdTime
  }

  public var remaining: Quantity { Quantity(steps: quantity.steps - filled.steps) }

  /// Average fill price × 10^8, half away from zero; 0 without a fill.
  public func averagePriceE8(rules: InstrumentRules) -> Int64 {
    guard filled.steps > 0 else { return 0 }
    return FixedPoint.divided(
      Int128(filledNotional.e8) * Int128(FixedPoint.one), by: Int128(filled.steps) * Int128(rules.stepE8))
  }
}
