public import Market
public import Trading

/// Turns stretches of a journal into what the store keeps. A pure function of entries and table: no memory between
/// batches, so draining can begin at any entry and be repeated.
public struct JournalRows: Sendable {
  private let table: InstrumentTable

  /// Entries that could not be read: an instrument outside the table, another layout, a number that is none.
  public private(set) var unreadableCount = 0

  public init(table: InstrumentTable) { self.table = table }

  /// The changes of a stretch, in its order.
  public mutating func changes(of entries: some Sequence<JournalEntry>, from index: UInt64) -> [StoreChange] {
    var changes: [StoreChange] = []
    var next = Int64(index)
    for entry in entries {
      append(entry, index: next, to: &changes)
      next += 1
    }
    return changes
  }

  private mutating func append(_ entry: JournalEntry, index: Int64, to changes: inout [StoreChange]) {
    switch entry.kind {
    case .clock, .control, .ringGap, .runReady, .instrumentReady, .plugin, .isolatedSignal, .annotation,
      .checkpoint,
      .runStarted:
      return
    case .runEnded: changes.append(.ended(timeNanoseconds: entry.time.nanoseconds))
    case .equity:
      guard let record = entry.equityRecord else { return skip() }
      changes.append(
        .equity(
          EquityRow(
            journalIndex: index, timeNanoseconds: entry.time.nanoseconds, equity: ExactAmount(record.equity),
            wallet: ExactAmount(record.wallet), unrealized: ExactAmount(record.unrealized),
            openPositions: Int(record.openPositions))))
    case .report:
      guard let report = entry.exchangeReport else { return skip() }
      append(report, index: index, to: &changes)
    case .openingPosition, .positionChanged, .openingOrder, .command, .openingLot, .lotOpened, .lotClosed,
      .history, .candleClosed, .signal, .verdict, .tradeClosed:
      guard let instrument = instrument(entry.instrument),
        let change = Self.change(entry, index: index, instrument: instrument)
      else { return skip() }
      changes.append(change)
    }
  }

  private mutating func skip() { unreadableCount += 1 }

  private func instrument(_ id: InstrumentID) -> Instrument? {
    id.index < UInt32(table.count) ? table[id] : nil
  }

  /// One fact about one instrument; nil when the entry is unreadable.
  private static func change(
    _ entry: JournalEntry, index: Int64, instrument: Instrument
  ) -> StoreChange? {
    let text = RowText(instrument: instrument)
    switch entry.kind {
    case .signal: return entry.pluginSignal.flatMap { signal($0, entry, index, text).map(StoreChange.signal) }
    case .verdict:
      return entry.deskVerdict.map { .verdict(verdict($0, entry, index, text)) }
    case .command, .openingOrder: return entry.orderCommand.flatMap { order($0, index, text) }
    case .openingPosition, .positionChanged:
      return entry.positionRecord.map { .position(position($0, entry, index, text)) }
    case .tradeClosed: return entry.tradeRecord.flatMap { trade($0, index, text).map(StoreChange.trade) }
    case .lotOpened, .openingLot: return entry.lotRecord.map { .lot(lot($0, text)) }
    case .lotClosed: return entry.closedLotRecord.map { .lot(lot($0, text)) }
    case .candleClosed, .history:
      return entry.candle.map {
        .candle(
          CandleRow(
            symbol: instrument.symbol, timeframe: $0.timeframe, candle: $0.candle, rules: instrument.rules))
      }
    case .runStarted, .clock, .control, .report, .ringGap, .runReady, .instrumentReady, .plugin,
      .isolatedSignal, .annotation, .checkpoint,
      .equity,
      .runEnded:
      return nil
    }
  }

