import Market
import Storage
import Trading

/// A small day in journal entries, for tests of what is made of them.
enum JournalSamples {
  static let table = InstrumentTable(
    venue: "simulator",
    instruments: [
      Instrument(
        symbol: "BTCUSDT", baseAsset: "BTC", rules: InstrumentRules(tickE8: 10_000_000, stepE8: 100_000)),
      Instrument(
        symbol: "1000PEPEUSDT", baseAsset: "1000PEPE",
        rules: InstrumentRules(tickE8: 10, stepE8: 100_000_000)),
    ])
  static let bitcoin = InstrumentID(0)
  static let pepe = InstrumentID(1)

  static func run(_ number: Int64 = 7, mode: TradingMode = .paper, venue: String = "simulator") -> RunInfo {
    RunInfo(
      key: RunKey(scope: StoreScope(venue: venue, mode: mode), run: number), startedNanoseconds: number,
      version: "test")
  }

  static func at(_ second: Int64) -> Instant {
    Instant(nanoseconds: 1_700_000_000_000_000_000 + second * 1_000_000_000)
  }

  static func signal(_ instrument: InstrumentID, position: UInt64, second: Int64, plugin: UInt16 = 0)
    -> JournalEntry
  {
    var entry = JournalEntry.signal(
      Signal(
        causeSequence: 1, time: at(second), horizonNanoseconds: 60_000_000_000, returnFraction: 0.0125,
        confidence: 0.75, stopFraction: 0.01, instrument: instrument, plugin: plugin, tag: .max),
      time: at(second))
    entry.position = position
    return entry
  }

  static func verdict(
    _ refusal: Refusal, _ instrument: InstrumentID, position: UInt64, second: Int64
  ) -> JournalEntry {
    var entry = JournalEntry.verdict(
      Verdict(
        action: refusal == .none ? .open : .refuse, refusal: refusal, side: .buy, plugin: 0,
        quantity: Quantity(steps: 5), notional: Quote(e8: 12_345_678_901), measured: .nan, limit: 0.5),
      instrument: instrument, time: at(second))
    entry.position = position
    return entry
  }

  static func command(_ sequence: UInt64, steps: Int64, second: Int64) -> JournalEntry {
    .command(
      OrderCommand(
        id: ClientOrderID(run: 7, sequence: sequence), instrument: bitcoin, side: .buy, reduceOnly: false,
        purpose: .entry, quantity: Quantity(steps: steps), time: at(second)), time: at(second))
  }

  static func fill(
    _ sequence: UInt64, trade: Int64, ticks: Int64, steps: Int64, isFinal: Bool, second: Int64
  ) -> JournalEntry {
    .report(
      ExchangeReport(
        kind: .filled, isFinal: isFinal, instrument: bitcoin, id: ClientOrderID(run: 7, sequence: sequence),
        orderID: 900, tradeID: trade, price: Price(ticks: ticks), quantity: Quantity(steps: steps),
        fee: Quote(e8: 100_000_001), time: at(second)), time: at(second))
  }

  static func report(_ kind: ExchangeReport.Kind, _ sequence: UInt64, second: Int64) -> JournalEntry {
    .report(
      ExchangeReport(
        kind: kind, isFinal: kind != .accepted && kind != .unknown, instrument: bitcoin,
        id: ClientOrderID(run: 7, sequence: sequence), orderID: 900, time: at(second), code: -2019),
      time: at(second))
  }

  static func lot(_ id: Int64, second: Int64, refusal: Refusal = .none) -> LotRecord {
    LotRecord(
      id: id, instrument: pepe, side: .sell, quantity: Quantity(steps: 100), entry: Price(ticks: 112_233),
      stop: Price(ticks: 113_355), target: Price(ticks: 110_000), opened: at(second),
      entryFee: Quote(e8: 5), low: Price(ticks: 112_233), high: Price(ticks: 112_233), confidence: 0.5,
      plugin: 3, refusal: refusal, tag: 0)
  }

