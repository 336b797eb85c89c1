import Market
import Simulator

// Account endpoints: balances, positions, settings, listen keys.
extension ExchangeCore {
  static func accountRoute(_ method: String, _ path: String) -> RestRoute? {
    switch (method, path) {
    case ("GET", "/fapi/v3/account"):
      return RestRoute(.signed, weight: 5) { core, _ in core.account(isVersion2: false) }
    case ("GET", "/fapi/v2/account"):
      return RestRoute(.signed, weight: 5) { core, _ in core.account(isVersion2: true) }
    case ("GET", "/fapi/v3/balance"), ("GET", "/fapi/v2/balance"):
      return RestRoute(.signed, weight: 5) { core, _ in core.balance() }
    case ("GET", "/fapi/v3/positionRisk"):
      return RestRoute(.signed, weight: 5) { core, parameters throws(RestFailure) in
        try core.positionRisk(parameters, isVersion2: false)
      }
    case ("GET", "/fapi/v2/positionRisk"):
      return RestRoute(.signed, weight: 5) { core, parameters throws(RestFailure) in
        try core.positionRisk(parameters, isVersion2: true)
      }
    case ("GET", "/fapi/v1/accountConfig"):
      return RestRoute(.signed, weight: 5) { core, _ in core.accountConfiguration() }
    case ("GET", "/fapi/v1/symbolConfig"):
      return RestRoute(.signed, weight: 5) { core, parameters throws(RestFailure) in
        try core.symbolConfiguration(parameters)
      }
    case ("GET", "/fapi/v1/leverageBracket"):
      return RestRoute(.signed, weight: 1) { core, parameters throws(RestFailure) in
        try core.leverageBrackets(parameters)
      }
    case ("GET", "/fapi/v1/commissionRate"):
      return RestRoute(.signed, weight: 20) { core, parameters throws(RestFailure) in
        try core.commissionRate(parameters)
      }
    case ("POST", "/fapi/v1/leverage"):
      return RestRoute(.signed, weight: 1) { core, parameters throws(RestFailure) in
        try core.changeLeverage(parameters)
      }
    case ("POST", "/fapi/v1/marginType"):
      return RestRoute(.signed, weight: 1) { core, parameters throws(RestFailure) in
        try core.changeMarginType(parameters)
      }
    case ("POST", "/fapi/v1/positionSide/dual"):
      return RestRoute(.signed, weight: 1) { _, parameters throws(RestFailure) in
        guard let isDual = try parameters.flag("dualSidePosition") else { throw .missing("dualSidePosition") }
        throw isDual
          ? RestFailure(-1020, "This simulator has one-way mode only.")
          : RestFailure(-4059, "No need to change position side.")
      }
    case ("GET", "/fapi/v1/positionSide/dual"):
      return RestRoute(.signed, weight: 30) { _, _ in
        RestAnswer { $0.object { $0.flag("dualSidePosition", false) } }
      }
    case ("GET", "/fapi/v1/multiAssetsMargin"):
      return RestRoute(.signed, weight: 30) { _, _ in
        RestAnswer { $0.object { $0.flag("multiAssetsMargin", false) } }
      }
    case ("POST", "/fapi/v1/listenKey"):
      return RestRoute(.key, weight: 1) { core, _ in
        let key = core.listenKeys.obtain(now: core.clock.now)
        return RestAnswer { $0.object { $0.text("listenKey", key) } }
      }
    case ("PUT", "/fapi/v1/listenKey"):
      return RestRoute(.key, weight: 1) { core, _ throws(RestFailure) in
        guard let key = core.listenKeys.renew(now: core.clock.now) else {
          throw RestFailure(-1125, "This listenKey does not exist.")
        }
        return RestAnswer { $0.object { $0.text("listenKey", key) } }
      }
    case ("DELETE", "/fapi/v1/listenKey"):
      return RestRoute(.key, weight: 1) { core, _ in
        if let key = core.listenKeys.end() { core.sendKeyExpired(key, core.clock.now) }
        return RestAnswer { $0.object { _ in } }
      }
    default: return nil
    }
  }

