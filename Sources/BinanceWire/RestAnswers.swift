import Foundation
public import Market

/// What the exchange answered about one order.
public struct OrderAnswer: Sendable {
  /// `.accepted` while it rests **and** when it is filled: fills come from the stream or `userTrades`, never
  /// from here, so a filled order's report is not final; `filledTotal` says how much there is to find.
  public var report: ExchangeReport
  public var owner: OrderOwner
  public var status: OrderStatus
  public var quantity: Quantity
  public var isReduceOnly: Bool
  public var isMarket: Bool
  public var timeInForce: OrderCommand.TimeInForce
}

/// The account's money: wallet, profit and what is free.
public struct AccountAnswer: Sendable {
  public var wallet: Quote
  public var unrealized: Quote
  public var available: Quote
  public var balances: [AssetBalance]
  /// Positions in the table; entry price is not in this answer, so `entryNotional` is zero.
  public var positions: [PositionSnapshot]
}

/// Mark, index and funding of one instrument, as a market event.
public struct PremiumAnswer: Sendable {
  public var symbol: String
  public var event: MarketEvent
}

/// Decodes REST answers into values. Unknown fields are skipped, `avgPrice` and `cumQuote` may be missing.
public struct RestAnswers: Sendable {
  private let symbols: SymbolIndex

  public init(table: InstrumentTable) { symbols = SymbolIndex(table) }

  /// Answer to place, query or cancel.
  public func order(_ body: [UInt8]) throws(WireError) -> OrderAnswer {
    try answer(try JSONText.read(RestMessages.Order.self, "order", body))
  }

  /// openOrders; orders of symbols outside the table are left out.
  public func orders(_ body: [UInt8]) throws(WireError) -> [OrderAnswer] {
    var answers: [OrderAnswer] = []
    for order in try JSONText.read([RestMessages.Order].self, "orders", body)
    where symbols.contains(order.symbol) {
      answers.append(try answer(order))
    }
    return answers
  }

  /// account v3.
  public func account(_ body: [UInt8]) throws(WireError) -> AccountAnswer {
    let account = try JSONText.read(RestMessages.Account.self, "account", body)
    var balances: [AssetBalance] = []
    for asset in account.assets {
      balances.append(
        AssetBalance(
          asset: asset.asset, wallet: Quote(e8: try WireDecimal.cut(asset.walletBalance, "walletBalance")),
          available: Quote(e8: try WireDecimal.cut(asset.availableBalance ?? "0", "availableBalance"))))
    }
    var positions: [PositionSnapshot] = []
    for position in account.positions where symbols.contains(position.symbol) {
      positions.append(
        try symbols.snapshot(
          position.symbol, amount: position.positionAmt, entry: "0", unrealized: position.unrealizedProfit,
          side: position.positionSide, Instant(milliseconds: position.updateTime ?? 0)))
    }
    return AccountAnswer(
      wallet: Quote(e8: try WireDecimal.cut(account.totalWalletBalance, "totalWalletBalance")),
      unrealized: Quote(e8: try WireDecimal.cut(account.totalUnrealizedProfit, "totalUnrealizedProfit")),
      available: Quote(e8: try WireDecimal.cut(account.availableBalance, "availableBalance")),
      balances: balances,
      positions: positions)
  }

  /// balance v3.
  public func balances(_ body: [UInt8]) throws(WireError) -> [AssetBalance] {
    var balances: [AssetBalance] = []
    for balance in try JSONText.read([RestMessages.Balance].self, "balance", body) {
      balances.append(
        AssetBalance(
          asset: balance.asset, wallet: Quote(e8: try WireDecimal.cut(balance.balance, "balance")),
          available: Quote(e8: try WireDecimal.cut(balance.availableBalance, "availableBalance"))))
    }
    return balances
  }

  /// positionRisk; rows with amount 0 (a resting order) are kept, symbols outside the table are not.
  public func positions(_ body: [UInt8]) throws(WireError) -> [PositionSnapshot] {
    var positions: [PositionSnapshot] = []
    for row in try JSONText.read([RestMessages.PositionRisk].self, "positionRisk", body)
    where symbols.contains(row.symbol) {
      positions.append(
        try symbols.snapshot(
          row.symbol, amount: row.positionAmt, entry: row.entryPrice, unrealized: row.unRealizedProfit,
          side: row.positionSide, Instant(milliseconds: row.updateTime ?? 0)))
    }
    return positions
  }

  /// userTrades as fills, oldest first. The rows carry order ids, not client ids: `id` is `.none`.
  public func userTrades(_ body: [UInt8]) throws(WireError) -> [ExchangeReport] {
    var reports: [ExchangeReport] = []
    for trade in try JSONText.read([RestMessages.UserTrade].self, "userTrades", body)
    where symbols.contains(trade.symbol) {
      let (id, instrument) = try symbols.find(trade.symbol)
      guard let side = Side(name: trade.side) else {
        throw .malformed("userTrades", detail: "side \(trade.side)")
      }
      let isQuoteFee = trade.commissionAsset ?? instrument.quoteAsset == instrument.quoteAsset
      reports.append(
        ExchangeReport(
          kind: .filled, side: side, isMaker: trade.maker ?? false, instrument: id, orderID: trade.orderId,
          tradeID: trade.id, price: try WireDecimal.price(trade.price, "price", instrument),
          quantity: try WireDecimal.quantity(trade.qty, "qty", instrument),
          fee: isQuoteFee ? Quote(e8: try WireDecimal.cut(trade.commission ?? "0", "commission")) : .zero,
          amount: Quote(e8: try WireDecimal.cut(trade.realizedPnl ?? "0", "realizedPnl")),
          time: Instant(milliseconds: trade.time)))
    }
    return reports
  }

