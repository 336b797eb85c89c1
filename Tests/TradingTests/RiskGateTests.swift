import Market
import Testing
import Trading

@Suite("The risk gate")
struct RiskGateTests {
  func state(_ change: (inout RiskState) -> Void = { _ in }) -> RiskState {
    var state = RiskState(now: at(0), rules: sampleRules)
    state.bid = Price(ticks: 10_000)
    state.ask = Price(ticks: 10_001)
    state.last = Price(ticks: 10_000)
    state.priceTime = at(0)
    state.equity = Quote(10_000)
    state.dayOpeningEquity = Quote(10_000)
    change(&state)
    return state
  }

  func refusal(_ signal: Signal, _ state: RiskState, _ settings: DeskSettings = DeskSettings()) -> Refusal {
    RiskGate.verdict(on: signal, state: state, settings: settings).refusal
  }

  @Test("opens a sound idea, with the arithmetic in the verdict")
  func opens() {
    let verdict = RiskGate.verdict(on: idea(.buy, at: at(0)), state: state(), settings: DeskSettings())
    #expect(verdict.action == .open)
    // 1 % of 10,000 at a stop 1.00 away: 100 / 1.00 = 100 units, less the cap of 10 % × 20 = 20,000 quote.
    #expect(verdict.reference == Price(ticks: 10_001))
    #expect(verdict.stop == Price(ticks: 9_901))
    #expect(verdict.quantity == Quantity(steps: 100_000))
    #expect(verdict.risk == Quote(100))
    #expect(verdict.margin == Quote(e8: verdict.notional.e8 / 20))
  }

