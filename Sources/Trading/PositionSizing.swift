public import Market

/// How much to buy: pure arithmetic on integers, exact to the step.
public enum PositionSizing {
  /// What the size follows from.
  @frozen public struct Input: Sendable, BitwiseCopyable {
    public var side: Side
    /// Expected fill price.
    public var reference: Price
    public var stop: Price
    public var equity: Quote
    /// Initial margin already bound by positions and orders on their way.
    public var usedMargin: Quote
    /// Mark price × 10^8; 0 when unknown.
    public var markE8: Int64

    public init(
      side: Side, reference: Price, stop: Price, equity: Quote, usedMargin: Quote, markE8: Int64 = 0
    ) {
      self.side = side
      self.reference = reference
      self.stop = stop
      self.equity = equity
      self.usedMargin = usedMargin
      self.markE8 = markE8
    }
  }

  /// An order size, or the refusal with the number that was short.
  @frozen public struct Result: Sendable, BitwiseCopyable, Hashable {
    public var quantity: Quantity = .zero
    public var notional: Quote = .zero
    public var margin: Quote = .zero
    /// Loss at the stop, before fees.
    public var risk: Quote = .zero
    public var refusal: Refusal = .none
    public var measured = 0.0
    public var limit = 0.0
  }

  /// Market orders one entry may be split into.
  public static let entryLegsMax = 4

  /// The size of an entry after every filter and cap.
  ///
  /// Caps shrink the size; a size below a minimum is refused and never raised. The fixed quantity is not shrunk by
  /// margin: it is refused when it does not fit.
  /// - Precondition: prices are positive and the stop is not the reference.
  public static func size(_ input: Input, rules: InstrumentRules, settings: DeskSettings) -> Result {
    var result = Result()
    let reference = input.reference.ticks
    let distance = Int128(abs(reference - input.stop.ticks))
    precondition(reference > 0 && distance > 0, "a stop lies away from a positive price")
    // Quote value × 10^16 of one step at the reference, and of one step's loss at the stop.
    let unit = Int128(rules.tickE8) * Int128(rules.stepE8)
    let stepValue = Int128(reference) * unit
    let stepLoss = distance * unit
    let one = Int128(FixedPoint.one)
    let equity = max(input.equity.e8, 0)

    var steps: Int128
    var isFixed = false
    switch settings.sizing {
    case .fixedRisk(let riskFraction): steps = scaled(equity, riskFraction) * one / stepLoss
    case .fixedQuantity(let quantity):
      steps = Int128(Int64((quantity * 1e8).rounded(.toNearestOrEven)) / rules.stepE8)
      isFixed = true
    case .fixedNotional(let notional): steps = Int128(Quote(notional).e8) * one / stepValue
    }
    steps = min(steps, Int128(legSteps(rules)) * Int128(entryLegsMax))

    let leverage = Int128(settings.leverage)
    let perTrade = scaled(equity, settings.marginFractionPerTradeMax)
    let room = scaled(equity, settings.marginFractionTotalMax) - Int128(input.usedMargin.e8)
    let free = Int128(equity) - Int128(input.usedMargin.e8)
    if !isFixed { steps = min(steps, perTrade * leverage * one / stepValue) }
    let wanted = steps
    if !isFixed { steps = min(steps, max(room, 0) * leverage * one / stepValue) }

    let minimum = Int128(max(rules.quantityStepsMin, 1))
    if steps < minimum {
      let isCapped = wanted >= minimum
      result.refusal = isCapped ? .exposureCap : .belowMinimumQuantity
      result.measured = isCapped ? Double(room) / 1e8 : Double(steps)
      result.limit = isCapped ? Double(minimum * stepValue / one / leverage) / 1e8 : Double(minimum)
      return result
    }
    guard let fitting = Int64(exactly: steps), stepValue * steps / one < Int128(Int64.max) else {
      result.refusal = .insufficientMargin
      result.measured = Double(free) / 1e8
      result.limit = Double(stepValue) * Double(steps) / 1e16
      return result
    }
    let quantity = Quantity(steps: fitting)
    let notional = rules.notional(input.reference, quantity)
    let atMark =
      input.markE8 > 0 ? Int128(input.markE8) * steps * Int128(rules.stepE8) / one : Int128(notional.e8)
    if min(Int128(notional.e8), atMark) < Int128(rules.notionalMinE8) {
      result.refusal = wanted > steps ? .exposureCap : .belowMinimumNotional
      result.measured = Double(min(Int128(notional.e8), atMark)) / 1e8
      result.limit = Double(rules.notionalMinE8) / 1e8
      return result
    }
    let margin = (Int128(notional.e8) + leverage - 1) / leverage
    let fee = Int128(notional.times(rateE8: settings.takerFeeE8).e8)
    result.quantity = quantity
    result.notional = notional
    result.margin = Quote(e8: Int64(margin))
    result.risk = Quote(e8: Int64(clamping: stepLoss * steps / one))
    if margin + fee > free {
      result.refusal = .insufficientMargin
      result.measured = Double(free) / 1e8
      result.limit = Double(margin + fee) / 1e8
    } else if margin > room || margin > perTrade + 1 {
      result.refusal = .exposureCap
      result.measured = Double(margin) / 1e8
      result.limit = Double(min(room, perTrade)) / 1e8
    }
    return result
  }

  /// Steps of the largest single market order.
  public static func legSteps(_ rules: InstrumentRules) -> Int64 {
    max(1, min(rules.marketStepsMax, rules.quantityStepsMax))
  }

  /// An amount × 10^8 times a fraction, rounded down.
  private static func scaled(_ e8: Int64, _ fraction: Double) -> Int128 {
    Int128(e8) * Int128(Int64((fraction * 1e12).rounded(.toNearestOrEven))) / 1_000_000_000_000
  }
}
