import Market

/// The instruments of a generated market: well-known majors first, then invented ones (`AAAUSDT`, `AABUSDT`, …).
///
/// Ticks, steps and price levels look like the exchange's own: about five significant digits in a price, a step worth
/// cents to a few dollars. Nothing here is market data; the levels are round numbers.
struct GeneratedMarketUniverse: Sendable {
  struct Listing: Sendable {
    var instrument: Instrument
    /// Where the price stands when the market starts.
    var startTicks: Int64
    /// Share of the message traffic, relative to 1 for an ordinary symbol.
    var activity: Double
    /// One standard deviation of the symbol's own return over a minute.
    var minuteDeviation: Double
    /// How strongly the symbol follows the common factor.
    var beta: Double
    /// Usual distance of bid and ask.
    var spreadTicks: Int64
  }

  let listings: [Listing]

  /// - Precondition: `1 ≤ symbolCount ≤ GeneratedMarket.symbolCountMax`.
  init(symbolCount: Int, seed: UInt64, onboard: Instant) {
    precondition((1...GeneratedMarket.symbolCountMax).contains(symbolCount), "symbol count in range")
    var random = SeededRandom(seed: seed ^ 0x5EED_0F5E_EDED_0001)
    var result: [Listing] = []
    result.reserveCapacity(symbolCount)
    for major in Self.majors.prefix(symbolCount) {
      result.append(Self.listing(major, rank: result.count, onboard: onboard, using: &random))
    }
    let taken = Set(Self.majors.map(\.base))
    var number = 0
    while result.count < symbolCount {
      let base = Self.inventedName(number)
      number += 1
      guard !taken.contains(base) else { continue }
      let invented = Self.invented(base, using: &random)
      result.append(Self.listing(invented, rank: result.count, onboard: onboard, using: &random))
    }
    listings = result
  }

  private struct Level {
    var base: String
    var priceE8: Int64
    var tickE8: Int64
    var stepE8: Int64
  }

  private static func listing(
    _ level: Level, rank: Int, onboard: Instant, using random: inout SeededRandom
  ) -> Listing {
    let ticks = level.priceE8 / level.tickE8
    let notionalMaxE8 = 2_000_000 * FixedPoint.one
    let stepsMax = max(
      1_000, Int64(Double(notionalMaxE8) / Double(level.priceE8) * 1e8 / Double(level.stepE8)))
    let rules = InstrumentRules(
      tickE8: level.tickE8, stepE8: level.stepE8, priceTicksMin: max(1, ticks / 1_000),
      priceTicksMax: ticks * 1_000, quantityStepsMin: 1, quantityStepsMax: stepsMax * 5,
      marketStepsMax: stepsMax, notionalMinE8: 5 * FixedPoint.one)
    let instrument = Instrument(
      symbol: level.base + "USDT", baseAsset: level.base, rules: rules,
      onboardMilliseconds: onboard.milliseconds)
    let isMajor = rank < majors.count
    return Listing(
      instrument: instrument, startTicks: ticks,
      activity: rank < 2 ? 6 : rank < 10 ? 3 : isMajor ? 1.5 : 0.6 + 0.8 * random.uniform(),
      minuteDeviation: (isMajor ? 0.0006 : 0.0009) * (0.8 + 0.6 * random.uniform()),
      beta: 0.7 + 0.6 * random.uniform(),
      spreadTicks: rank < 10 ? 1 : 1 + Int64(random.below(isMajor ? 2 : 4)))
  }

  private static func inventedName(_ number: Int) -> String {
    var rest = number
    var letters: [UInt8] = []
    for _ in 0..<3 {
      letters.append(0x41 + UInt8(rest % 26))
      rest /= 26
    }
    return String(decoding: letters.reversed(), as: UTF8.self)
  }

  /// A price between 0.01 and 100 with five significant digits and a step worth about a tenth of a dollar to ten.
  private static func invented(_ base: String, using random: inout SeededRandom) -> Level {
    let decade = Int(random.below(4))  // 0.01…, 0.1…, 1…, 10…
    var unitE8: Int64 = 1_000_000
    for _ in 0..<decade { unitE8 *= 10 }
    let digits = 10_000 + Int64(random.below(90_000))
    let tickE8 = unitE8 / 10_000
    let stepE8: Int64 = decade == 3 ? FixedPoint.one / 10 : decade == 0 ? 10 * FixedPoint.one : FixedPoint.one
    return Level(base: base, priceE8: digits * tickE8, tickE8: tickE8, stepE8: stepE8)
  }

  private static func major(_ base: String, _ price: Double, tick: Int64, step: Int64) -> Level {
    let tickCount = Int64((price * 1e8 / Double(tick)).rounded())
    return Level(base: base, priceE8: tickCount * tick, tickE8: tick, stepE8: step)
  }

  private static let majors: [Level] = [
    major("BTC", 96_000, tick: 10_000_000, step: 100_000),
    major("ETH", 3_300, tick: 1_000_000, step: 100_000),
    major("SOL", 180, tick: 1_000_000, step: 1_000_000),
    major("XRP", 2.2, tick: 10_000, step: 10_000_000),
    major("BNB", 640, tick: 1_000_000, step: 1_000_000),
    major("DOGE", 0.24, tick: 1_000, step: 100_000_000),
    major("ADA", 0.75, tick: 10_000, step: 100_000_000),
    major("LINK", 18, tick: 100_000, step: 1_000_000),
    major("AVAX", 28, tick: 100_000, step: 100_000_000),
    major("LTC", 95, tick: 1_000_000, step: 100_000),
    major("DOT", 5.2, tick: 100_000, step: 10_000_000),
    major("TRX", 0.27, tick: 1_000, step: 100_000_000),
    major("BCH", 420, tick: 1_000_000, step: 100_000),
    major("XLM", 0.31, tick: 1_000, step: 100_000_000),
    major("ATOM", 5.8, tick: 100_000, step: 1_000_000),
    major("ETC", 22, tick: 100_000, step: 1_000_000),
    major("FIL", 4.1, tick: 100_000, step: 10_000_000),
    major("NEAR", 3.2, tick: 100_000, step: 100_000_000),
    major("UNI", 8.4, tick: 100_000, step: 100_000_000),
    major("AAVE", 210, tick: 1_000_000, step: 10_000_000),
    major("ALGO", 0.21, tick: 10_000, step: 10_000_000),
    major("XMR", 230, tick: 1_000_000, step: 100_000),
    major("APT", 6.4, tick: 100_000, step: 10_000_000),
    major("ARB", 0.48, tick: 10_000, step: 10_000_000),
  ]
}
