public import Market

/// One lot of the virtual ledger as it stands while open.
@frozen public struct LotRecord: Sendable, BitwiseCopyable, Hashable {
  public var id: Int64
  public var instrument: InstrumentID
  public var side: Side
  public var quantity: Quantity
  public var entry: Price
  /// As at entry, never moved.
  public var stop: Price
  public var target: Price
  public var opened: Instant
  /// Fee of the entry.
  public var entryFee: Quote
  /// Extremes of the price the lot was watched with, entry included.
  public var low: Price
  public var high: Price
  /// Paid (negative) or received funding; not part of the profit.
  public var funding: Quote
  public var confidence: Float
  public var plugin: UInt16
  /// What the desk said about the same signal.
  public var refusal: Refusal
  /// The plugin's own mark.
  public var tag: UInt64

  public init(
    id: Int64, instrument: InstrumentID, side: Side, quantity: Quantity, entry: Price, stop: Price,
    target: Price, opened: Instant, entryFee: Quote, low: Price, high: Price, funding: Quote = .zero,
    confidence: Float, plugin: UInt16, refusal: Refusal, tag: UInt64
  ) {
    self.id = id
    self.instrument = instrument
    self.side = side
    self.quantity = quantity
    self.entry = entry
    self.stop = stop
    self.target = target
    self.opened = opened
    self.entryFee = entryFee
    self.low = low
    self.high = high
    self.funding = funding
    self.confidence = confidence
    self.plugin = plugin
    self.refusal = refusal
    self.tag = tag
  }
}

/// One lot at its end.
@frozen public struct ClosedLotRecord: Sendable, BitwiseCopyable, Hashable {
  public var id: Int64
  public var instrument: InstrumentID
  public var side: Side
  public var quantity: Quantity
  public var entry: Price
  public var exit: Price
  public var stop: Price
  public var target: Price
  public var opened: Instant
  public var closed: Instant
  public var low: Price
  public var high: Price
  /// Profit after both fees, without funding.
  public var net: Quote
  public var fees: Quote
  public var funding: Quote
  public var purpose: OrderPurpose
  public var plugin: UInt16

  public init(
    id: Int64, instrument: InstrumentID, side: Side, quantity: Quantity, entry: Price, exit: Price,
    stop: Price, target: Price, opened: Instant, closed: Instant, low: Price, high: Price, net: Quote,
    fees: Quote, funding: Quote, purpose: OrderPurpose, plugin: UInt16
  ) {
    self.id = id
    self.instrument = instrument
    self.side = side
    self.quantity = quantity
    self.entry = entry
    self.exit = exit
    self.stop = stop
    self.target = target
    self.opened = opened
    self.closed = closed
    self.low = low
    self.high = high
    self.net = net
    self.fees = fees
    self.funding = funding
    self.purpose = purpose
    self.plugin = plugin
  }
}

extension JournalEntry {
  /// Both extremes in one word, as 32-bit distances from the entry; further distances stop at the end of the range.
  private static func extremes(low: Price, high: Price, entry: Price) -> Int64 {
    let below = Int32(clamping: low.ticks - entry.ticks)
    let above = Int32(clamping: high.ticks - entry.ticks)
    return Int64(below) << 32 | Int64(UInt32(bitPattern: above))
  }

  private static func low(_ word: Int64, entry: Int64) -> Price { Price(ticks: entry + word >> 32) }
  private static func high(_ word: Int64, entry: Int64) -> Price {
    Price(ticks: entry + Int64(Int32(truncatingIfNeeded: word)))
  }

  /// A signal became a lot; `detail` is what the desk said about it.
  public static func lotOpened(_ lot: LotRecord) -> JournalEntry { entry(.lotOpened, lot, lot.opened) }

  /// A lot that was open when the previous run ended.
  public static func openingLot(_ lot: LotRecord, time: Instant) -> JournalEntry {
    entry(.openingLot, lot, time)
  }

  private static func entry(_ kind: Kind, _ lot: LotRecord, _ time: Instant) -> JournalEntry {
    JournalEntry(
      kind, detail: lot.refusal.rawValue, instrument: lot.instrument, time: time,
      words: (
        lot.id, lot.side.sign * lot.quantity.steps, lot.entry.ticks, lot.stop.ticks, lot.target.ticks,
        lot.opened.nanoseconds, lot.entryFee.e8, extremes(low: lot.low, high: lot.high, entry: lot.entry),
        Int64(bitPattern: lot.tag), lot.funding.e8, Int64(lot.plugin) << 32 | Int64(lot.confidence.bitPattern)
      ))
  }

  /// The lot of a `.lotOpened` or `.openingLot` entry.
  public var lotRecord: LotRecord? {
    guard kind == .lotOpened || kind == .openingLot, let refusal = Refusal(rawValue: detail) else {
      return nil
    }
    return LotRecord(
      id: words.0, instrument: instrument, side: words.1 < 0 ? .sell : .buy,
      quantity: Quantity(steps: abs(words.1)), entry: Price(ticks: words.2), stop: Price(ticks: words.3),
      target: Price(ticks: words.4), opened: Instant(nanoseconds: words.5), entryFee: Quote(e8: words.6),
      low: Self.low(words.7, entry: words.2), high: Self.high(words.7, entry: words.2),
      funding: Quote(e8: words.9),
      confidence: Float(bitPattern: UInt32(truncatingIfNeeded: words.10)),
      plugin: UInt16(truncatingIfNeeded: words.10 >> 32), refusal: refusal, tag: UInt64(bitPattern: words.8))
  }

  /// A lot ended; `detail` packs the purpose in its low four bits and the plugin above.
  public static func lotClosed(_ lot: ClosedLotRecord) -> JournalEntry {
    JournalEntry(
      .lotClosed, detail: UInt16(lot.purpose.rawValue) | lot.plugin << 4, instrument: lot.instrument,
      time: lot.closed,
      words: (
        lot.id, lot.side.sign * lot.quantity.steps, lot.entry.ticks, lot.exit.ticks, lot.stop.ticks,
        lot.target.ticks, lot.opened.nanoseconds, extremes(low: lot.low, high: lot.high, entry: lot.entry),
        lot.net.e8, lot.fees.e8, lot.funding.e8
      ))
  }

  /// The lot of a `.lotClosed` entry.
  public var closedLotRecord: ClosedLotRecord? {
    guard kind == .lotClosed, let purpose = OrderPurpose(rawValue: UInt8(detail & 0xF)) else { return nil }
    return ClosedLotRecord(
      id: words.0, instrument: instrument, side: words.1 < 0 ? .sell : .buy,
      quantity: Quantity(steps: abs(words.1)), entry: Price(ticks: words.2), exit: Price(ticks: words.3),
      stop: Price(ticks: words.4), target: Price(ticks: words.5), opened: Instant(nanoseconds: words.6),
      closed: time, low: Self.low(words.7, entry: words.2), high: Self.high(words.7, entry: words.2),
      net: Quote(e8: words.8), fees: Quote(e8: words.9), funding: Quote(e8: words.10), purpose: purpose,
      plugin: detail >> 4)
  }
}
