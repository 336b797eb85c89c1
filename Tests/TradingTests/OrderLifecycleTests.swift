import Market
import Testing
import Trading

@Suite("An order's life")
struct OrderLifecycleTests {
  func report(
    _ kind: ExchangeReport.Kind, _ steps: Int64 = 0, total: Int64 = 0, isFinal: Bool = false
  ) -> ExchangeReport {
    ExchangeReport(
      kind: kind, isFinal: isFinal, instrument: btc, quantity: Quantity(steps: steps),
      filledTotal: Quantity(steps: total), time: at(0))
  }

  func permutations(_ items: [ExchangeReport]) -> [[ExchangeReport]] {
    guard items.count > 1 else { return [items] }
    return items.indices.flatMap { index in
      var rest = items
      let first = rest.remove(at: index)
      return permutations(rest).map { [first] + $0 }
    }
  }

  @Test("reaches the same end in every order of arrival, and only moves forward")
  func everyOrder() {
    let life = [
      report(.unknown), report(.accepted), report(.accepted), report(.filled, 30, total: 30),
      report(.filled, 50, total: 80), report(.filled, 20, total: 100, isFinal: true),
    ]
    for order in permutations(life) {
      var lifecycle = OrderLifecycle(quantity: Quantity(steps: 100))
      lifecycle.markSent()
      var filled = Quantity.zero
      var wasTerminal = false
      for report in order {
        lifecycle.receive(report)
        #expect(lifecycle.filled >= filled)
        #expect(!wasTerminal || lifecycle.state.isTerminal, "a terminal state is never left")
        filled = lifecycle.filled
        wasTerminal = lifecycle.state.isTerminal
      }
      #expect(lifecycle.state == .filled && lifecycle.isSettled && lifecycle.filled.steps == 100)
    }
  }

  @Test("a cancel that names fills not seen yet waits for them")
  func waitsForFills() {
    var lifecycle = OrderLifecycle(quantity: Quantity(steps: 100))
    lifecycle.receive(report(.cancelled, total: 40, isFinal: true))
    #expect(lifecycle.state == .cancelled && !lifecycle.isSettled && lifecycle.remaining.steps == 40)
    lifecycle.receive(report(.filled, 40, total: 40))
    #expect(lifecycle.state == .cancelled && lifecycle.isSettled)
    lifecycle.receive(report(.accepted))
    #expect(lifecycle.state == .cancelled)
  }

  @Test("a refusal after an acceptance is ignored, a missing order is over")
  func refusals() {
    var resting = OrderLifecycle(quantity: Quantity(steps: 1))
    resting.receive(report(.accepted))
    resting.receive(report(.rejected, isFinal: true))
    #expect(resting.state == .resting)
    resting.receive(report(.missing))
    #expect(resting.state == .expired)
    var unknown = OrderLifecycle(quantity: Quantity(steps: 1))
    unknown.markSent()
    unknown.markUnknown()
    #expect(unknown.state == .unknown)
    unknown.receive(report(.missing))
    #expect(unknown.state == .rejected && unknown.isSettled)
  }

  @Test(
    "the fill filter passes each trade once, in any order, and nothing an earlier run applied",
    arguments: UInt64(0)..<20)
  func filtersFills(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var filter = FillFilter(instrumentCount: 2)
    filter.raiseFloor(btc, to: 1_000)
    var passed: [Int64] = []
    for _ in 0..<2_000 {
      let id = 990 + Int64(passed.count) + Int64(random.below(30))
      if filter.isNew(btc, id) { passed.append(id) }
    }
    #expect(Set(passed).count == passed.count, "seed \(seed)")
    #expect(passed.allSatisfy { $0 > 1_000 })
    #expect(passed.count > 300)
    let isNewElsewhere = filter.isNew(InstrumentID(1), 5)
    #expect(isNewElsewhere, "instruments do not share ids")
    let withoutID = [filter.isNew(btc, 0), filter.isNew(btc, 0)]
    #expect(withoutID == [true, true], "without an id nothing can be recognised")
  }
}

@Suite("Blending signals")
struct SignalBlendTests {
  @Test("a single plugin passes through unchanged; observations are dropped")
  func singlePlugin() {
    var blend = SignalBlend(instrumentCount: 1)
    let signal = idea(.buy, at: at(0), stop: 0.01, plugin: 4)
    let passed = blend.absorb(signal, now: at(0))
    #expect(passed.map { JournalEntry.signal($0, time: at(0)) } == JournalEntry.signal(signal, time: at(0)))
    let blended1 = blend.absorb(idea(.buy, at: at(0), flags: .observation), now: at(0))
    #expect(blended1 == nil)
    let blended2 = blend.absorb(idea(.buy, at: at(0), plugin: 99), now: at(0))
    #expect(blended2 == nil)
  }

  @Test("agreement raises and disagreement lowers confidence; returns are weighed by it")
  func twoPlugins() {
    var blend = SignalBlend(instrumentCount: 1)
    _ = blend.absorb(
      idea(.buy, at: at(0), confidence: 0.5, stop: 0.01, expected: 0.01, plugin: 0), now: at(0))
    let agreed = blend.absorb(
      idea(.buy, at: at(1), confidence: 1, stop: 0.04, expected: 0.04, plugin: 1), now: at(1))
    #expect(agreed?.plugin == SignalBlend.blendedPlugin)
    #expect(abs((agreed?.returnFraction ?? 0) - 0.03) < 1e-12)
    #expect(abs(Double(agreed?.confidence ?? 0) - 1.25 / 1.5) < 1e-6)
    #expect(abs(Double(agreed?.stopFraction ?? 0) - 0.03) < 1e-6)
    #expect(agreed?.expiry == at(3_600))
    let opposed = blend.absorb(idea(.sell, at: at(2), confidence: 0.5, expected: 0.01, plugin: 0), now: at(2))
    #expect(abs(Double(opposed?.confidence ?? 0) - 0.75 / 1.5) < 1e-6)
    #expect(opposed?.side == .buy)
  }

  @Test("an expired signal no longer counts, a flat one withdraws its plugin's word")
  func expiryAndFlat() {
    var blend = SignalBlend(instrumentCount: 1)
    _ = blend.absorb(idea(.buy, at: at(0), plugin: 0, horizonSeconds: 10), now: at(0))
    let blended3 = blend.absorb(idea(.sell, at: at(11), plugin: 1), now: at(11))
    #expect(blended3?.plugin == 1)
    _ = blend.absorb(idea(.buy, at: at(12), plugin: 0), now: at(12))
    let blended4 = blend.absorb(idea(.sell, at: at(13), plugin: 1, flags: .flat), now: at(13))
    #expect(blended4?.plugin == 0)
    let last = blend.absorb(idea(.buy, at: at(14), plugin: 0, flags: .flat), now: at(14))
    #expect(last?.flags.contains(.flat) == true)
  }
}
