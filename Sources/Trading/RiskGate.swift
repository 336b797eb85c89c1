public import Market

/// What the caller knows about an idea and the desk does not.
@frozen public struct IdeaContext: Sendable, BitwiseCopyable, Hashable {
  /// History is in and plugins are warm.
  public var isReady: Bool
  /// The candle behind the signal misses no trade; true for ideas that rest on no candle.
  public var candleIsComplete: Bool
  /// Age of the data where the caller knows better than the event times; the older of both counts.
  public var dataAgeNanoseconds: Int64
  /// The plugin's hash is trusted; else its signals reach the virtual ledger only.
  public var pluginIsTrusted: Bool
  /// The plugin was switched off by itself or a person.
  public var pluginIsDisabled: Bool
  /// The configured condition for entries is not fulfilled; what may close still closes.
  public var isFilteredOut: Bool
  /// The two numbers the condition compared.
  public var filterMeasured: Double
  public var filterLimit: Double

  @inlinable public init(
    isReady: Bool = true, candleIsComplete: Bool = true, dataAgeNanoseconds: Int64 = 0,
    pluginIsTrusted: Bool = true, pluginIsDisabled: Bool = false, isFilteredOut: Bool = false,
    filterMeasured: Double = 0, filterLimit: Double = 0
  ) {
    self.isReady = isReady
    self.candleIsComplete = candleIsComplete
    self.dataAgeNanoseconds = dataAgeNanoseconds
    self.pluginIsTrusted = pluginIsTrusted
    self.pluginIsDisabled = pluginIsDisabled
    self.isFilteredOut = isFilteredOut
    self.filterMeasured = filterMeasured
    self.filterLimit = filterLimit
  }
}

/// Everything the gate looks at beside the idea: a snapshot by value.
@frozen public struct RiskState: Sendable, BitwiseCopyable {
  public var now: Instant
  public var mode = DeskMode.normal
  public var isDraining = false
  public var isTrading = true
  public var context = IdeaContext()
  public var rules: InstrumentRules
  public var bid = Price.none
  public var ask = Price.none
  public var last = Price.none
  public var markE8: Int64 = 0
  /// Time of the newest price.
  public var priceTime = Instant.never
  /// The newest price waits for confirmation.
  public var isQuarantined = false
  /// Signed steps of the open position, and whose it is.
  public var positionSteps: Int64 = 0
  public var positionPlugin: UInt16 = 0
  /// An order on the instrument is working or unknown.
  public var isBusy = false
  public var cooldownUntil = Instant.never
  /// Instruments with a position or an entry on its way, this one not counted.
  public var otherPositions = 0
  public var equity = Quote.zero
  /// Margin bound by everything, this instrument's position not counted when the idea would close it first.
  public var usedMargin = Quote.zero
  public var dayOpeningEquity = Quote.zero

  public init(now: Instant, rules: InstrumentRules) {
    self.now = now
    self.rules = rules
  }
}

/// The pre-trade controls, in the order of the venue-independent list: state, instrument, signal, duplicates, price,
/// stop, size, margin, exposure, loss limits. Pure. [any thread]
public enum RiskGate {
  /// Judges an idea.
  ///
  /// Exits fail open: an idea that may close a position closes it in every mode. Entries fail closed.
  public static func verdict(on idea: Signal, state: RiskState, settings: DeskSettings) -> Verdict {
    let isFlat = idea.flags.contains(.flat)
    let held = state.positionSteps
    let opposes = held != 0 && (isFlat || (held > 0) != (idea.side == .buy))
    let soundness = soundnessRefusal(idea, state, settings)
    if isFlat {
      var verdict = Verdict(side: idea.side, plugin: idea.plugin, equity: state.equity)
      let isOwner =
        idea.plugin == state.positionPlugin || idea.plugin == SignalBlend.blendedPlugin
        || state.positionPlugin == SignalBlend.blendedPlugin
      if held == 0 || !isOwner {
        verdict.refusal = .nothingToClose
      } else if soundness.refusal != .none {
        verdict.apply(soundness)
      } else {
        verdict.action = .close
        verdict.side = held > 0 ? .sell : .buy
      }
      return verdict
    }
    var verdict = entryVerdict(idea, state, settings, soundness, opposes: opposes)
    guard opposes else { return verdict }
    let closes = settings.oppositeSignalCloses && soundness.refusal == .none && !state.isBusy
    if closes {
      verdict.action = verdict.refusal == .none ? .reverse : .close
    } else if verdict.refusal == .none {
      verdict.action = .refuse
      verdict.refusal = .oppositeSide
    }
    return verdict
  }

  /// A refusal and the two numbers compared.
  struct Finding {
    var refusal: Refusal
    var measured = 0.0
    var limit = 0.0
    static let fine = Finding(refusal: .none)
  }

