public import Market

// What the store keeps, one struct per table, free of any database. Prices and quantities are exact decimal text on the
// instrument's grid, amounts are exact, times are nanoseconds on the venue's clock.

/// A plugin's signal as the engine took it, with what became of it.
public struct SignalRow: Sendable, Hashable, Codable {
  /// Place in the run's journal; with the run it identifies the row.
  public var journalIndex: Int64
  public var timeNanoseconds: Int64
  /// Number of inputs taken when it came.
  public var position: Int64
  public var symbol: String
  public var plugin: Int
  /// Expected gross return over the horizon; 0.05 is +5 %.
  public var returnFraction: Double
  public var confidence: Double
  public var stopFraction: Double?
  public var targetFraction: Double?
  public var horizonNanoseconds: Int64
  public var isObservation: Bool
  public var tag: Int64
  /// `open`, `close`, `reverse` or the name of the refusal; nil while nothing was decided about it.
  public var outcome: String?

  public init(
    journalIndex: Int64, timeNanoseconds: Int64, position: Int64, symbol: String, plugin: Int,
    returnFraction: Double,
    confidence: Double, stopFraction: Double?, targetFraction: Double?, horizonNanoseconds: Int64,
    isObservation: Bool, tag: Int64, outcome: String? = nil
  ) {
    self.journalIndex = journalIndex
    self.timeNanoseconds = timeNanoseconds
    self.position = position
    self.symbol = symbol
    self.plugin = plugin
    self.returnFraction = returnFraction
    self.confidence = confidence
    self.stopFraction = stopFraction
    self.targetFraction = targetFraction
    self.horizonNanoseconds = horizonNanoseconds
    self.isObservation = isObservation
    self.tag = tag
    self.outcome = outcome
  }
}

/// What the desk decided about one idea, with the two numbers that decided.
public struct VerdictRow: Sendable, Hashable, Codable {
  public var journalIndex: Int64
  public var timeNanoseconds: Int64
  /// Number of inputs taken when it was decided; signals of the same input are what it answers.
  public var position: Int64
  public var symbol: String
  public var plugin: Int
  public var side: String
  /// `open`, `close`, `reverse`, or the name of the refusal.
  public var outcome: String
  public var isRefusal: Bool
  public var quantity: String
  public var notional: ExactAmount
  /// Lost if the stop is hit, before fees.
  public var risk: ExactAmount
  public var measured: Double?
  public var limit: Double?

  public init(
    journalIndex: Int64, timeNanoseconds: Int64, position: Int64, symbol: String, plugin: Int, side: String,
    outcome: String, isRefusal: Bool, quantity: String, notional: ExactAmount, risk: ExactAmount,
    measured: Double?, limit: Double?
  ) {
    self.journalIndex = journalIndex
    self.timeNanoseconds = timeNanoseconds
    self.position = position
    self.symbol = symbol
    self.plugin = plugin
    self.side = side
    self.outcome = outcome
    self.isRefusal = isRefusal
    self.quantity = quantity
    self.notional = notional
    self.risk = risk
    self.measured = measured
    self.limit = limit
  }
}

/// How far an order has come, in the order in which states may follow each other.
public enum OrderStatus: String, Sendable, Codable, CaseIterable {
  case sent
  case unknown
  case resting
  case partlyFilled
  case filled
  case cancelled
  case rejected
  case expired
  case missing

  /// A later report of a lower rank changes nothing; of equal rank neither, so that draining twice is harmless.
  public var rank: Int {
    switch self {
    case .sent: 0
    case .unknown: 1
    case .resting: 2
    case .partlyFilled: 3
    case .filled, .cancelled, .rejected, .expired, .missing: 4
    }
  }
}

/// An order and what came of it.
public struct OrderRow: Sendable, Hashable, Codable {
  public var journalIndex: Int64
  public var clientID: String
  /// The exchange's id, 0 until it is known.
  public var orderID: Int64
  public var symbol: String
  public var side: String
  /// `market` or `limit`.
  public var kind: String
  /// `entry`, `stop`, `target`, `time`, `reversal`, `flatten`, `venue`.
  public var purpose: String
  public var reduceOnly: Bool
  public var quantity: String
  /// Limit price, nil at market.
  public var price: String?
  public var status: OrderStatus
  public var filledQuantity: String
  /// Mean price of the fills to eight decimals, nil without one.
  public var averagePrice: String?
  public var fees: ExactAmount
  /// The exchange's error code of a rejection, 0 when none.
  public var code: Int
  public var decidedNanoseconds: Int64
  public var updatedNanoseconds: Int64