  /// Instruments that have a position or an open order, in table order.
  private var busyInstruments: [InstrumentID] {
    table.ids.filter { !exchange.position($0).isFlat || exchange.openOrderCount($0) > 0 }
  }

  private func maxWithdraw(_ margin: MarginSummary) -> Quote {
    max(.zero, margin.available - max(.zero, margin.unrealized))
  }

  private func balance() -> RestAnswer {
    let margin = exchange.marginSummary()
    let now = clock.now.milliseconds
    return RestAnswer { json in
      json.array { json in
        json.object { json in
          json.text("accountAlias", "SimulatorAccount")
          json.text("asset", "USDT")
          json.quote("balance", margin.wallet)
          json.quote("crossWalletBalance", margin.wallet)
          json.quote("crossUnPnl", margin.unrealized)
          json.quote("availableBalance", margin.available)
          json.quote("maxWithdrawAmount", maxWithdraw(margin))
          json.flag("marginAvailable", true)
          json.number("updateTime", now)
        }
      }
    }
  }

  private func account(isVersion2: Bool) -> RestAnswer {
    let margin = exchange.marginSummary()
    let now = clock.now.milliseconds
    return RestAnswer { json in
      json.object { json in
        if isVersion2 {
          json.number("feeTier", 0)
          json.flag("feeBurn", false)
          json.flag("canTrade", true)
          json.flag("canDeposit", false)
          json.flag("canWithdraw", false)
          json.number("updateTime", 0)
          json.flag("multiAssetsMargin", false)
          json.number("tradeGroupId", -1)
        }
        json.quote("totalInitialMargin", margin.initialMargin)
        json.quote("totalMaintMargin", margin.maintenanceMargin)
        json.quote("totalWalletBalance", margin.wallet)
        json.quote("totalUnrealizedProfit", margin.unrealized)
        json.quote("totalMarginBalance", margin.marginBalance)
        json.quote("totalPositionInitialMargin", margin.positionInitialMargin)
        json.quote("totalOpenOrderInitialMargin", margin.orderInitialMargin)
        json.quote("totalCrossWalletBalance", margin.wallet)
        json.quote("totalCrossUnPnl", margin.unrealized)
        json.quote("availableBalance", margin.available)
        json.quote("maxWithdrawAmount", maxWithdraw(margin))
        json.array("assets") { json in
          json.object { json in
            json.text("asset", "USDT")
            json.quote("walletBalance", margin.wallet)
            json.quote("unrealizedProfit", margin.unrealized)
            json.quote("marginBalance", margin.marginBalance)
            json.quote("maintMargin", margin.maintenanceMargin)
            json.quote("initialMargin", margin.initialMargin)
            json.quote("positionInitialMargin", margin.positionInitialMargin)
            json.quote("openOrderInitialMargin", margin.orderInitialMargin)
            json.quote("crossWalletBalance", margin.wallet)
            json.quote("crossUnPnl", margin.unrealized)
            json.quote("availableBalance", margin.available)
            json.quote("maxWithdrawAmount", maxWithdraw(margin))
            if isVersion2 { json.flag("marginAvailable", true) }
            json.number("updateTime", now)
          }
        }
        json.array("positions") { json in
          let listed = isVersion2 ? Array(table.ids) : busyInstruments
          for instrument in listed { accountPosition(&json, instrument, isVersion2, now) }
        }
      }
    }
  }

