import BinanceWire
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
      return RestRoute(.signed, weight: 5) { _, _ in
        RestAnswer(RestMessages.AccountConfiguration())
      }
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
        RestAnswer(RestMessages.PositionMode(isDual: false))
      }
    case ("GET", "/fapi/v1/multiAssetsMargin"):
      return RestRoute(.signed, weight: 30) { _, _ in
        RestAnswer(RestMessages.MultiAssetsMode(isOn: false))
      }
    case ("POST", "/fapi/v1/listenKey"):
      return RestRoute(.key, weight: 1) { core, _ in
        let key = core.listenKeys.obtain(now: core.clock.now)
        return RestAnswer(RestMessages.ListenKey(listenKey: key))
      }
    case ("PUT", "/fapi/v1/listenKey"):
      return RestRoute(.key, weight: 1) { core, _ throws(RestFailure) in
        guard let key = core.listenKeys.renew(now: core.clock.now) else {
          throw RestFailure(-1125, "This listenKey does not exist.")
        }
        return RestAnswer(RestMessages.ListenKey(listenKey: key))
      }
    case ("DELETE", "/fapi/v1/listenKey"):
      return RestRoute(.key, weight: 1) { core, _ in
        if let key = core.listenKeys.end() { core.sendKeyExpired(key, core.clock.now) }
        return RestAnswer()
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
    return RestAnswer([
      RestMessages.Balance(
        balance: margin.wallet.description, crossWalletBalance: margin.wallet.description,
        crossUnPnl: margin.unrealized.description, availableBalance: margin.available.description,
        maxWithdrawAmount: maxWithdraw(margin).description, updateTime: clock.now.milliseconds)
    ])
  }

  private func account(isVersion2: Bool) -> RestAnswer {
    let margin = exchange.marginSummary()
    let now = clock.now.milliseconds
    var asset = RestMessages.Account.Asset(
      walletBalance: margin.wallet.description, unrealizedProfit: margin.unrealized.description,
      marginBalance: margin.marginBalance.description, maintMargin: margin.maintenanceMargin.description,
      initialMargin: margin.initialMargin.description,
      positionInitialMargin: margin.positionInitialMargin.description,
      openOrderInitialMargin: margin.orderInitialMargin.description,
      availableBalance: margin.available.description, maxWithdrawAmount: maxWithdraw(margin).description,
      updateTime: now)
    if isVersion2 { asset.marginAvailable = true }
    let listed = isVersion2 ? Array(table.ids) : busyInstruments
    var account = RestMessages.Account(
      asset: asset, positions: listed.map { accountPosition($0, isVersion2, now) })
    if isVersion2 {
      account.feeTier = 0
      account.feeBurn = false
      account.canTrade = true
      account.canDeposit = false
      account.canWithdraw = false
      account.updateTime = 0
      account.multiAssetsMargin = false
      account.tradeGroupId = -1
    }
    return RestAnswer(account)
  }

  private func accountPosition(
    _ instrument: InstrumentID, _ isVersion2: Bool, _ now: Int64
  ) -> RestMessages.Account.Position {
    let numbers = positionNumbers(instrument)
    let margins = exchange.initialMargin(instrument)
    var row = RestMessages.Account.Position(
      symbol: table[instrument].symbol, positionAmt: numbers.amount,
      unrealizedProfit: numbers.unrealized.description, initialMargin: margins.total.description,
      maintMargin: exchange.maintenanceMargin(instrument).description,
      notional: numbers.notional.description, updateTime: now)
    if isVersion2 {
      let open = exchange.openNotional(instrument)
      row.positionInitialMargin = margins.position.description
      row.openOrderInitialMargin = (margins.total - margins.position).description
      row.leverage = String(exchange.leverage(instrument))
      row.isolated = false
      row.entryPrice = FixedPoint.text(numbers.entryE8, decimals: 8)
      row.breakEvenPrice = FixedPoint.text(numbers.breakEvenE8, decimals: 8)
      row.maxNotional = Self.notionalMaxText
      row.bidNotional = open.buys.description
      row.askNotional = open.sells.description
    } else {
      row.isolatedMargin = "0"
    }
    return row
  }

  private static let notionalMaxText = WireDecimal.short(OrderFilters.notionalE8Max)

  private func positionRisk(
    _ parameters: RequestParameters, isVersion2: Bool
  ) throws(RestFailure) -> RestAnswer {
    let asked = try instrumentIfAny(parameters)
    var listed = isVersion2 ? Array(table.ids) : busyInstruments
    if let asked { listed = listed.filter { $0 == asked } }
    let now = clock.now.milliseconds
    return RestAnswer(listed.map { risk($0, isVersion2, now) })
  }

  private func risk(
    _ instrument: InstrumentID, _ isVersion2: Bool, _ now: Int64
  ) -> RestMessages.PositionRisk {
    let numbers = positionNumbers(instrument)
    var row = RestMessages.PositionRisk(
      symbol: table[instrument].symbol, positionAmt: numbers.amount,
      entryPrice: FixedPoint.text(numbers.entryE8, decimals: 8),
      breakEvenPrice: FixedPoint.text(numbers.breakEvenE8, decimals: 8),
      markPrice: FixedPoint.text(numbers.markE8, decimals: 8),
      unRealizedProfit: numbers.unrealized.description,
      liquidationPrice: FixedPoint.text(liquidationPriceE8(instrument), decimals: 8),
      notional: numbers.notional.description, updateTime: now)
    if isVersion2 {
      row.leverage = String(exchange.leverage(instrument))
      row.marginType = "cross"
      row.isAutoAddMargin = "false"
      row.maxNotionalValue = Self.notionalMaxText
    } else {
      let margins = exchange.initialMargin(instrument)
      let open = exchange.openNotional(instrument)
      row.marginAsset = "USDT"
      row.initialMargin = margins.total.description
      row.maintMargin = exchange.maintenanceMargin(instrument).description
      row.positionInitialMargin = margins.position.description
      row.openOrderInitialMargin = (margins.total - margins.position).description
      row.adl = exchange.position(instrument).isFlat ? 0 : 1
      row.bidNotional = open.buys.description
      row.askNotional = open.sells.description
    }
    return row
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

  private func symbolConfiguration(_ parameters: RequestParameters) throws(RestFailure) -> RestAnswer {
    let asked = try instrumentIfAny(parameters)
    return RestAnswer(
      table.ids.filter { asked == nil || $0 == asked }.map { instrument in
        RestMessages.SymbolConfiguration(
          symbol: table[instrument].symbol, leverage: Int(exchange.leverage(instrument)),
          maxNotionalValue: Self.notionalMaxText)
      })
  }

  /// One tier for all sizes, as the simulated account has it.
  private func leverageBrackets(_ parameters: RequestParameters) throws(RestFailure) -> RestAnswer {
    func brackets(_ instrument: InstrumentID) -> RestMessages.LeverageBrackets {
      RestMessages.LeverageBrackets(
        symbol: table[instrument].symbol, leverageMax: Int(SimulatedExchangeSettings.leverageMax),
        notionalCap: OrderFilters.notionalE8Max / FixedPoint.one,
        maintenanceRate: Double(options.exchange.maintenanceRateE8) / Double(FixedPoint.one))
    }
    if let asked = try instrumentIfAny(parameters) { return RestAnswer(brackets(asked)) }
    return RestAnswer(table.ids.map(brackets))
  }

  private func commissionRate(_ parameters: RequestParameters) throws(RestFailure) -> RestAnswer {
    let instrument = try instrument(parameters)
    return RestAnswer(
      RestMessages.CommissionRate(
        symbol: table[instrument].symbol, maker: WireDecimal.short(options.exchange.makerFeeE8),
        taker: WireDecimal.short(options.exchange.takerFeeE8)))
  }

  private func changeLeverage(_ parameters: RequestParameters) throws(RestFailure) -> RestAnswer {
    let instrument = try instrument(parameters)
    guard let leverage = try parameters.integer("leverage") else { throw .missing("leverage") }
    do {
      try exchange.setLeverage(instrument, leverage)
    } catch {
      throw RestFailure(error)
    }
    return RestAnswer(
      RestMessages.Leverage(
        symbol: table[instrument].symbol, leverage: Int(leverage), maxNotionalValue: Self.notionalMaxText))
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
