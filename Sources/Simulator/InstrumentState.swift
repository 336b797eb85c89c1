import Market

/// What the exchange keeps per instrument. The words every event touches come first.
struct InstrumentState: BitwiseCopyable {
  /// Latest quote in ticks and steps; 0 before the first.
  var bidTicks: Int64 = 0
  var askTicks: Int64 = 0
  var bidSteps: Int64 = 0
  var askSteps: Int64 = 0
  /// Latest trade or bar close, ticks; 0 before the first.
  var lastTicks: Int64 = 0
  /// Mark price × 10^8; follows the last price until the first mark event; 0 before any price.
  var markE8: Int64 = 0
  /// A price at or below this may fill a resting buy; 0 when none rests.
  var highestBuyTicks: Int64 = 0
  /// A price at or above this may fill a resting sell; the largest number when none rests.
  var lowestSellTicks: Int64 = .max
  /// While the mark stays between these, no liquidation is possible: see `refreshSafeBands`.
  var safeLowE8: Int64 = .min
  var safeHighE8: Int64 = .max
  /// When the known funding falls due, nanoseconds; the largest number when nothing is known.
  var fundingDueNanoseconds: Int64 = .max
  var tickE8: Int64
  var hasMark = false

  var fundingRateE8: Int64 = 0
  var fundingDoneNanoseconds: Int64 = .min
  /// The latest bar; `barTime` is its end, 0 before the first.
  var barOpenTicks: Int64 = 0
  var barHighTicks: Int64 = 0
  var barLowTicks: Int64 = 0
  var barCloseTicks: Int64 = 0
  var barOpenTimeNanoseconds: Int64 = 0
  var hasBar = false

  var status: TradingStatus
  var position = NetPosition()
  var leverage: Int64
  var nextTradeID: Int64 = 1
  /// Open orders in order of arrival: a list through the pool's slots, -1 at its ends.
  var firstOpen: Int32 = -1
  var lastOpen: Int32 = -1
  var openCount: Int32 = 0
  /// Place in the list of instruments with a position or an open order; -1 when not in it.
  var activePlace: Int32 = -1
  /// Open notional that could open exposure: reduce-only orders are left out.
  var buyNotional: Quote = .zero
  var sellNotional: Quote = .zero
  var rules: InstrumentRules

  init(rules: InstrumentRules, leverage: Int64, status: TradingStatus) {
    self.rules = rules
    self.leverage = leverage
    self.status = status
    tickE8 = rules.tickE8
  }

  /// Mark price, or the entry price of a restored position that has seen no price yet.
  var valuationE8: Int64 { markE8 > 0 ? markE8 : position.entryPriceE8(rules: rules) }

  /// |amount| × mark.
  var positionNotional: Quote {
    guard position.steps != 0 else { return .zero }
    return Quote(
      e8: FixedPoint.divided(
        Int128(valuationE8) * Int128(abs(position.steps)) * Int128(rules.stepE8), by: Int128(FixedPoint.one)))
  }

  /// Margin for the worse of: all buys fill, all sells fill. Rounded up.
  func initialMargin(extraBuy: Quote = .zero, extraSell: Quote = .zero) -> Quote {
    let signed = position.steps >= 0 ? positionNotional : -positionNotional
    let long = (signed + buyNotional + extraBuy).magnitude
    let short = (signed - sellNotional - extraSell).magnitude
    return margin(of: max(long, short))
  }

  var positionInitialMargin: Quote { margin(of: positionNotional) }

  private func margin(of notional: Quote) -> Quote {
    let (whole, rest) = notional.e8.quotientAndRemainder(dividingBy: leverage)
    return Quote(e8: rest == 0 ? whole : whole + 1)
  }
}

/// What the instrument's life allows.
public enum TradingStatus: UInt8, Sendable, BitwiseCopyable {
  case trading = 1
  /// Positions may only shrink: settlement and delivery are near.
  case reducing = 2
  case closed = 3

  /// Reads the exchange's word; anything not known is `closed`.
  public init(word: String) {
    switch word {
    case "TRADING": self = .trading
    case "PRE_SETTLE", "SETTLING", "PRE_DELIVERING", "DELIVERING": self = .reducing
    default: self = .closed
    }
  }
}
