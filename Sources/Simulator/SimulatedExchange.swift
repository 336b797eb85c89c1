public import Market

/// A pure exchange for one account in one-way mode: matching, fees, margin, funding, liquidation.
///
/// The same type answers in paper mode, backtests and replay, and stands behind the Binance-compatible server. It
/// knows only its inputs: the same calls give the same reports. Time is the latest time any input named.
///
/// - `observe` costs a few loads, stores and comparisons while no order is near the price; nothing allocates
///   after `init`, except the questions that return arrays.
/// - Reports of one order come as accepted, fills, final; or as one refusal. A fill that ends the order is final
///   itself. What the exchange does on its own (funding, liquidation) is reported in the same queue.
/// - Not modelled: our orders meeting each other, a book that remembers what we took, margin tiers.   [one owner]
public struct SimulatedExchange: ~Copyable, Exchange {
  public let settings: SimulatedExchangeSettings
  public internal(set) var totals: AccountTotals
  public internal(set) var wallet: Quote
  /// The latest time an input named.
  public internal(set) var time: Instant = .never

  let states: FixedBuffer<InstrumentState>
  var openOrderPool: OpenOrderPool
  var inFlight: CommandsInFlight
  var reports: FixedQueue<ExchangeReport>
  var closedOrderHistory: FixedQueue<SimulatedOrder>
  var tradeHistory: FixedQueue<SimulatedTrade>
  /// Instruments with a position or an open order, in no meaningful order; sums over it are exact.
  let active: FixedBuffer<Int32>
  var activeCount = 0
  var nextOrderID: Int64 = 1
  var random: SeededRandom
  /// The next moment at which something happens without an event: a command arrives, a market order gives up.
  var wakeNanoseconds: Int64 = .max
  var marketDeadlineNanoseconds: Int64 = .max
  /// The account changed since the liquidation bands were computed.
  var areSafeBandsStale = false

  /// - Precondition: the table holds at least one instrument.
  public init(instruments: InstrumentTable, settings: SimulatedExchangeSettings = .init()) {
    precondition(instruments.count > 0, "an exchange lists at least one instrument")
    self.settings = settings
    wallet = settings.startingBalance
    totals = AccountTotals(opening: settings.startingBalance)
    states = FixedBuffer(count: instruments.count)
    for (index, instrument) in instruments.instruments.enumerated() {
      states[index] = InstrumentState(
        rules: instrument.rules, leverage: settings.defaultLeverage,
        status: TradingStatus(word: instrument.status))
    }
    openOrderPool = OpenOrderPool(capacity: SimulatedExchangeSettings.openOrdersMax)
    inFlight = CommandsInFlight(capacity: SimulatedExchangeSettings.commandsInFlightMax)
    reports = FixedQueue(capacity: settings.reportsMax)
    closedOrderHistory = FixedQueue(capacity: settings.closedOrdersMax)
    tradeHistory = FixedQueue(capacity: settings.tradesMax)
    active = FixedBuffer(count: instruments.count)
    random = SeededRandom(seed: settings.seed)
  }

