/// What the exchange says about an order or the account, from any channel, in any order.
@frozen public struct ExchangeReport: Sendable, BitwiseCopyable {
  @frozen public enum Kind: UInt8, Sendable, BitwiseCopyable {
    /// The order rests or was taken for execution.
    case accepted = 1
    /// One trade of it: `price`, `quantity`, `fee`, `tradeID`.
    case filled = 2
    case cancelled = 3
    /// Refused by the exchange, or denied before it was sent; `code` says why. Nothing happened.
    case rejected = 4
    /// The unfilled rest is gone (IOC, market without book).
    case expired = 5
    /// Nobody knows: time-out, 5xx. To be settled by asking, never by sending again.
    case unknown = 6
    /// Wallet balance in `amount` (account-wide).
    case balance = 7
    /// Position as the exchange has it: signed `quantity`, entry notional in `amount`. Reconciliation.
    case position = 8
    /// A resting order was asked for and is not there (and never was).
    case missing = 9
  }

  public var kind: Kind
  public var side: Side
  /// The fill was the resting side.
  public var isMaker: Bool
  /// After this report the order is over (fully filled, cancelled, rejected, expired).
  public var isFinal: Bool
  public var instrument: InstrumentID
  public var id: ClientOrderID
  /// The exchange's own order id; 0 when unknown.
  public var orderID: Int64
  /// Unique per instrument; 0 unless a fill. Fills are applied once per (instrument, trade id).
  public var tradeID: Int64
  public var price: Price
  public var quantity: Quantity
  /// Total filled of the order so far, where the source says it.
  public var filledTotal: Quantity
  /// Commission of this fill, in quote currency; negative is a rebate.
  public var fee: Quote
  /// Realised profit of this fill before fees, as the exchange computed it; wallet or entry notional for snapshots.
  public var amount: Quote
  public var time: Instant
  /// The exchange's error code, 0 when none; codes below -100000 are our own gateway's.
  public var code: Int32

  @inlinable public init(
    kind: Kind, side: Side = .buy, isMaker: Bool = false, isFinal: Bool = false, instrument: InstrumentID,
    id: ClientOrderID = .none, orderID: Int64 = 0, tradeID: Int64 = 0, price: Price = .none,
    quantity: Quantity = .zero, filledTotal: Quantity = .zero, fee: Quote = .zero, amount: Quote = .zero,
    time: Instant, code: Int32 = 0
  ) {
    self.kind = kind
    self.side = side
    self.isMaker = isMaker
    self.isFinal = isFinal
    self.instrument = instrument
    self.id = id
    self.orderID = orderID
    self.tradeID = tradeID
    self.price = price
    self.quantity = quantity
    self.filledTotal = filledTotal
    self.fee = fee
    self.amount = amount
    self.time = time
    self.code = code
  }
}
