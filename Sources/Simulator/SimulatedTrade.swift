public import Market

/// One fill of one of our orders.
public struct SimulatedTrade: Sendable, BitwiseCopyable, Hashable {
  /// Unique and rising per instrument.
  public var tradeID: Int64
  public var orderID: Int64
  /// `.none` when the exchange closed the position by force.
  public var id: ClientOrderID
  public var instrument: InstrumentID
  public var side: Side
  public var isMaker: Bool
  public var price: Price
  public var quantity: Quantity
  /// Price × quantity.
  public var notional: Quote
  /// Profit of what this fill closed, before the fee.
  public var realized: Quote
  public var fee: Quote
  public var time: Instant
}
