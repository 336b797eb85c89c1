public import Market
public import Storage
public import Trading

/// The newest price of an instrument and how old it is, from the last-value table.
public struct MarketGlance: Sendable, Hashable {
  public var price: Price
  public var ageNanoseconds: Int64

  public init(price: Price, ageNanoseconds: Int64) {
    self.price = price
    self.ageNanoseconds = ageNanoseconds
  }
}

/// What the journal says so far, folded into what people ask for. Pure and bounded: a slot per instrument and the newest
/// rows, however long the run. It lives in the Orchestrator; nothing asks the Brain.
public struct EngineProjection: Sendable {
  /// Rows of each kind kept for questions; older ones are in the store.
  public static let recentRowsMax = 1000
  /// How far back among them the signals of one input are looked for.
  private static let signalsPerInputMax = 64

  public private(set) var recentTrades = RecentRows<TradeRow>(limit: recentRowsMax)
  public private(set) var recentSignals = RecentRows<SignalRow>(limit: recentRowsMax)
  /// `starting`, `recovering`, `trading`, `ended`, or the desk's mode where it is not normal.
  public var state: String {
    guard phase == "trading" else { return phase }
    if isDraining { return "draining" }
    return deskMode == .normal ? "trading" : deskMode.name
  }

  private let table: InstrumentTable
  private var rows: JournalRows
  private var slots: [Slot]
  private var phase = "starting"
  private var deskMode = DeskMode.normal
  private var isDraining = false

  private var wallet = Quote.zero
  /// Fees of closed round trips; an open position's are in its slot.
  private var feesClosed = Quote.zero
  private var inputs: UInt64 = 0
  private var inputsBefore: UInt64 = 0
  private var signalCount = 0
  private var orderCount = 0
  private var tradeCount = 0
  private var winCount = 0
  private var gapCount = 0
  private var refusals = [Int](repeating: 0, count: Refusal.allCases.count)

  private var ledgerBalance = VirtualLedger.openingBalance
  private var ledgerNet = Quote.zero
  private var ledgerFunding = Quote.zero
  private var lotsOpen = 0
  private var lotsClosed = 0
  private var lotWins = 0

  private struct Slot: Sendable {
    var signalFraction = Double.nan
    var confidence = Float.nan
    var signalTime = Instant.never
    var outcome: String?
    var steps: Int64 = 0
    var cost = Quote.zero
    var stop = Price.none
    var target = Price.none
    /// Fees the open position has paid.
    var feesOpen = Quote.zero
    /// Net of closed round trips.
    var net = Quote.zero
    var tradeCount = 0
  }

  public init(table: InstrumentTable) {
    self.table = table
    rows = JournalRows(table: table)
    slots = Array(repeating: Slot(), count: table.count)
  }

  /// Takes one stretch of a run's journal, the first entry at `index`.
  public mutating func absorb(_ entries: some Sequence<JournalEntry>, from index: UInt64) {
    var next = index
    for entry in entries {
      absorb(entry, index: next)
      next += 1
    }
  }

  private mutating func absorb(_ entry: JournalEntry, index: UInt64) {
    inputs = max(inputs, entry.position)
    switch entry.kind {
    case .runStarted: start(entry)
    case .runReady: phase = "trading"
    case .runEnded: phase = "ended"
    case .control:
      guard let request = entry.controlRequest else { return }
      deskMode = request.mode
      isDraining = request.isDraining
    case .ringGap: gapCount += 1
    case .equity:
      guard let record = entry.equityRecord else { return }
      wallet = record.wallet
    case .signal: signal(entry, index)
    case .verdict: verdict(entry)
    case .command: if entry.orderCommand?.action == .place { orderCount += 1 }
    case .openingPosition, .positionChanged: position(entry)
    case .tradeClosed: trade(entry, index)
    case .lotOpened, .openingLot: if entry.lotRecord != nil { lotsOpen += 1 }
    case .lotClosed: lotClosed(entry)
    case .report:
      if let report = entry.exchangeReport, report.kind == .balance { wallet = report.amount }
    case .openingOrder, .clock, .history, .candleClosed, .instrumentReady, .plugin, .isolatedSignal,
      .annotation,
      .checkpoint:
      break
    }
  }

