import Market

/// Why a contract cannot be in the table.
struct ContractProblem: Error { let reason: String }

extension ExchangeInfo {
  /// The document itself, field for field.
  struct Document: Codable {
    var timezone: String? = "UTC"
    var serverTime: Int64?
    var futuresType: String? = "U_MARGINED"
    var rateLimits: [Limit]?
    var exchangeFilters: [String]? = []
    var assets: [Asset]? = [Asset()]
    var symbols: [Element]

    init(serverTime: Int64, rateLimits: [Limit], symbols: [Element]) {
      self.serverTime = serverTime
      self.rateLimits = rateLimits
      self.symbols = symbols
    }

    enum CodingKeys: String, CodingKey {
      case timezone, serverTime, futuresType, rateLimits, exchangeFilters, assets, symbols
    }

    /// Only what is needed is read.
    init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      serverTime = try values.decodeIfPresent(Int64.self, forKey: .serverTime)
      rateLimits = try values.decodeIfPresent([Limit].self, forKey: .rateLimits)
      symbols = try values.decode([Element].self, forKey: .symbols)
    }
  }
}

extension ExchangeInfo.Document {
  struct Asset: Codable {
    var asset = "USDT"
    var marginAvailable = true
    var autoAssetExchange = "-10000"
  }

  struct Limit: Codable {
    var rateLimitType: String
    var interval: String
    var intervalNum: Int64
    var limit: Int

    init(_ limit: RateLimit) {
      rateLimitType = limit.kind.rawValue
      let seconds = limit.intervalNanoseconds / 1_000_000_000
      (interval, intervalNum) = seconds % 60 == 0 ? ("MINUTE", seconds / 60) : ("SECOND", seconds)
      self.limit = limit.limit
    }

    /// nil for kinds and intervals we do not know.
    var value: RateLimit? {
      let unitSeconds: Int64
      switch interval {
      case "SECOND": unitSeconds = 1
      case "MINUTE": unitSeconds = 60
      case "HOUR": unitSeconds = 3600
      case "DAY": unitSeconds = 86_400
      default: return nil
      }
      guard let kind = RateLimit.Kind(rawValue: rateLimitType), (1...10_000).contains(intervalNum), limit > 0
      else {
        return nil
      }
      return RateLimit(kind, intervalNanoseconds: intervalNum * unitSeconds * 1_000_000_000, limit: limit)
    }
  }

  /// A contract, or why it could not be read.
  struct Element: Codable {
    var value: Contract?
    var symbol: String?
    var failure: String?

    init(value: Contract) { self.value = value }

    init(from decoder: any Decoder) throws {
      do {
        value = try Contract(from: decoder)
      } catch {
        struct Name: Decodable { var symbol: String? }
        symbol = try? Name(from: decoder).symbol  // the name is only for the message
        failure = "unreadable: \(error)"
      }
    }

    func encode(to encoder: any Encoder) throws { try value?.encode(to: encoder) }
  }

  struct Filter: Codable {
    var filterType: String
    var minPrice: String?
    var maxPrice: String?
    var tickSize: String?
    var minQty: String?
    var maxQty: String?
    var stepSize: String?
    var limit: Int?
    var notional: String?
    var multiplierUp: String?
    var multiplierDown: String?
    var multiplierDecimal: String?

    init(_ filterType: String) { self.filterType = filterType }

    enum CodingKeys: String, CodingKey {
      case filterType, minPrice, maxPrice, tickSize, minQty, maxQty, stepSize, limit, notional, multiplierUp,
        multiplierDown, multiplierDecimal
    }