  @Test("names each refusal")
  func namesRefusals() {
    let buy = idea(.buy, at: at(0))
    #expect(refusal(buy, state { $0.mode = .halted }) == .halted)
    #expect(refusal(buy, state { $0.mode = .reduceOnly }) == .reduceOnly)
    #expect(refusal(buy, state { $0.isDraining = true }) == .draining)
    #expect(refusal(buy, state { $0.context.isReady = false }) == .notReady)
    #expect(refusal(buy, state { $0.isTrading = false }) == .notTrading)
    #expect(refusal(buy, state { $0.context.pluginIsTrusted = false }) == .virtualOnly)
    #expect(refusal(buy, state { $0.context.pluginIsDisabled = true }) == .disabledPlugin)
    #expect(refusal(idea(.buy, at: at(0), flags: .observation), state()) == .observation)
    #expect(refusal(buy, state { $0.now = at(3_601) }) == .expired)
    #expect(refusal(buy, state { $0.now = at(11) }) == .staleData)
    #expect(refusal(buy, state { $0.context.dataAgeNanoseconds = seconds(11) }) == .staleData)
    #expect(refusal(buy, state { $0.context.candleIsComplete = false }) == .incompleteCandle)
    #expect(refusal(buy, state { $0.isQuarantined = true }) == .quarantinedPrice)
    #expect(refusal(idea(.buy, at: at(0), confidence: 0.5), state()) == .belowConfidence)
    #expect(refusal(idea(.buy, at: at(0), confidence: .nan), state()) == .invalidSignal)
    #expect(refusal(idea(.buy, at: at(0), expected: .nan), state()) == .invalidSignal)
    #expect(refusal(buy, state { $0.isBusy = true }) == .instrumentBusy)
    #expect(refusal(buy, state { $0.positionSteps = 5 }) == .sameSide)
    #expect(refusal(buy, state { $0.cooldownUntil = at(1) }) == .cooldown)
    #expect(refusal(buy, state { $0.priceTime = .never }) == .noPrice)
    #expect(
      refusal(
        buy,
        state {
          $0.ask = .none
          $0.last = .none
        }) == .noPrice)
    #expect(refusal(idea(.buy, at: at(0), stop: 0), state()) == .noStop)
    #expect(refusal(idea(.buy, at: at(0), stop: 1.5), state()) == .noStop)
    #expect(refusal(idea(.buy, at: at(0), expected: 0.001), state()) == .costsExceedReturn)
    #expect(refusal(buy, state { $0.rules.quantityStepsMin = 200_000 }) == .belowMinimumQuantity)
    #expect(refusal(buy, state { $0.rules.notionalMinE8 = 20_000 * FixedPoint.one }) == .belowMinimumNotional)
    #expect(refusal(buy, state { $0.usedMargin = Quote(5_000) }) == .exposureCap)
    #expect(refusal(buy, state { $0.otherPositions = 3 }) == .tooManyPositions)
    #expect(refusal(buy, state { $0.dayOpeningEquity = Quote(11_000) }) == .dailyLoss)
    var fixed = DeskSettings()
    fixed.sizing = .fixedQuantity(baseQuantity: 3_000)
    #expect(refusal(buy, state(), fixed) == .insufficientMargin)
    fixed.sizing = .fixedQuantity(baseQuantity: 300)
    #expect(refusal(buy, state(), fixed) == .exposureCap)
  }

  @Test("an opposite sound signal closes even when nothing may be opened; an unsound one does not")
  func closesInEveryMode() {
    let sell = idea(.sell, at: at(0))
    func judge(_ signal: Signal, _ change: (inout RiskState) -> Void) -> Verdict {
      var state = state(change)
      state.positionSteps = 100
      return RiskGate.verdict(on: signal, state: state, settings: DeskSettings())
    }
    #expect(judge(sell) { _ in }.action == .reverse)
    #expect(judge(sell) { $0.mode = .halted }.action == .close)
    #expect(judge(sell) { $0.isDraining = true }.action == .close)
    #expect(judge(sell) { $0.otherPositions = 3 }.action == .close)
    #expect(judge(sell) { $0.context.pluginIsTrusted = false }.action == .refuse)
    #expect(judge(idea(.sell, at: at(0), confidence: 0.2)) { _ in }.action == .refuse)
    #expect(judge(sell) { $0.isBusy = true }.action == .refuse)
    var settings = DeskSettings()
    settings.oppositeSignalCloses = false
    let verdict = RiskGate.verdict(on: sell, state: state { $0.positionSteps = 100 }, settings: settings)
    #expect(verdict.refusal == .oppositeSide && verdict.action == .refuse)
  }

  @Test(
    "no number a plugin can say traps or opens without a stop on the losing side", arguments: UInt64(0)..<400)
  func hostileSignals(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let odd: [Double] = [
      .nan, .infinity, -.infinity, 0, -0.0, 1, -1, 1e308, -1e308, 1e-308, 0.02, -0.02, 0.999999, .pi, 1e-9,
    ]
    func pick() -> Double { odd[Int(random.below(UInt64(odd.count)))] }
    let signal = Signal(
      causeSequence: random.next(), time: at(Double(random.below(3))),
      horizonNanoseconds: Int64(bitPattern: random.next()) >> 20,
      returnFraction: pick(), confidence: Float(pick()), deviationFraction: Float(pick()),
      stopFraction: Float(pick()), targetFraction: Float(pick()), instrument: btc)
    var settings = openSettings()
    settings.openPositionsMax = 10
    let verdict = RiskGate.verdict(on: signal, state: state { $0.now = at(2) }, settings: settings)
    if verdict.opens {
      #expect(verdict.quantity.steps > 0, "seed \(seed)")
      #expect((verdict.stop < verdict.reference) == (signal.side == .buy), "seed \(seed)")
      #expect((verdict.target > verdict.reference) == (signal.side == .buy), "seed \(seed)")
    } else {
      #expect(verdict.refusal != .none, "seed \(seed)")
    }
  }

  @Test("every refusal has its own name, a text and a stable number")
  func refusalNames() {
    #expect(Set(Refusal.allCases.map(\.name)).count == Refusal.allCases.count)
    #expect(Refusal.allCases.allSatisfy { !$0.text.isEmpty })
    #expect(Refusal.none.rawValue == 0 && Refusal.belowConfidence.rawValue == 19)
  }
}