  private func accountPosition(
    _ json: inout JSONText, _ instrument: InstrumentID, _ isVersion2: Bool, _ now: Int64
  ) {
    let numbers = positionNumbers(instrument)
    let margins = exchange.initialMargin(instrument)
    let open = exchange.openNotional(instrument)
    json.object { json in
      json.text("symbol", table[instrument].symbol)
      json.text("positionSide", "BOTH")
      json.text("positionAmt", numbers.amount)
      json.quote("unrealizedProfit", numbers.unrealized)
      json.quote("initialMargin", margins.total)
      json.quote("maintMargin", exchange.maintenanceMargin(instrument))
      json.quote("notional", numbers.notional)
      json.text("isolatedWallet", "0")
      if isVersion2 {
        json.quote("positionInitialMargin", margins.position)
        json.quote("openOrderInitialMargin", margins.total - margins.position)
        json.text("leverage", String(exchange.leverage(instrument)))
        json.flag("isolated", false)
        json.decimal("entryPrice", e8: numbers.entryE8)
        json.decimal("breakEvenPrice", e8: numbers.breakEvenE8)
        json.text("maxNotional", Self.short(OrderFilters.notionalE8Max))
        json.quote("bidNotional", open.buys)
        json.quote("askNotional", open.sells)
      } else {
        json.text("isolatedMargin", "0")
      }
      json.number("updateTime", now)
    }
  }

  private func positionRisk(
    _ parameters: RequestParameters, isVersion2: Bool
  ) throws(RestFailure) -> RestAnswer {
    let asked = try instrumentIfAny(parameters)
    var listed = isVersion2 ? Array(table.ids) : busyInstruments
    if let asked { listed = listed.filter { $0 == asked } }
    let now = clock.now.milliseconds
    return RestAnswer { json in
      json.array { json in for instrument in listed { risk(&json, instrument, isVersion2, now) } }
    }
  }

  private func risk(_ json: inout JSONText, _ instrument: InstrumentID, _ isVersion2: Bool, _ now: Int64) {
    let numbers = positionNumbers(instrument)
    let margins = exchange.initialMargin(instrument)
    let open = exchange.openNotional(instrument)
    json.object { json in
      json.text("symbol", table[instrument].symbol)
      json.text("positionSide", "BOTH")
      json.text("positionAmt", numbers.amount)
      json.decimal("entryPrice", e8: numbers.entryE8)
      json.decimal("breakEvenPrice", e8: numbers.breakEvenE8)
      json.decimal("markPrice", e8: numbers.markE8)
      json.quote("unRealizedProfit", numbers.unrealized)
      json.decimal("liquidationPrice", e8: liquidationPriceE8(instrument))
      json.text("isolatedMargin", "0")
      json.quote("notional", numbers.notional)
      json.text("isolatedWallet", "0")
      if isVersion2 {
        json.text("leverage", String(exchange.leverage(instrument)))
        json.text("marginType", "cross")
        json.text("isAutoAddMargin", "false")
        json.text("maxNotionalValue", Self.short(OrderFilters.notionalE8Max))
      } else {
        json.text("marginAsset", "USDT")
        json.quote("initialMargin", margins.total)
        json.quote("maintMargin", exchange.maintenanceMargin(instrument))
        json.quote("positionInitialMargin", margins.position)
        json.quote("openOrderInitialMargin", margins.total - margins.position)
        json.number("adl", exchange.position(instrument).isFlat ? 0 : 1)
        json.quote("bidNotional", open.buys)
        json.quote("askNotional", open.sells)
      }
      json.number("updateTime", now)
    }
  }

  /// Cross liquidation price × 10^8 with the account's other positions as they are; 0 when flat or never.
  private func liquidationPriceE8(_ instrument: InstrumentID) -> Int64 {
    let position = exchange.position(instrument)
    guard !position.isFlat else { return 0 }
    let margin = exchange.marginSummary()
    let rules = table[instrument].rules
    let side = Double(position.side.sign)
    let size = rules.double(position.quantity)
    let rate = Double(options.exchange.maintenanceRateE8) / 1e8
    let others =
      margin.wallet - (margin.maintenanceMargin - exchange.maintenanceMargin(instrument))
      + (margin.unrealized - exchange.unrealized(instrument))
    let price = (others.amount - side * position.cost.amount) / (size * rate - side * size)
    return price > 0 && price < 1e9 ? Int64((price * 1e8).rounded()) : 0
  }

