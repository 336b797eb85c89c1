/// How the desk sizes, protects and limits trades. One immutable value, checked as a whole with `problems()`.
public struct DeskSettings: Sendable, Codable, Hashable {
  /// How much is bought.
  public enum Sizing: Sendable, Codable, Hashable {
    /// Equity × fraction is lost when the stop is hit, before fees. 0 < riskFraction ≤ 0.1.
    case fixedRisk(riskFraction: Double)
    /// The same base quantity every time, rounded down to the step. > 0, base currency.
    case fixedQuantity(baseQuantity: Double)
    /// The same value every time. > 0, quote currency.
    case fixedNotional(notionalQuote: Double)
  }

  /// Where stop and target land on the price grid.
  public enum BracketRounding: String, Sendable, Codable, Hashable {
    /// Toward the entry: the loss is never larger than asked, the target is reached no later.
    case safe
    /// To the nearest tick, ties to even, computed in doubles as `nearbyint(price × (1 ∓ fraction) ÷ tick)`; what
    /// common backtest engines do.
    case nearest
  }

  public var sizing = Sizing.fixedRisk(riskFraction: 0.01)
  /// Distance of the stop when a signal names none. Fraction of the entry price, 0 < x < 1.
  public var defaultStopFraction = 0.01
  /// Distance of the target when a signal names none. Fraction of the entry price, 0 < x < 1.
  public var defaultTargetFraction = 0.02
  public var bracketRounding = BracketRounding.safe
  /// Taker fee rate × 10^8, for the cost gate and the ledger: 50,000 is 0.05 %. 0…1,000,000.
  public var takerFeeE8: Int64 = 50_000
  /// Expected slippage of one side. Fraction of the price, 0…0.05.
  public var slippageFraction = 0.0001
  /// Signals below it open nothing. Probability, 0…1.
  public var minimumConfidence = 0.60
  /// Whether the expected return must exceed two fees and two slippages.
  public var requiresNetReturn = true
  /// Instruments with a position or an entry on its way. 1…4096.
  public var openPositionsMax = 3
  /// Leverage the margin caps are computed with. 1…125.
  public var leverage = 20
  /// Initial margin of one trade. Fraction of equity, 0 < x ≤ 1.
  public var marginFractionPerTradeMax = 0.10
  /// Initial margin of everything open or on its way. Fraction of equity, 0 < x ≤ 1.
  public var marginFractionTotalMax = 0.50
  /// A position older than this is closed. Nanoseconds, 1 s…30 days.
  public var holdingNanosecondsMax: Int64 = 7_200_000_000_000
  /// No entry on an instrument for so long after a close there; a reversal is exempt. Nanoseconds, 0…1 day.
  public var cooldownNanoseconds: Int64 = 60_000_000_000
  /// Age of the newest quote or trade at which an entry is refused. Nanoseconds, 10 ms…1 day.
  public var staleNanosecondsMax: Int64 = 10_000_000_000
  /// Whether a signal against the open position closes it (and opens the other side if the gate agrees).
  public var oppositeSignalCloses = true
  /// Loss since 00:00 UTC at which entries stop until the next day. Fraction of that moment's equity, 0 < x ≤ 1;
  /// 1 never stops them.
  public var dailyLossFractionMax = 0.05
  /// Time between two equity samples. Nanoseconds, 0 (only after trades)…1 day.
  public var equitySampleNanoseconds: Int64 = 60_000_000_000
  /// An order without any answer for so long is asked for. Nanoseconds, 100 ms…10 min.
  public var orderSilenceNanosecondsMax: Int64 = 5_000_000_000

  public init() {}

  /// Every value out of range, one line each, naming the field and the range; empty when all is well.
  public func problems() -> [String] {
    var problems: [String] = []
    func check<T: Comparable>(_ name: String, _ value: T, _ range: ClosedRange<T>, _ unit: String) {
      if !range.contains(value) {
        problems.append("\(name) is \(value): must be \(range.lowerBound)…\(range.upperBound) \(unit)")
      }
    }
    func fraction(_ name: String, _ value: Double, below upper: Double = 1, inclusive: Bool = false) {
      if !(value > 0 && (value < upper || inclusive && value == upper)) {
        problems.append(
          "\(name) is \(value): must be above 0 and \(inclusive ? "at most" : "below") \(upper) (a fraction)")
      }
    }
    switch sizing {
    case .fixedRisk(let riskFraction):
      fraction("sizing.fixedRisk.riskFraction", riskFraction, below: 0.1, inclusive: true)
    case .fixedQuantity(let quantity):
      if !(quantity > 0 && quantity < 1e9) {
        problems.append("sizing.fixedQuantity.baseQuantity is \(quantity): must be above 0, in base currency")
      }
    case .fixedNotional(let notional):
      if !(notional > 0 && notional < 1e10) {
        problems.append(
          "sizing.fixedNotional.notionalQuote is \(notional): must be above 0, in quote currency")
      }
    }
    fraction("defaultStopFraction", defaultStopFraction)
    fraction("defaultTargetFraction", defaultTargetFraction)
    check("takerFeeE8", takerFeeE8, 0...1_000_000, "(rate × 10^8)")
    check("slippageFraction", slippageFraction, 0...0.05, "(a fraction)")
    check("minimumConfidence", minimumConfidence, 0...1, "(a probability)")
    check("openPositionsMax", openPositionsMax, 1...4096, "positions")
    check("leverage", leverage, 1...125, "times")
    fraction("marginFractionPerTradeMax", marginFractionPerTradeMax, inclusive: true)
    fraction("marginFractionTotalMax", marginFractionTotalMax, inclusive: true)
    if marginFractionPerTradeMax > marginFractionTotalMax {
      problems.append("marginFractionPerTradeMax exceeds marginFractionTotalMax: lower it or raise the total")
    }
    let second: Int64 = 1_000_000_000
    check("holdingNanosecondsMax", holdingNanosecondsMax, second...30 * 86_400 * second, "nanoseconds")
    check("cooldownNanoseconds", cooldownNanoseconds, 0...86_400 * second, "nanoseconds")
    check("staleNanosecondsMax", staleNanosecondsMax, second / 100...86_400 * second, "nanoseconds")
    fraction("dailyLossFractionMax", dailyLossFractionMax, inclusive: true)
    check("equitySampleNanoseconds", equitySampleNanoseconds, 0...86_400 * second, "nanoseconds")
    check("orderSilenceNanosecondsMax", orderSilenceNanosecondsMax, second / 10...600 * second, "nanoseconds")
    return problems
  }

  /// Expected cost of a round trip at market. Fraction of the notional.
  var roundTripCostFraction: Double { 2 * Double(takerFeeE8) / 1e8 + 2 * slippageFraction }
}