  private static func signal(
    _ signal: Signal, _ entry: JournalEntry, _ index: Int64, _ text: RowText
  ) -> SignalRow? {
    guard signal.returnFraction.isFinite, signal.confidence.isFinite else { return nil }
    func given(_ fraction: Float) -> Double? { fraction.isFinite ? Double(fraction) : nil }
    return SignalRow(
      journalIndex: index, timeNanoseconds: entry.time.nanoseconds,
      position: Int64(bitPattern: entry.position), symbol: text.symbol, plugin: Int(signal.plugin),
      returnFraction: signal.returnFraction, confidence: Double(signal.confidence),
      stopFraction: given(signal.stopFraction), targetFraction: given(signal.targetFraction),
      horizonNanoseconds: signal.horizonNanoseconds, isObservation: signal.flags.contains(.observation),
      tag: Int64(bitPattern: signal.tag))
  }

  private static func verdict(
    _ verdict: Verdict, _ entry: JournalEntry, _ index: Int64, _ text: RowText
  ) -> VerdictRow {
    VerdictRow(
      journalIndex: index, timeNanoseconds: entry.time.nanoseconds,
      position: Int64(bitPattern: entry.position), symbol: text.symbol, plugin: Int(verdict.plugin),
      side: verdict.side.name, outcome: verdict.outcomeName, isRefusal: verdict.action == .refuse,
      quantity: text.of(verdict.quantity), notional: ExactAmount(verdict.notional),
      risk: ExactAmount(verdict.risk), measured: verdict.measured.isFinite ? verdict.measured : nil,
      limit: verdict.limit.isFinite ? verdict.limit : nil)
  }

  /// Only placed orders are rows; cancels and questions show in what the exchange answers.
  private static func order(_ command: OrderCommand, _ index: Int64, _ text: RowText) -> StoreChange? {
    guard command.action == .place else {
      return .orderUpdate(
        OrderUpdate(
          clientID: command.id.text, orderID: 0, status: .sent, code: 0,
          timeNanoseconds: command.time.nanoseconds))
    }
    return .order(
      OrderRow(
        journalIndex: index, clientID: command.id.text, symbol: text.symbol, side: command.side.name,
        kind: command.kind == .market ? "market" : "limit", purpose: command.purpose.name,
        reduceOnly: command.reduceOnly, quantity: text.of(command.quantity),
        price: command.price == .none ? nil : text.of(command.price),
        filledQuantity: text.of(Quantity.zero), decidedNanoseconds: command.time.nanoseconds,
        updatedNanoseconds: command.time.nanoseconds))
  }

  private static func position(
    _ record: PositionRecord, _ entry: JournalEntry, _ index: Int64, _ text: RowText
  ) -> PositionRow {
    PositionRow(
      journalIndex: index, timeNanoseconds: entry.time.nanoseconds, symbol: text.symbol,
      quantity: GridText.text(record.steps, unitE8: text.rules.stepE8),
      entryPrice: text.mean(record.cost, steps: abs(record.steps)), cost: ExactAmount(record.cost),
      stopPrice: record.stop == .none ? nil : text.of(record.stop),
      targetPrice: record.target == .none ? nil : text.of(record.target))
  }

  private static func trade(_ record: TradeRecord, _ index: Int64, _ text: RowText) -> TradeRow? {
    guard let entryPrice = text.mean(record.entryCost, steps: record.steps),
      let exitPrice = text.mean(record.exitValue, steps: record.steps)
    else { return nil }
    return TradeRow(
      journalIndex: index, symbol: text.symbol, plugin: Int(record.plugin), side: record.side.name,
      quantity: text.of(Quantity(steps: record.steps)), entryPrice: entryPrice, exitPrice: exitPrice,
      openedNanoseconds: record.opened.nanoseconds, closedNanoseconds: record.closed.nanoseconds,
      profit: ExactAmount(record.net + record.fees), fees: ExactAmount(record.fees),
      net: ExactAmount(record.net), reason: record.purpose.name)
  }