    /// `multiplierDecimal` is a text or a number, and not needed.
    init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      filterType = try values.decode(String.self, forKey: .filterType)
      minPrice = try values.decodeIfPresent(String.self, forKey: .minPrice)
      maxPrice = try values.decodeIfPresent(String.self, forKey: .maxPrice)
      tickSize = try values.decodeIfPresent(String.self, forKey: .tickSize)
      minQty = try values.decodeIfPresent(String.self, forKey: .minQty)
      maxQty = try values.decodeIfPresent(String.self, forKey: .maxQty)
      stepSize = try values.decodeIfPresent(String.self, forKey: .stepSize)
      notional = try values.decodeIfPresent(String.self, forKey: .notional)
      multiplierUp = try values.decodeIfPresent(String.self, forKey: .multiplierUp)
      multiplierDown = try values.decodeIfPresent(String.self, forKey: .multiplierDown)
    }
  }

  struct Contract: Codable {
    var symbol: String
    var pair: String?
    var contractType: String?
    var deliveryDate: Int64?
    var onboardDate: Int64?
    var status: String?
    var maintMarginPercent: String? = "2.5000"
    var requiredMarginPercent: String? = "5.0000"
    var baseAsset: String?
    var quoteAsset: String?
    var marginAsset: String?
    var pricePrecision: Int?
    var quantityPrecision: Int?
    var baseAssetPrecision: Int? = 8
    var quotePrecision: Int? = 8
    var underlyingType: String? = "COIN"
    var underlyingSubType: [String]? = []
    var settlePlan: Int? = 0
    var triggerProtect: String? = "0.0500"
    var liquidationFee: String? = "0.012500"
    var marketTakeBound: String? = "0.05"
    var maxMoveOrderLimit: Int? = 10_000
    var permissionSets: [String]? = ["COPY"]
    var orderTypes: [String]? = [
      "LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET",
    ]
    var timeInForce: [String]? = ["GTC", "IOC", "FOK", "GTX"]
    var filters: [Filter]?

    enum CodingKeys: String, CodingKey {
      case symbol, pair, contractType, deliveryDate, onboardDate, status, maintMarginPercent,
        requiredMarginPercent,
        baseAsset, quoteAsset, marginAsset, pricePrecision, quantityPrecision, baseAssetPrecision,
        quotePrecision,
        underlyingType, underlyingSubType, settlePlan, triggerProtect, liquidationFee, marketTakeBound,
        maxMoveOrderLimit, permissionSets, orderTypes, timeInForce, filters
    }

    /// Only what is needed is read; display digits are not.
    init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      symbol = try values.decode(String.self, forKey: .symbol)
      contractType = try values.decodeIfPresent(String.self, forKey: .contractType)
      status = try values.decodeIfPresent(String.self, forKey: .status)
      baseAsset = try values.decodeIfPresent(String.self, forKey: .baseAsset)
      quoteAsset = try values.decodeIfPresent(String.self, forKey: .quoteAsset)
      marginAsset = try values.decodeIfPresent(String.self, forKey: .marginAsset)
      deliveryDate = try values.decodeIfPresent(Int64.self, forKey: .deliveryDate)
      onboardDate = try values.decodeIfPresent(Int64.self, forKey: .onboardDate)
      filters = isWanted ? try values.decodeIfPresent([Filter].self, forKey: .filters) : nil
    }

    init(_ instrument: Instrument, openOrdersMax: Int, liquidationFeeE8: Int64) {
      let rules = instrument.rules
      symbol = instrument.symbol
      pair = instrument.symbol
      contractType = "PERPETUAL"
      deliveryDate = instrument.deliveryMilliseconds
      onboardDate = instrument.onboardMilliseconds
      status = instrument.status
      baseAsset = instrument.baseAsset
      quoteAsset = instrument.quoteAsset
      marginAsset = instrument.quoteAsset
      pricePrecision = FixedPoint.decimals(ofUnit: rules.tickE8)
      quantityPrecision = FixedPoint.decimals(ofUnit: rules.stepE8)
      liquidationFee = FixedPoint.text(liquidationFeeE8, decimals: 6)
      filters = Filter.all(of: rules, openOrdersMax: openOrdersMax)
    }

    var isWanted: Bool {
      contractType == "PERPETUAL" && status == "TRADING" && quoteAsset == "USDT" && marginAsset == "USDT"
    }

    func instrument() throws(ContractProblem) -> Instrument {
      guard (1...SymbolTable.symbolBytesMax).contains(symbol.utf8.count),
        symbol.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x22 && $0 != 0x5C && $0 != 0x7F })
      else { throw ContractProblem(reason: "symbol is not 1 to \(SymbolTable.symbolBytesMax) plain bytes") }
      let price = try filter("PRICE_FILTER")
      let lot = try filter("LOT_SIZE")
      let market = filters?.first { $0.filterType == "MARKET_LOT_SIZE" } ?? lot
      let tick = try positive(price.tickSize, "PRICE_FILTER.tickSize")
      let step = try positive(lot.stepSize, "LOT_SIZE.stepSize")
      let unbounded = Int64.max >> 16
      let priceMax = try value(price.maxPrice, "PRICE_FILTER.maxPrice")
      let quantityMax = try value(lot.maxQty, "LOT_SIZE.maxQty")
      let marketMax = try value(market.maxQty, "MARKET_LOT_SIZE.maxQty")
      let percent = filters?.first { $0.filterType == "PERCENT_PRICE" }
      let notional = filters?.first { $0.filterType == "MIN_NOTIONAL" }
      var rules = InstrumentRules(tickE8: tick, stepE8: step)
      rules.priceTicksMin = max(Self.quotientUp(try value(price.minPrice, "PRICE_FILTER.minPrice"), tick), 1)
      rules.priceTicksMax = priceMax == 0 ? unbounded : priceMax / tick
      rules.quantityStepsMin = max(Self.quotientUp(try value(lot.minQty, "LOT_SIZE.minQty"), step), 1)
      rules.quantityStepsMax = quantityMax == 0 ? unbounded : quantityMax / step
      rules.marketStepsMax = marketMax == 0 ? rules.quantityStepsMax : marketMax / step
      rules.notionalMinE8 = notional == nil ? 0 : try value(notional?.notional, "MIN_NOTIONAL.notional")
      if let percent {
        rules.multiplierUpE8 = try positive(percent.multiplierUp, "PERCENT_PRICE.multiplierUp")
        rules.multiplierDownE8 = try positive(percent.multiplierDown, "PERCENT_PRICE.multiplierDown")
      }
      guard rules.priceTicksMin <= rules.priceTicksMax, rules.quantityStepsMin <= rules.quantityStepsMax
      else {
        throw ContractProblem(reason: "a filter's minimum is above its maximum")
      }
      return Instrument(
        symbol: symbol, baseAsset: baseAsset ?? String(symbol.dropLast(4)), rules: rules,
        onboardMilliseconds: onboardDate ?? 0, deliveryMilliseconds: deliveryDate ?? 4_133_404_800_000)
    }

    private static func quotientUp(_ value: Int64, _ unit: Int64) -> Int64 {
      value / unit + (value % unit == 0 ? 0 : 1)
    }

    private func filter(_ name: String) throws(ContractProblem) -> Filter {
      guard let filter = filters?.first(where: { $0.filterType == name }) else {
        throw ContractProblem(reason: "filter \(name) is missing")
      }
      return filter
    }

    private func value(_ text: String?, _ field: String) throws(ContractProblem) -> Int64 {
      guard let text, let value = FixedPoint.parse(text), value >= 0 else {
        throw ContractProblem(reason: "\(field) is '\(text ?? "missing")'")
      }
      return value
    }

    private func positive(_ text: String?, _ field: String) throws(ContractProblem) -> Int64 {
      let value = try value(text, field)
      guard value > 0 else { throw ContractProblem(reason: "\(field) is zero") }
      return value
    }
  }
}