  /// klines of one instrument, oldest first. A candle that has not ended by `now` is not `.complete`.
  public func klines(_ body: [UInt8], of id: InstrumentID, now: Instant) throws(WireError) -> [Candle] {
    let instrument = symbols.table[id]
    var candles: [Candle] = []
    for row in try JSONText.read([RestMessages.Kline].self, "klines", body) {
      var flags: CandleFlags = .backfilled
      if Instant(milliseconds: row.closeTime) < now { flags.insert(.complete) }
      if row.tradeCount == 0 { flags.insert(.synthetic) }
      let candle = Candle(
        openTime: Instant(milliseconds: row.openTime),
        open: try WireDecimal.price(row.open, "open", instrument),
        high: try WireDecimal.price(row.high, "high", instrument),
        low: try WireDecimal.price(row.low, "low", instrument),
        close: try WireDecimal.price(row.close, "close", instrument),
        volume: try WireDecimal.quantity(row.volume, "volume", instrument),
        tradeCount: Int32(clamping: row.tradeCount), flags: flags)
      guard candle.low.ticks > 0, candle.high >= max(candle.open, candle.close),
        candle.low <= min(candle.open, candle.close), candle.volume >= .zero,
        candles.last.map({ $0.openTime < candle.openTime }) ?? true
      else {
        throw .malformed("klines", detail: "impossible candle of \(instrument.symbol) at \(row.openTime)")
      }
      candles.append(candle)
    }
    return candles
  }

  /// premiumIndex, one or all; symbols outside the table are left out.
  public func premiumIndex(_ body: [UInt8]) throws(WireError) -> [PremiumAnswer] {
    var answers: [PremiumAnswer] = []
    for row in try list(RestMessages.PremiumIndex.self, "premiumIndex", body)
    where symbols.contains(row.symbol) {
      let (id, _) = try symbols.find(row.symbol)
      answers.append(
        PremiumAnswer(
          symbol: row.symbol,
          event: .mark(
            id, time: Instant(milliseconds: row.time),
            markE8: try WireDecimal.cut(row.markPrice, "markPrice"),
            indexE8: try WireDecimal.cut(row.indexPrice, "indexPrice"),
            fundingRateE8: try WireDecimal.cut(row.lastFundingRate, "lastFundingRate"),
            nextFundingMilliseconds: row.nextFundingTime)))
    }
    return answers
  }

  /// bookTicker, one or all, as quotes; symbols outside the table are left out.
  public func bookTicker(_ body: [UInt8]) throws(WireError) -> [MarketEvent] {
    var quotes: [MarketEvent] = []
    for row in try list(RestMessages.BookTicker.self, "bookTicker", body) where symbols.contains(row.symbol) {
      let (id, instrument) = try symbols.find(row.symbol)
      quotes.append(
        .quote(
          id, time: Instant(milliseconds: row.time),
          bid: try WireDecimal.price(row.bidPrice, "bidPrice", instrument),
          bidQuantity: try WireDecimal.quantity(row.bidQty, "bidQty", instrument),
          ask: try WireDecimal.price(row.askPrice, "askPrice", instrument),
          askQuantity: try WireDecimal.quantity(row.askQty, "askQty", instrument)))
    }
    return quotes
  }

  public static func serverTime(_ body: [UInt8]) throws(WireError) -> Instant {
    Instant(milliseconds: try JSONText.read(RestMessages.ServerTime.self, "time", body).serverTime)
  }

  public static func listenKey(_ body: [UInt8]) throws(WireError) -> String {
    try JSONText.read(RestMessages.ListenKey.self, "listenKey", body).listenKey
  }

  public static func leverage(_ body: [UInt8]) throws(WireError) -> Int {
    try JSONText.read(RestMessages.Leverage.self, "leverage", body).leverage
  }

  /// An object with a symbol, an array without.
  private func list<Row: Decodable>(_ type: Row.Type, _ what: String, _ body: [UInt8]) throws(WireError)
    -> [Row]
  {
    let first = body.first { $0 > 0x20 }
    return first == 0x5B ? try JSONText.read([Row].self, what, body) : [try JSONText.read(type, what, body)]
  }

  private func answer(_ order: RestMessages.Order) throws(WireError) -> OrderAnswer {
    let (id, instrument) = try symbols.find(order.symbol)
    guard let side = Side(name: order.side) else { throw .malformed("order", detail: "side \(order.side)") }
    let owner = OrderOwner(text: order.clientOrderId)
    let status = OrderStatus(word: order.status)
    let report = ExchangeReport(
      kind: OrderUpdates.kind(of: status), side: side, isFinal: status.isFinal && status != .filled,
      instrument: id,
      id: owner.id, orderID: order.orderId, price: try WireDecimal.price(order.price, "price", instrument),
      filledTotal: try WireDecimal.quantity(order.executedQty, "executedQty", instrument),
      time: Instant(milliseconds: order.updateTime))
    return OrderAnswer(
      report: report, owner: owner, status: status,
      quantity: try WireDecimal.quantity(order.origQty, "origQty", instrument),
      isReduceOnly: order.reduceOnly ?? false,
      isMarket: order.type == "MARKET",
      timeInForce: OrderCommand.TimeInForce(wireName: order.timeInForce ?? "GTC") ?? .goodTillCancelled)
  }
}