  private func accountConfiguration() -> RestAnswer {
    RestAnswer { json in
      json.object { json in
        json.number("feeTier", 0)
        json.flag("canTrade", true)
        json.flag("canDeposit", false)
        json.flag("canWithdraw", false)
        json.flag("dualSidePosition", false)
        json.number("updateTime", 0)
        json.flag("multiAssetsMargin", false)
        json.number("tradeGroupId", -1)
      }
    }
  }

  private func symbolConfiguration(_ parameters: RequestParameters) throws(RestFailure) -> RestAnswer {
    let asked = try instrumentIfAny(parameters)
    return RestAnswer { json in
      json.array { json in
        for instrument in table.ids where asked == nil || instrument == asked {
          json.object { json in
            json.text("symbol", table[instrument].symbol)
            json.text("marginType", "CROSSED")
            json.flag("isAutoAddMargin", false)
            json.number("leverage", exchange.leverage(instrument))
            json.text("maxNotionalValue", Self.short(OrderFilters.notionalE8Max))
          }
        }
      }
    }
  }

  /// One tier for all sizes, as the simulated account has it; JSON numbers here, as the exchange writes them.
  private func leverageBrackets(_ parameters: RequestParameters) throws(RestFailure) -> RestAnswer {
    let asked = try instrumentIfAny(parameters)
    func bracket(_ json: inout JSONText, _ instrument: InstrumentID) {
      json.object { json in
        json.text("symbol", table[instrument].symbol)
        json.array("brackets") { json in
          json.object { json in
            json.number("bracket", 1)
            json.number("initialLeverage", SimulatedExchangeSettings.leverageMax)
            json.raw("notionalCap", Self.short(OrderFilters.notionalE8Max).utf8)
            json.number("notionalFloor", 0)
            json.raw("maintMarginRatio", Self.short(options.exchange.maintenanceRateE8).utf8)
            json.raw("cum", "0.0".utf8)
          }
        }
      }
    }
    if let asked { return RestAnswer { bracket(&$0, asked) } }
    return RestAnswer { json in
      json.array { json in for instrument in table.ids { bracket(&json, instrument) } }
    }
  }

  private func commissionRate(_ parameters: RequestParameters) throws(RestFailure) -> RestAnswer {
    let instrument = try instrument(parameters)
    return RestAnswer { json in
      json.object { json in
        json.text("symbol", table[instrument].symbol)
        json.text("makerCommissionRate", Self.short(options.exchange.makerFeeE8))
        json.text("takerCommissionRate", Self.short(options.exchange.takerFeeE8))
        json.text("rpiCommissionRate", Self.short(options.exchange.makerFeeE8))
      }
    }
  }

  private func changeLeverage(_ parameters: RequestParameters) throws(RestFailure) -> RestAnswer {
    let instrument = try instrument(parameters)
    guard let leverage = try parameters.integer("leverage") else { throw .missing("leverage") }
    do {
      try exchange.setLeverage(instrument, leverage)
    } catch {
      throw RestFailure(error)
    }
    return RestAnswer { json in
      json.object { json in
        json.text("symbol", table[instrument].symbol)
        json.number("leverage", leverage)
        json.text("maxNotionalValue", Self.short(OrderFilters.notionalE8Max))
      }
    }
  }

  /// Cross margin is all there is: asking for it changes nothing, asking for isolated is refused.
  private func changeMarginType(_ parameters: RequestParameters) throws(RestFailure) -> RestAnswer {
    _ = try instrument(parameters)
    switch try parameters.required("marginType") {
    case "CROSSED": throw RestFailure(-4046, "No need to change margin type.")
    case "ISOLATED": throw RestFailure(-1020, "This simulator has cross margin only.")
    default: throw .illegal("marginType")
    }
  }
}
