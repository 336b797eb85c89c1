/// REST answers, field for field and in the exchange's order: the simulator encodes them, `RestAnswers` decodes them.
///
/// Optional members are those the exchange leaves out at times (`avgPrice` and `cumQuote` above all); unknown
/// members are skipped.
public enum RestMessages {
  /// Answer to place, query, cancel; element of openOrders.
  public struct Order: Codable, Sendable, Hashable {
    public var orderId: Int64
    public var symbol: String
    public var status: String
    public var clientOrderId: String
    public var price: String
    public var origQty: String
    public var executedQty: String
    public var cumQty: String?
    public var avgPrice: String?
    public var cumQuote: String?
    public var timeInForce: String?
    public var type: String
    public var reduceOnly: Bool?
    public var closePosition: Bool?
    public var side: String
    public var positionSide: String?
    public var stopPrice: String?
    public var workingType: String?
    public var priceProtect: Bool?
    public var origType: String?
    public var priceMatch: String?
    public var selfTradePreventionMode: String?
    public var goodTillDate: Int64?
    public var time: Int64?
    public var updateTime: Int64

    /// - Parameters:
    ///   - cumQty: place and cancel have it, queries have `avgPrice` and `cumQuote` instead.
    ///   - stopPrice: zero on the price grid.
    ///   - time: creation; queries have it.
    public init(
      orderId: Int64, symbol: String, status: String, clientOrderId: String, price: String, origQty: String,
      executedQty: String, cumQty: String? = nil, avgPrice: String? = nil, cumQuote: String? = nil,
      timeInForce: String, type: String, reduceOnly: Bool, side: String, stopPrice: String,
      time: Int64? = nil, updateTime: Int64
    ) {
      self.orderId = orderId
      self.symbol = symbol
      self.status = status
      self.clientOrderId = clientOrderId
      self.price = price
      self.origQty = origQty
      self.executedQty = executedQty
      self.cumQty = cumQty
      self.avgPrice = avgPrice
      self.cumQuote = cumQuote
      self.timeInForce = timeInForce
      self.type = type
      self.reduceOnly = reduceOnly
      closePosition = false
      self.side = side
      positionSide = "BOTH"
      self.stopPrice = stopPrice
      workingType = "CONTRACT_PRICE"
      priceProtect = false
      origType = type
      priceMatch = "NONE"
      selfTradePreventionMode = "EXPIRE_MAKER"
      goodTillDate = 0
      self.time = time
      self.updateTime = updateTime
    }
  }

  public struct Balance: Codable, Sendable, Hashable {
    public var accountAlias: String?
    public var asset: String
    public var balance: String
    public var crossWalletBalance: String?
    public var crossUnPnl: String?
    public var availableBalance: String
    public var maxWithdrawAmount: String?
    public var marginAvailable: Bool?
    public var updateTime: Int64?

    public init(
      accountAlias: String = "SimulatorAccount", asset: String = "USDT", balance: String,
      crossWalletBalance: String,
      crossUnPnl: String, availableBalance: String, maxWithdrawAmount: String, updateTime: Int64
    ) {
      self.accountAlias = accountAlias
      self.asset = asset
      self.balance = balance
      self.crossWalletBalance = crossWalletBalance
      self.crossUnPnl = crossUnPnl
      self.availableBalance = availableBalance
      self.maxWithdrawAmount = maxWithdrawAmount
      marginAvailable = true
      self.updateTime = updateTime
    }
  }

  public struct Account: Codable, Sendable, Hashable {
    public struct Asset: Codable, Sendable, Hashable {
      public var asset: String
      public var walletBalance: String
      public var unrealizedProfit: String?
      public var marginBalance: String?
      public var maintMargin: String?
      public var initialMargin: String?
      public var positionInitialMargin: String?
      public var openOrderInitialMargin: String?
      public var crossWalletBalance: String?
      public var crossUnPnl: String?
      public var availableBalance: String?
      public var maxWithdrawAmount: String?
      /// Version 2.
      public var marginAvailable: Bool?
      public var updateTime: Int64?