  private static func lot(_ record: LotRecord, _ text: RowText) -> LotRow {
    LotRow(
      lotID: record.id, symbol: text.symbol, plugin: Int(record.plugin), side: record.side.name,
      quantity: text.of(record.quantity),
      notional: ExactAmount(text.rules.notional(record.entry, record.quantity)),
      entryPrice: text.of(record.entry), stopPrice: text.of(record.stop), targetPrice: text.of(record.target),
      openedNanoseconds: record.opened.nanoseconds,
      refusal: record.refusal == .none ? nil : record.refusal.name,
      confidence: record.confidence.isFinite ? Double(record.confidence) : nil)
  }

  private static func lot(_ record: ClosedLotRecord, _ text: RowText) -> LotRow {
    LotRow(
      lotID: record.id, symbol: text.symbol, plugin: Int(record.plugin), side: record.side.name,
      quantity: text.of(record.quantity),
      notional: ExactAmount(text.rules.notional(record.entry, record.quantity)),
      entryPrice: text.of(record.entry), stopPrice: text.of(record.stop), targetPrice: text.of(record.target),
      openedNanoseconds: record.opened.nanoseconds,
      closing: LotRow.Closing(
        exitPrice: text.of(record.exit), closedNanoseconds: record.closed.nanoseconds,
        net: ExactAmount(record.net), fees: ExactAmount(record.fees), funding: ExactAmount(record.funding),
        reason: record.purpose.name))
  }

  /// A report about an order; account-wide ones are facts of the Brain's, who journals what follows from them.
  private mutating func append(_ report: ExchangeReport, index: Int64, to changes: inout [StoreChange]) {
    let status: OrderStatus
    switch report.kind {
    case .balance, .position: return
    case .accepted: status = .resting
    case .filled: status = report.isFinal ? .filled : .partlyFilled
    case .cancelled: status = .cancelled
    case .rejected: status = .rejected
    case .expired: status = .expired
    case .unknown: status = .unknown
    case .missing: status = .missing
    }
    guard let instrument = instrument(report.instrument) else { return skip() }
    let text = RowText(instrument: instrument)
    // The venue's own orders (liquidation, deleveraging) carry no id of ours.
    let clientID = report.id == .none ? "venue-\(report.orderID)" : report.id.text
    if report.kind == .filled {
      changes.append(
        .fill(
          FillRow(
            journalIndex: index, timeNanoseconds: report.time.nanoseconds, clientID: clientID,
            orderID: report.orderID, tradeID: report.tradeID, symbol: text.symbol, side: report.side.name,
            price: text.of(report.price), quantity: text.of(report.quantity),
            notional: ExactAmount(text.rules.notional(report.price, report.quantity)),
            fee: ExactAmount(report.fee), realized: ExactAmount(report.amount), isMaker: report.isMaker)))
    }
    changes.append(
      .orderUpdate(
        OrderUpdate(
          clientID: clientID, orderID: report.orderID, status: status, code: Int(report.code),
          timeNanoseconds: report.time.nanoseconds)))
  }
}

extension Verdict {
  /// What tables and counters call it: `open`, `close`, `reverse`, or the name of the refusal.
  public var outcomeName: String {
    switch action {
    case .refuse: refusal.name
    case .open: "open"
    case .close: "close"
    case .reverse: "reverse"
    }
  }
}

/// Decimal text on one instrument's grid.
private struct RowText {
  let symbol: String
  let rules: InstrumentRules

  init(instrument: Instrument) {
    symbol = instrument.symbol
    rules = instrument.rules
  }

  func of(_ price: Price) -> String { GridText.text(price.ticks, unitE8: rules.tickE8) }
  func of(_ quantity: Quantity) -> String { GridText.text(quantity.steps, unitE8: rules.stepE8) }

  /// Value ÷ quantity to eight decimals, half away from zero; nil for no quantity.
  func mean(_ value: Quote, steps: Int64) -> String? {
    guard steps > 0 else { return nil }
    let units = Int128(steps) * Int128(rules.stepE8)
    let product = Int128(value.e8) * Int128(FixedPoint.one)
    return ExactText.text((product >= 0 ? product + units / 2 : product - units / 2) / units, decimals: 8)
  }
}