  /// A Brain starts, for the first time or after a crash: what is open comes again as openings, what is closed stays.
  private mutating func start(_ entry: JournalEntry) {
    phase = "recovering"
    isDraining = false
    for index in slots.indices {
      slots[index].steps = 0
      slots[index].cost = .zero
      slots[index].feesOpen = .zero
      slots[index].stop = .none
      slots[index].target = .none
    }
    lotsOpen = 0
    inputsBefore += inputs
    inputs = 0
    guard let opening = entry.runOpening else { return }
    deskMode = opening.mode
    wallet = opening.wallet
    ledgerBalance = opening.ledgerBalance
    ledgerFunding = opening.ledgerFunding
  }

  private func slot(_ id: InstrumentID) -> Int? { id.index < UInt32(slots.count) ? Int(id.index) : nil }

  private mutating func signal(_ entry: JournalEntry, _ index: UInt64) {
    guard let slot = slot(entry.instrument), let signal = entry.pluginSignal else { return }
    signalCount += 1
    for case .signal(let row) in rows.changes(of: CollectionOfOne(entry), from: index) {
      recentSignals.append(row)
    }
    // The host lets no other numbers through; JSON could not carry them.
    guard !signal.flags.contains(.observation), signal.returnFraction.isFinite, signal.confidence.isFinite
    else { return }
    slots[slot].signalFraction = signal.returnFraction
    slots[slot].confidence = signal.confidence
    slots[slot].signalTime = entry.time
    slots[slot].outcome = nil
  }

  private mutating func verdict(_ entry: JournalEntry) {
    guard let slot = slot(entry.instrument), let verdict = entry.deskVerdict else { return }
    if verdict.action == .refuse, let index = Refusal.allCases.firstIndex(of: verdict.refusal) {
      refusals[index] += 1
    }
    slots[slot].outcome = verdict.outcomeName
    let symbol = table[entry.instrument].symbol
    let position = Int64(bitPattern: entry.position)
    recentSignals.updateNewest(Self.signalsPerInputMax) { row in
      if row.position == position, row.symbol == symbol, row.outcome == nil {
        row.outcome = verdict.outcomeName
      }
    }
  }

  private mutating func position(_ entry: JournalEntry) {
    guard let slot = slot(entry.instrument), let record = entry.positionRecord else { return }
    slots[slot].steps = record.steps
    slots[slot].cost = record.cost
    slots[slot].stop = record.steps == 0 ? .none : record.stop
    slots[slot].target = record.steps == 0 ? .none : record.target
    slots[slot].feesOpen = record.steps == 0 ? .zero : record.fees
    if entry.kind == .positionChanged { wallet = record.wallet }
  }

  private mutating func trade(_ entry: JournalEntry, _ index: UInt64) {
    guard let slot = slot(entry.instrument), let record = entry.tradeRecord else { return }
    tradeCount += 1
    if record.net > .zero { winCount += 1 }
    slots[slot].net = slots[slot].net + record.net
    feesClosed = feesClosed + record.fees
    slots[slot].tradeCount += 1
    for case .trade(let row) in rows.changes(of: CollectionOfOne(entry), from: index) {
      recentTrades.append(row)
    }
  }

  private mutating func lotClosed(_ entry: JournalEntry) {
    guard let record = entry.closedLotRecord else { return }
    lotsOpen = max(lotsOpen - 1, 0)
    lotsClosed += 1
    if record.net > .zero { lotWins += 1 }
    ledgerNet = ledgerNet + record.net
    ledgerBalance = ledgerBalance + record.net
    ledgerFunding = ledgerFunding + record.funding
  }

  /// Every instrument in the table's order, with market data as given by instrument index.
  public func symbols(glance: (InstrumentID) -> MarketGlance?) -> [SymbolView] {
    table.ids.map { id in view(of: id, glance: glance(id)) }
  }

