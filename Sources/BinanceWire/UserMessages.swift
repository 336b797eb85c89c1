/// The payloads of the user data stream, field for field and in the exchange's order. The simulator encodes them, `UserEvents` decodes
/// them.
///
/// Optional members are those the exchange leaves out at times; unknown members are skipped.
public enum UserMessages {
  public struct OrderTradeUpdate: Codable, Sendable, Hashable {
    public var e = "ORDER_TRADE_UPDATE"
    public var E: Int64
    public var T: Int64
    public var o: Order

    public init(E: Int64, T: Int64, o: Order) {
      self.E = E
      self.T = T
      self.o = o
    }
  }

  /// `o` of ORDER_TRADE_UPDATE.
  public struct Order: Codable, Sendable, Hashable {
    /// Symbol, client id, side.
    public var s: String
    public var c: String
    public var S: String
    /// Order type, time in force, original quantity and price.
    public var o: String?
    public var f: String?
    public var q: String?
    public var p: String?
    /// Average and stop price.
    public var ap: String?
    public var sp: String?
    /// Execution type, order status, order id.
    public var x: String
    public var X: String
    public var i: Int64
    /// Last filled quantity, accumulated quantity, last filled price.
    public var l: String?
    public var z: String?
    public var L: String?
    /// Commission and its asset.
    public var n: String?
    public var N: String?
    /// Trade time, trade id (0 if none).
    public var T: Int64
    public var t: Int64?
    /// Notional of the instrument's open buy and sell orders.
    public var b: String?
    public var a: String?
    /// This trade as maker; reduce only.
    public var m: Bool?
    public var R: Bool?
    public var wt: String?
    public var ot: String?
    public var ps: String?
    public var cp: Bool?
    public var pP: Bool?
    public var si: Int?
    public var ss: Int?
    /// Realised profit of this trade.
    public var rp: String?
    public var V: String?
    public var pm: String?
    public var gtd: Int64?
    /// Expiry reason; a digit as text.
    public var er: String?

    /// A MARKET or LIMIT order of the simulator; the rest has the exchange's usual values.
    public init(
      symbol: String, clientID: String, side: String, type: String, timeInForce: String, quantity: String,
      price: String, averagePrice: String, executionType: String, status: String, orderID: Int64,
      lastQuantity: String, filledQuantity: String, lastPrice: String, commissionAsset: String?,
      commission: String?, time: Int64, tradeID: Int64, isMaker: Bool, reduceOnly: Bool,
      realizedProfit: String, openBuys: String = "0", openSells: String = "0", expiryReason: String = "0"
    ) {
      s = symbol
      c = clientID
      S = side
      o = type
      f = timeInForce
      q = quantity
      p = price
      ap = averagePrice
      sp = "0"
      x = executionType
      X = status
      i = orderID
      l = lastQuantity
      z = filledQuantity
      L = lastPrice
      N = commissionAsset
      n = commission
      T = time
      t = tradeID
      b = openBuys
      a = openSells
      m = isMaker
      R = reduceOnly
      wt = "CONTRACT_PRICE"
      ot = type
      ps = "BOTH"
      cp = false
      pP = false
      si = 0
      ss = 0
      rp = realizedProfit
      V = "EXPIRE_MAKER"
      pm = "NONE"
      gtd = 0
      er = expiryReason
    }
  }

  public struct AccountUpdate: Codable, Sendable, Hashable {
    public var e = "ACCOUNT_UPDATE"
    public var E: Int64
    public var T: Int64
    public var a: Account

    public init(E: Int64, T: Int64, a: Account) {
      self.E = E
      self.T = T
      self.a = a
    }
  }

  /// `a` of ACCOUNT_UPDATE.
  public struct Account: Codable, Sendable, Hashable {
    /// The reason, for example `ORDER` or `FUNDING_FEE`.
    public var m: String
    /// Symbol of a funding fee.
    public var S: String?
    public var B: [Balance]?
    public var P: [Position]?

    public init(m: String, S: String? = nil, B: [Balance], P: [Position]) {
      self.m = m
      self.S = S
      self.B = B
      self.P = P
    }
  }

  public struct Balance: Codable, Sendable, Hashable {
    /// Asset, wallet balance, cross wallet balance, change other than profit and commission.
    public var a: String
    public var wb: String
    public var cw: String?
    public var bc: String?

    public init(a: String, wb: String, cw: String, bc: String = "0") {
      self.a = a
      self.wb = wb
      self.cw = cw
      self.bc = bc
    }
  }

  public struct Position: Codable, Sendable, Hashable {
    /// Symbol, signed amount, entry price, break-even price.
    public var s: String
    public var pa: String
    public var ep: String
    public var bep: String?
    /// Accumulated realised, unrealised profit.
    public var cr: String?
    public var up: String?
    /// Margin type, isolated wallet, position side, margin asset.
    public var mt: String?
    public var iw: String?
    public var ps: String?
    public var ma: String?

    public init(
      s: String, pa: String, ep: String, bep: String, cr: String, up: String, mt: String = "cross",
      iw: String = "0", ps: String = "BOTH", ma: String = "USDT"
    ) {
      self.s = s
      self.pa = pa
      self.ep = ep
      self.bep = bep
      self.cr = cr
      self.up = up
      self.mt = mt
      self.iw = iw
      self.ps = ps
      self.ma = ma
    }
  }

  public struct ListenKeyExpired: Codable, Sendable, Hashable {
    public var e = "listenKeyExpired"
    public var E: Int64
    public var listenKey: String?

    public init(E: Int64, listenKey: String) {
      self.E = E
      self.listenKey = listenKey
    }
  }

  /// A leverage change.
  struct AccountConfigUpdate: Decodable {
    struct Leverage: Decodable {
      var s: String
      var l: Int
    }

    var ac: Leverage?
  }

  /// The part of ALGO_UPDATE that says what became of a conditional order.
  public struct AlgoUpdate: Codable, Sendable, Hashable {
    public struct Order: Codable, Sendable, Hashable {
      public var caid: String
      public var aid: Int64
      public var s: String
      public var S: String
      public var o: String?
      public var X: String
      public var ai: String?
      public var tp: String?
      public var rm: String?
    }

    public var e = "ALGO_UPDATE"
    public var E: Int64
    public var T: Int64
    public var o: Order
  }
}