@Suite("Position sizing")
struct PositionSizingTests {
  @Test(
    "never exceeds risk, caps or filters, and is never a step too small for risk alone",
    arguments: UInt64(0)..<300)
  func withinLimits(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let rules = InstrumentRules(
      tickE8: [1, 100, 10_000, 1_000_000, 10_000_000][Int(random.below(5))],
      stepE8: [1, 100_000, 1_000_000, 100_000_000][Int(random.below(4))],
      quantityStepsMin: Int64(1 + random.below(10)), quantityStepsMax: 1_000_000_000,
      marketStepsMax: Int64(1_000 + random.below(1_000_000_000)), notionalMinE8: 5 * FixedPoint.one)
    var settings = DeskSettings()
    let risk = 0.001 + 0.05 * random.uniform()
    settings.sizing = .fixedRisk(riskFraction: risk)
    settings.marginFractionPerTradeMax = 0.05 + 0.4 * random.uniform()
    settings.marginFractionTotalMax = settings.marginFractionPerTradeMax + 0.3 * random.uniform()
    let reference = Int64(1_000 + random.below(10_000_000))
    let distance = max(1, Int64(Double(reference) * (0.001 + 0.1 * random.uniform())))
    let input = PositionSizing.Input(
      side: .buy, reference: Price(ticks: reference), stop: Price(ticks: reference - distance),
      equity: Quote(100 + 1e6 * random.uniform()), usedMargin: Quote(50 * random.uniform()))
    let result = PositionSizing.size(input, rules: rules, settings: settings)
    guard result.refusal == .none else {
      #expect(result.measured.isFinite && result.limit.isFinite, "seed \(seed)")
      return
    }
    let slack = 1e-6
    let unit = Double(rules.tickE8) * Double(rules.stepE8) / 1e16
    let loss = Double(distance) * unit
    #expect(result.risk.amount <= input.equity.amount * risk + slack, "seed \(seed)")
    #expect(result.quantity.steps >= rules.quantityStepsMin)
    #expect(result.quantity.steps <= rules.marketStepsMax * Int64(PositionSizing.entryLegsMax))
    #expect(result.notional.e8 >= rules.notionalMinE8)
    let perTrade = input.equity.amount * settings.marginFractionPerTradeMax
    let total = input.equity.amount * settings.marginFractionTotalMax - input.usedMargin.amount
    #expect(result.margin.amount <= min(perTrade, total) + slack, "seed \(seed)")
    let step = Double(reference) * unit
    let isCapped =
      result.notional.amount + step > min(perTrade, total) * 20 - slack
      || result.quantity.steps == rules.marketStepsMax * Int64(PositionSizing.entryLegsMax)
    #expect(isCapped || result.risk.amount + loss > input.equity.amount * risk - slack, "seed \(seed)")
  }
}

