public import Market

/// Folds a journal, oldest entry first, into what the next run starts from. Pure; it may be cut at any entry.
///
/// - A fill counts once its `.positionChanged` is there: a report cut off from it did not happen for us, and its order
///   is asked for again.
/// - A run whose openings are cut off changed nothing: the state before it stands.
/// - Extremes and funding that open lots gathered since they opened are not in the journal; both restart.
public struct JournalFold: Sendable {
  private var current: Book
  /// The state before the last `.runStarted`, until that run's openings are in.
  private var previous: Book?
  private var lastRun: UInt32 = 0
  /// The fill whose `.positionChanged` must come next.
  private var fill: ExchangeReport?
  private var lastTime = Instant.never

  private struct OpenOrder {
    var command: OrderCommand
    var context: OrderContext
    var lifecycle: OrderLifecycle
  }

  private struct Book {
    var opening: RunOpening
    var positions: [RecoveredState.Position] = []
    var orders: [OpenOrder] = []
    var lots: [LotRecord] = []
    var unrecordedTrade: TradeRecord?
  }

  /// - Parameter openingBalance: the wallet when the journal is empty.
  public init(openingBalance: Quote) {
    current = Book(opening: RunOpening(run: 0, wallet: openingBalance))
  }

  /// The state after the entries taken so far.
  public var recovered: RecoveredState {
    let book = previous ?? current
    var opening = book.opening
    opening.run = lastRun + 1
    return RecoveredState(
      opening: opening, positions: book.positions,
      orders: book.orders.map { order in
        var context = order.context
        context.state = order.lifecycle.state
        context.filledSteps = order.lifecycle.filled.steps
        return RecoveredState.Order(command: order.command, context: context)
      }, lots: book.lots, unrecordedTrade: book.unrecordedTrade, lastTime: lastTime)
  }

  /// Takes the next entry.
  public mutating func absorb(_ entry: JournalEntry) {
    lastTime = max(lastTime, entry.time)
    if let fill, entry.kind != .positionChanged || entry.instrument != fill.instrument {
      applyRepeated(fill)
    }
    switch entry.kind {
    case .runStarted:
      guard let opening = entry.runOpening else { return }
      if previous == nil { previous = current }
      lastRun = max(lastRun, opening.run)
      current = Book(opening: opening)
      return
    case .openingPosition:
      guard let record = entry.positionRecord else { return }
      setPosition(record, lastTradeID: entry.openingTradeID)
      return
    case .openingOrder:
      guard let command = entry.orderCommand, let context = entry.orderContext else { return }
      addOrder(command, context)
      return
    case .openingLot:
      guard let lot = entry.lotRecord else { return }
      addLot(lot)
      return
    case .tradeClosed:
      // The last of the openings, or the end of a round trip: either way it is recorded now.
      current.unrecordedTrade = nil
      previous?.unrecordedTrade = nil
      if previous != nil { return }
    case .report, .clock, .control, .history, .ringGap, .runReady, .signal, .verdict, .command,
      .positionChanged, .lotOpened, .lotClosed, .equity, .candleClosed, .checkpoint, .instrumentReady,
      .plugin, .isolatedSignal, .annotation, .runEnded:
      break
    }
    previous = nil  // the openings are complete once anything else is written
    absorbOrdinary(entry)
  }

