import BinanceWire
import Logging
import Market
import SharedMemory

/// Sends calls; the completion runs on the order thread.
protocol OrderTransport: Sendable {
  func submit(_ request: RestRequest, patienceMilliseconds: Int, completion: @escaping RestClient.Completion)
}

extension RestClient: OrderTransport {}

/// The gateway's working half: commands in, REST out, outcomes and fills back.   [order-thread]
///
/// An order is posted exactly once. What the answer leaves open is settled by asking for its client id and, at the end,
/// for open orders and trades; only when its time window is over and no source knows it is it reported `.missing`.
final class OrderDispatch: RestResident, @unchecked Sendable {  // confined to the order thread
  /// Orders kept after they are over, so that late events still find them.
  private static let settledMax = 4_096
  /// Reports the engine has not taken yet; beyond it something is badly wrong.
  private static let overflowMax = 65_536
  /// How long an order may wait here before it is denied: prices move on.
  private static let orderPatienceMilliseconds = 1_000
  private static let questionPatienceMilliseconds = 10_000
  private static let cancelsMax = 5

  let transport: any OrderTransport
  let clock: VenueClock
  let table: InstrumentTable
  let requests: OrderRequests
  let answers: RestAnswers
  let logger: Logger
  var onStreamDoubt: @Sendable () -> Void = {}
  /// The monotonic clock.
  let time: @Sendable () -> Int64
  private let recvWindowNanoseconds: Int64
  private var commands: HandoffConsumer<OrderCommand>
  private var reports: HandoffProducer<ReportSlot>
  private let mailbox: UserMailbox
  private var overflow: [ExchangeReport] = []
  private(set) var orders: [ClientOrderID: TrackedOrder] = [:]
  private var idsByOrderID: [InstrumentID: [Int64: ClientOrderID]] = [:]
  private var settled: [ClientOrderID] = []
  var seenTrades: [InstrumentID: SeenTrades]
  /// Signed position by instrument: the venue's last word plus the fills since.
  var positions: [InstrumentID: Int64] = [:]
  var reconciler: Reconciler
  /// Trades of these instruments are being fetched.
  private var fetching: Set<InstrumentID> = []
  /// Raised by every fill, so that a snapshot knows whether it was overtaken.
  private(set) var fillCount = 0

  init(
    transport: any OrderTransport, clock: VenueClock, table: InstrumentTable,
    commands: consuming HandoffConsumer<OrderCommand>, reports: consuming HandoffProducer<ReportSlot>,
    mailbox: UserMailbox, recvWindowMilliseconds: Int, options: GatewayOptions, logger: Logger,
    time: @escaping @Sendable () -> Int64
  ) {
    self.time = time
    self.transport = transport
    self.clock = clock
    self.table = table
    requests = OrderRequests(table: table)
    answers = RestAnswers(table: table)
    self.commands = commands
    self.reports = reports
    self.mailbox = mailbox
    self.logger = logger
    recvWindowNanoseconds = Int64(recvWindowMilliseconds) * 1_000_000
    seenTrades = options.lastTradeIDs.mapValues { SeenTrades(known: $0) }
    reconciler = Reconciler(periodNanoseconds: options.reconcileNanoseconds)
  }

  func turn(now: Int64) -> Int64? {
    flushOverflow()
    for input in mailbox.drain() { take(input, now: now) }
    while let command = commands.tryPop() { start(command, now: now) }
    var wakeAt: Int64?
    for (id, order) in orders where order.phase != .settled {
      if let askAt = order.askAt, !order.isAsking {
        if askAt <= now { ask(id, now: now) } else { wakeAt = min(wakeAt ?? .max, askAt) }
      }
      if let doubtAt = order.doubtAt {
        if doubtAt <= now { doubt(id, now: now) } else { wakeAt = min(wakeAt ?? .max, doubtAt) }
      }
    }
    if reconciler.wantsClock { measureClock() }
    if reconciler.isDue(now: now) { reconcile(now: now) }
    if !overflow.isEmpty { wakeAt = now + 1_000_000 }
    return min(wakeAt ?? .max, reconciler.dueAt)
  }

  // MARK: commands

