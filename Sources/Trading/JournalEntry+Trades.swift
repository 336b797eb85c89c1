public import Market

/// A position as it stands after a change, complete enough to go on from.
@frozen public struct PositionRecord: Sendable, BitwiseCopyable, Hashable {
  public var instrument: InstrumentID
  /// Positive long, negative short, 0 flat.
  public var steps: Int64
  /// Cost of what is open.
  public var cost: Quote
  public var stop: Price
  public var target: Price
  public var opened: Instant
  /// Fees paid by this lifecycle so far.
  public var fees: Quote
  /// Wallet after the change.
  public var wallet: Quote
  /// Cost of everything the lifecycle bought in, and its quantity.
  public var entryCost: Quote
  public var entrySteps: Int64
  /// Value of everything it closed.
  public var exitValue: Quote
  public var plugin: UInt16
  /// Side of the lifecycle; also known when flat.
  public var side: Side
  /// Why it changed.
  public var purpose: OrderPurpose

  public init(
    instrument: InstrumentID, steps: Int64, cost: Quote, stop: Price, target: Price, opened: Instant,
    fees: Quote, wallet: Quote, entryCost: Quote, entrySteps: Int64, exitValue: Quote, plugin: UInt16,
    side: Side, purpose: OrderPurpose
  ) {
    self.instrument = instrument
    self.steps = steps
    self.cost = cost
    self.stop = stop
    self.target = target
    self.opened = opened
    self.fees = fees
    self.wallet = wallet
    self.entryCost = entryCost
    self.entrySteps = entrySteps
    self.exitValue = exitValue
    self.plugin = plugin
    self.side = side
    self.purpose = purpose
  }
}

/// One finished round trip.
@frozen public struct TradeRecord: Sendable, BitwiseCopyable, Hashable {
  public var instrument: InstrumentID
  public var side: Side
  public var purpose: OrderPurpose
  public var plugin: UInt16
  /// Quantity bought in over the whole lifecycle.
  public var steps: Int64
  public var entryCost: Quote
  public var exitValue: Quote
  public var fees: Quote
  /// Profit after fees.
  public var net: Quote
  public var opened: Instant
  public var closed: Instant
  public var stop: Price
  public var target: Price

  public init(
    instrument: InstrumentID, side: Side, purpose: OrderPurpose, plugin: UInt16, steps: Int64,
    entryCost: Quote, exitValue: Quote, fees: Quote, net: Quote, opened: Instant, closed: Instant,
    stop: Price, target: Price
  ) {
    self.instrument = instrument
    self.side = side
    self.purpose = purpose
    self.plugin = plugin
    self.steps = steps
    self.entryCost = entryCost
    self.exitValue = exitValue
    self.fees = fees
    self.net = net
    self.opened = opened
    self.closed = closed
    self.stop = stop
    self.target = target
  }

  /// The round trip a flat position record completes.
  public init(closing record: PositionRecord, at time: Instant) {
    let gross =
      record.side == .buy ? record.exitValue - record.entryCost : record.entryCost - record.exitValue
    self.init(
      instrument: record.instrument, side: record.side, purpose: record.purpose, plugin: record.plugin,
      steps: record.entrySteps, entryCost: record.entryCost, exitValue: record.exitValue, fees: record.fees,
      net: gross - record.fees, opened: record.opened, closed: time, stop: record.stop,
      target: record.target)
  }
}

/// The account at one moment.
@frozen public struct EquityRecord: Sendable, BitwiseCopyable, Hashable {
  public var equity: Quote
  public var wallet: Quote
  public var unrealized: Quote
  public var usedMargin: Quote
  public var openPositions: Int64
  public var dayOpeningEquity: Quote
  public var dayOpened: Instant
  /// Round trips closed by this run, their profit after fees, and all fees paid by this run.
  public var tradeCount: Int64
  public var realizedNet: Quote
  public var fees: Quote

  public init(
    equity: Quote, wallet: Quote, unrealized: Quote, usedMargin: Quote, openPositions: Int64,
    dayOpeningEquity: Quote, dayOpened: Instant, tradeCount: Int64, realizedNet: Quote, fees: Quote
  ) {
    self.equity = equity
    self.wallet = wallet
    self.unrealized = unrealized
    self.usedMargin = usedMargin
    self.openPositions = openPositions
    self.dayOpeningEquity = dayOpeningEquity
    self.dayOpened = dayOpened
    self.tradeCount = tradeCount
    self.realizedNet = realizedNet
    self.fees = fees
  }
}