extension ExchangeInfo.Document.Filter {
  static func all(of rules: InstrumentRules, openOrdersMax: Int) -> [ExchangeInfo.Document.Filter] {
    func scaled(_ count: Int64, _ unit: Int64) -> String {
      let (value, overflow) = count.multipliedReportingOverflow(by: unit)
      guard !overflow, count < .max >> 16 else { return "0" }  // switches the bound off
      return FixedPoint.text(value, decimals: FixedPoint.decimals(ofUnit: unit))
    }
    var price = Self("PRICE_FILTER")
    price.minPrice = scaled(rules.priceTicksMin, rules.tickE8)
    price.maxPrice = scaled(rules.priceTicksMax, rules.tickE8)
    price.tickSize = WireDecimal.short(rules.tickE8)
    var lot = Self("LOT_SIZE")
    lot.minQty = scaled(rules.quantityStepsMin, rules.stepE8)
    lot.maxQty = scaled(rules.quantityStepsMax, rules.stepE8)
    lot.stepSize = WireDecimal.short(rules.stepE8)
    var market = Self("MARKET_LOT_SIZE")
    market.minQty = lot.minQty
    market.maxQty = scaled(rules.marketStepsMax, rules.stepE8)
    market.stepSize = lot.stepSize
    var orders = Self("MAX_NUM_ORDERS")
    orders.limit = openOrdersMax
    var notional = Self("MIN_NOTIONAL")
    notional.notional = WireDecimal.short(rules.notionalMinE8)
    var percent = Self("PERCENT_PRICE")
    percent.multiplierUp = FixedPoint.text(rules.multiplierUpE8, decimals: 4)
    percent.multiplierDown = FixedPoint.text(rules.multiplierDownE8, decimals: 4)
    percent.multiplierDecimal = "4"
    return [price, lot, market, orders, notional, percent]
  }
}
