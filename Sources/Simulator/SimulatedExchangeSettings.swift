public import Market

/// Everything a simulated account is opened with. Rates are × 10^8: 50,000 is 0.05 %.
public struct SimulatedExchangeSettings: Sendable, Hashable {
  public var startingBalance: Quote
  public var makerFeeE8: Int64
  public var takerFeeE8: Int64
  /// Leverage of every instrument until `setLeverage`; 1…125.
  public var defaultLeverage: Int64
  /// Share of a position's notional that must remain as margin; one tier for all sizes.
  public var maintenanceRateE8: Int64
  /// Charged on the notional of a position the exchange closes by force.
  public var liquidationFeeE8: Int64
  /// Time from the decision to the exchange; 0 matches inside `submit`. The way back takes no time.
  public var latencyNanoseconds: Int64
  /// Uniform extra time, 0…this, drawn from `seed`.
  public var latencyJitterNanoseconds: Int64
  public var seed: UInt64
  public var matching: MatchingRules
  /// Closed orders kept for questions; the one closed first is dropped first.
  public var closedOrdersMax: Int
  /// Trades kept for questions over all instruments; the oldest is dropped first.
  public var tradesMax: Int
  /// Reports that may wait to be polled. More is a bug of the owner, who must poll, and traps.
  public var reportsMax: Int

  /// Open orders of one instrument; the next is refused with -2025.
  public static let openOrdersPerInstrumentMax = 200
  /// Open orders of the account; the next is refused with -2025.
  public static let openOrdersMax = 4096
  /// Commands on their way to the exchange (latency above 0); the next is refused with -1015.
  public static let commandsInFlightMax = 1024
  public static let leverageMax: Int64 = 125

  /// - Precondition: every limit and the starting balance are positive; leverage 1…125; latencies not negative.
  public init(
    startingBalance: Quote = Quote(e8: 10_000 * FixedPoint.one), makerFeeE8: Int64 = 20_000,
    takerFeeE8: Int64 = 50_000, defaultLeverage: Int64 = 20, maintenanceRateE8: Int64 = 400_000,
    liquidationFeeE8: Int64 = 1_250_000, latencyNanoseconds: Int64 = 0, latencyJitterNanoseconds: Int64 = 0,
    seed: UInt64 = 1, matching: MatchingRules = MatchingRules(), closedOrdersMax: Int = 16_384,
    tradesMax: Int = 65_536, reportsMax: Int = 16_384
  ) {
    precondition(startingBalance > .zero, "an account starts with money")
    precondition((1...Self.leverageMax).contains(defaultLeverage), "leverage is 1 to \(Self.leverageMax)")
    precondition(latencyNanoseconds >= 0 && latencyJitterNanoseconds >= 0, "latency is not negative")
    precondition(maintenanceRateE8 >= 0 && liquidationFeeE8 >= 0, "rates are not negative")
    precondition(closedOrdersMax > 0 && tradesMax > 0 && reportsMax > 0, "limits are positive")
    self.startingBalance = startingBalance
    self.makerFeeE8 = makerFeeE8
    self.takerFeeE8 = takerFeeE8
    self.defaultLeverage = defaultLeverage
    self.maintenanceRateE8 = maintenanceRateE8
    self.liquidationFeeE8 = liquidationFeeE8
    self.latencyNanoseconds = latencyNanoseconds
    self.latencyJitterNanoseconds = latencyJitterNanoseconds
    self.seed = seed
    self.matching = matching
    self.closedOrdersMax = closedOrdersMax
    self.tradesMax = tradesMax
    self.reportsMax = reportsMax
  }
}
