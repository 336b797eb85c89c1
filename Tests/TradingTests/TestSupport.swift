import Market
import Trading

/// Tick 0.01, step 0.001: one step at one tick is worth 1e-5.
let sampleRules = InstrumentRules(tickE8: 1_000_000, stepE8: 100_000)
let btc = InstrumentID(0)

func seconds(_ count: Double) -> Int64 { Int64(count * 1e9) }
func at(_ second: Double) -> Instant { Instant(nanoseconds: 1_700_000_000_000_000_000 + seconds(second)) }
/// A moment at a whole day, so that every timeframe starts there.
let dayStart = Instant(nanoseconds: 19_700 * 86_400_000_000_000)

func idea(
  _ side: Side, at time: Instant, instrument: InstrumentID = btc, confidence: Float = 0.9,
  stop: Float = .nan, target: Float = .nan, expected: Double = 0.02, plugin: UInt16 = 0,
  horizonSeconds: Double = 3_600, flags: SignalFlags = []
) -> Signal {
  Signal(
    causeSequence: 0, time: time, horizonNanoseconds: seconds(horizonSeconds),
    returnFraction: side == .buy ? expected : -expected, confidence: confidence, stopFraction: stop,
    targetFraction: target, instrument: instrument, flags: flags, plugin: plugin)
}

func quote(_ bid: Int64, _ ask: Int64, at time: Instant, instrument: InstrumentID = btc) -> MarketEvent {
  .quote(
    instrument, time: time, bid: Price(ticks: bid), bidQuantity: Quantity(steps: 1_000),
    ask: Price(ticks: ask), askQuantity: Quantity(steps: 1_000))
}

func trade(
  _ ticks: Int64, at time: Instant, steps: Int64 = 1, instrument: InstrumentID = btc, id: Int64 = 0
) -> MarketEvent {
  .trade(
    instrument, time: time, price: Price(ticks: ticks), quantity: Quantity(steps: steps), aggregateID: id)
}

func bar(
  _ open: Int64, _ high: Int64, _ low: Int64, _ close: Int64, openTime: Instant,
  timeframe: Timeframe = .minute1, instrument: InstrumentID = btc
) -> MarketEvent {
  .bar(
    instrument, timeframe,
    Candle(
      openTime: openTime, open: Price(ticks: open), high: Price(ticks: high), low: Price(ticks: low),
      close: Price(ticks: close), volume: Quantity(steps: 1_000)))
}

/// Settings with every gate open that a test does not ask for.
func openSettings() -> DeskSettings {
  var settings = DeskSettings()
  settings.minimumConfidence = 0
  settings.requiresNetReturn = false
  settings.cooldownNanoseconds = 0
  settings.dailyLossFractionMax = 1
  settings.staleNanosecondsMax = seconds(86_400)
  return settings
}

/// A venue that fills everything at once, at the touch, the last price, or the level an exit carries.
struct InstantVenue {
  enum Behaviour { case fill, ignore, reject }

  var rules: [InstrumentRules]
  var feeE8: Int64 = 50_000
  var behaviour = Behaviour.fill
  /// Fills come in this many pieces.
  var pieces = 1
  var bids: [Int64]
  var asks: [Int64]
  var lasts: [Int64]
  var positions: [Int64]
  var nextTradeID: Int64 = 1
  var nextOrderID: Int64 = 1
  /// Level-carrying exits fill at their level (bars); else at the touch.
  var usesLevels = true

  init(_ rules: [InstrumentRules]) {
    self.rules = rules
    bids = Array(repeating: 0, count: rules.count)
    asks = bids
    lasts = bids
    positions = bids
  }

  mutating func observe(_ event: MarketEvent) {
    let index = Int(event.instrument.index)
    guard index < rules.count else { return }
    switch event.kind {
    case .quote:
      bids[index] = event.word0
      asks[index] = event.word2
    case .trade: lasts[index] = event.word0
    case .bar: lasts[index] = event.word3
    default: break
    }
  }