extension JournalEntry {
  /// The desk's answer to an idea; `detail` is the refusal.
  public static func verdict(
    _ verdict: Verdict, instrument: InstrumentID, time: Instant
  ) -> JournalEntry {
    JournalEntry(
      .verdict, detail: verdict.refusal.rawValue, instrument: instrument, time: time,
      words: (
        Int64(verdict.action.rawValue) | (verdict.side == .sell ? 0x100 : 0) | Int64(verdict.plugin) << 16,
        verdict.equity.e8, verdict.risk.e8, verdict.reference.ticks, verdict.stop.ticks,
        verdict.target.ticks, verdict.quantity.steps, verdict.notional.e8, verdict.margin.e8,
        Int64(bitPattern: verdict.measured.bitPattern), Int64(bitPattern: verdict.limit.bitPattern)
      ))
  }

  /// The verdict of a `.verdict` entry.
  public var deskVerdict: Verdict? {
    guard kind == .verdict, let refusal = Refusal(rawValue: detail),
      let action = Verdict.Action(rawValue: UInt8(truncatingIfNeeded: words.0))
    else { return nil }
    return Verdict(
      action: action, refusal: refusal, side: words.0 & 0x100 != 0 ? .sell : .buy,
      plugin: UInt16(truncatingIfNeeded: words.0 >> 16), reference: Price(ticks: words.3),
      stop: Price(ticks: words.4), target: Price(ticks: words.5), quantity: Quantity(steps: words.6),
      equity: Quote(e8: words.1), risk: Quote(e8: words.2), notional: Quote(e8: words.7),
      margin: Quote(e8: words.8), measured: Double(bitPattern: UInt64(bitPattern: words.9)),
      limit: Double(bitPattern: UInt64(bitPattern: words.10)))
  }

  /// An order with what its fills need to know; reads back through `orderCommand` and `orderContext`.
  public static func command(
    _ command: OrderCommand, context: OrderContext, time: Instant
  ) -> JournalEntry {
    var entry = JournalEntry.command(command, time: time)
    entry.setOrderContext(context)
    return entry
  }

  /// An order that was open when the previous run ended.
  public static func openingOrder(
    _ command: OrderCommand, context: OrderContext, time: Instant
  ) -> JournalEntry {
    var entry = JournalEntry.command(command, context: context, time: time)
    entry.kind = .openingOrder
    return entry
  }

  private mutating func setOrderContext(_ context: OrderContext) {
    words.7 = Int64(bitPattern: context.stopFraction.bitPattern)
    words.8 = Int64(bitPattern: context.targetFraction.bitPattern)
    words.9 = context.filledSteps
    words.10 = Int64(context.state.rawValue) | Int64(context.plugin) << 16
  }

  /// The context of a `.command` or `.openingOrder` entry.
  public var orderContext: OrderContext? {
    guard kind == .command || kind == .openingOrder,
      let state = OrderLifecycle.State(rawValue: UInt8(truncatingIfNeeded: words.10))
    else { return nil }
    return OrderContext(
      stopFraction: Double(bitPattern: UInt64(bitPattern: words.7)),
      targetFraction: Double(bitPattern: UInt64(bitPattern: words.8)), filledSteps: words.9, state: state,
      plugin: UInt16(truncatingIfNeeded: words.10 >> 16))
  }

  /// A position after a change; `detail` is the purpose of the order that changed it.
  public static func positionChanged(_ record: PositionRecord, time: Instant) -> JournalEntry {
    entry(.positionChanged, record, time)
  }

  /// A position as the previous run left it, flat ones too when the instrument ever traded. The wallet's word holds
  /// the instrument's last applied trade id instead: the wallet is in `.runStarted`.
  public static func openingPosition(
    _ record: PositionRecord, lastTradeID: Int64, time: Instant
  ) -> JournalEntry {
    var entry = entry(.openingPosition, record, time)
    entry.words.6 = lastTradeID
    return entry
  }

