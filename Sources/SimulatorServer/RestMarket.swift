import Market
import Simulator

// Public endpoints: time, universe, candles, book, prices, mark.
extension ExchangeCore {
  static func marketRoute(_ method: String, _ path: String) -> RestRoute? {
    guard method == "GET" else { return nil }
    switch path {
    case "/fapi/v1/ping": return RestRoute(.none, weight: 1) { _, _ in RestAnswer { $0.object { _ in } } }
    case "/fapi/v1/time":
      return RestRoute(.none, weight: 1) { core, _ in
        let now = core.clock.now.milliseconds
        return RestAnswer { $0.object { $0.number("serverTime", now) } }
      }
    case "/fapi/v1/exchangeInfo": return RestRoute(.none, weight: 1) { core, _ in core.exchangeInfo() }
    case "/fapi/v1/depth":
      return RestRoute(.none, weight: depthWeight) { core, parameters throws(RestFailure) in
        try core.depth(parameters)
      }
    case "/fapi/v1/ticker/bookTicker":
      return RestRoute(.none, weight: { $0["symbol"] == nil ? 5 : 2 }) {
        core, parameters throws(RestFailure) in
        try core.oneOrAll(parameters) { core.bookTicker(&$0, $1) }
      }
    case "/fapi/v1/ticker/price", "/fapi/v2/ticker/price":
      return RestRoute(.none, weight: { $0["symbol"] == nil ? 2 : 1 }) {
        core, parameters throws(RestFailure) in
        try core.oneOrAll(parameters) { core.tickerPrice(&$0, $1) }
      }
    case "/fapi/v1/premiumIndex":
      return RestRoute(.none, weight: { $0["symbol"] == nil ? 10 : 1 }) {
        core, parameters throws(RestFailure) in
        try core.oneOrAll(parameters) { core.premiumIndex(&$0, $1) }
      }
    case "/fapi/v1/fundingInfo":
      return RestRoute(.none, weight: 0) { _, _ in RestAnswer { $0.array { _ in } } }
    default: return nil
    }
  }

  /// An object for the symbol asked for, an array of all without one.
  private func oneOrAll(
    _ parameters: RequestParameters, _ write: (inout JSONText, InstrumentID) -> Void
  ) throws(RestFailure) -> RestAnswer {
    if let instrument = try instrumentIfAny(parameters) { return RestAnswer { write(&$0, instrument) } }
    return RestAnswer { json in
      json.array { json in for instrument in table.ids { write(&json, instrument) } }
    }
  }

  // MARK: exchangeInfo

  private func exchangeInfo() -> RestAnswer {
    let now = clock.now.milliseconds
    return RestAnswer { json in
      json.object { json in
        json.text("timezone", "UTC")
        json.number("serverTime", now)
        json.text("futuresType", "U_MARGINED")
        json.array("rateLimits") { json in
          rateLimit(&json, "REQUEST_WEIGHT", "MINUTE", 1, options.weightPerMinuteMax)
          rateLimit(&json, "ORDERS", "MINUTE", 1, 1_200)
          rateLimit(&json, "ORDERS", "SECOND", 10, 300)
        }
        json.array("exchangeFilters") { _ in }
        json.array("assets") { json in
          json.object { json in
            json.text("asset", "USDT")
            json.flag("marginAvailable", true)
            json.text("autoAssetExchange", "-10000")
          }
        }
        json.array("symbols") { json in for instrument in table.instruments { symbol(&json, instrument) } }
      }
    }
  }

  private func rateLimit(
    _ json: inout JSONText, _ type: String, _ interval: String, _ count: Int, _ limit: Int
  ) {
    json.object { json in
      json.text("rateLimitType", type)
      json.text("interval", interval)
      json.number("intervalNum", count)
      json.number("limit", limit)
    }
  }

  private func symbol(_ json: inout JSONText, _ instrument: Instrument) {
    let rules = instrument.rules
    json.object { json in
      json.text("symbol", instrument.symbol)
      json.text("pair", instrument.symbol)
      json.text("contractType", "PERPETUAL")
      json.number("deliveryDate", instrument.deliveryMilliseconds)
      json.number("onboardDate", instrument.onboardMilliseconds)
      json.text("status", instrument.status)
      json.text("maintMarginPercent", "2.5000")
      json.text("requiredMarginPercent", "5.0000")
      json.text("baseAsset", instrument.baseAsset)
      json.text("quoteAsset", instrument.quoteAsset)
      json.text("marginAsset", instrument.quoteAsset)
      json.number("pricePrecision", FixedPoint.decimals(ofUnit: rules.tickE8))
      json.number("quantityPrecision", FixedPoint.decimals(ofUnit: rules.stepE8))
      json.number("baseAssetPrecision", 8)
      json.number("quotePrecision", 8)
      json.text("underlyingType", "COIN")
      json.array("underlyingSubType") { _ in }
      json.number("settlePlan", 0)
      json.text("triggerProtect", "0.0500")
      json.decimal("liquidationFee", e8: options.exchange.liquidationFeeE8, decimals: 6)
      json.text("marketTakeBound", "0.05")
      json.number("maxMoveOrderLimit", 10_000)
      json.array("permissionSets") { $0.text(nil, "COPY") }
      json.array("orderTypes") { json in
        for type in [
          "LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET",
          "TRAILING_STOP_MARKET",
        ] {
          json.text(nil, type)
        }
      }
      json.array("timeInForce") { json in for name in ["GTC", "IOC", "FOK", "GTX"] { json.text(nil, name) } }
      json.array("filters") { filters(&$0, rules) }
    }
  }

