public import Market

/// One line of the journal: 120 bytes of integers, so that with the tape's stamp it fills two cache lines.
///
/// The journal is the bus and the memory of the engine. Inputs other than market events are in it, so a day can be
/// replayed; so is everything that was concluded from them, so a replay can be compared and a stranger can ask why.
/// The meaning of the words depends on `kind`; use the constructors and the typed views. Never renumber or reorder.
@frozen public struct JournalEntry: Sendable, BitwiseCopyable {
  @frozen public enum Kind: UInt16, Sendable, BitwiseCopyable, CaseIterable {
    // Inputs: what came in from outside, beside the market tape.
    /// First entry of every run of the Brain. The openings that follow it restore what was known before.
    case runStarted = 1
    case openingPosition = 2
    case openingOrder = 3
    case openingLot = 4
    case clock = 5
    case control = 6
    /// A closed candle that came from the store or from REST.
    case history = 7
    /// Something the exchange said. In live an input; in paper recomputed by the simulator.
    case report = 8
    /// Market events were lost, or a new writer took over the ring.
    case ringGap = 9
    /// All openings are in; trading may begin.
    case runReady = 10
    /// History of an instrument is in: plugins may see it as warm-up, and live events after it.
    case instrumentReady = 11
    /// The plugins at work change.
    case plugin = 12
    /// A signal that came from another process: when it came is nothing that can be computed.
    case isolatedSignal = 13

    // Outputs: what was concluded.
    case signal = 20
    case verdict = 21
    case command = 22
    case positionChanged = 23
    case tradeClosed = 24
    case lotOpened = 25
    case lotClosed = 26
    case equity = 27
    case candleClosed = 28
    case runEnded = 29
    /// A fingerprint of every market event taken so far.
    case checkpoint = 30
    /// What a plugin said it saw. It decides nothing.
    case annotation = 31
  }

  public var kind: Kind
  /// The byte beside `kind`, which Swift stores in one: named, so that equal entries have equal bytes.
  @usableFromInline var reserved: UInt8
  /// Small number whose meaning depends on `kind`.
  public var detail: UInt16
  public var instrument: InstrumentID
  /// Number of inputs the Brain had taken when this was written; market events count.
  public var position: UInt64
  /// The next market sequence of the ring the Brain had not taken yet.
  public var ringSequence: UInt64
  /// The Brain's time.
  public var time: Instant
  public var words: Words

  /// Eleven payload words.
  public typealias Words = (
    Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64
  )

  @inlinable public init(
    _ kind: Kind, detail: UInt16 = 0, instrument: InstrumentID = .none, position: UInt64 = 0,
    ringSequence: UInt64 = 0, time: Instant, words: Words = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
  ) {
    self.kind = kind
    reserved = 0
    self.detail = detail
    self.instrument = instrument
    self.position = position
    self.ringSequence = ringSequence
    self.time = time
    self.words = words
  }

  /// Inputs must be fed back in a replay; outputs are compared.
  public var isInput: Bool { kind.rawValue < 20 }
}

extension JournalEntry: Equatable {
  /// Bitwise: a replay must agree on every word.
  public static func == (a: JournalEntry, b: JournalEntry) -> Bool {
    withUnsafeBytes(of: a) { left in withUnsafeBytes(of: b) { right in left.elementsEqual(right) } }
  }
}

extension JournalEntry {
  /// What the exchange said. `detail` packs kind, side and two flags.
  @inlinable public static func report(_ report: ExchangeReport, time: Instant) -> JournalEntry {
    let detail =
      UInt16(report.kind.rawValue) | (report.side == .sell ? 0x100 : 0) | (report.isMaker ? 0x200 : 0)
      | (report.isFinal ? 0x400 : 0)
    return JournalEntry(
      .report, detail: detail, instrument: report.instrument, time: time,
      words: (
        Int64(report.code) << 32 | Int64(report.id.run), Int64(bitPattern: report.id.sequence),
        report.orderID,
        report.tradeID, report.price.ticks, report.quantity.steps, report.filledTotal.steps, report.fee.e8,
        report.amount.e8, report.time.nanoseconds, 0
      ))
  }

  /// The report of a `.report` entry; nil for other kinds or an unreadable one.
  public var exchangeReport: ExchangeReport? {
    guard kind == .report,
      let reportKind = ExchangeReport.Kind(rawValue: UInt8(truncatingIfNeeded: detail & 0xFF))
    else { return nil }
    return ExchangeReport(
      kind: reportKind, side: detail & 0x100 != 0 ? .sell : .buy, isMaker: detail & 0x200 != 0,
      isFinal: detail & 0x400 != 0, instrument: instrument,
      id: ClientOrderID(run: UInt32(truncatingIfNeeded: words.0), sequence: UInt64(bitPattern: words.1)),
      orderID: words.2, tradeID: words.3, price: Price(ticks: words.4), quantity: Quantity(steps: words.5),
      filledTotal: Quantity(steps: words.6), fee: Quote(e8: words.7), amount: Quote(e8: words.8),
      time: Instant(nanoseconds: words.9), code: Int32(truncatingIfNeeded: words.0 >> 32))
  }

  /// A candle from outside; `detail` is the timeframe.
  @inlinable public static func history(
    _ instrument: InstrumentID, _ timeframe: Timeframe, _ candle: Candle, time: Instant
  ) -> JournalEntry { entry(.history, instrument, timeframe, candle, time) }