  public init(
    journalIndex: Int64, clientID: String, orderID: Int64 = 0, symbol: String, side: String, kind: String,
    purpose: String, reduceOnly: Bool, quantity: String, price: String?, status: OrderStatus = .sent,
    filledQuantity: String = "0", averagePrice: String? = nil, fees: ExactAmount = ExactAmount(.zero),
    code: Int = 0, decidedNanoseconds: Int64, updatedNanoseconds: Int64
  ) {
    self.journalIndex = journalIndex
    self.clientID = clientID
    self.orderID = orderID
    self.symbol = symbol
    self.side = side
    self.kind = kind
    self.purpose = purpose
    self.reduceOnly = reduceOnly
    self.quantity = quantity
    self.price = price
    self.status = status
    self.filledQuantity = filledQuantity
    self.averagePrice = averagePrice
    self.fees = fees
    self.code = code
    self.decidedNanoseconds = decidedNanoseconds
    self.updatedNanoseconds = updatedNanoseconds
  }
}

/// A report's effect on an order that is already stored.
public struct OrderUpdate: Sendable, Hashable {
  public var clientID: String
  public var orderID: Int64
  public var status: OrderStatus
  public var code: Int
  public var timeNanoseconds: Int64

  public init(clientID: String, orderID: Int64, status: OrderStatus, code: Int, timeNanoseconds: Int64) {
    self.clientID = clientID
    self.orderID = orderID
    self.status = status
    self.code = code
    self.timeNanoseconds = timeNanoseconds
  }
}

/// One trade at the exchange. The exchange's trade id makes it unique, however often and by whomever it is told.
public struct FillRow: Sendable, Hashable, Codable {
  public var journalIndex: Int64
  public var timeNanoseconds: Int64
  public var clientID: String
  public var orderID: Int64
  public var tradeID: Int64
  public var symbol: String
  public var side: String
  public var price: String
  public var quantity: String
  /// price × quantity.
  public var notional: ExactAmount
  /// Negative is a rebate.
  public var fee: ExactAmount
  /// Profit this fill realised, before fees, as the exchange computed it.
  public var realized: ExactAmount
  public var isMaker: Bool

  public init(
    journalIndex: Int64, timeNanoseconds: Int64, clientID: String, orderID: Int64, tradeID: Int64,
    symbol: String, side: String, price: String, quantity: String, notional: ExactAmount, fee: ExactAmount,
    realized: ExactAmount, isMaker: Bool
  ) {
    self.journalIndex = journalIndex
    self.timeNanoseconds = timeNanoseconds
    self.clientID = clientID
    self.orderID = orderID
    self.tradeID = tradeID
    self.symbol = symbol
    self.side = side
    self.price = price
    self.quantity = quantity
    self.notional = notional
    self.fee = fee
    self.realized = realized
    self.isMaker = isMaker
  }
}

/// A finished round trip of the desk.
public struct TradeRow: Sendable, Hashable, Codable {
  public var journalIndex: Int64
  public var symbol: String
  public var plugin: Int
  /// `BUY` for a long round trip.
  public var side: String
  /// Everything bought in over the round trip.
  public var quantity: String
  /// Mean prices to eight decimals.
  public var entryPrice: String
  public var exitPrice: String
  public var openedNanoseconds: Int64
  public var closedNanoseconds: Int64
  /// Before fees.
  public var profit: ExactAmount
  public var fees: ExactAmount
  /// After fees.
  public var net: ExactAmount
  /// Why it ended: `stop`, `target`, `time`, …
  public var reason: String

  public init(
    journalIndex: Int64, symbol: String, plugin: Int, side: String, quantity: String, entryPrice: String,
    exitPrice: String, openedNanoseconds: Int64, closedNanoseconds: Int64, profit: ExactAmount,
    fees: ExactAmount, net: ExactAmount, reason: String
  ) {
    self.journalIndex = journalIndex
    self.symbol = symbol
    self.plugin = plugin
    self.side = side
    self.quantity = quantity
    self.entryPrice = entryPrice
    self.exitPrice = exitPrice
    self.openedNanoseconds = openedNanoseconds
    self.closedNanoseconds = closedNanoseconds
    self.profit = profit
    self.fees = fees
    self.net = net
    self.reason = reason
  }
}

