/// Why an idea did not become an order. Raw values go to journals and the store: never renumber.
@frozen public enum Refusal: UInt16, Sendable, BitwiseCopyable, Codable, CaseIterable {
  /// Not refused.
  case none = 0
  case halted = 1
  case reduceOnly = 2
  case draining = 3
  case notReady = 4
  case notTrading = 5
  case virtualOnly = 6
  case disabledPlugin = 7
  case observation = 8
  case invalidSignal = 9
  case expired = 10
  case staleData = 11
  case incompleteCandle = 12
  case instrumentBusy = 13
  case sameSide = 14
  case cooldown = 15
  case noPrice = 16
  case quarantinedPrice = 17
  case noStop = 18
  case belowConfidence = 19
  case costsExceedReturn = 20
  case belowMinimumQuantity = 21
  case belowMinimumNotional = 22
  case insufficientMargin = 23
  case exposureCap = 24
  case tooManyPositions = 25
  case dailyLoss = 26
  case nothingToClose = 27
  case oppositeSide = 28
  case entryFilter = 29

  /// One word for tables and filters.
  public var name: String {
    switch self {
    case .none: "none"
    case .halted: "halted"
    case .reduceOnly: "reduceOnly"
    case .draining: "draining"
    case .notReady: "notReady"
    case .notTrading: "notTrading"
    case .virtualOnly: "virtualOnly"
    case .disabledPlugin: "disabledPlugin"
    case .observation: "observation"
    case .invalidSignal: "invalidSignal"
    case .expired: "expired"
    case .staleData: "staleData"
    case .incompleteCandle: "incompleteCandle"
    case .instrumentBusy: "instrumentBusy"
    case .sameSide: "sameSide"
    case .cooldown: "cooldown"
    case .noPrice: "noPrice"
    case .quarantinedPrice: "quarantinedPrice"
    case .noStop: "noStop"
    case .belowConfidence: "belowConfidence"
    case .costsExceedReturn: "costsExceedReturn"
    case .belowMinimumQuantity: "belowMinimumQuantity"
    case .belowMinimumNotional: "belowMinimumNotional"
    case .insufficientMargin: "insufficientMargin"
    case .exposureCap: "exposureCap"
    case .tooManyPositions: "tooManyPositions"
    case .dailyLoss: "dailyLoss"
    case .nothingToClose: "nothingToClose"
    case .oppositeSide: "oppositeSide"
    case .entryFilter: "entryFilter"
    }
  }

  /// One clear sentence for a person. `Verdict.measured` and `Verdict.limit` hold the two numbers compared, if any.
  public var text: String {
    switch self {
    case .none: "not refused"
    case .halted: "the desk is halted until a person resumes it"
    case .reduceOnly: "the desk only reduces exposure"
    case .draining: "the engine is shutting down"
    case .notReady: "recovery has not finished"
    case .notTrading: "the instrument is not trading"
    case .virtualOnly: "signals of this plugin go to the virtual ledger only"
    case .disabledPlugin: "the plugin is disabled"
    case .observation: "an observation is stored, not traded"
    case .invalidSignal: "a number of the signal is not finite or out of range"
    case .expired: "the signal's horizon has passed"
    case .staleData: "the newest price is too old (nanoseconds)"
    case .incompleteCandle: "the candle behind the signal misses trades"
    case .instrumentBusy: "an order on the instrument is still open or unknown"
    case .sameSide: "a position on that side is already open"
    case .cooldown: "too soon after the last close (nanoseconds)"
    case .noPrice: "no usable price"
    case .quarantinedPrice: "the newest price left its band and waits for confirmation"
    case .noStop: "no valid stop distance (fraction)"
    case .belowConfidence: "confidence below the minimum"
    case .costsExceedReturn: "expected return does not pay fees and slippage (fractions)"
    case .belowMinimumQuantity: "quantity below the minimum (steps)"
    case .belowMinimumNotional: "notional below the minimum (quote)"
    case .insufficientMargin: "not enough free margin (quote)"
    case .exposureCap: "the cap on total margin is reached (quote)"
    case .tooManyPositions: "the number of open positions is at its limit"
    case .dailyLoss: "today's loss reached its limit (fraction)"
    case .nothingToClose: "nothing this signal could close is open"
    case .oppositeSide: "an opposite position is open and signals do not close it"
    case .entryFilter: "the condition of plugins.entryFilter is not fulfilled"
    }
  }

  /// The pre-trade control it belongs to (failure modes, section 10); 0 when it is none of them.
  public var controlNumber: Int {
    switch self {
    case .none, .observation, .nothingToClose: 0
    case .halted, .reduceOnly, .draining, .notReady: 1
    case .notTrading: 3
    case .invalidSignal, .expired, .staleData, .incompleteCandle, .belowConfidence, .costsExceedReturn,
      .entryFilter:
      4
    case .instrumentBusy, .sameSide, .oppositeSide, .cooldown: 5
    case .noPrice, .belowMinimumQuantity, .belowMinimumNotional: 6
    case .quarantinedPrice: 7
    case .noStop: 9
    case .insufficientMargin: 11
    case .exposureCap, .tooManyPositions: 12
    case .virtualOnly, .disabledPlugin: 15
    case .dailyLoss: 16
    }
  }
}
