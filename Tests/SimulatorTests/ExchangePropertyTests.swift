import Market
import Simulator
import Testing

@Suite("Whatever happens on the simulated exchange")
struct ExchangePropertyTests {
  @Test("the books balance after every step", arguments: 0..<60 as Range<UInt64>)
  func booksBalance(seed: UInt64) {
    var hour = RandomHour(seed: seed)
    for step in 0..<600 {
      if let broken = hour.step() {
        Issue.record("seed \(seed), step \(step): \(broken)")
        return
      }
    }
    #expect(hour.fillCount > 50, "seed \(seed): the hour is worth checking")
  }

  @Test("two runs of the same inputs give the same reports", arguments: 0..<20 as Range<UInt64>)
  func sameInputsSameReports(seed: UInt64) {
    func run() -> [JournalWord] {
      var hour = RandomHour(seed: seed)
      for _ in 0..<400 { _ = hour.step() }
      return hour.reports.map(JournalWord.init)
    }
    let first = run()
    #expect(first == run() && first.count > 100, "seed \(seed)")
  }

  /// Every field of a report, comparable.
  struct JournalWord: Equatable {
    var words: [Int64]

    init(_ report: ExchangeReport) {
      words = [
        Int64(report.kind.rawValue), Int64(report.side.rawValue), report.isMaker ? 1 : 0,
        report.isFinal ? 1 : 0, Int64(report.instrument.index), Int64(report.id.sequence), report.orderID,
        report.tradeID, report.price.ticks, report.quantity.steps, report.filledTotal.steps, report.fee.e8,
        report.amount.e8, report.time.nanoseconds, Int64(report.code),
      ]
    }
  }
}

/// Random quotes, trades, marks with funding, and every kind of command on two instruments, with an account kept
/// beside it from the reports alone.
struct RandomHour: ~Copyable {
  private var random: SeededRandom
  private var exchange: SimulatedExchange
  private let isDelayed: Bool
  private var mid: [Int64] = [5_000_000, 30_000]
  private var nextSequence: UInt64 = 1
  private var time: Int64 = 1
  private(set) var reports: [ExchangeReport] = []
  private(set) var fillCount = 0

  // The account as a reader of reports keeps it.
  private var cash: Int64
  private var wallet: Int64
  private var steps: [Int64] = [0, 0]
  private var lastTradeID: [Int64] = [0, 0]
  private var placed: [ClientOrderID: OrderCommand] = [:]
  private var filled: [ClientOrderID: Int64] = [:]
  private var finished: Set<ClientOrderID> = []

  init(seed: UInt64) {
    random = SeededRandom(seed: seed)
    var matching = MatchingRules(
      queueModel: seed % 2 == 0 ? .optimistic : .conservative, slippageTicks: Int64(seed % 3))
    if seed % 4 < 2 { matching.sizeModel = .topOfBook(walkTicks: 2) }
    isDelayed = seed % 5 == 0
    let latency: Int64 = isDelayed ? 2_000_000_000 : 0
    let jitter: Int64 = seed % 10 == 0 ? 1_000_000_000 : 0
    exchange = Fixture.exchange {
      $0.matching = matching
      $0.latencyNanoseconds = latency
      $0.latencyJitterNanoseconds = jitter
      $0.seed = seed
    }
    cash = exchange.wallet.e8
    wallet = cash
  }

  /// One input and everything that must hold after it; what does not, in words.
  mutating func step() -> String? {
    time += 1
    let isPlacement = random.below(10) < 4
    if isPlacement {
      let made = makeCommand()
      if made.action == .place { placed[made.id] = made }
      let positionBefore = exchange.position(made.instrument).steps
      exchange.submit(made)
      if let broken = absorbReports() { return broken }
      let wasAccepted = !isDelayed && made.action == .place && reports.last?.kind != .rejected
      let isShrinking = positionBefore * made.side.sign < 0 && made.quantity.steps <= abs(positionBefore)
      if wasAccepted && !made.reduceOnly && !isShrinking && exchange.marginSummary().headroom < Self.roundings
      {
        return "our own check let the headroom fall to \(exchange.marginSummary().headroom)"
      }
    } else {
      exchange.observe(makeEvent())
      if let broken = absorbReports() { return broken }
    }
    return checkAccount()
  }

  /// A few units of 1e-8 between the estimate of a margin and its booking.
  private static var roundings: Quote { Quote(e8: -4) }

  private mutating func absorbReports() -> String? {
    while let report = exchange.poll(now: Fixture.second(time)) {
      reports.append(report)
      if let broken = absorb(report) { return broken }
    }
    return nil
  }