/// One lot of the virtual ledger: what a signal would have brought on its own. Its ids are their own space and go on
/// over runs; with the opening time they stay unique even when a journal was thrown away.
public struct LotRow: Sendable, Hashable, Codable {
  public var lotID: Int64
  public var symbol: String
  public var plugin: Int
  public var side: String
  public var quantity: String
  public var notional: ExactAmount
  public var entryPrice: String
  public var stopPrice: String
  public var targetPrice: String
  public var openedNanoseconds: Int64
  /// Name of the refusal when the desk did not trade the signal; nil when it did, or when only the end is known.
  public var refusal: String?
  public var confidence: Double?
  /// nil while the lot is open.
  public var closing: Closing?

  public struct Closing: Sendable, Hashable, Codable {
    public var exitPrice: String
    public var closedNanoseconds: Int64
    /// After both fees, without funding.
    public var net: ExactAmount
    public var fees: ExactAmount
    /// Negative is paid.
    public var funding: ExactAmount
    public var reason: String

    public init(
      exitPrice: String, closedNanoseconds: Int64, net: ExactAmount, fees: ExactAmount, funding: ExactAmount,
      reason: String
    ) {
      self.exitPrice = exitPrice
      self.closedNanoseconds = closedNanoseconds
      self.net = net
      self.fees = fees
      self.funding = funding
      self.reason = reason
    }
  }

  public init(
    lotID: Int64, symbol: String, plugin: Int, side: String, quantity: String, notional: ExactAmount,
    entryPrice: String, stopPrice: String, targetPrice: String, openedNanoseconds: Int64,
    refusal: String? = nil, confidence: Double? = nil, closing: Closing? = nil
  ) {
    self.lotID = lotID
    self.symbol = symbol
    self.plugin = plugin
    self.side = side
    self.quantity = quantity
    self.notional = notional
    self.entryPrice = entryPrice
    self.stopPrice = stopPrice
    self.targetPrice = targetPrice
    self.openedNanoseconds = openedNanoseconds
    self.refusal = refusal
    self.confidence = confidence
    self.closing = closing
  }
}

/// The account at one moment.
public struct EquityRow: Sendable, Hashable, Codable {
  public var journalIndex: Int64
  public var timeNanoseconds: Int64
  /// Wallet plus unrealised profit.
  public var equity: ExactAmount
  public var wallet: ExactAmount
  public var unrealized: ExactAmount
  public var openPositions: Int

  public init(
    journalIndex: Int64, timeNanoseconds: Int64, equity: ExactAmount, wallet: ExactAmount,
    unrealized: ExactAmount, openPositions: Int
  ) {
    self.journalIndex = journalIndex
    self.timeNanoseconds = timeNanoseconds
    self.equity = equity
    self.wallet = wallet
    self.unrealized = unrealized
    self.openPositions = openPositions
  }
}

/// The newest known position of one instrument; flat ones stay with quantity 0.
public struct PositionRow: Sendable, Hashable, Codable {
  public var journalIndex: Int64
  public var timeNanoseconds: Int64
  public var symbol: String
  /// Signed decimal text: negative is short.
  public var quantity: String
  /// To eight decimals; nil when flat.
  public var entryPrice: String?
  public var cost: ExactAmount
  public var stopPrice: String?
  public var targetPrice: String?

  public init(
    journalIndex: Int64, timeNanoseconds: Int64, symbol: String, quantity: String, entryPrice: String?,
    cost: ExactAmount, stopPrice: String?, targetPrice: String?
  ) {
    self.journalIndex = journalIndex
    self.timeNanoseconds = timeNanoseconds
    self.symbol = symbol
    self.quantity = quantity
    self.entryPrice = entryPrice
    self.cost = cost
    self.stopPrice = stopPrice
    self.targetPrice = targetPrice
  }

  public var isFlat: Bool { cost.e8 == 0 && quantity.allSatisfy { $0 == "0" || $0 == "." } }
}

