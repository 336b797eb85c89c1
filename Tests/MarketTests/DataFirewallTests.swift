import Market
import Testing

@Suite("The data firewall")
struct DataFirewallTests {
  static let rules = [
    InstrumentRules(tickE8: 10_000_000, stepE8: 100_000, priceTicksMax: 10_000_000),
    InstrumentRules(tickE8: 1, stepE8: 1),
  ]
  static let start = Instant(milliseconds: 1_795_250_000_000)
  let btc = InstrumentID(0)

  static func at(_ milliseconds: Int64) -> Instant { start.advanced(byNanoseconds: milliseconds * 1_000_000) }

  static func trade(_ ticks: Int64, at milliseconds: Int64, id: Int64, steps: Int64 = 5) -> MarketEvent {
    .trade(
      InstrumentID(0), time: at(milliseconds), price: Price(ticks: ticks), quantity: Quantity(steps: steps),
      aggregateID: id)
  }

  static func quote(_ bid: Int64, _ ask: Int64, at milliseconds: Int64) -> MarketEvent {
    .quote(
      InstrumentID(0), time: at(milliseconds), bid: Price(ticks: bid), bidQuantity: Quantity(steps: 1),
      ask: Price(ticks: ask), askQuantity: Quantity(steps: 1))
  }

  static func mark(_ ticks: Int64, at milliseconds: Int64) -> MarketEvent {
    .mark(
      InstrumentID(0), time: at(milliseconds), markE8: ticks * 10_000_000, indexE8: ticks * 10_000_000,
      fundingRateE8: 10_000, nextFundingMilliseconds: 0)
  }

  /// What became of an event that arrives on time.
  static func inspect(_ firewall: inout DataFirewall, _ event: MarketEvent, _ sequence: Int64) -> (
    rejection: FirewallRejection?, isQuarantined: Bool
  ) {
    var event = event
    let rejection = firewall.inspect(&event, sequence: sequence, serverNow: event.time)
    return (rejection, event.flags.contains(.quarantined))
  }

  @Test("accepts a plain quote, trade and mark, and changes nothing in them")
  func accepts() {
    var firewall = DataFirewall(rules: Self.rules)
    #expect(Self.inspect(&firewall, Self.quote(1000, 1001, at: 0), 1) == (nil, false))
    #expect(Self.inspect(&firewall, Self.trade(1000, at: 0, id: 1), 1) == (nil, false))
    #expect(Self.inspect(&firewall, Self.mark(1000, at: 0), 1) == (nil, false))
    #expect(firewall.missing == nil)
  }

