import BinanceWire
import Market
import Simulator

// Public endpoints: time, universe, candles, book, prices, mark.
extension ExchangeCore {
  static func marketRoute(_ method: String, _ path: String) -> RestRoute? {
    guard method == "GET" else { return nil }
    switch path {
    case "/fapi/v1/ping": return RestRoute(.none, weight: 1) { _, _ in RestAnswer() }
    case "/fapi/v1/time":
      return RestRoute(.none, weight: 1) { core, _ in
        RestAnswer(RestMessages.ServerTime(serverTime: core.clock.now.milliseconds))
      }
    case "/fapi/v1/exchangeInfo": return RestRoute(.none, weight: 1) { core, _ in core.exchangeInfo() }
    case "/fapi/v1/depth":
      return RestRoute(.none, weight: depthWeight) { core, parameters throws(RestFailure) in
        try core.depth(parameters)
      }
    case "/fapi/v1/ticker/bookTicker":
      return RestRoute(.none, weight: { $0["symbol"] == nil ? 5 : 2 }) {
        core, parameters throws(RestFailure) in
        try core.oneOrAll(parameters, core.bookTicker)
      }
    case "/fapi/v1/ticker/price", "/fapi/v2/ticker/price":
      return RestRoute(.none, weight: { $0["symbol"] == nil ? 2 : 1 }) {
        core, parameters throws(RestFailure) in
        try core.oneOrAll(parameters, core.tickerPrice)
      }
    case "/fapi/v1/premiumIndex":
      return RestRoute(.none, weight: { $0["symbol"] == nil ? 10 : 1 }) {
        core, parameters throws(RestFailure) in
        try core.oneOrAll(parameters, core.premiumIndex)
      }
    case "/fapi/v1/fundingInfo":
      return RestRoute(.none, weight: 0) { _, _ in RestAnswer([String]()) }
    default: return nil
    }
  }

  /// An object for the symbol asked for, an array of all without one.
  private func oneOrAll(
    _ parameters: RequestParameters, _ message: (InstrumentID) -> some Encodable
  ) throws(RestFailure) -> RestAnswer {
    if let instrument = try instrumentIfAny(parameters) { return RestAnswer(message(instrument)) }
    return RestAnswer(table.ids.map(message))
  }

  private func exchangeInfo() -> RestAnswer {
    var limits = RateLimit.published
    for index in limits.indices where limits[index].kind == .requestWeight {
      limits[index].limit = options.weightPerMinuteMax
    }
    return RestAnswer(
      body: ExchangeInfo.encode(
        table, serverTime: clock.now, rateLimits: limits,
        openOrdersMax: SimulatedExchangeSettings.openOrdersPerInstrumentMax,
        liquidationFeeE8: options.exchange.liquidationFeeE8))
  }

  // MARK: Prices

  private static func depthWeight(_ parameters: RequestParameters) -> Int {
    switch parameters["limit"].flatMap({ Int($0) }) ?? 500 {
    case ...50: 2
    case ...100: 5
    case ...500: 10
    default: 20
    }
  }

  /// The book as far as it is known: the best bid and ask are the market's, the levels behind them are invented from
  /// the update id, so that two questions between two updates agree.
  private func depth(_ parameters: RequestParameters) throws(RestFailure) -> RestAnswer {
    let instrument = try instrument(parameters)
    let limit = Int(try parameters.integer("limit") ?? 500)
    guard [5, 10, 20, 50, 100, 500, 1_000].contains(limit) else {
      throw RestFailure(-4021, "Depth limit is not valid.")
    }
    let index = Int(instrument.index)
    let quote = quotes[index]
    let rules = table[instrument].rules
    let now = clock.now.milliseconds
    let updateID = updateIDs[index]
    return RestAnswer(
      RestMessages.Depth(
        lastUpdateId: updateID, E: now, T: quote.time.milliseconds,
        bids: levels(quote.bid, quote.bidQuantity, -1, limit, rules, UInt64(updateID)),
        asks: levels(quote.ask, quote.askQuantity, 1, limit, rules, ~UInt64(updateID))))
  }

  private func levels(
    _ best: Price, _ quantity: Quantity, _ step: Int64, _ limit: Int, _ rules: InstrumentRules,
    _ seed: UInt64
  ) -> [[String]] {
    var random = SeededRandom(seed: seed)
    var rows: [[String]] = []
    for level in 0..<limit {
      let price = Price(ticks: best.ticks + step * Int64(level))
      guard price.ticks > 0 else { break }
      let steps = level == 0 ? quantity.steps : 1 + Int64(random.below(UInt64(4 * quantity.steps)))
      rows.append([rules.text(price), rules.text(Quantity(steps: steps))])
    }
    return rows
  }

  private func bookTicker(_ instrument: InstrumentID) -> RestMessages.BookTicker {
    let quote = quotes[Int(instrument.index)]
    let rules = table[instrument].rules
    return RestMessages.BookTicker(
      symbol: table[instrument].symbol, bidPrice: rules.text(quote.bid),
      bidQty: rules.text(quote.bidQuantity), askPrice: rules.text(quote.ask),
      askQty: rules.text(quote.askQuantity), time: quote.time.milliseconds,
      lastUpdateId: updateIDs[Int(instrument.index)])
  }

  private func tickerPrice(_ instrument: InstrumentID) -> RestMessages.TickerPrice {
    let bar = candles.running(instrument, .minute1)
    return RestMessages.TickerPrice(
      symbol: table[instrument].symbol, price: table[instrument].rules.text(Price(ticks: bar.closeTicks)),
      time: clock.now.milliseconds)
  }

  private func premiumIndex(_ instrument: InstrumentID) -> RestMessages.PremiumIndex {
    let mark = marks[Int(instrument.index)]
    return RestMessages.PremiumIndex(
      symbol: table[instrument].symbol, markPrice: FixedPoint.text(mark.markE8, decimals: 8),
      indexPrice: FixedPoint.text(mark.indexE8, decimals: 8),
      lastFundingRate: FixedPoint.text(mark.fundingRateE8, decimals: 8),
      nextFundingTime: nextFunding(after: clock.now), time: mark.time.milliseconds)
  }
}
