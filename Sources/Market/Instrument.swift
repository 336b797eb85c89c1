/// The position of an instrument in the `InstrumentTable` it came from; valid for that table version only.
@frozen public struct InstrumentID: Hashable, Comparable, Sendable, BitwiseCopyable {
  public var index: UInt32
  @inlinable public init(_ index: Int) { self.index = UInt32(index) }
  @inlinable public init(index: UInt32) { self.index = index }
  @inlinable public static func < (a: InstrumentID, b: InstrumentID) -> Bool { a.index < b.index }

  /// Stands for "no instrument": account-wide reports, clock entries.
  public static let none = InstrumentID(index: .max)
}

/// The numbers an order and a tick are checked against. Plain integers, so hot paths copy it freely.
///
/// Grid units are multiples of 1e-8 quote or base currency. Limits are counts of ticks and steps.
@frozen public struct InstrumentRules: Sendable, BitwiseCopyable, Codable, Hashable {
  /// Smallest price change × 10^8 (PRICE_FILTER.tickSize).
  public var tickE8: Int64
  /// Smallest quantity change × 10^8 (LOT_SIZE.stepSize).
  public var stepE8: Int64
  public var priceTicksMin: Int64
  public var priceTicksMax: Int64
  public var quantityStepsMin: Int64
  public var quantityStepsMax: Int64
  /// Largest MARKET order (MARKET_LOT_SIZE.maxQty), often far below the limit maximum.
  public var marketStepsMax: Int64
  /// MIN_NOTIONAL × 10^8.
  public var notionalMinE8: Int64
  /// PERCENT_PRICE multipliers × 10^8: a BUY may not exceed mark × up, a SELL may not fall below mark × down.
  public var multiplierUpE8: Int64
  public var multiplierDownE8: Int64

  public init(
    tickE8: Int64, stepE8: Int64, priceTicksMin: Int64 = 1, priceTicksMax: Int64 = .max >> 16,
    quantityStepsMin: Int64 = 1, quantityStepsMax: Int64 = .max >> 16, marketStepsMax: Int64 = .max >> 16,
    notionalMinE8: Int64 = 0, multiplierUpE8: Int64 = 105_000_000, multiplierDownE8: Int64 = 95_000_000
  ) {
    precondition(tickE8 > 0 && stepE8 > 0, "tick and step are positive")
    self.tickE8 = tickE8
    self.stepE8 = stepE8
    self.priceTicksMin = priceTicksMin
    self.priceTicksMax = priceTicksMax
    self.quantityStepsMin = quantityStepsMin
    self.quantityStepsMax = quantityStepsMax
    self.marketStepsMax = marketStepsMax
    self.notionalMinE8 = notionalMinE8
    self.multiplierUpE8 = multiplierUpE8
    self.multiplierDownE8 = multiplierDownE8
  }

  /// Price × quantity in quote currency: exact when tick × step is a multiple of 1e-8, else half away from zero.
  /// - Precondition: the result fits; ticks and steps passed a firewall or a filter before.
  @inlinable public func notional(_ price: Price, _ quantity: Quantity) -> Quote {
    let (high, low) = price.ticks.multipliedFullWidth(by: quantity.steps)
    let (unit, unitOverflow) = tickE8.multipliedReportingOverflow(by: stepE8)
    if !unitOverflow, unit % FixedPoint.one == 0, high == (Int64(bitPattern: low) >> 63) {
      // The usual case: no division of 128 bits.
      return Quote(e8: Int64(bitPattern: low) * (unit / FixedPoint.one))
    }
    let product = Int128(price.ticks) * Int128(tickE8) * Int128(quantity.steps) * Int128(stepE8)
    return Quote(e8: FixedPoint.divided(product, by: Int128(FixedPoint.one)))
  }

  /// The price as a binary fraction: the double nearest to the decimal, as text parsing would give.
  @inlinable public func double(_ price: Price) -> Double {
    let (e8, overflow) = price.ticks.multipliedReportingOverflow(by: tickE8)
    return overflow ? Double(price.ticks) * (Double(tickE8) / 1e8) : Double(e8) / 1e8
  }

  /// The quantity as a binary fraction of base currency.
  @inlinable public func double(_ quantity: Quantity) -> Double {
    let (e8, overflow) = quantity.steps.multipliedReportingOverflow(by: stepE8)
    return overflow ? Double(quantity.steps) * (Double(stepE8) / 1e8) : Double(e8) / 1e8
  }

  /// The number of ticks in a decimal price × 10^8, or nil when it is not on the grid.
  @inlinable public func price(e8: Int64) -> Price? {
    let (ticks, remainder) = e8.quotientAndRemainder(dividingBy: tickE8)
    return remainder == 0 ? Price(ticks: ticks) : nil
  }

  /// The number of steps in a decimal quantity × 10^8, or nil when it is not on the grid.
  @inlinable public func quantity(e8: Int64) -> Quantity? {
    let (steps, remainder) = e8.quotientAndRemainder(dividingBy: stepE8)
    return remainder == 0 ? Quantity(steps: steps) : nil
  }

  /// The price on the grid for a binary fraction, rounded as asked.
  /// - Returns: nil when not finite or out of range.
  @inlinable public func price(_ value: Double, rounded rule: FloatingPointRoundingRule) -> Price? {
    let ticks = (value * 1e8 / Double(tickE8)).rounded(rule)
    return ticks.magnitude < 9e15 ? Price(ticks: Int64(ticks)) : nil
  }

  /// Decimal text with the digits of the tick, as the exchange expects: `28155.20` for tick 0.10 is `28155.2`.
  public func text(_ price: Price) -> String {
    FixedPoint.text(price.ticks * tickE8, decimals: FixedPoint.decimals(ofUnit: tickE8))
  }

  /// Decimal text with the digits of the step.
  public func text(_ quantity: Quantity) -> String {
    FixedPoint.text(quantity.steps * stepE8, decimals: FixedPoint.decimals(ofUnit: stepE8))
  }
}

/// One perpetual contract: its name, its life and its rules.
public struct Instrument: Sendable, Codable, Hashable {
  public var symbol: String
  public var baseAsset: String
  public var quoteAsset: String
  public var rules: InstrumentRules
  /// Trading is allowed only while this says `TRADING`.
  public var status: String
  /// First trade and delisting, epoch milliseconds; delivery is far in the future for a perpetual.
  public var onboardMilliseconds: Int64
  public var deliveryMilliseconds: Int64

  public init(
    symbol: String, baseAsset: String, quoteAsset: String = "USDT", rules: InstrumentRules,
    status: String = "TRADING", onboardMilliseconds: Int64 = 0,
    deliveryMilliseconds: Int64 = 4_133_404_800_000
  ) {
    self.symbol = symbol
    self.baseAsset = baseAsset
    self.quoteAsset = quoteAsset
    self.rules = rules
    self.status = status
    self.onboardMilliseconds = onboardMilliseconds
    self.deliveryMilliseconds = deliveryMilliseconds
  }

  public var isTrading: Bool { status == "TRADING" }
}