  private func start(_ command: OrderCommand, now: Int64) {
    switch command.action {
    case .place:
      guard orders[command.id] == nil else {
        return emit(report(.rejected, command, isFinal: true, code: GatewayCode.foreignOrder))
      }
      orders[command.id] = TrackedOrder(command)
      transport.submit(
        requests.newOrder(command), patienceMilliseconds: Self.orderPatienceMilliseconds
      ) { [self] result in
        placed(command, result)
      }
    case .cancel:
      adopt(command)
      orders[command.id]?.isCancelling = true
      cancel(command.id)
    case .query:
      adopt(command)
      ask(command.id, now: now)
    }
  }

  /// An order of an earlier run is known by what the engine says of it.
  private func adopt(_ command: OrderCommand) {
    guard orders[command.id] == nil else { return }
    var order = TrackedOrder(command)
    order.phase = .known
    order.wasAccepted = true
    order.isAdopted = true
    order.wasStreamed = true
    orders[command.id] = order
  }

  private func placed(_ command: OrderCommand, _ result: Result<RestAnswer, RestError>) {
    let now = time()
    switch result {
    case .success(let answer):
      switch HTTPOutcome.classify(status: answer.status, body: answer.body) {
      case .confirmed: confirmed(command.id, answer, now: now)
      case .unknown(let code, _): becomeUnknown(command.id, code: code, now: now)
      case .refused(let code, _) where BinanceErrorCode.asksForQuery(code):
        becomeUnknown(command.id, code: code, now: now)  // the id is in use: look whose order that is
      case .refused(let code, let message), .retry(let code, let message), .halt(let code, let message):
        if code == -1021 { reconciler.wantsClock = true }
        refuse(command.id, code: code, message: message)
      }
    case .failure(let error) where error.mayHaveExecuted:
      becomeUnknown(command.id, code: GatewayCode.noAnswer, now: now)
    case .failure(.notSent(let reason)): refuse(command.id, code: GatewayCode.notSent, message: reason)
    case .failure(let error): refuse(command.id, code: GatewayCode.denied, message: "\(error)")
    }
  }

  private func refuse(_ id: ClientOrderID, code: Int32, message: String) {
    guard let order = orders[id] else { return }
    // The stream may have spoken first; then the refusal is about a repetition we never make, so believe the stream.
    guard order.phase == .sent || order.phase == .unknown else { return }
    logger.notice(
      "order refused", metadata: ["order": "\(id.text)", "code": "\(code)", "reason": "\(message)"])
    settle(id)
    emit(report(.rejected, order.command, isFinal: true, code: code))
  }

  private func becomeUnknown(_ id: ClientOrderID, code: Int32, now: Int64) {
    guard var order = orders[id], order.phase == .sent else { return }
    order.becomeUnknown(now: now)
    orders[id] = order
    logger.warning("order outcome unknown", metadata: ["order": "\(id.text)", "code": "\(code)"])
    emit(report(.unknown, order.command, isFinal: false, code: code))
  }

  // MARK: what the venue says of an order

  /// A 200 about an order.
  private func confirmed(_ id: ClientOrderID, _ answer: RestAnswer, now: Int64) {
    do throws(WireError) {
      let found = try answers.order(answer.body)
      if let order = orders[id], order.phase == .unknown,
        found.quantity != order.command.quantity
          || found.report.side != order.command.side
      {
        // The id was used for another order. Nothing of ours was taken, and nothing here may be believed.
        logger.critical("order id belongs to another order", metadata: ["order": "\(id.text)"])
        settle(id)
        return emit(report(.rejected, order.command, isFinal: true, code: GatewayCode.foreignOrder))
      }
      apply(found, to: id, fromStream: false, now: now)
    } catch {
      logger.error("order answer cannot be read", metadata: ["order": "\(id.text)", "reason": "\(error)"])
      becomeUnknown(id, code: GatewayCode.unreadable, now: now)
    }
  }

  func apply(_ answer: OrderAnswer, to id: ClientOrderID, fromStream: Bool, now: Int64) {
    note(
      id, orderID: answer.report.orderID, filled: answer.report.filledTotal,
      ending: answer.status.isFinal && answer.status != .filled ? answer.report : nil, fromStream: fromStream,
      now: now)
  }