  private func view(of id: InstrumentID, glance: MarketGlance?) -> SymbolView {
    let slot = slots[Int(id.index)]
    let instrument = table[id]
    let rules = instrument.rules
    func text(_ price: Price) -> String? {
      price == .none ? nil : GridText.text(price.ticks, unitE8: rules.tickE8)
    }
    let position = NetPosition(steps: slot.steps, cost: slot.cost)
    let unrealized = position.isFlat ? nil : glance.map { position.unrealized(at: $0.price, rules: rules) }
    let hasSignal = slot.signalTime != .never
    return SymbolView(
      symbol: instrument.symbol, dataAgeMilliseconds: glance.map { $0.ageNanoseconds / 1_000_000 },
      lastPrice: glance.flatMap { text($0.price) }, signalFraction: hasSignal ? slot.signalFraction : nil,
      confidence: hasSignal ? Double(slot.confidence) : nil,
      signalNanoseconds: hasSignal ? slot.signalTime.nanoseconds : nil, outcome: slot.outcome,
      position: position.isFlat ? nil : GridText.text(slot.steps, unitE8: rules.stepE8),
      entryPrice: position.isFlat
        ? nil : FixedPoint.text(position.entryPriceE8(rules: rules), decimals: 8),
      stopPrice: text(slot.stop), targetPrice: text(slot.target),
      unrealized: unrealized.map(ExactAmount.init),
      net: ExactAmount(slot.net - slot.feesOpen + (unrealized ?? .zero)), roundTrips: slot.tradeCount)
  }

  /// The totals that go with these instruments.
  public func totals(symbols: [SymbolView]) -> TotalsView {
    let counted = zip(Refusal.allCases, refusals).filter { $0.1 > 0 }
      .map { RunSummary.RefusalCount(name: $0.0.name, count: $0.1) }
      .sorted { ($1.count, $0.name) < ($0.count, $1.name) }
    return TotalsView(
      equity: ExactAmount(symbols.reduce(wallet) { $0 + ($1.unrealized?.quote ?? .zero) }),
      wallet: ExactAmount(wallet),
      net: ExactAmount(symbols.reduce(Quote.zero) { $0 + $1.net.quote }),
      fees: ExactAmount(slots.reduce(feesClosed) { $0 + $1.feesOpen }), inputs: inputsBefore + inputs,
      signals: signalCount,
      orders: orderCount, roundTrips: tradeCount, wins: winCount,
      openPositions: slots.reduce(0) { $0 + ($1.steps == 0 ? 0 : 1) }, refusals: counted, ringGaps: gapCount,
      ledger: ledger)
  }

  public var ledger: LedgerView {
    LedgerView(
      balance: ExactAmount(ledgerBalance), net: ExactAmount(ledgerNet), funding: ExactAmount(ledgerFunding),
      lotsOpen: lotsOpen, lotsClosed: lotsClosed, wins: lotWins)
  }
}

/// The newest rows, at most `limit`: the oldest gives way.
public struct RecentRows<Row: Sendable>: Sendable {
  private var storage: [Row] = []
  private var start = 0
  private let limit: Int

  init(limit: Int) {
    precondition(limit > 0, "room for one row")
    self.limit = limit
  }

  mutating func append(_ row: Row) {
    if storage.count < limit {
      storage.append(row)
    } else {
      storage[start] = row
      start = (start + 1) % limit
    }
  }

  /// Visits the newest rows, newest first.
  mutating func updateNewest(_ count: Int, _ body: (inout Row) -> Void) {
    for age in 0..<min(count, storage.count) { body(&storage[index(age)]) }
  }

  private func index(_ age: Int) -> Int { (start + storage.count - 1 - age) % storage.count }

  /// Newest first.
  public func newest(_ count: Int) -> [Row] {
    (0..<min(max(count, 0), storage.count)).map { storage[index($0)] }
  }
}