/// A closed candle with the grid it was counted on left out: decimal text survives a change of tick.
public struct CandleRow: Sendable, Hashable, Codable {
  public var symbol: String
  public var timeframe: Timeframe
  public var openTimeNanoseconds: Int64
  public var open: String
  public var high: String
  public var low: String
  public var close: String
  public var volume: String
  public var tradeCount: Int
  /// `CandleFlags.rawValue`.
  public var flags: Int

  public init(symbol: String, timeframe: Timeframe, candle: Candle, rules: InstrumentRules) {
    self.symbol = symbol
    self.timeframe = timeframe
    openTimeNanoseconds = candle.openTime.nanoseconds
    open = GridText.text(candle.open.ticks, unitE8: rules.tickE8)
    high = GridText.text(candle.high.ticks, unitE8: rules.tickE8)
    low = GridText.text(candle.low.ticks, unitE8: rules.tickE8)
    close = GridText.text(candle.close.ticks, unitE8: rules.tickE8)
    volume = GridText.text(candle.volume.steps, unitE8: rules.stepE8)
    tradeCount = Int(candle.tradeCount)
    flags = Int(candle.flags.rawValue)
  }

  public init(
    symbol: String, timeframe: Timeframe, openTimeNanoseconds: Int64, open: String, high: String, low: String,
    close: String, volume: String, tradeCount: Int, flags: Int
  ) {
    self.symbol = symbol
    self.timeframe = timeframe
    self.openTimeNanoseconds = openTimeNanoseconds
    self.open = open
    self.high = high
    self.low = low
    self.close = close
    self.volume = volume
    self.tradeCount = tradeCount
    self.flags = flags
  }

  /// The candle on today's grid; nil when a number is not on it (the venue changed its tick) or not a number.
  public func candle(rules: InstrumentRules) -> Candle? {
    func price(_ text: String) -> Price? {
      GridText.count(text, unitE8: rules.tickE8).map(Price.init(ticks:))
    }
    guard let open = price(open), let high = price(high), let low = price(low), let close = price(close),
      let volume = GridText.count(volume, unitE8: rules.stepE8), let flags = UInt16(exactly: flags),
      let tradeCount = Int32(exactly: tradeCount)
    else { return nil }
    return Candle(
      openTime: Instant(nanoseconds: openTimeNanoseconds), open: open, high: high, low: low, close: close,
      volume: Quantity(steps: volume), tradeCount: tradeCount, flags: CandleFlags(rawValue: flags))
  }
}

/// A run and what it did, in numbers.
public struct RunSummary: Sendable, Hashable, Codable {
  public var run: RunKey
  public var version: String
  public var startedNanoseconds: Int64
  /// nil while it runs, or when it was killed.
  public var endedNanoseconds: Int64?
  public var signals: Int
  public var orders: Int
  public var fills: Int
  public var trades: Int
  public var wins: Int
  /// Of the round trips, before fees.
  public var profit: ExactAmount
  public var fees: ExactAmount
  public var net: ExactAmount
  public var lotsOpen: Int
  public var lotsClosed: Int
  /// Of the closed lots, fees included.
  public var virtualProfit: ExactAmount
  /// Sorted by count, then name.
  public var refusals: [RefusalCount]

  public struct RefusalCount: Sendable, Hashable, Codable {
    public var name: String
    public var count: Int
    public init(name: String, count: Int) {
      self.name = name
      self.count = count
    }
  }

  public init(
    run: RunKey, version: String, startedNanoseconds: Int64, endedNanoseconds: Int64?, signals: Int,
    orders: Int,
    fills: Int, trades: Int, wins: Int, profit: ExactAmount, fees: ExactAmount, net: ExactAmount,
    lotsOpen: Int,
    lotsClosed: Int, virtualProfit: ExactAmount, refusals: [RefusalCount]
  ) {
    self.run = run
    self.version = version
    self.startedNanoseconds = startedNanoseconds
    self.endedNanoseconds = endedNanoseconds
    self.signals = signals
    self.orders = orders
    self.fills = fills
    self.trades = trades
    self.wins = wins
    self.profit = profit
    self.fees = fees
    self.net = net
    self.lotsOpen = lotsOpen
    self.lotsClosed = lotsClosed
    self.virtualProfit = virtualProfit
    self.refusals = refusals
  }
}