  /// The venue has this order, has filled so much of it, and perhaps it ended.
  private func note(
    _ id: ClientOrderID, orderID: Int64, filled: Quantity, ending: ExchangeReport?, fromStream: Bool,
    now: Int64
  ) {
    guard var order = orders[id], order.phase != .settled else { return }
    if order.isAdopted {
      order.isAdopted = false
      order.filled = filled
    }
    let isNews = order.becomeKnown(orderID: orderID)
    if fromStream { order.wasStreamed = true }
    if order.filledAtVenue < filled { order.filledAtVenue = filled }
    if let ending, order.ending == nil { order.ending = ending }
    if order.orderID != 0 { idsByOrderID[order.command.instrument, default: [:]][order.orderID] = id }
    if order.missesFills || !order.wasStreamed {
      order.doubtAt = order.doubtAt ?? now + TrackedOrder.fillPatienceNanoseconds
    } else {
      order.doubtAt = nil
    }
    orders[id] = order
    if isNews, ending?.kind != .rejected {
      var accepted = report(.accepted, order.command, isFinal: false, code: 0)
      accepted.orderID = order.orderID
      accepted.filledTotal = filled
      emit(accepted)
    }
    finishIfComplete(id)
  }

  /// Reports the end of an order once every fill of it was reported.
  private func finishIfComplete(_ id: ClientOrderID) {
    guard let order = orders[id], order.phase != .settled, !order.missesFills else { return }
    if let ending = order.ending, !order.isFilled {
      settle(id)
      var final = report(ending.kind, order.command, isFinal: true, code: ending.code)
      final.orderID = order.orderID
      final.filledTotal = order.filled
      final.time = ending.time
      emit(final)
    } else if order.isFilled {
      settle(id)  // the last fill said that it was final
    }
  }

  private func settle(_ id: ClientOrderID) {
    guard orders[id]?.phase != .settled else { return }
    orders[id]?.phase = .settled
    orders[id]?.askAt = nil
    orders[id]?.doubtAt = nil
    settled.append(id)
    if settled.count > Self.settledMax {
      let old = settled.removeFirst()
      if let order = orders.removeValue(forKey: old) {
        idsByOrderID[order.command.instrument]?[order.orderID] = nil
      }
    }
  }

  /// One trade from the stream or from `userTrades`; the second time it is nothing.
  func apply(fill: ExchangeReport, now: Int64) {
    guard fill.tradeID > 0, seenTrades[fill.instrument, default: SeenTrades()].insert(fill.tradeID) else {
      return
    }
    fillCount += 1
    positions[fill.instrument, default: 0] += fill.side.sign * fill.quantity.steps
    var fill = fill
    if fill.id == .none, let id = idsByOrderID[fill.instrument]?[fill.orderID] { fill.id = id }
    guard var order = orders[fill.id] else {
      fill.isFinal = false  // someone else's: the engine learns what it did to the position
      return emit(fill)
    }
    _ = order.becomeKnown(orderID: fill.orderID)
    order.add(fill: fill.quantity)
    fill.filledTotal = order.filled
    fill.isFinal = order.isFilled
    if !order.missesFills, order.wasStreamed { order.doubtAt = nil }
    orders[fill.id] = order
    if order.orderID != 0 { idsByOrderID[fill.instrument, default: [:]][order.orderID] = fill.id }
    emit(fill)
    finishIfComplete(fill.id)
  }

  // MARK: the account stream

  private func take(_ input: UserInput, now: Int64) {
    switch input {
    case .connected: reconciler.want(now: now)
    case .disconnected: break
    case .event(.order(let update)): take(update, now: now)
    case .event(.account(let update)):
      // Positions and wallet come from fills and snapshots only: across event types the stream has no order, so its
      // wallet may or may not hold the fill that comes next. What no fill explains is read from the account.
      if update.reason != "ORDER" { reconciler.want(now: now) }
    case .event(.listenKeyExpired), .event(.tradeLite), .event(.ignored): break
    case .event(.algo(let update)):
      logger.notice(
        "conditional order changed", metadata: ["order": "\(update.o.caid)", "status": "\(update.o.X)"])
    case .event(.leverage(let symbol, let leverage)):
      logger.notice("leverage changed", metadata: ["symbol": "\(symbol)", "leverage": "\(leverage)"])
    }
  }