  private mutating func absorb(_ report: ExchangeReport) -> String? {
    let instrument = Int(report.instrument.index)
    switch report.kind {
    case .filled:
      if report.tradeID <= lastTradeID[instrument] {
        // Only the repeated last word of an order that is over may name a trade again.
        return finished.contains(report.id) ? nil : "trade id \(report.tradeID) again"
      }
      lastTradeID[instrument] = report.tradeID
      fillCount += 1
      let rules = Fixture.table.instruments[instrument].rules
      let before = steps[instrument]
      steps[instrument] += report.side.sign * report.quantity.steps
      cash -= report.side.sign * rules.notional(report.price, report.quantity).e8 + report.fee.e8
      wallet += report.amount.e8 - report.fee.e8
      guard report.id != .none else { return nil }
      guard let command = placed[report.id] else { return "a fill of an order never placed" }
      if finished.contains(report.id) { return "a fill after the end of \(report.id)" }
      filled[report.id, default: 0] += report.quantity.steps
      if filled[report.id] != report.filledTotal.steps { return "filledTotal is not the sum of fills" }
      if report.filledTotal > command.quantity { return "more filled than ordered" }
      if command.reduceOnly && (abs(steps[instrument]) >= abs(before) || steps[instrument] * before < 0) {
        return "reduce-only took the position from \(before) to \(steps[instrument])"
      }
      if command.kind == .limit {
        let beyond = (report.price.ticks - command.price.ticks) * command.side.sign
        if beyond > 0 { return "filled \(beyond) ticks beyond the limit" }
      }
      if report.isFinal { finished.insert(report.id) }
    case .cancelled, .expired:
      if !report.isFinal { return "an end that is not final" }
      finished.insert(report.id)
    case .balance:
      if report.instrument != .none {
        cash -= report.fee.e8
        wallet -= report.fee.e8
      } else {
        cash += report.amount.e8 - wallet  // what the insurance fund took over
        wallet = report.amount.e8
      }
      if report.amount.e8 != wallet { return "a balance of \(report.amount), expected \(Quote(e8: wallet))" }
    case .rejected, .accepted, .missing: break
    case .unknown, .position: return "the simulator never says this"
    }
    return nil
  }

  private borrowing func checkAccount() -> String? {
    var value: Int64 = 0
    var unrealized: Quote = .zero
    for index in 0..<2 {
      let instrument = InstrumentID(index)
      let position = exchange.position(instrument)
      if position.steps != steps[index] { return "position \(position.steps), fills sum to \(steps[index])" }
      if position.cost < .zero { return "a negative cost" }
      let rules = Fixture.table.instruments[index].rules
      let worth = Int128(exchange.markE8(instrument)) * Int128(abs(steps[index])) * Int128(rules.stepE8)
      value += steps[index].signum() * FixedPoint.divided(worth, by: Int128(FixedPoint.one))
      unrealized = unrealized + exchange.unrealized(instrument)
    }
    let summary = exchange.marginSummary()
    if exchange.wallet.e8 != wallet { return "wallet \(exchange.wallet), reports say \(Quote(e8: wallet))" }
    if exchange.totals.wallet.e8 != wallet { return "the totals do not give the wallet" }
    if summary.unrealized != unrealized { return "the summary's unrealised profit" }
    if summary.marginBalance.e8 != cash + value {
      return "equity \(summary.marginBalance), cash and value give \(Quote(e8: cash + value))"
    }
    return nil
  }

  private mutating func makeEvent() -> MarketEvent {
    let index = Int(random.below(2))
    let instrument = InstrumentID(index)
    let unit: Int64 = index == 0 ? 1000 : 10
    mid[index] += (Int64(random.below(21)) - 10) * unit / 4
    mid[index] = min(max(mid[index], unit * 1000), unit * 20_000)
    let price = mid[index]
    let size = 1 + Int64(random.below(300))
    switch random.below(10) {
    case 0..<5:
      return Fixture.quote(
        price - unit / 5, price + unit / 5, bidSteps: size, askSteps: size, instrument, at: time)
    case 5..<8: return Fixture.trade(price, steps: size, instrument, at: time)
    default:
      let tickE8 = Fixture.table.instruments[index].rules.tickE8
      let rate = Int64(random.below(200_001)) - 100_000
      let finer = Int64(random.below(UInt64(tickE8)))
      return Fixture.mark(
        price * tickE8 + finer, rateE8: rate, next: (time / 50 + 1) * 50, instrument, at: time)
    }
  }

  private mutating func makeCommand() -> OrderCommand {
    let index = Int(random.below(2))
    let instrument = InstrumentID(index)
    let choice = random.below(10)
    if choice >= 8 && nextSequence > 1 {
      let sequence = 1 + random.below(nextSequence - 1)
      return choice == 8
        ? Fixture.cancel(sequence, instrument, at: time) : Fixture.query(sequence, instrument, at: time)
    }
    let sequence = nextSequence
    nextSequence += 1
    let side: Side = random.below(2) == 0 ? .buy : .sell
    let steps = 1 + Int64(random.below(random.below(8) == 0 ? 6000 : 500)) * (index == 0 ? 1 : 4)
    let reduceOnly = random.below(3) == 0
    if choice < 4 {
      return Fixture.market(sequence, side, steps, reduceOnly: reduceOnly, instrument, at: time)
    }
    let unit: Int64 = index == 0 ? 1000 : 10
    let ticks = mid[index] + (Int64(random.below(21)) - 10) * unit / 4
    let lives: [OrderCommand.TimeInForce] = [
      .goodTillCancelled, .goodTillCancelled, .immediateOrCancel, .fillOrKill, .postOnly,
    ]
    return Fixture.limit(
      sequence, side, steps, ticks, lives[Int(random.below(5))], reduceOnly: reduceOnly, instrument, at: time)
  }
}