  /// Takes note of a price and fills what it reaches. Quarantined events and prices that are not positive are
  /// ignored.
  ///
  /// - Complexity: O(1) while no order is near the price.   [decision-thread]
  public mutating func observe(_ event: MarketEvent) {
    let now = event.time.nanoseconds
    if now >= wakeNanoseconds { advance(to: event.time) }
    if now > time.nanoseconds { time = event.time }
    let index = Int(event.instrument.index)
    guard index < states.count, !event.flags.contains(.quarantined) else { return }
    let state = states.pointer(index)
    if now >= state.pointee.fundingDueNanoseconds { settleFunding(index) }
    switch event.kind {
    case .quote:
      guard Self.isPrice(event.word0), Self.isPrice(event.word2) else { return }
      state.pointee.bidTicks = event.word0
      state.pointee.bidSteps = event.word1
      state.pointee.askTicks = event.word2
      state.pointee.askSteps = event.word3
      if !state.pointee.hasMark && state.pointee.lastTicks == 0 {
        state.pointee.follow(priceTicks: (event.word0 &+ event.word2) / 2)
      }
      if event.word2 <= state.pointee.highestBuyTicks || event.word0 >= state.pointee.lowestSellTicks {
        match(
          index, Reach(quoteBid: event.word0, bidSteps: event.word1, ask: event.word2, askSteps: event.word3))
      }
    case .trade:
      guard Self.isPrice(event.word0) else { return }
      state.pointee.lastTicks = event.word0
      if !state.pointee.hasMark { state.pointee.follow(priceTicks: event.word0) }
      if event.word0 <= state.pointee.highestBuyTicks || event.word0 >= state.pointee.lowestSellTicks {
        match(index, Reach(trade: event.word0, steps: event.word1))
      }
    case .bar:
      guard Self.isPrice(event.word2), Self.isPrice(event.word1), let timeframe = event.timeframe else {
        return
      }
      state.pointee.barOpenTicks = event.word0
      state.pointee.barHighTicks = event.word1
      state.pointee.barLowTicks = event.word2
      state.pointee.barCloseTicks = event.word3
      state.pointee.barOpenTimeNanoseconds = now - timeframe.nanoseconds
      state.pointee.hasBar = true
      state.pointee.lastTicks = event.word3
      if !state.pointee.hasMark { state.pointee.follow(priceTicks: event.word3) }
      if event.word2 <= state.pointee.highestBuyTicks || event.word1 >= state.pointee.lowestSellTicks {
        match(index, Reach(barLow: event.word2, high: event.word1, openTime: now - timeframe.nanoseconds))
      }
    case .mark:
      guard event.word0 > 0 else { return }
      state.pointee.markE8 = event.word0
      state.pointee.hasMark = true
      noteFunding(state, event)
    case .gap, .stream: return
    }
    let mark = state.pointee.markE8
    if areSafeBandsStale || mark <= state.pointee.safeLowE8 || mark >= state.pointee.safeHighE8 {
      checkLiquidation()
    }
  }

  /// Prices outside 1…2^47 ticks, the widest price filter, are no prices: no product of them can overflow.
  @inline(__always) private static func isPrice(_ ticks: Int64) -> Bool {
    UInt64(bitPattern: ticks &- 1) < 1 << 47
  }

  /// Places, cancels or asks; the answer waits in `poll`. A cancel or question for an order that is over repeats its
  /// last word; for one never seen (or dropped from the history) the answer is `missing`.
  ///
  /// - Precondition: reports are polled, so that fewer than `reportsMax` wait.   [decision-thread]
  public mutating func submit(_ command: OrderCommand) {
    if command.time.nanoseconds >= wakeNanoseconds { advance(to: command.time) }
    if command.time > time { time = command.time }
    guard settings.latencyNanoseconds > 0 || settings.latencyJitterNanoseconds > 0 else {
      execute(command)
      return
    }
    guard !inFlight.isFull else {
      refuse(command, .tooManyOrders)
      return
    }
    var due = time.nanoseconds + settings.latencyNanoseconds
    if settings.latencyJitterNanoseconds > 0 {
      due += Int64(random.below(UInt64(settings.latencyJitterNanoseconds) + 1))
    }
    inFlight.insert(command, dueNanoseconds: due)
    wakeNanoseconds = min(wakeNanoseconds, due)
  }

  /// The next report, or nil. `now` also lets delayed commands arrive and waiting market orders give up.
  public mutating func poll(now: Instant) -> ExchangeReport? {
    if now.nanoseconds >= wakeNanoseconds { advance(to: now) }
    return reports.popFirst()
  }

  /// Lets everything happen that was due by `now`, earliest first.
  mutating func advance(to now: Instant) {
    while true {
      let arrival = inFlight.nextDueNanoseconds
      let due = min(arrival, marketDeadlineNanoseconds)
      guard due <= now.nanoseconds, due < .max else { break }
      if due > time.nanoseconds { time = Instant(nanoseconds: due) }
      if arrival == due, let command = inFlight.popFirst() {
        execute(command)
      } else {
        expireWaitingMarketOrders()
      }
    }
    if now > time { time = now }
    wakeNanoseconds = min(inFlight.nextDueNanoseconds, marketDeadlineNanoseconds)
  }

  mutating func push(_ report: ExchangeReport) {
    precondition(!reports.isFull, "reports are polled before \(settings.reportsMax) wait")
    reports.append(report)
  }
}

extension InstrumentState {
  /// Without mark events the mark is the last price; a product beyond 64 bits is no price.
  @inline(__always) mutating func follow(priceTicks: Int64) {
    let (e8, overflow) = priceTicks.multipliedReportingOverflow(by: tickE8)
    if !overflow { markE8 = e8 }
  }
}