  private func take(_ update: OrderUpdate, now: Int64) {
    let report = update.report
    if report.kind == .filled { apply(fill: report, now: now) }
    guard orders[report.id] != nil else {
      if report.kind != .filled, report.id != .none || update.owner.isVenue { emit(report) }
      return
    }
    let ended = update.status.isFinal && update.status != .filled
    note(
      report.id, orderID: report.orderID, filled: report.filledTotal, ending: ended ? report : nil,
      fromStream: true,
      now: now)
  }

  // MARK: asking

  func askSoon(_ id: ClientOrderID, now: Int64) { orders[id]?.askAt = now }

  private func ask(_ id: ClientOrderID, now: Int64) {
    guard var order = orders[id], !order.isAsking else { return }
    order.isAsking = true
    order.askAt = nil
    orders[id] = order
    let askedAt = clock.now()
    transport.submit(
      requests.query(order.command.instrument, id), patienceMilliseconds: Self.questionPatienceMilliseconds
    ) { [self] result in
      asked(id, result, askedAt: askedAt)
    }
  }

  private func asked(_ id: ClientOrderID, _ result: Result<RestAnswer, RestError>, askedAt: Instant) {
    let now = time()
    guard var order = orders[id] else { return }
    order.isAsking = false
    orders[id] = order
    guard case .success(let answer) = result else { return askAgain(id, now: now) }
    switch HTTPOutcome.classify(status: answer.status, body: answer.body) {
    case .confirmed:
      confirmed(id, answer, now: now)
      if let order = orders[id], order.isCancelling, order.phase == .known, order.ending == nil,
        !order.isFilled,
        !order.missesFills
      {
        cancel(id)  // it still rests, and the engine wants it gone
      }
    case .refused(let code, _) where code == -2013: notFound(id, askedAt: askedAt, now: now)
    case .refused, .retry, .halt, .unknown: askAgain(id, now: now)
    }
  }

  private func askAgain(_ id: ClientOrderID, now: Int64) {
    guard var order = orders[id], order.phase != .settled else { return }
    if order.phase == .unknown {
      order.scheduleQuery()
      // A slow answer must not turn the schedule into a burst.
      order.askAt = max(order.askAt ?? now, now + TrackedOrder.queryDelaysNanoseconds[0])
    } else {
      order.askAt = now + TrackedOrder.queryPauseNanoseconds
    }
    orders[id] = order
  }

  /// "No such order" proves nothing while the venue may still take it, or its replica lags.
  private func notFound(_ id: ClientOrderID, askedAt: Instant, now: Int64) {
    guard let order = orders[id], order.phase != .settled else { return }
    let windowEnds = order.command.time.advanced(byNanoseconds: recvWindowNanoseconds + 1_000_000_000)
    let hasNoTrace = order.orderID == 0 && order.filled == .zero
    guard hasNoTrace else { return askAgain(id, now: now) }
    if order.phase == .unknown {
      let unknownFor = now - order.unknownSince
      guard askedAt > windowEnds, unknownFor > recvWindowNanoseconds + 1_000_000_000 else {
        return askAgain(id, now: now)
      }
    }
    let instrument = order.command.instrument
    transport.submit(requests.openOrders(instrument), patienceMilliseconds: Self.questionPatienceMilliseconds)
    {
      [self] result in
      guard case .success(let answer) = result, answer.status == 200,
        let open = try? answers.orders(answer.body)
      else { return askAgain(id, now: time()) }  // an unreadable list proves nothing
      if let found = open.first(where: { $0.owner == .own(id) }) {
        return apply(found, to: id, fromStream: false, now: time())
      }
      fetchTrades(instrument, since: order.command.time) { [self] isComplete in
        guard let order = orders[id], order.phase != .settled, order.orderID == 0 else { return }
        guard isComplete else { return askAgain(id, now: time()) }
        settle(id)
        emit(report(.missing, order.command, isFinal: true, code: GatewayCode.neverAccepted))
      }
    }
  }

