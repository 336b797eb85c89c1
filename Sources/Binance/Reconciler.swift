import BinanceWire
import Logging
import Market

/// When the account is read as a whole, and how a snapshot in the making stands.   [order-thread]
struct Reconciler {
  static let retryNanosecondsMin: Int64 = 500_000_000
  static let retryNanosecondsMax: Int64 = 30_000_000_000
  /// A snapshot overtaken by fills is read again this often, then taken as it is.
  static let attemptsMax = 3

  private let periodNanoseconds: Int64
  /// Monotonic; the far future until the account stream is up for the first time.
  private(set) var dueAt: Int64 = .max
  private(set) var isRunning = false
  private var failureCount = 0
  private(set) var attempt = 0
  /// The venue refused our time: measure it before anything else.
  var wantsClock = false

  init(periodNanoseconds: Int64) { self.periodNanoseconds = periodNanoseconds }

  func isDue(now: Int64) -> Bool { !isRunning && dueAt <= now }

  mutating func want(now: Int64) { dueAt = min(dueAt, now) }

  mutating func begin() {
    isRunning = true
    dueAt = .max
  }

  mutating func succeed(now: Int64) {
    isRunning = false
    failureCount = 0
    attempt = 0
    dueAt = min(dueAt, now + periodNanoseconds)
  }

  /// A snapshot that fills overtook. Returns false when it must be taken as it is.
  mutating func tryAgain(now: Int64) -> Bool {
    guard attempt + 1 < Self.attemptsMax else { return false }
    attempt += 1
    isRunning = false
    dueAt = now
    return true
  }

  mutating func fail(now: Int64) {
    isRunning = false
    let wait = min(Self.retryNanosecondsMin << Int64(min(failureCount, 6)), Self.retryNanosecondsMax)
    failureCount += 1
    dueAt = now + wait
  }
}

/// Balance, positions and open orders of one moment. All or nothing: a missing part proves nothing.
private struct Snapshot {
  var balances: [AssetBalance]?
  var positions: [PositionSnapshot]?
  var open: [OrderAnswer]?
  var hasFailed = false
  var answerCount = 0
}

extension OrderDispatch {
  /// Reads the account and reports what is missing here: fills first, then positions and the wallet.
  func reconcile(now: Int64) {
    reconciler.begin()
    let fillsBefore = fillCount
    let box = SnapshotBox()
    // The wallet first: a fill that came in between then shows as a position we do not expect.
    ask(requests.balance(), box, fillsBefore) { [answers] in
      box.value.balances = try answers.balances($0)
    } then: { [self] in
      ask(requests.positionRisk(), box, fillsBefore) { [answers] in
        box.value.positions = try answers.positions($0)
      }
      ask(requests.openOrders(), box, fillsBefore) { [answers] in box.value.open = try answers.orders($0) }
    }
  }

  private final class SnapshotBox: @unchecked Sendable {  // confined to the order thread
    var value = Snapshot()
  }

  private func ask(
    _ request: RestRequest, _ box: SnapshotBox, _ fillsBefore: Int,
    _ read: @escaping @Sendable ([UInt8]) throws -> Void, then next: (@Sendable () -> Void)? = nil
  ) {
    transport.submit(request, patienceMilliseconds: 10_000) { [self] result in
      box.value.answerCount += 1
      do {
        let answer = try result.get()
        guard answer.status == 200 else {
          throw RestError.unexpectedAnswer(
            "\(request.path) answered \(answer.status) \(answer.text.prefix(200))")
        }
        try read(answer.body)
      } catch {
        box.value.hasFailed = true
        logger.warning("reconciliation query failed", metadata: ["reason": "\(error)"])
        if next != nil { return reconciler.fail(now: time()) }
      }
      if let next { return next() }
      guard box.value.answerCount == 3 else { return }
      finish(box.value, fillsBefore: fillsBefore)
    }
  }

  private func finish(_ snapshot: Snapshot, fillsBefore: Int) {
    let now = time()
    guard !snapshot.hasFailed, let balances = snapshot.balances, let rows = snapshot.positions,
      let open = snapshot.open
    else { return reconciler.fail(now: now) }
    if fillCount != fillsBefore, reconciler.tryAgain(now: now) { return }
    let venue = Dictionary(
      rows.filter { $0.positionSide == "BOTH" }.map { ($0.instrument, $0.quantity.steps) },
      uniquingKeysWith: +)
    // Fills are looked for where the venue's position is not the sum of those we know, and where some were known before.
    var wanted = Set(venue.filter { positions[$0.key, default: 0] != $0.value }.keys)
    for (instrument, steps) in positions where venue[instrument, default: 0] != steps {
      wanted.insert(instrument)
    }
    for (instrument, seen) in seenTrades where positions[instrument] == nil && seen.floor > 0 {
      wanted.insert(instrument)
    }
    adopt(open, now: now)
    let left = Countdown(wanted.count)
    let finishAll: @Sendable () -> Void = { [self, wanted] in
      let now = time()
      guard !left.hasFailed else { return reconciler.fail(now: now) }
      // Still different: a fill came in between, or one is not listed yet. In the end the venue is right.
      let differs = wanted.contains { positions[$0, default: 0] != venue[$0, default: 0] }
      if differs, reconciler.tryAgain(now: now) { return }
      // A wallet that fills overtook may or may not hold them: better none than one that counts a fill twice.
      let isOvertaken = fillCount != fillsBefore
      if isOvertaken, reconciler.tryAgain(now: now) { return }
      publish(rows: rows, venue: venue, balances: isOvertaken ? [] : balances)
      reconciler.succeed(now: now)
    }
    guard !wanted.isEmpty else { return finishAll() }
    for instrument in wanted.sorted() {
      // Without a known trade only recent ones can matter: older ones are in the position the venue reports.
      fetchTrades(instrument, since: clock.now()) { isComplete in
        if left.one(isComplete) { finishAll() }
      }
    }
  }

  private final class Countdown: @unchecked Sendable {  // confined to the order thread
    private var left: Int
    private(set) var hasFailed = false
    init(_ count: Int) { left = count }

    /// - Returns: whether that was the last.
    func one(_ succeeded: Bool) -> Bool {
      if !succeeded { hasFailed = true }
      left -= 1
      return left == 0
    }
  }

  /// Orders of ours that rest at the venue, and orders we think rest but that are not listed.
  private func adopt(_ open: [OrderAnswer], now: Int64) {
    var listed: Set<ClientOrderID> = []
    for answer in open {
      guard case .own(let id) = answer.owner else { continue }
      listed.insert(id)
      if orders[id] == nil { emit(answer.report) } else { apply(answer, to: id, fromStream: false, now: now) }
    }
    for (id, order) in orders where order.phase == .known && !listed.contains(id) { askSoon(id, now: now) }
  }

  private func publish(rows: [PositionSnapshot], venue: [InstrumentID: Int64], balances: [AssetBalance]) {
    let venueTime = clock.now()
    for row in rows {
      guard var report = row.report else {
        logger.critical(
          "the account is in hedge mode", metadata: ["symbol": "\(table[row.instrument].symbol)"])
        continue
      }
      report.time = venueTime
      positions[row.instrument] = row.quantity.steps
      emit(report)
    }
    for instrument in positions.keys.sorted() where venue[instrument] == nil {
      positions[instrument] = 0
      emit(ExchangeReport(kind: .position, instrument: instrument, time: venueTime))
    }
    for balance in balances where balance.asset == "USDT" {
      emit(ExchangeReport(kind: .balance, instrument: .none, amount: balance.wallet, time: venueTime))
    }
  }
}