  /// Whether the idea itself may act on anything, be it only to close.
  private static func soundnessRefusal(
    _ idea: Signal, _ state: RiskState, _ settings: DeskSettings
  ) -> Finding {
    if !state.context.pluginIsTrusted { return Finding(refusal: .virtualOnly) }
    if state.context.pluginIsDisabled { return Finding(refusal: .disabledPlugin) }
    if idea.flags.contains(.observation) { return Finding(refusal: .observation) }
    if idea.horizonNanoseconds <= 0 || state.now > idea.expiry { return Finding(refusal: .expired) }
    let age = max(state.now.nanoseconds(since: state.priceTime), state.context.dataAgeNanoseconds)
    if state.priceTime == .never || age > settings.staleNanosecondsMax {
      return Finding(
        refusal: state.priceTime == .never ? .noPrice : .staleData, measured: Double(age),
        limit: Double(settings.staleNanosecondsMax))
    }
    if idea.flags.contains(.flat) { return .fine }
    guard idea.returnFraction.isFinite, idea.returnFraction != 0, abs(idea.returnFraction) < 1,
      idea.confidence >= 0, idea.confidence <= 1
    else { return Finding(refusal: .invalidSignal) }
    if !state.context.candleIsComplete { return Finding(refusal: .incompleteCandle) }
    if state.isQuarantined { return Finding(refusal: .quarantinedPrice) }
    if Double(idea.confidence) < settings.minimumConfidence {
      return Finding(
        refusal: .belowConfidence, measured: Double(idea.confidence), limit: settings.minimumConfidence)
    }
    return .fine
  }

  private static func entryVerdict(
    _ idea: Signal, _ state: RiskState, _ settings: DeskSettings, _ soundness: Finding, opposes: Bool
  ) -> Verdict {
    var verdict = Verdict(side: idea.side, plugin: idea.plugin, equity: state.equity)
    let early = earlyRefusal(idea, state, soundness, opposes: opposes)
    guard early.refusal == .none else {
      verdict.apply(early)
      return verdict
    }
    // Price and stop.
    let touch = idea.side == .buy ? state.ask : state.bid
    let reference = touch != .none ? touch : state.last
    guard reference.ticks > 0 else {
      verdict.refusal = .noPrice
      return verdict
    }
    verdict.reference = reference
    let fractions = bracketFractions(idea, settings)
    guard
      let bracket = Bracket(
        entry: state.rules.double(reference), side: idea.side, stopFraction: fractions.stop,
        targetFraction: fractions.target, rules: state.rules, rounding: settings.bracketRounding)
    else {
      verdict.apply(Finding(refusal: .noStop, measured: fractions.stop))
      return verdict
    }
    verdict.stop = bracket.stop
    verdict.target = bracket.target
    let cost = settings.roundTripCostFraction
    if settings.requiresNetReturn, abs(idea.returnFraction) <= cost {
      verdict.apply(
        Finding(refusal: .costsExceedReturn, measured: abs(idea.returnFraction), limit: cost))
      return verdict
    }
    // Size, margin, exposure.
    let size = PositionSizing.size(
      PositionSizing.Input(
        side: idea.side, reference: reference, stop: bracket.stop, equity: state.equity,
        usedMargin: state.usedMargin, markE8: state.markE8), rules: state.rules, settings: settings)
    verdict.quantity = size.quantity
    verdict.notional = size.notional
    verdict.margin = size.margin
    verdict.risk = size.risk
    verdict.measured = abs(idea.returnFraction) - cost
    verdict.limit = 0
    if size.refusal != .none {
      verdict.apply(Finding(refusal: size.refusal, measured: size.measured, limit: size.limit))
      return verdict
    }
    if state.otherPositions >= settings.openPositionsMax {
      verdict.apply(
        Finding(
          refusal: .tooManyPositions, measured: Double(state.otherPositions),
          limit: Double(settings.openPositionsMax)))
      return verdict
    }
    // Loss limits.
    let opening = state.dayOpeningEquity.amount
    if settings.dailyLossFractionMax < 1, opening > 0 {
      let loss = (opening - state.equity.amount) / opening
      if loss >= settings.dailyLossFractionMax {
        verdict.apply(Finding(refusal: .dailyLoss, measured: loss, limit: settings.dailyLossFractionMax))
        return verdict
      }
    }
    verdict.action = .open
    return verdict
  }

  private static func earlyRefusal(
    _ idea: Signal, _ state: RiskState, _ soundness: Finding, opposes: Bool
  ) -> Finding {
    switch state.mode {
    case .halted: return Finding(refusal: .halted)
    case .reduceOnly: return Finding(refusal: .reduceOnly)
    case .normal: break
    }
    if state.isDraining { return Finding(refusal: .draining) }
    if !state.context.isReady { return Finding(refusal: .notReady) }
    if !state.isTrading { return Finding(refusal: .notTrading) }
    if soundness.refusal != .none { return soundness }
    if state.context.isFilteredOut {
      return Finding(
        refusal: .entryFilter, measured: state.context.filterMeasured, limit: state.context.filterLimit)
    }
    if state.isBusy { return Finding(refusal: .instrumentBusy) }
    if state.positionSteps != 0, !opposes { return Finding(refusal: .sameSide) }
    if !opposes, state.now < state.cooldownUntil {
      return Finding(refusal: .cooldown, measured: Double(state.cooldownUntil.nanoseconds(since: state.now)))
    }
    return .fine
  }

  /// The signal's own distances, or the defaults where it names none.
  static func bracketFractions(_ idea: Signal, _ settings: DeskSettings) -> (stop: Double, target: Double) {
    (
      idea.stopFraction.isNaN ? settings.defaultStopFraction : Double(idea.stopFraction),
      idea.targetFraction.isNaN ? settings.defaultTargetFraction : Double(idea.targetFraction)
    )
  }
}

extension Verdict {
  mutating func apply(_ finding: RiskGate.Finding) {
    refusal = finding.refusal
    measured = finding.measured
    limit = finding.limit
  }
}
