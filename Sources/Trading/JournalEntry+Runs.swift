public import Market

/// What a run of the Brain starts from, beside positions, orders and lots.
@frozen public struct RunOpening: Sendable, BitwiseCopyable, Hashable {
  /// Number of the run; part of every client order id.
  public var run: UInt32
  public var wallet: Quote
  /// Equity at the first sample of the UTC day `dayOpened`; the base of the daily loss.
  public var dayOpeningEquity: Quote
  public var dayOpened: Instant
  public var nextLotID: Int64
  /// Largest trade and order id any exchange report carried; a simulated exchange goes on after them.
  public var lastTradeID: Int64
  public var lastOrderID: Int64
  public var mode: DeskMode
  /// Balance of the virtual account, and its funding column.
  public var ledgerBalance: Quote
  public var ledgerFunding: Quote

  public init(
    run: UInt32, wallet: Quote, dayOpeningEquity: Quote = .zero, dayOpened: Instant = .never,
    nextLotID: Int64 = 1, lastTradeID: Int64 = 0, lastOrderID: Int64 = 0, mode: DeskMode = .normal,
    ledgerBalance: Quote = VirtualLedger.openingBalance, ledgerFunding: Quote = .zero
  ) {
    self.run = run
    self.wallet = wallet
    self.dayOpeningEquity = dayOpeningEquity
    self.dayOpened = dayOpened
    self.nextLotID = nextLotID
    self.lastTradeID = lastTradeID
    self.lastOrderID = lastOrderID
    self.mode = mode
    self.ledgerBalance = ledgerBalance
    self.ledgerFunding = ledgerFunding
  }
}

extension JournalEntry {
  /// Version of the payload layouts, in `detail` of `.runStarted`; raised when a word changes its meaning.
  public static let layoutVersion: UInt16 = 1

  public static func runStarted(_ opening: RunOpening, time: Instant) -> JournalEntry {
    JournalEntry(
      .runStarted, detail: layoutVersion, time: time,
      words: (
        Int64(opening.run), opening.wallet.e8, opening.dayOpeningEquity.e8, opening.dayOpened.nanoseconds,
        opening.nextLotID, opening.lastTradeID, opening.lastOrderID, Int64(opening.mode.rawValue),
        opening.ledgerBalance.e8, opening.ledgerFunding.e8, 0
      ))
  }

  /// The opening of a `.runStarted` entry; nil for other kinds, another layout or an unreadable one.
  public var runOpening: RunOpening? {
    guard kind == .runStarted, detail == Self.layoutVersion,
      let mode = DeskMode(rawValue: UInt8(truncatingIfNeeded: words.7))
    else { return nil }
    return RunOpening(
      run: UInt32(truncatingIfNeeded: words.0), wallet: Quote(e8: words.1),
      dayOpeningEquity: Quote(e8: words.2), dayOpened: Instant(nanoseconds: words.3), nextLotID: words.4,
      lastTradeID: words.5, lastOrderID: words.6, mode: mode, ledgerBalance: Quote(e8: words.8),
      ledgerFunding: Quote(e8: words.9))
  }

  /// All openings are in.
  public static func runReady(time: Instant) -> JournalEntry { JournalEntry(.runReady, time: time) }

  /// The run ended in order. `reason` is the caller's own small number.
  public static func runEnded(reason: UInt16, time: Instant) -> JournalEntry {
    JournalEntry(.runEnded, detail: reason, time: time)
  }

  /// Time passed without any other input.
  public static func clock(time: Instant) -> JournalEntry { JournalEntry(.clock, time: time) }

  /// A person or the supervisor changed what the desk may do. Bit 0 of word 1: draining; bit 1: flatten now.
  public static func control(
    mode: DeskMode, isDraining: Bool, flattens: Bool = false, time: Instant
  ) -> JournalEntry {
    JournalEntry(
      .control, time: time,
      words: (Int64(mode.rawValue), (isDraining ? 1 : 0) | (flattens ? 2 : 0), 0, 0, 0, 0, 0, 0, 0, 0, 0))
  }

  /// The request of a `.control` entry.
  public var controlRequest: (mode: DeskMode, isDraining: Bool, flattens: Bool)? {
    guard kind == .control, let mode = DeskMode(rawValue: UInt8(truncatingIfNeeded: words.0)) else {
      return nil
    }
    return (mode, words.1 & 1 != 0, words.1 & 2 != 0)
  }

  /// Market events were lost: their exact number, the first sequence missing, the epoch of the writer now.
  public static func ringGap(
    cause: GapCause, missingCount: Int64, firstSequence: Int64, epoch: Int64, time: Instant
  ) -> JournalEntry {
    JournalEntry(
      .ringGap, detail: UInt16(cause.rawValue), time: time,
      words: (missingCount, firstSequence, epoch, 0, 0, 0, 0, 0, 0, 0, 0))
  }

  /// The loss of a `.ringGap` entry.
  public var ringLoss: (cause: GapCause, missingCount: Int64, firstSequence: Int64, epoch: Int64)? {
    guard kind == .ringGap, let cause = GapCause(rawValue: UInt8(truncatingIfNeeded: detail)) else {
      return nil
    }
    return (cause, words.0, words.1, words.2)
  }

  /// History of an instrument is in.
  public static func instrumentReady(_ instrument: InstrumentID, time: Instant) -> JournalEntry {
    JournalEntry(.instrumentReady, instrument: instrument, time: time)
  }

  /// A fingerprint of the market events taken so far, so that a replay notices any change of its tape.
  public static func checkpoint(fingerprint: UInt64, marketEvents: Int, time: Instant) -> JournalEntry {
    JournalEntry(
      .checkpoint, time: time,
      words: (Int64(bitPattern: fingerprint), Int64(marketEvents), 0, 0, 0, 0, 0, 0, 0, 0, 0))
  }
}