  mutating func submit(_ command: OrderCommand) -> [ExchangeReport] {
    func report(_ kind: ExchangeReport.Kind, isFinal: Bool, code: Int32 = 0) -> ExchangeReport {
      ExchangeReport(
        kind: kind, side: command.side, isFinal: isFinal, instrument: command.instrument, id: command.id,
        orderID: nextOrderID, time: command.time, code: code)
    }
    if behaviour == .ignore { return [] }
    guard command.action == .place else { return [report(.missing, isFinal: true)] }
    nextOrderID += 1
    if behaviour == .reject { return [report(.rejected, isFinal: true, code: -2019)] }
    let index = Int(command.instrument.index)
    var steps = command.quantity.steps
    if command.reduceOnly {
      let held = positions[index]
      guard held != 0, (held > 0) != (command.side == .buy) else {
        return [report(.rejected, isFinal: true, code: -2022)]
      }
      steps = min(steps, abs(held))
    }
    let touch = command.side == .buy ? asks[index] : bids[index]
    let level = usesLevels ? command.price.ticks : 0
    let price = Price(ticks: level > 0 ? level : touch > 0 ? touch : lasts[index])
    var reports = [report(.accepted, isFinal: false)]
    var done: Int64 = 0
    let count = min(Int64(pieces), steps)
    for piece in 1...count {
      let part = piece == count ? steps - done : steps / count
      done += part
      var fill = report(.filled, isFinal: done == steps)
      fill.tradeID = nextTradeID
      nextTradeID += 1
      fill.price = price
      fill.quantity = Quantity(steps: part)
      fill.filledTotal = Quantity(steps: done)
      fill.fee = rules[index].notional(price, fill.quantity).times(rateE8: feeE8)
      reports.append(fill)
    }
    positions[index] += command.side.sign * steps
    return reports
  }
}

/// A desk and a venue that fills at once, wired the way the Brain wires them.
struct Bench: ~Copyable {
  var desk: Desk
  var venue: InstantVenue
  var out = DeskOutput()
  var journal: [JournalEntry] = []
  var commands: [OrderCommand] = []
  /// Whether every entry is kept.
  var keepsJournal = true
  var position: UInt64 = 0

  init(
    rules: [InstrumentRules] = [sampleRules], settings: DeskSettings, balance: Double = 10_000,
    run: UInt32 = 1
  ) {
    desk = Desk(rules: rules, settings: settings, run: run, openingBalance: Quote(balance))
    venue = InstantVenue(rules)
  }

  mutating func begin() {
    position += 1
    out.position = position
  }

  /// Hands everything on until nobody has anything to say.
  mutating func settle(now: Instant) {
    while out.entryCount > 0 || out.commandCount > 0 {
      if keepsJournal { for index in 0..<out.entryCount { journal.append(out.entry(at: index)) } }
      var reports: [ExchangeReport] = []
      for index in 0..<out.commandCount {
        let command = out.command(at: index)
        if keepsJournal { commands.append(command) }
        reports += venue.submit(command)
      }
      out.removeAll()
      for report in reports {
        begin()
        desk.receive(report, now: now, out: &out)
      }
    }
  }

  mutating func feed(_ event: MarketEvent) {
    begin()
    venue.observe(event)
    desk.observe(event, now: event.time, out: &out)
    settle(now: event.time)
  }

  @discardableResult
  mutating func consider(_ signal: Signal, context: IdeaContext = IdeaContext()) -> Verdict {
    begin()
    let verdict = desk.consider(signal, now: signal.time, context: context, out: &out)
    settle(now: signal.time)
    return verdict
  }

  mutating func report(_ report: ExchangeReport) {
    begin()
    desk.receive(report, now: report.time, out: &out)
    settle(now: report.time)
  }

  mutating func advance(to now: Instant) {
    begin()
    desk.advance(to: now, out: &out)
    settle(now: now)
  }

  func entries(_ kind: JournalEntry.Kind) -> [JournalEntry] { journal.filter { $0.kind == kind } }
  var trades: [TradeRecord] { journal.compactMap(\.tradeRecord) }
}