  private mutating func absorbOrdinary(_ entry: JournalEntry) {
    switch entry.kind {
    case .report: if let report = entry.exchangeReport { absorb(report) }
    case .control: if let request = entry.controlRequest { current.opening.mode = request.mode }
    case .command:
      if let command = entry.orderCommand, command.action == .place, let context = entry.orderContext {
        addOrder(command, context)
      }
    case .positionChanged:
      guard let record = entry.positionRecord else { return }
      current.opening.wallet = record.wallet
      setPosition(record, lastTradeID: fill?.tradeID ?? 0)
      if let fill {
        current.opening.lastTradeID = max(current.opening.lastTradeID, fill.tradeID)
        settle(fill)
        self.fill = nil
      }
      // A position the exchange took away has no closing fill, and so no round trip.
      if record.steps == 0, record.purpose != .venue {
        current.unrecordedTrade = TradeRecord(closing: record, at: entry.time)
      }
    case .equity:
      if let equity = entry.equityRecord {
        current.opening.dayOpeningEquity = equity.dayOpeningEquity
        current.opening.dayOpened = equity.dayOpened
      }
    case .lotOpened: if let lot = entry.lotRecord { addLot(lot) }
    case .lotClosed:
      guard let lot = entry.closedLotRecord else { return }
      let place = lotIndex(lot.id)
      var known = Quote.zero
      if place < current.lots.count, current.lots[place].id == lot.id {
        known = current.lots[place].funding
        current.lots.remove(at: place)
      }
      current.opening.ledgerBalance = current.opening.ledgerBalance + lot.net
      current.opening.ledgerFunding = current.opening.ledgerFunding + (lot.funding - known)
    case .runStarted, .openingPosition, .openingOrder, .openingLot, .clock, .history, .ringGap, .runReady,
      .signal, .verdict, .tradeClosed, .candleClosed, .checkpoint, .instrumentReady, .plugin, .isolatedSignal,
      .annotation,
      .runEnded:
      break
    }
  }

  private mutating func absorb(_ report: ExchangeReport) {
    current.opening.lastOrderID = max(current.opening.lastOrderID, report.orderID)
    switch report.kind {
    case .balance: current.opening.wallet = report.amount
    case .filled: fill = report
    case .accepted, .cancelled, .rejected, .expired, .unknown, .missing: settle(report)
    case .position:  // what it changed follows as `.positionChanged`; ended orders wait for no fills any more
      let working = current.orders.contains {
        $0.command.instrument == report.instrument && !$0.lifecycle.state.isTerminal
      }
      if !working { current.orders.removeAll { $0.command.instrument == report.instrument } }
    }
  }

  /// A fill that changed no position was applied before; its total still counts.
  private mutating func applyRepeated(_ report: ExchangeReport) {
    var report = report
    report.quantity = .zero
    settle(report)
    fill = nil
  }

  private mutating func settle(_ report: ExchangeReport) {
    guard let place = current.orders.firstIndex(where: { $0.command.id == report.id }) else { return }
    current.orders[place].lifecycle.receive(report)
    if current.orders[place].lifecycle.isSettled { current.orders.remove(at: place) }
  }

  private mutating func addOrder(_ command: OrderCommand, _ context: OrderContext) {
    guard !current.orders.contains(where: { $0.command.id == command.id }) else { return }
    let lifecycle = OrderLifecycle(
      quantity: command.quantity, state: context.state, filled: Quantity(steps: context.filledSteps))
    current.orders.append(OpenOrder(command: command, context: context, lifecycle: lifecycle))
  }

  private mutating func setPosition(_ record: PositionRecord, lastTradeID: Int64) {
    var low = 0
    var high = current.positions.count
    while low < high {
      let middle = (low + high) / 2
      if current.positions[middle].record.instrument < record.instrument {
        low = middle + 1
      } else {
        high = middle
      }
    }
    if low < current.positions.count, current.positions[low].record.instrument == record.instrument {
      let known = current.positions[low].lastTradeID
      current.positions[low] = RecoveredState.Position(
        record: record, lastTradeID: max(known, lastTradeID))
    } else {
      current.positions.insert(RecoveredState.Position(record: record, lastTradeID: lastTradeID), at: low)
    }
  }

  private func lotIndex(_ id: Int64) -> Int {
    var low = 0
    var high = current.lots.count
    while low < high {
      let middle = (low + high) / 2
      if current.lots[middle].id < id { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private mutating func addLot(_ lot: LotRecord) {
    let place = lotIndex(lot.id)
    guard place == current.lots.count || current.lots[place].id != lot.id else { return }
    current.lots.insert(lot, at: place)
    current.opening.nextLotID = max(current.opening.nextLotID, lot.id + 1)
  }
}