  private func filters(_ json: inout JSONText, _ rules: InstrumentRules) {
    json.object { json in
      json.text("filterType", "PRICE_FILTER")
      json.text("minPrice", rules.text(Price(ticks: rules.priceTicksMin)))
      json.text("maxPrice", rules.text(Price(ticks: rules.priceTicksMax)))
      json.text("tickSize", rules.text(Price(ticks: 1)))
    }
    for (name, stepsMax) in [("LOT_SIZE", rules.quantityStepsMax), ("MARKET_LOT_SIZE", rules.marketStepsMax)]
    {
      json.object { json in
        json.text("filterType", name)
        json.text("minQty", rules.text(Quantity(steps: rules.quantityStepsMin)))
        json.text("maxQty", rules.text(Quantity(steps: stepsMax)))
        json.text("stepSize", rules.text(Quantity(steps: 1)))
      }
    }
    json.object { json in
      json.text("filterType", "MAX_NUM_ORDERS")
      json.number("limit", SimulatedExchangeSettings.openOrdersPerInstrumentMax)
    }
    json.object { json in
      json.text("filterType", "MIN_NOTIONAL")
      json.text("notional", Self.short(rules.notionalMinE8))
    }
    json.object { json in
      json.text("filterType", "PERCENT_PRICE")
      json.decimal("multiplierUp", e8: rules.multiplierUpE8, decimals: 4)
      json.decimal("multiplierDown", e8: rules.multiplierDownE8, decimals: 4)
      json.text("multiplierDecimal", "4")
    }
  }

  /// A decimal × 10^8 with no more digits than it needs.
  static func short(_ e8: Int64) -> String {
    FixedPoint.text(e8, decimals: e8 == 0 ? 0 : FixedPoint.decimals(ofUnit: abs(e8)))
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
    return RestAnswer { json in
      json.object { json in
        json.number("lastUpdateId", updateIDs[index])
        json.number("E", now)
        json.number("T", quote.time.milliseconds)
        json.array("bids") {
          levels(&$0, quote.bid, quote.bidQuantity, -1, limit, rules, UInt64(updateIDs[index]))
        }
        json.array("asks") {
          levels(&$0, quote.ask, quote.askQuantity, 1, limit, rules, ~UInt64(updateIDs[index]))
        }
      }
    }
  }

  private func levels(
    _ json: inout JSONText, _ best: Price, _ quantity: Quantity, _ step: Int64, _ limit: Int,
    _ rules: InstrumentRules, _ seed: UInt64
  ) {
    var random = SeededRandom(seed: seed)
    for level in 0..<limit {
      let price = Price(ticks: best.ticks + step * Int64(level))
      guard price.ticks > 0 else { return }
      let steps = level == 0 ? quantity.steps : 1 + Int64(random.below(UInt64(4 * quantity.steps)))
      json.array { json in
        json.text(nil, rules.text(price))
        json.text(nil, rules.text(Quantity(steps: steps)))
      }
    }
  }

  private func bookTicker(_ json: inout JSONText, _ instrument: InstrumentID) {
    let quote = quotes[Int(instrument.index)]
    let rules = table[instrument].rules
    json.object { json in
      json.text("symbol", table[instrument].symbol)
      json.text("bidPrice", rules.text(quote.bid))
      json.text("bidQty", rules.text(quote.bidQuantity))
      json.text("askPrice", rules.text(quote.ask))
      json.text("askQty", rules.text(quote.askQuantity))
      json.number("time", quote.time.milliseconds)
      json.number("lastUpdateId", updateIDs[Int(instrument.index)])
    }
  }

  private func tickerPrice(_ json: inout JSONText, _ instrument: InstrumentID) {
    let bar = candles.running(instrument, .minute1)
    json.object { json in
      json.text("symbol", table[instrument].symbol)
      json.text("price", table[instrument].rules.text(Price(ticks: bar.closeTicks)))
      json.number("time", clock.now.milliseconds)
    }
  }

  private func premiumIndex(_ json: inout JSONText, _ instrument: InstrumentID) {
    let mark = marks[Int(instrument.index)]
    let now = clock.now
    json.object { json in
      json.text("symbol", table[instrument].symbol)
      json.decimal("markPrice", e8: mark.markE8)
      json.decimal("indexPrice", e8: mark.indexE8)
      json.decimal("estimatedSettlePrice", e8: mark.indexE8)
      json.decimal("lastFundingRate", e8: mark.fundingRateE8)
      json.text("interestRate", "0.00010000")
      json.number("nextFundingTime", nextFunding(after: now))
      json.number("time", mark.time.milliseconds)
    }
  }
}