  @Test("names the reason of every refusal and counts it")
  func reasons() {
    var firewall = DataFirewall(rules: Self.rules)
    func expect(
      _ event: MarketEvent, _ reason: FirewallRejection, sourceLocation: SourceLocation = #_sourceLocation
    ) {
      #expect(Self.inspect(&firewall, event, 1).rejection == reason, sourceLocation: sourceLocation)
    }
    expect(Self.quote(0, 1001, at: 0), .price)
    expect(Self.quote(-5, 1001, at: 0), .price)
    expect(Self.quote(1000, 20_000_000, at: 0), .price)
    expect(Self.quote(.max - 1, .max, at: 0), .price)
    expect(Self.quote(1001, 1001, at: 0), .logic)
    expect(Self.quote(1002, 1001, at: 0), .logic)
    expect(Self.trade(0, at: 0, id: 1), .price)
    expect(Self.trade(.min, at: 0, id: 1), .price)
    expect(Self.trade(1000, at: 0, id: 1, steps: 0), .size)
    expect(Self.trade(1000, at: 0, id: 1, steps: -1), .size)
    expect(Self.trade(1000, at: 0, id: 1, steps: .max), .size)
    expect(Self.mark(0, at: 0), .price)
    expect(Self.mark(-1, at: 0), .price)
    var mark = Self.mark(1000, at: 0)
    mark.word2 = 90_000_000
    expect(mark, .logic)
    var stranger = Self.trade(1000, at: 0, id: 1)
    stranger.instrument = InstrumentID(2)
    expect(stranger, .instrument)
    expect(.gap(btc, time: Self.start, cause: .overrun, count: 1), .logic)
    var total: UInt64 = 0
    for index in 0..<8 { total += firewall.counts[index] }
    #expect(total == 16 && firewall.counts[Int(FirewallRejection.price.rawValue)] == 8)
    #expect(
      Self.inspect(&firewall, Self.trade(1000, at: 0, id: 1), 1) == (nil, false), "refusals leave no trace")
  }

  @Test(
    "accepts only times around the venue's clock",
    arguments: [
      (Int64(0), true), (-299_000, true), (-301_000, false), (1_999, true), (2_001, false),
      (-1_795_250_000_000, false),
      (-1_793_454_750_000, false), (1_000_000_000_000, false),
    ])
  func times(offsetMilliseconds: Int64, isAccepted: Bool) {
    var firewall = DataFirewall(rules: Self.rules)
    var event = Self.trade(1000, at: offsetMilliseconds, id: 1)
    let rejection = firewall.inspect(&event, sequence: 1, serverNow: Self.start)
    #expect(rejection == (isAccepted ? nil : .time))
  }

  @Test("refuses repeats, reorderings and time running backwards, for each stream by itself")
  func order() {
    var firewall = DataFirewall(rules: Self.rules)
    #expect(Self.inspect(&firewall, Self.trade(1000, at: 100, id: 50), 50).rejection == nil)
    #expect(Self.inspect(&firewall, Self.trade(1000, at: 100, id: 50), 50).rejection == .duplicate)
    #expect(Self.inspect(&firewall, Self.trade(1000, at: 100, id: 49), 49).rejection == .order)
    #expect(Self.inspect(&firewall, Self.trade(1000, at: 99, id: 51), 51).rejection == .time)
    #expect(Self.inspect(&firewall, Self.quote(999, 1000, at: 50), 1).rejection == nil, "another stream")
    #expect(Self.inspect(&firewall, Self.trade(1000, at: 100, id: 51), 51).rejection == nil)
  }

  @Test("takes up a stream whose ids began anew, once its time is clearly newer")
  func restart() {
    var firewall = DataFirewall(rules: Self.rules)
    #expect(Self.inspect(&firewall, Self.trade(1000, at: 0, id: 5000), 5000).rejection == nil)
    #expect(Self.inspect(&firewall, Self.trade(1000, at: 4999, id: 1), 1).rejection == .order)
    #expect(Self.inspect(&firewall, Self.trade(1000, at: 5000, id: 1), 1).rejection == nil)
    #expect(firewall.missing == nil)
    firewall.forgetSequences()
    #expect(Self.inspect(&firewall, Self.trade(1000, at: 1, id: 1), 1).rejection == nil)
  }

  @Test("says exactly which aggregate trades are missing")
  func missing() {
    var firewall = DataFirewall(rules: Self.rules)
    _ = Self.inspect(&firewall, Self.trade(1000, at: 0, id: 10), 10)
    #expect(firewall.missing == nil)
    _ = Self.inspect(&firewall, Self.trade(1000, at: 1, id: 15), 15)
    #expect(firewall.missing == MissingTrades(first: 11, last: 14) && firewall.missing?.count == 4)
    _ = Self.inspect(&firewall, Self.trade(1000, at: 1, id: 16), 16)
    #expect(firewall.missing == nil)
    var single = Self.trade(1000, at: 2, id: 900)
    single.detail = 1
    _ = Self.inspect(&firewall, single, 900)
    #expect(firewall.missing == nil, "ids of single trades have holes")
  }

  @Test("quarantines one print 40 % away and goes on as if nothing had been")
  func spike() {
    var firewall = DataFirewall(rules: Self.rules)
    for step in 0..<20 {
      _ = Self.inspect(
        &firewall, Self.trade(1000, at: Int64(step) * 100, id: Int64(step) + 1), Int64(step) + 1)
    }
    #expect(Self.inspect(&firewall, Self.trade(1400, at: 2001, id: 21), 21) == (nil, true))
    #expect(Self.inspect(&firewall, Self.trade(600, at: 2002, id: 22), 22) == (nil, true))
    #expect(Self.inspect(&firewall, Self.trade(1001, at: 2003, id: 23), 23) == (nil, false))
    #expect(Self.inspect(&firewall, Self.trade(1400, at: 2004, id: 24), 24) == (nil, true))
    #expect(firewall.quarantinedCount == 3)
  }

  @Test("follows a true crash as soon as a second source agrees", arguments: [0, 1])
  func crash(source: Int) {
    var firewall = DataFirewall(rules: Self.rules)
    _ = Self.inspect(&firewall, Self.mark(1000, at: 0), 1)
    for step in 1...20 {
      _ = Self.inspect(&firewall, Self.trade(1000, at: Int64(step) * 100, id: Int64(step)), Int64(step))
    }
    #expect(Self.inspect(&firewall, Self.trade(700, at: 2100, id: 21), 21) == (nil, true))
    let second = source == 0 ? Self.quote(699, 701, at: 2150) : Self.mark(705, at: 2150)
    #expect(Self.inspect(&firewall, second, 2) == (nil, false))
    #expect(Self.inspect(&firewall, Self.trade(698, at: 2200, id: 22), 22) == (nil, false))
  }

  @Test("follows a crash that only one source sees after three seconds without return")
  func persistence() {
    var firewall = DataFirewall(rules: Self.rules)
    for step in 1...20 {
      _ = Self.inspect(&firewall, Self.trade(1000, at: Int64(step) * 100, id: Int64(step)), Int64(step))
    }
    var firstFollowed: Int64?
    for step in 0..<50 {
      let (rejection, isQuarantined) = Self.inspect(
        &firewall, Self.trade(700, at: 2100 + Int64(step) * 100, id: 100 + Int64(step)), 100 + Int64(step))
      #expect(rejection == nil)
      if !isQuarantined, firstFollowed == nil { firstFollowed = Int64(step) * 100 }
    }
    #expect(firstFollowed == 3000)
  }

  @Test("quarantines an absurd mark and does not measure prices by it")
  func absurdMark() {
    var firewall = DataFirewall(rules: Self.rules)
    _ = Self.inspect(&firewall, Self.trade(1000, at: 0, id: 1), 1)
    _ = Self.inspect(&firewall, Self.mark(1000, at: 0), 1)
    #expect(Self.inspect(&firewall, Self.mark(1600, at: 1000), 2) == (nil, true))
    #expect(Self.inspect(&firewall, Self.trade(1000, at: 1001, id: 2), 2) == (nil, false))
    #expect(Self.inspect(&firewall, Self.trade(1600, at: 1002, id: 3), 3) == (nil, true))
  }

  @Test("never traps and never lets an implausible event through", arguments: UInt64(0)..<16)
  func anything(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var firewall = DataFirewall(rules: Self.rules)
    func word() -> Int64 {
      switch random.below(6) {
      case 0: [0, 1, -1, .max, .min, .max - 1][Int(random.below(6))]
      case 1: Int64(bitPattern: random.next())
      default: Int64(random.below(3000))
      }
    }
    let kinds: [MarketEvent.Kind] = [.quote, .trade, .mark, .bar, .gap, .stream]
    for round in 0..<5000 {
      var event = MarketEvent(
        kind: kinds[Int(random.below(6))], detail: UInt8(random.below(3)),
        instrument: InstrumentID(index: UInt32(truncatingIfNeeded: random.below(4))),
        time: random.below(5) == 0 ? Instant(nanoseconds: word()) : Self.at(Int64(round)), word0: word(),
        word1: word(),
        word2: word(), word3: word(), word4: word())
      let rejection = firewall.inspect(&event, sequence: word(), serverNow: Self.at(Int64(round)))
      if rejection == nil {
        #expect(DataFirewall.isPlausible(event, instrumentCount: 2), "seed \(seed) round \(round): \(event)")
      }
    }
  }

  @Test("finds implausible events at the reader without any state")
  func plausible() {
    #expect(DataFirewall.isPlausible(Self.quote(1, 2, at: 0), instrumentCount: 1))
    #expect(!DataFirewall.isPlausible(Self.quote(2, 2, at: 0), instrumentCount: 1))
    #expect(!DataFirewall.isPlausible(Self.quote(1, 2, at: 0), instrumentCount: 0))
    #expect(!DataFirewall.isPlausible(Self.trade(0, at: 0, id: 1), instrumentCount: 1))
    let candle = Candle(
      openTime: Self.start, open: Price(ticks: 5), high: Price(ticks: 6), low: Price(ticks: 4),
      close: Price(ticks: 5),
      volume: Quantity(steps: 1))
    #expect(DataFirewall.isPlausible(.bar(btc, .minute1, candle), instrumentCount: 1))
    var inverted = candle
    inverted.high = Price(ticks: 3)
    #expect(!DataFirewall.isPlausible(.bar(btc, .minute1, inverted), instrumentCount: 1))
    #expect(
      DataFirewall.isPlausible(.gap(.none, time: Self.start, cause: .overrun, count: 5), instrumentCount: 1))
  }
}