  /// Fills or an echo are overdue: fetch, and doubt the stream.
  private func doubt(_ id: ClientOrderID, now: Int64) {
    guard var order = orders[id] else { return }
    order.doubtAt = order.missesFills ? now + TrackedOrder.fillPatienceNanoseconds : nil
    let streamIsSilent = !order.wasStreamed
    order.wasStreamed = true  // doubted once is enough
    orders[id] = order
    if streamIsSilent { onStreamDoubt() }
    if order.missesFills { fetchTrades(order.command.instrument, since: order.command.time) { _ in } }
  }

  /// Gets the trades of one instrument that were not seen yet.
  /// - Parameter done: whether everything there is was read.
  func fetchTrades(_ instrument: InstrumentID, since: Instant, done: @escaping @Sendable (Bool) -> Void) {
    guard fetching.insert(instrument).inserted else { return done(false) }
    let known = seenTrades[instrument]?.highest ?? 0
    let limit = 1_000
    let request =
      known > 0
      // A little before the newest: trades of one moment may become visible out of order.
      ? requests.userTrades(instrument, fromID: max(1, known - 100), limit: limit)
      : requests.userTrades(instrument, start: since.advanced(byNanoseconds: -60_000_000_000), limit: limit)
    transport.submit(request, patienceMilliseconds: Self.questionPatienceMilliseconds) { [self] result in
      fetching.remove(instrument)
      guard case .success(let answer) = result, answer.status == 200,
        let fills = try? answers.userTrades(answer.body)
      else { return done(false) }  // the next doubt or reconciliation fetches again
      let now = time()
      for fill in fills { apply(fill: fill, now: now) }
      guard fills.count < limit else { return fetchTrades(instrument, since: since, done: done) }
      done(true)
    }
  }

  /// The venue refused our time: look at its clock before signing more.
  private func measureClock() {
    reconciler.wantsClock = false
    let start = time()
    transport.submit(OrderRequests.time(), patienceMilliseconds: Self.questionPatienceMilliseconds) {
      [self] result in
      let end = time()
      guard case .success(let answer) = result, let milliseconds = VenueClock.serverTime(in: answer.body)
      else { return }
      clock.set(
        venueTime: Instant(nanoseconds: milliseconds * 1_000_000 + 500_000),
        atMonotonicNanoseconds: start + (end - start) / 2)
    }
  }

  // MARK: cancelling

  private func cancel(_ id: ClientOrderID) {
    guard var order = orders[id], order.phase != .settled, order.cancelCount < Self.cancelsMax else { return }
    order.cancelCount += 1
    orders[id] = order
    transport.submit(
      requests.cancel(order.command.instrument, id), patienceMilliseconds: Self.questionPatienceMilliseconds
    ) { [self] result in
      let now = time()
      guard case .success(let answer) = result,
        case .confirmed = HTTPOutcome.classify(status: answer.status, body: answer.body)
      else {
        // Filled, unknown or refused: the order itself says which; if it still rests it is cancelled again.
        guard let count = orders[id]?.cancelCount else { return }
        return askSoon(id, now: now + (count == 1 ? 0 : TrackedOrder.queryDelaysNanoseconds[0]))
      }
      confirmed(id, answer, now: now)
    }
  }

  // MARK: reports

  private func report(
    _ kind: ExchangeReport.Kind, _ command: OrderCommand, isFinal: Bool, code: Int32
  ) -> ExchangeReport {
    ExchangeReport(
      kind: kind, side: command.side, isFinal: isFinal, instrument: command.instrument, id: command.id,
      filledTotal: orders[command.id]?.filled ?? .zero, time: clock.now(), code: code)
  }

  func emit(_ report: ExchangeReport) {
    if overflow.isEmpty, reports.tryPush(ReportSlot(report)) { return }
    precondition(overflow.count < Self.overflowMax, "the engine takes its reports")
    overflow.append(report)
  }

  private func flushOverflow() {
    var sent = 0
    while sent < overflow.count, reports.tryPush(ReportSlot(overflow[sent])) { sent += 1 }
    if sent > 0 { overflow.removeFirst(sent) }
  }
}