@Suite("Stop and target prices")
struct BracketTests {
  @Test("safe rounding goes toward the entry, nearest rounding ties to even as nearbyint does")
  func rounding() {
    let safe = Bracket(
      entry: 100.02, side: .buy, stopFraction: 0.01, targetFraction: 0.02, rules: sampleRules, rounding: .safe
    )
    #expect(safe == Bracket(stop: Price(ticks: 9_902), target: Price(ticks: 10_202)))
    let short = Bracket(
      entry: 100.02, side: .sell, stopFraction: 0.01, targetFraction: 0.02, rules: sampleRules,
      rounding: .safe)
    #expect(short == Bracket(stop: Price(ticks: 10_102), target: Price(ticks: 9_802)))
    let whole = Bracket(
      entry: 100, side: .buy, stopFraction: 0.01, targetFraction: 0.02, rules: sampleRules, rounding: .safe)
    #expect(whole == Bracket(stop: Price(ticks: 9_900), target: Price(ticks: 10_200)))
    let cents = InstrumentRules(tickE8: 1_000_000, stepE8: 1)
    let even = Bracket(
      entry: 0.5, side: .buy, stopFraction: 0.25, targetFraction: 0.25, rules: cents, rounding: .nearest)
    #expect(
      even == Bracket(stop: Price(ticks: 38), target: Price(ticks: 62)), "37.5 and 62.5 go to the even tick")
  }

  @Test("keeps a tick of distance, and gives up where no price is left")
  func distance() {
    let tight = Bracket(
      entry: 1, side: .buy, stopFraction: 1e-6, targetFraction: 1e-6, rules: sampleRules, rounding: .nearest)
    #expect(tight == Bracket(stop: Price(ticks: 99), target: Price(ticks: 101)))
    #expect(
      Bracket(
        entry: 0.01, side: .buy, stopFraction: 0.5, targetFraction: 0.5, rules: sampleRules, rounding: .safe)
        == nil)
    #expect(
      Bracket(
        entry: 1, side: .sell, stopFraction: .nan, targetFraction: 0.5, rules: sampleRules, rounding: .safe)
        == nil)
  }

  @Test("a long is judged by bid and trades, a short by ask and trades, and a bar by its stop first")
  func triggers() {
    let long = ExitPlan(side: .buy, stop: Price(ticks: 90), target: Price(ticks: 110), expiry: .never)
    let short = ExitPlan(side: .sell, stop: Price(ticks: 110), target: Price(ticks: 90), expiry: .never)
    #expect(long.check(quote(90, 95, at: at(0)))?.purpose == .stop)
    #expect(long.check(quote(91, 111, at: at(0))) == nil)
    #expect(long.check(trade(110, at: at(0)))?.level == Price(ticks: 110))
    #expect(short.check(quote(100, 110, at: at(0)))?.purpose == .stop)
    #expect(short.check(quote(85, 90, at: at(0)))?.purpose == .target)
    #expect(short.check(trade(109, at: at(0))) == nil)
    #expect(long.check(bar(100, 120, 80, 100, openTime: dayStart))?.purpose == .stop)
    #expect(short.check(bar(100, 120, 80, 100, openTime: dayStart))?.purpose == .stop)
    #expect(short.check(bar(100, 109, 80, 100, openTime: dayStart))?.purpose == .target)
  }
}

@Suite("Desk settings")
struct DeskSettingsTests {
  @Test("the defaults are sound and every field out of range is named")
  func problems() {
    #expect(DeskSettings().problems().isEmpty)
    var settings = DeskSettings()
    settings.sizing = .fixedRisk(riskFraction: 2)
    settings.defaultStopFraction = 0
    settings.defaultTargetFraction = .nan
    settings.takerFeeE8 = -1
    settings.slippageFraction = 1
    settings.minimumConfidence = 60
    settings.openPositionsMax = 0
    settings.leverage = 126
    settings.marginFractionPerTradeMax = 0.8
    settings.holdingNanosecondsMax = 7_200
    settings.cooldownNanoseconds = -1
    settings.staleNanosecondsMax = 10
    settings.dailyLossFractionMax = 0
    settings.equitySampleNanoseconds = -1
    settings.orderSilenceNanosecondsMax = 0
    let problems = settings.problems()
    for name in [
      "riskFraction", "defaultStopFraction", "defaultTargetFraction", "takerFeeE8", "slippageFraction",
      "minimumConfidence", "openPositionsMax", "leverage", "marginFractionPerTradeMax",
      "holdingNanosecondsMax", "cooldownNanoseconds", "staleNanosecondsMax", "dailyLossFractionMax",
      "equitySampleNanoseconds", "orderSilenceNanosecondsMax",
    ] { #expect(problems.contains { $0.contains(name) }, "\(name)") }
    #expect(problems.count == 15)
  }
}