      public init(
        asset: String = "USDT", walletBalance: String, unrealizedProfit: String, marginBalance: String,
        maintMargin: String, initialMargin: String, positionInitialMargin: String,
        openOrderInitialMargin: String, availableBalance: String, maxWithdrawAmount: String, updateTime: Int64
      ) {
        self.asset = asset
        self.walletBalance = walletBalance
        self.unrealizedProfit = unrealizedProfit
        self.marginBalance = marginBalance
        self.maintMargin = maintMargin
        self.initialMargin = initialMargin
        self.positionInitialMargin = positionInitialMargin
        self.openOrderInitialMargin = openOrderInitialMargin
        crossWalletBalance = walletBalance
        crossUnPnl = unrealizedProfit
        self.availableBalance = availableBalance
        self.maxWithdrawAmount = maxWithdrawAmount
        self.updateTime = updateTime
      }
    }

    public struct Position: Codable, Sendable, Hashable {
      public var symbol: String
      public var positionSide: String
      public var positionAmt: String
      public var unrealizedProfit: String?
      public var initialMargin: String?
      public var maintMargin: String?
      public var notional: String?
      public var isolatedWallet: String?
      /// Version 3.
      public var isolatedMargin: String?
      /// Version 2, down to `askNotional`.
      public var positionInitialMargin: String?
      public var openOrderInitialMargin: String?
      public var leverage: String?
      public var isolated: Bool?
      public var entryPrice: String?
      public var breakEvenPrice: String?
      public var maxNotional: String?
      public var bidNotional: String?
      public var askNotional: String?
      public var updateTime: Int64?

      /// What both versions have.
      public init(
        symbol: String, positionAmt: String, unrealizedProfit: String, initialMargin: String,
        maintMargin: String, notional: String, updateTime: Int64
      ) {
        self.symbol = symbol
        positionSide = "BOTH"
        self.positionAmt = positionAmt
        self.unrealizedProfit = unrealizedProfit
        self.initialMargin = initialMargin
        self.maintMargin = maintMargin
        self.notional = notional
        isolatedWallet = "0"
        self.updateTime = updateTime
      }
    }

    /// Version 2, down to `tradeGroupId`.
    public var feeTier: Int?
    public var feeBurn: Bool?
    public var canTrade: Bool?
    public var canDeposit: Bool?
    public var canWithdraw: Bool?
    public var updateTime: Int64?
    public var multiAssetsMargin: Bool?
    public var tradeGroupId: Int?
    public var totalInitialMargin: String?
    public var totalMaintMargin: String?
    public var totalWalletBalance: String
    public var totalUnrealizedProfit: String
    public var totalMarginBalance: String
    public var totalPositionInitialMargin: String?
    public var totalOpenOrderInitialMargin: String?
    public var totalCrossWalletBalance: String?
    public var totalCrossUnPnl: String?
    public var availableBalance: String
    public var maxWithdrawAmount: String?
    public var assets: [Asset]
    public var positions: [Position]

    /// Single-asset mode: the totals are those of the one asset.
    public init(asset: Asset, positions: [Position]) {
      totalInitialMargin = asset.initialMargin
      totalMaintMargin = asset.maintMargin
      totalWalletBalance = asset.walletBalance
      totalUnrealizedProfit = asset.unrealizedProfit ?? "0.00000000"
      totalMarginBalance = asset.marginBalance ?? asset.walletBalance
      totalPositionInitialMargin = asset.positionInitialMargin
      totalOpenOrderInitialMargin = asset.openOrderInitialMargin
      totalCrossWalletBalance = asset.walletBalance
      totalCrossUnPnl = asset.unrealizedProfit
      availableBalance = asset.availableBalance ?? asset.walletBalance
      maxWithdrawAmount = asset.maxWithdrawAmount
      assets = [asset]
      self.positions = positions
    }
  }

  /// Element of positionRisk.
  public struct PositionRisk: Codable, Sendable, Hashable {
    public var symbol: String
    public var positionSide: String
    public var positionAmt: String
    public var entryPrice: String
    public var breakEvenPrice: String?
    public var markPrice: String?
    public var unRealizedProfit: String?
    public var liquidationPrice: String?
    public var isolatedMargin: String?
    public var notional: String?
    public var isolatedWallet: String?
    /// Version 2, down to `maxNotionalValue`.
    public var leverage: String?
    public var marginType: String?
    public var isAutoAddMargin: String?
    public var maxNotionalValue: String?
    /// Version 3, down to `askNotional`.
    public var marginAsset: String?
    public var initialMargin: String?
    public var maintMargin: String?
    public var positionInitialMargin: String?
    public var openOrderInitialMargin: String?
    public var adl: Int?
    public var bidNotional: String?
    public var askNotional: String?
    public var updateTime: Int64?

