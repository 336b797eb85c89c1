// Settings and small answers. What only the simulator says is only encoded.
extension RestMessages {
  public struct Leverage: Codable, Sendable, Hashable {
    public var symbol: String
    public var leverage: Int
    public var maxNotionalValue: String?

    public init(symbol: String, leverage: Int, maxNotionalValue: String) {
      self.symbol = symbol
      self.leverage = leverage
      self.maxNotionalValue = maxNotionalValue
    }
  }

  public struct ListenKey: Codable, Sendable, Hashable {
    public var listenKey: String
    public init(listenKey: String) { self.listenKey = listenKey }
  }

  public struct ServerTime: Codable, Sendable, Hashable {
    public var serverTime: Int64
    public init(serverTime: Int64) { self.serverTime = serverTime }
  }

  /// accountConfig of a one-way, single-asset account that trades but moves no money.
  public struct AccountConfiguration: Encodable, Sendable {
    private let feeTier = 0
    private let canTrade = true
    private let canDeposit = false
    private let canWithdraw = false
    private let dualSidePosition = false
    private let updateTime: Int64 = 0
    private let multiAssetsMargin = false
    private let tradeGroupId = -1

    public init() {}
  }

  /// Element of symbolConfig, cross margin.
  public struct SymbolConfiguration: Encodable, Sendable {
    private let symbol: String
    private let marginType = "CROSSED"
    private let isAutoAddMargin = false
    private let leverage: Int
    private let maxNotionalValue: String

    public init(symbol: String, leverage: Int, maxNotionalValue: String) {
      self.symbol = symbol
      self.leverage = leverage
      self.maxNotionalValue = maxNotionalValue
    }
  }

  /// leverageBracket with one tier for all sizes; numbers here, as the exchange writes them.
  public struct LeverageBrackets: Encodable, Sendable {
    struct Bracket: Encodable, Sendable {
      let bracket = 1
      let initialLeverage: Int
      let notionalCap: Int64
      let notionalFloor = 0
      let maintMarginRatio: Double
      let cum = 0.0
    }

    private let symbol: String
    private let brackets: [Bracket]

    /// - Parameter notionalCap: whole quote units.
    public init(symbol: String, leverageMax: Int, notionalCap: Int64, maintenanceRate: Double) {
      self.symbol = symbol
      brackets = [
        Bracket(initialLeverage: leverageMax, notionalCap: notionalCap, maintMarginRatio: maintenanceRate)
      ]
    }
  }

  public struct CommissionRate: Encodable, Sendable {
    private let symbol: String
    private let makerCommissionRate: String
    private let takerCommissionRate: String
    private let rpiCommissionRate: String

    public init(symbol: String, maker: String, taker: String) {
      self.symbol = symbol
      makerCommissionRate = maker
      takerCommissionRate = taker
      rpiCommissionRate = maker
    }
  }

  /// positionSide/dual.
  public struct PositionMode: Encodable, Sendable {
    private let dualSidePosition: Bool
    public init(isDual: Bool) { dualSidePosition = isDual }
  }

  public struct MultiAssetsMode: Encodable, Sendable {
    private let multiAssetsMargin: Bool
    public init(isOn: Bool) { multiAssetsMargin = isOn }
  }
}
