public import Market

/// What the journal says was true when it ends: the start of the next run.
public struct RecoveredState: Sendable, Equatable {
  /// An instrument's position and the last trade id applied to it.
  public struct Position: Sendable, Equatable {
    public var record: PositionRecord
    public var lastTradeID: Int64
  }

  /// An order whose outcome is not settled.
  public struct Order: Sendable, Equatable {
    public var command: OrderCommand
    public var context: OrderContext

    public static func == (a: Order, b: Order) -> Bool {
      a.command.id == b.command.id && a.context == b.context
    }
  }

  /// Wallet, mode, ids and virtual account, with the number of the next run.
  public var opening: RunOpening
  /// By instrument; also flat ones that ever traded, for their trade ids.
  public var positions: [Position]
  /// In the order they were decided.
  public var orders: [Order]
  /// By id.
  public var lots: [LotRecord]
  /// A round trip whose last fill is in the journal and whose own entry is not: the end was cut off between them.
  public var unrecordedTrade: TradeRecord?
  /// Time of the last entry; `.never` for an empty journal.
  public var lastTime: Instant

  /// The first entries of the next run, in the order they must be taken. `.runReady` is the caller's to write, once
  /// it is ready.
  public func openingEntries(time: Instant) -> [JournalEntry] {
    var entries = [JournalEntry.runStarted(opening, time: time)]
    for position in positions {
      entries.append(.openingPosition(position.record, lastTradeID: position.lastTradeID, time: time))
    }
    for order in orders { entries.append(.openingOrder(order.command, context: order.context, time: time)) }
    for lot in lots { entries.append(.openingLot(lot, time: time)) }
    if let unrecordedTrade { entries.append(.tradeClosed(unrecordedTrade)) }
    return entries
  }
}