  /// The last trade id applied before an `.openingPosition` entry; 0 for other kinds.
  public var openingTradeID: Int64 { kind == .openingPosition ? words.6 : 0 }

  private static func entry(_ kind: Kind, _ record: PositionRecord, _ time: Instant) -> JournalEntry {
    JournalEntry(
      kind, detail: UInt16(record.purpose.rawValue), instrument: record.instrument, time: time,
      words: (
        record.steps, record.cost.e8, record.stop.ticks, record.target.ticks, record.opened.nanoseconds,
        record.fees.e8, record.wallet.e8, record.entryCost.e8, record.entrySteps, record.exitValue.e8,
        Int64(record.plugin) | (record.side == .sell ? 0x10000 : 0)
      ))
  }

  /// The position of a `.positionChanged` or `.openingPosition` entry.
  public var positionRecord: PositionRecord? {
    guard kind == .positionChanged || kind == .openingPosition,
      let purpose = OrderPurpose(rawValue: UInt8(truncatingIfNeeded: detail))
    else { return nil }
    return PositionRecord(
      instrument: instrument, steps: words.0, cost: Quote(e8: words.1), stop: Price(ticks: words.2),
      target: Price(ticks: words.3), opened: Instant(nanoseconds: words.4), fees: Quote(e8: words.5),
      wallet: kind == .positionChanged ? Quote(e8: words.6) : .zero, entryCost: Quote(e8: words.7),
      entrySteps: words.8,
      exitValue: Quote(e8: words.9), plugin: UInt16(truncatingIfNeeded: words.10),
      side: words.10 & 0x10000 != 0 ? .sell : .buy, purpose: purpose)
  }

  /// A finished round trip; `detail` is the purpose of the closing order.
  public static func tradeClosed(_ trade: TradeRecord) -> JournalEntry {
    JournalEntry(
      .tradeClosed, detail: UInt16(trade.purpose.rawValue), instrument: trade.instrument, time: trade.closed,
      words: (
        trade.steps, trade.entryCost.e8, trade.exitValue.e8, trade.fees.e8, trade.net.e8,
        trade.opened.nanoseconds, trade.closed.nanoseconds, trade.stop.ticks, trade.target.ticks,
        Int64(trade.plugin) | (trade.side == .sell ? 0x10000 : 0), 0
      ))
  }

  /// The trade of a `.tradeClosed` entry.
  public var tradeRecord: TradeRecord? {
    guard kind == .tradeClosed, let purpose = OrderPurpose(rawValue: UInt8(truncatingIfNeeded: detail)) else {
      return nil
    }
    return TradeRecord(
      instrument: instrument, side: words.9 & 0x10000 != 0 ? .sell : .buy, purpose: purpose,
      plugin: UInt16(truncatingIfNeeded: words.9), steps: words.0, entryCost: Quote(e8: words.1),
      exitValue: Quote(e8: words.2), fees: Quote(e8: words.3), net: Quote(e8: words.4),
      opened: Instant(nanoseconds: words.5), closed: Instant(nanoseconds: words.6),
      stop: Price(ticks: words.7), target: Price(ticks: words.8))
  }

  /// The account at one moment; `detail` 0 is a regular sample, 1 follows a closed trade.
  public static func equity(_ record: EquityRecord, afterTrade: Bool, time: Instant) -> JournalEntry {
    JournalEntry(
      .equity, detail: afterTrade ? 1 : 0, time: time,
      words: (
        record.equity.e8, record.wallet.e8, record.unrealized.e8, record.usedMargin.e8, record.openPositions,
        record.dayOpeningEquity.e8, record.dayOpened.nanoseconds, record.tradeCount, record.realizedNet.e8,
        record.fees.e8, 0
      ))
  }

  /// The account of an `.equity` entry.
  public var equityRecord: EquityRecord? {
    guard kind == .equity else { return nil }
    return EquityRecord(
      equity: Quote(e8: words.0), wallet: Quote(e8: words.1), unrealized: Quote(e8: words.2),
      usedMargin: Quote(e8: words.3), openPositions: words.4, dayOpeningEquity: Quote(e8: words.5),
      dayOpened: Instant(nanoseconds: words.6), tradeCount: words.7, realizedNet: Quote(e8: words.8),
      fees: Quote(e8: words.9))
  }
}