  static func closed(_ lot: LotRecord, net: Int64, second: Int64) -> ClosedLotRecord {
    ClosedLotRecord(
      id: lot.id, instrument: lot.instrument, side: lot.side, quantity: lot.quantity, entry: lot.entry,
      exit: Price(ticks: 111_000), stop: lot.stop, target: lot.target, opened: lot.opened,
      closed: at(second),
      low: lot.low, high: lot.high, net: Quote(e8: net), fees: Quote(e8: 11), funding: Quote(e8: -3),
      purpose: .time, plugin: lot.plugin)
  }

  static func trade(net: Int64, fees: Int64, second: Int64) -> TradeRecord {
    TradeRecord(
      instrument: bitcoin, side: .buy, purpose: .target, plugin: 2, steps: 3,
      entryCost: Quote(e8: 10_000_000_000), exitValue: Quote(e8: 10_000_000_000 + net + fees),
      fees: Quote(e8: fees), net: Quote(e8: net), opened: at(second - 60), closed: at(second),
      stop: Price(ticks: 1), target: Price(ticks: 2))
  }

  static func position(steps: Int64, cost: Int64, fees: Int64 = 0, second: Int64) -> JournalEntry {
    .positionChanged(
      PositionRecord(
        instrument: bitcoin, steps: steps, cost: Quote(e8: cost), stop: Price(ticks: 279_000),
        target: Price(ticks: 290_000), opened: at(second), fees: Quote(e8: fees),
        wallet: Quote(e8: 999_900_000_000),
        entryCost: Quote(e8: cost), entrySteps: steps, exitValue: .zero, plugin: 0, side: .buy,
        purpose: .entry), time: at(second))
  }

  static func equity(_ e8: Int64, second: Int64) -> JournalEntry {
    .equity(
      EquityRecord(
        equity: Quote(e8: e8), wallet: Quote(e8: e8 - 1), unrealized: Quote(e8: 1), usedMargin: .zero,
        openPositions: 1, dayOpeningEquity: .zero, dayOpened: .never, tradeCount: 1, realizedNet: .zero,
        fees: Quote(e8: 250_000_000)), afterTrade: false, time: at(second))
  }

  static func candle(_ minute: Int64, flags: CandleFlags = .complete, close: Int64 = 281_552) -> JournalEntry
  {
    .candleClosed(
      bitcoin, .minute1,
      Candle(
        openTime: at(minute * 60), open: Price(ticks: 281_550), high: Price(ticks: 281_560),
        low: Price(ticks: 281_540), close: Price(ticks: close), volume: Quantity(steps: .max / 2),
        tradeCount: 12, flags: flags), time: at(minute * 60 + 60))
  }

  /// Everything once: a signal opened and one refused, an order filled in two parts, a round trip, lots, candles, equity.
  static func day() -> [JournalEntry] {
    let first = lot(1, second: 1)
    let second = lot(2, second: 2, refusal: .cooldown)
    return [
      .runStarted(RunOpening(run: 7, wallet: Quote(e8: 1_000_000_000_000)), time: at(0)),
      .runReady(time: at(0)),
      signal(bitcoin, position: 10, second: 1),
      verdict(.none, bitcoin, position: 10, second: 1),
      .lotOpened(first),
      command(40, steps: 3, second: 1),
      report(.accepted, 40, second: 2),
      fill(40, trade: 1, ticks: 281_552, steps: 1, isFinal: false, second: 2),
      fill(40, trade: 2, ticks: 281_553, steps: 2, isFinal: true, second: 3),
      position(steps: 3, cost: 8_446_580_000, second: 3),
      signal(pepe, position: 11, second: 4),
      verdict(.cooldown, pepe, position: 11, second: 4),
      .lotOpened(second),
      candle(1),
      .lotClosed(closed(first, net: 70, second: 61)),
      .tradeClosed(trade(net: 123_456_789, fees: 11, second: 70)),
      position(steps: 0, cost: 0, second: 70),
      equity(1_000_123_456_789, second: 71),
      .runEnded(reason: 0, time: at(72)),
    ]
  }
}