    /// What both versions have.
    public init(
      symbol: String, positionAmt: String, entryPrice: String, breakEvenPrice: String, markPrice: String,
      unRealizedProfit: String, liquidationPrice: String, notional: String, updateTime: Int64
    ) {
      self.symbol = symbol
      positionSide = "BOTH"
      self.positionAmt = positionAmt
      self.entryPrice = entryPrice
      self.breakEvenPrice = breakEvenPrice
      self.markPrice = markPrice
      self.unRealizedProfit = unRealizedProfit
      self.liquidationPrice = liquidationPrice
      isolatedMargin = "0"
      self.notional = notional
      isolatedWallet = "0"
      self.updateTime = updateTime
    }
  }

  /// Element of userTrades.
  public struct UserTrade: Codable, Sendable, Hashable {
    public var symbol: String
    public var pair: String?
    public var id: Int64
    public var orderId: Int64
    public var side: String
    public var positionSide: String?
    public var price: String
    public var qty: String
    public var quoteQty: String?
    public var baseQty: String?
    public var marginAsset: String?
    public var realizedPnl: String?
    public var commission: String?
    public var commissionAsset: String?
    public var time: Int64
    public var buyer: Bool?
    public var maker: Bool?

    public init(
      symbol: String, id: Int64, orderId: Int64, side: String, price: String, qty: String, quoteQty: String,
      realizedPnl: String, commission: String, commissionAsset: String = "USDT", time: Int64, maker: Bool
    ) {
      self.symbol = symbol
      pair = symbol
      self.id = id
      self.orderId = orderId
      self.side = side
      positionSide = "BOTH"
      self.price = price
      self.qty = qty
      self.quoteQty = quoteQty
      baseQty = "0"
      marginAsset = "USDT"
      self.realizedPnl = realizedPnl
      self.commission = commission
      self.commissionAsset = commissionAsset
      self.time = time
      buyer = side == "BUY"
      self.maker = maker
    }
  }

  public struct PremiumIndex: Codable, Sendable, Hashable {
    public var symbol: String
    public var markPrice: String
    public var indexPrice: String
    public var estimatedSettlePrice: String?
    public var lastFundingRate: String
    public var interestRate: String?
    public var nextFundingTime: Int64
    public var time: Int64

    public init(
      symbol: String, markPrice: String, indexPrice: String, lastFundingRate: String, nextFundingTime: Int64,
      time: Int64
    ) {
      self.symbol = symbol
      self.markPrice = markPrice
      self.indexPrice = indexPrice
      estimatedSettlePrice = indexPrice
      self.lastFundingRate = lastFundingRate
      interestRate = "0.00010000"
      self.nextFundingTime = nextFundingTime
      self.time = time
    }
  }

  public struct BookTicker: Codable, Sendable, Hashable {
    public var symbol: String
    public var bidPrice: String
    public var bidQty: String
    public var askPrice: String
    public var askQty: String
    public var time: Int64
    public var lastUpdateId: Int64?

    public init(
      symbol: String, bidPrice: String, bidQty: String, askPrice: String, askQty: String, time: Int64,
      lastUpdateId: Int64
    ) {
      self.symbol = symbol
      self.bidPrice = bidPrice
      self.bidQty = bidQty
      self.askPrice = askPrice
      self.askQty = askQty
      self.time = time
      self.lastUpdateId = lastUpdateId
    }
  }

  public struct Depth: Codable, Sendable, Hashable {
    public var lastUpdateId: Int64
    public var E: Int64?
    public var T: Int64?
    /// Price and quantity; bids descend, asks ascend.
    public var bids: [[String]]
    public var asks: [[String]]

    public init(lastUpdateId: Int64, E: Int64, T: Int64, bids: [[String]], asks: [[String]]) {
      self.lastUpdateId = lastUpdateId
      self.E = E
      self.T = T
      self.bids = bids
      self.asks = asks
    }
  }

  public struct TickerPrice: Codable, Sendable, Hashable {
    public var symbol: String
    public var price: String
    public var time: Int64

    public init(symbol: String, price: String, time: Int64) {
      self.symbol = symbol
      self.price = price
      self.time = time
    }
  }
}
