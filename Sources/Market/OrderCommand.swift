/// One thing to do at the exchange, fully decided: nothing is left to the sender's taste.
@frozen public struct OrderCommand: Sendable, BitwiseCopyable {
  @frozen public enum Action: UInt8, Sendable, BitwiseCopyable { case place = 1, cancel = 2, query = 3 }
  @frozen public enum Kind: UInt8, Sendable, BitwiseCopyable { case market = 1, limit = 2 }
  @frozen public enum TimeInForce: UInt8, Sendable, BitwiseCopyable {
    case goodTillCancelled = 1, immediateOrCancel = 2, fillOrKill = 3, postOnly = 4
  }

  /// The order's id; for `cancel` and `query` the id of the order meant.
  public var id: ClientOrderID
  public var instrument: InstrumentID
  public var action: Action
  public var kind: Kind
  public var timeInForce: TimeInForce
  public var side: Side
  public var reduceOnly: Bool
  public var purpose: OrderPurpose
  public var quantity: Quantity
  /// Limit price; `.none` at market.
  public var price: Price
  /// When it was decided, on the venue's clock.
  public var time: Instant

  @inlinable public init(
    id: ClientOrderID, instrument: InstrumentID, action: Action = .place, kind: Kind = .market,
    timeInForce: TimeInForce = .goodTillCancelled, side: Side, reduceOnly: Bool, purpose: OrderPurpose,
    quantity: Quantity, price: Price = .none, time: Instant
  ) {
    self.id = id
    self.instrument = instrument
    self.action = action
    self.kind = kind
    self.timeInForce = timeInForce
    self.side = side
    self.reduceOnly = reduceOnly
    self.purpose = purpose
    self.quantity = quantity
    self.price = price
    self.time = time
  }
}

/// Why an order exists; also the reason a closed trade carries. Raw values go to journals: never renumber.
@frozen public enum OrderPurpose: UInt8, Sendable, BitwiseCopyable, Codable, CaseIterable {
  case entry = 1
  case stop = 2
  case target = 3
  /// Held longer than the limit.
  case time = 4
  /// The signal turned, or asked to be flat.
  case reversal = 5
  /// A person or a halt asked for it.
  case flatten = 6
  /// The venue closed it: liquidation, deleveraging, settlement.
  case venue = 7

  public var name: String {
    switch self {
    case .entry: "entry"
    case .stop: "stop"
    case .target: "target"
    case .time: "time"
    case .reversal: "reversal"
    case .flatten: "flatten"
    case .venue: "venue"
    }
  }
}