  /// A candle our own trades closed; `detail` is the timeframe.
  @inlinable public static func candleClosed(
    _ instrument: InstrumentID, _ timeframe: Timeframe, _ candle: Candle, time: Instant
  ) -> JournalEntry { entry(.candleClosed, instrument, timeframe, candle, time) }

  @inlinable static func entry(
    _ kind: Kind, _ instrument: InstrumentID, _ timeframe: Timeframe, _ candle: Candle, _ time: Instant
  ) -> JournalEntry {
    JournalEntry(
      kind, detail: UInt16(timeframe.rawValue), instrument: instrument, time: time,
      words: (
        candle.openTime.nanoseconds, candle.open.ticks, candle.high.ticks, candle.low.ticks,
        candle.close.ticks,
        candle.volume.steps, Int64(candle.tradeCount), Int64(candle.flags.rawValue), 0, 0, 0
      ))
  }

  /// The candle of a `.history` or `.candleClosed` entry.
  public var candle: (timeframe: Timeframe, candle: Candle)? {
    guard kind == .history || kind == .candleClosed,
      let timeframe = Timeframe(rawValue: UInt8(truncatingIfNeeded: detail))
    else { return nil }
    return (
      timeframe,
      Candle(
        openTime: Instant(nanoseconds: words.0), open: Price(ticks: words.1), high: Price(ticks: words.2),
        low: Price(ticks: words.3), close: Price(ticks: words.4), volume: Quantity(steps: words.5),
        tradeCount: Int32(truncatingIfNeeded: words.6),
        flags: CandleFlags(rawValue: UInt16(truncatingIfNeeded: words.7)))
    )
  }

  /// A plugin's signal, as the host accepted it; `detail` is the plugin's index.
  @inlinable public static func signal(_ signal: Signal, time: Instant) -> JournalEntry {
    JournalEntry(
      .signal, detail: signal.plugin, instrument: signal.instrument, time: time,
      words: (
        Int64(bitPattern: signal.causeSequence), signal.time.nanoseconds, signal.horizonNanoseconds,
        Int64(bitPattern: signal.returnFraction.bitPattern),
        Int64(signal.confidence.bitPattern) << 32 | Int64(signal.deviationFraction.bitPattern),
        Int64(signal.stopFraction.bitPattern) << 32 | Int64(signal.targetFraction.bitPattern),
        Int64(signal.flags.rawValue), Int64(bitPattern: signal.tag), 0, 0, 0
      ))
  }

  /// A signal of an isolated plugin, as it arrived.
  public static func isolatedSignal(_ signal: Signal, time: Instant) -> JournalEntry {
    var entry = JournalEntry.signal(signal, time: time)
    entry.kind = .isolatedSignal
    return entry
  }

  /// The signal of a `.signal` or `.isolatedSignal` entry.
  public var pluginSignal: Signal? {
    guard kind == .signal || kind == .isolatedSignal else { return nil }
    func high(_ word: Int64) -> Float { Float(bitPattern: UInt32(truncatingIfNeeded: word >> 32)) }
    func low(_ word: Int64) -> Float { Float(bitPattern: UInt32(truncatingIfNeeded: word)) }
    return Signal(
      causeSequence: UInt64(bitPattern: words.0), time: Instant(nanoseconds: words.1),
      horizonNanoseconds: words.2,
      returnFraction: Double(bitPattern: UInt64(bitPattern: words.3)), confidence: high(words.4),
      deviationFraction: low(words.4), stopFraction: high(words.5), targetFraction: low(words.5),
      instrument: instrument, flags: SignalFlags(rawValue: UInt16(truncatingIfNeeded: words.6)),
      plugin: detail,
      tag: UInt64(bitPattern: words.7))
  }

  /// An order handed to the exchange; `detail` packs action, kind, side, reduce-only.
  @inlinable public static func command(_ command: OrderCommand, time: Instant) -> JournalEntry {
    let detail =
      UInt16(command.action.rawValue) | UInt16(command.kind.rawValue) << 4
      | (command.side == .sell ? 0x100 : 0)
      | (command.reduceOnly ? 0x200 : 0)
    return JournalEntry(
      .command, detail: detail, instrument: command.instrument, time: time,
      words: (
        Int64(command.id.run), Int64(bitPattern: command.id.sequence), command.quantity.steps,
        command.price.ticks,
        Int64(command.purpose.rawValue), Int64(command.timeInForce.rawValue), command.time.nanoseconds, 0, 0,
        0, 0
      ))
  }

  /// The command of a `.command` or `.openingOrder` entry.
  public var orderCommand: OrderCommand? {
    guard kind == .command || kind == .openingOrder,
      let action = OrderCommand.Action(rawValue: UInt8(detail & 0xF)),
      let orderKind = OrderCommand.Kind(rawValue: UInt8(detail >> 4 & 0xF)),
      let purpose = OrderPurpose(rawValue: UInt8(truncatingIfNeeded: words.4)),
      let timeInForce = OrderCommand.TimeInForce(rawValue: UInt8(truncatingIfNeeded: words.5))
    else { return nil }
    return OrderCommand(
      id: ClientOrderID(run: UInt32(truncatingIfNeeded: words.0), sequence: UInt64(bitPattern: words.1)),
      instrument: instrument, action: action, kind: orderKind, timeInForce: timeInForce,
      side: detail & 0x100 != 0 ? .sell : .buy, reduceOnly: detail & 0x200 != 0, purpose: purpose,
      quantity: Quantity(steps: words.2), price: Price(ticks: words.3), time: Instant(nanoseconds: words.6))
  }
}
