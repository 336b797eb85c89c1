import Market
import Simulator

/// Two instruments and short words for the tests: BTC with tick 0.01 and step 0.001, ETH with tick 0.1 and step 0.01.
enum Fixture {
  static let btc = InstrumentID(0)
  static let eth = InstrumentID(1)

  static let rules = InstrumentRules(
    tickE8: 1_000_000, stepE8: 100_000, priceTicksMin: 100, priceTicksMax: 100_000_000,
    quantityStepsMin: 1, quantityStepsMax: 1_000_000, marketStepsMax: 120_000,
    notionalMinE8: 5 * FixedPoint.one)

  static let table = InstrumentTable(
    venue: "simulator",
    instruments: [
      Instrument(symbol: "BTCUSDT", baseAsset: "BTC", rules: rules),
      Instrument(
        symbol: "ETHUSDT", baseAsset: "ETH",
        rules: InstrumentRules(
          tickE8: 10_000_000, stepE8: 1_000_000, priceTicksMax: 10_000_000, quantityStepsMax: 10_000_000,
          marketStepsMax: 10_000_000, notionalMinE8: 5 * FixedPoint.one)),
    ])

  static func exchange(
    _ change: (inout SimulatedExchangeSettings) -> Void = { _ in }
  ) -> SimulatedExchange {
    var settings = SimulatedExchangeSettings()
    change(&settings)
    return SimulatedExchange(instruments: table, settings: settings)
  }

  static func second(_ count: Int64) -> Instant { Instant(nanoseconds: count * 1_000_000_000) }

  static func quote(
    _ bid: Int64, _ ask: Int64, bidSteps: Int64 = 1000, askSteps: Int64 = 1000,
    _ instrument: InstrumentID = btc, at time: Int64 = 1
  ) -> MarketEvent {
    .quote(
      instrument, time: second(time), bid: Price(ticks: bid), bidQuantity: Quantity(steps: bidSteps),
      ask: Price(ticks: ask), askQuantity: Quantity(steps: askSteps))
  }

  static func trade(
    _ ticks: Int64, steps: Int64 = 10, _ instrument: InstrumentID = btc, at time: Int64 = 1
  ) -> MarketEvent {
    .trade(
      instrument, time: second(time), price: Price(ticks: ticks), quantity: Quantity(steps: steps),
      aggregateID: 1)
  }

  static func mark(
    _ e8: Int64, rateE8: Int64 = 0, next: Int64 = 0, _ instrument: InstrumentID = btc, at time: Int64 = 1
  ) -> MarketEvent {
    .mark(
      instrument, time: second(time), markE8: e8, indexE8: e8, fundingRateE8: rateE8,
      nextFundingMilliseconds: next * 1000)
  }

  static func bar(
    _ open: Int64, _ high: Int64, _ low: Int64, _ close: Int64, minute: Int64 = 1
  ) -> MarketEvent {
    .bar(
      btc, .minute1,
      Candle(
        openTime: second(60 * minute), open: Price(ticks: open), high: Price(ticks: high),
        low: Price(ticks: low), close: Price(ticks: close), volume: Quantity(steps: 1)))
  }

  static func id(_ sequence: UInt64) -> ClientOrderID { ClientOrderID(run: 7, sequence: sequence) }

  static func market(
    _ sequence: UInt64, _ side: Side, _ steps: Int64, reduceOnly: Bool = false,
    purpose: OrderPurpose = .entry, price: Price = .none, _ instrument: InstrumentID = btc,
    at time: Int64 = 2
  ) -> OrderCommand {
    OrderCommand(
      id: id(sequence), instrument: instrument, side: side, reduceOnly: reduceOnly, purpose: purpose,
      quantity: Quantity(steps: steps), price: price, time: second(time))
  }

  static func limit(
    _ sequence: UInt64, _ side: Side, _ steps: Int64, _ ticks: Int64,
    _ timeInForce: OrderCommand.TimeInForce = .goodTillCancelled, reduceOnly: Bool = false,
    _ instrument: InstrumentID = btc, at time: Int64 = 2
  ) -> OrderCommand {
    OrderCommand(
      id: id(sequence), instrument: instrument, kind: .limit, timeInForce: timeInForce, side: side,
      reduceOnly: reduceOnly, purpose: .entry, quantity: Quantity(steps: steps), price: Price(ticks: ticks),
      time: second(time))
  }

  static func cancel(_ sequence: UInt64, _ instrument: InstrumentID = btc, at time: Int64 = 3) -> OrderCommand
  {
    ask(.cancel, sequence, instrument, at: time)
  }

  static func query(_ sequence: UInt64, _ instrument: InstrumentID = btc, at time: Int64 = 3) -> OrderCommand
  {
    ask(.query, sequence, instrument, at: time)
  }

  private static func ask(
    _ action: OrderCommand.Action, _ sequence: UInt64, _ instrument: InstrumentID, at time: Int64
  ) -> OrderCommand {
    OrderCommand(
      id: id(sequence), instrument: instrument, action: action, side: .buy, reduceOnly: false,
      purpose: .entry, quantity: .zero, time: second(time))
  }

  /// The amount a decimal text names.
  static func quote(_ text: String) -> Quote {
    guard let e8 = FixedPoint.parse(text) else { preconditionFailure("decimal text: \(text)") }
    return Quote(e8: e8)
  }
}

extension SimulatedExchange {
  /// Every report that waits.
  mutating func drain(at time: Int64 = 2) -> [ExchangeReport] {
    var all: [ExchangeReport] = []
    while let report = poll(now: Fixture.second(time)) { all.append(report) }
    return all
  }

  /// Submits and returns what came of it.
  mutating func send(_ command: OrderCommand) -> [ExchangeReport] {
    submit(command)
    var all: [ExchangeReport] = []
    while let report = poll(now: command.time) { all.append(report) }
    return all
  }
}

extension [ExchangeReport] {
  var kinds: [ExchangeReport.Kind] { map(\.kind) }
  var codes: [Int32] { map(\.code) }
}
