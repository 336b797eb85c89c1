public import Market

/// What a generated market is made of.
public struct GeneratedMarketSettings: Sendable, Hashable {
  public var symbolCount: Int
  public var seed: UInt64
  /// Market messages a second over all symbols: quotes, trades and mark prices together.
  public var messagesPerSecond: Int
  /// When the market starts, on the venue's clock.
  public var start: Instant

  public init(symbolCount: Int, seed: UInt64, messagesPerSecond: Int, start: Instant) {
    self.symbolCount = symbolCount
    self.seed = seed
    self.messagesPerSecond = messagesPerSecond
    self.start = start
  }
}

/// A seeded market of many symbols: an endless, time-ordered sequence of quotes, trades and mark prices.
///
/// Prices move in steps of a tenth of a second. A step is the symbol's share of a common factor plus its own noise,
/// both with clustering volatility (a GARCH recursion), plus the drift of a regime that lasts between 40 seconds and
/// four minutes. Only additions, multiplications, divisions and square roots are used, so one seed gives one sequence
/// of bytes everywhere. Not copied in the hot path: one owner pulls events with `next()`.
public struct GeneratedMarket: Sendable {
  public static let symbolCountMax = 1_000
  public static let messagesPerSecondMax = 2_000_000

  public let settings: GeneratedMarketSettings
  public let table: InstrumentTable
  public let history: GeneratedMarketHistory

  private let listings: [GeneratedMarketUniverse.Listing]
  private var symbols: [SymbolState]
  private var factor = Volatility()
  private var factorRegime = Regime()
  private var random: SeededRandom
  /// Maps a uniform number to a symbol by its activity, without a search.
  private let lottery: [UInt16]

  private var stepCount: Int64 = 0
  private var slot: Int64 = 0
  private var slotTime: Int64 = 0
  private var markCount: Int64 = 0

  private let tradeAndQuoteRate: Int64
  private static let stepsPerSecond: Int64 = 10
  private static let second: Int64 = 1_000_000_000
  private static let fundingNanoseconds: Int64 = 8 * 3_600 * second

  /// - Precondition: counts within the limits named above, at least one message a second.
  public init(_ settings: GeneratedMarketSettings) {
    precondition(
      (1...Self.messagesPerSecondMax).contains(settings.messagesPerSecond), "message rate in range")
    self.settings = settings
    let day: Int64 = 86_400 * Self.second
    let onboard = Instant(
      nanoseconds: (settings.start.nanoseconds / day - GeneratedMarketHistory.dayCountMax) * day)
    let universe = GeneratedMarketUniverse(
      symbolCount: settings.symbolCount, seed: settings.seed, onboard: onboard)
    listings = universe.listings
    table = InstrumentTable(venue: "simulator", instruments: universe.listings.map(\.instrument))
    history = GeneratedMarketHistory(
      seed: settings.seed, listings: universe.listings, start: settings.start)
    random = SeededRandom(seed: settings.seed)
    symbols = []
    symbols.reserveCapacity(listings.count)
    for listing in listings {
      symbols.append(SymbolState(listing, using: &random))
    }
    lottery = Self.lottery(listings)
    // Mark prices come once a second per symbol and are part of the rate as long as they are the smaller half of it.
    let marks = settings.symbolCount
    tradeAndQuoteRate = Int64(
      settings.messagesPerSecond >= 2 * marks
        ? settings.messagesPerSecond - marks : settings.messagesPerSecond)
    slotTime = settings.start.nanoseconds
    for index in symbols.indices { requote(index) }
  }

  /// The last trade price at the start, from which the first candle opens.
  public func startPrice(_ instrument: InstrumentID) -> Price {
    Price(ticks: listings[Int(instrument.index)].startTicks)
  }

  /// What the instrument's book shows before the first event: asked for on a market that has not moved yet.
  public func openingQuote(_ instrument: InstrumentID) -> MarketEvent {
    quoteEvent(Int(instrument.index), settings.start)
  }

  /// The instrument's mark price before the first event.
  public func openingMark(_ instrument: InstrumentID) -> MarketEvent {
    markEvent(Int(instrument.index), settings.start)
  }

  /// When the next event happens.
  @inline(__always)
  public var nextTime: Instant { Instant(nanoseconds: min(slotTime, markTime)) }

  private var markTime: Int64 {
    settings.start.nanoseconds + markCount * Self.second / Int64(symbols.count)
  }

  /// The next event. Times never go back; several events may share one.
  public mutating func next() -> MarketEvent {
    let mark = markTime
    let now = min(slotTime, mark)
    advancePrices(to: now)
    if mark <= slotTime {
      let index = Int(markCount % Int64(symbols.count))
      markCount += 1
      return markEvent(index, Instant(nanoseconds: now))
    }
    // A slot per message keeps the rate exact; its place within the slot is random.
    slot += 1
    let slotStart = Int128(slot) * Int128(Self.second) / Int128(tradeAndQuoteRate)
    let width = Self.second / tradeAndQuoteRate
    slotTime = settings.start.nanoseconds + Int64(slotStart) + Int64(random.below(UInt64(max(1, width))))
    let draw = random.next()
    let index = Int(lottery[Int(draw & UInt64(Self.lotterySize - 1))])
    let time = Instant(nanoseconds: now)
    if draw >> 32 & 0xFF < 176 {
      requote(index)
      return quoteEvent(index, time)
    }
    return tradeEvent(index, time)
  }

  // MARK: Events

  private func quoteEvent(_ index: Int, _ time: Instant) -> MarketEvent {
    let symbol = symbols[index]
    return .quote(
      InstrumentID(index), time: time, bid: Price(ticks: symbol.bid),
      bidQuantity: Quantity(steps: symbol.bidSteps), ask: Price(ticks: symbol.ask),
      askQuantity: Quantity(steps: symbol.askSteps))
  }

  private mutating func tradeEvent(_ index: Int, _ time: Instant) -> MarketEvent {
    let draw = random.next()
    // Takers buy a little more often while the price rises: 50 % ± 20 %.
    let lean = symbols[index].drift > 0 ? 0.6 : 0.4
    let takerBuys = Double(draw >> 11) * 0x1p-53 < lean
    let symbol = symbols[index]
    let burst = Int64(draw & 0x7)
    let fills = burst < 5 ? 1 : burst - 3
    let steps = quantity(index, hash: draw >> 3)
    symbols[index].aggregateID += 1
    return .trade(
      InstrumentID(index), time: time, price: Price(ticks: takerBuys ? symbol.ask : symbol.bid),
      quantity: Quantity(steps: max(fills, steps)), aggregateID: symbol.aggregateID, tradeCount: fills,
      buyerIsMaker: !takerBuys)
  }

  private func markEvent(_ index: Int, _ time: Instant) -> MarketEvent {
    let symbol = symbols[index]
    let tick = Double(listings[index].instrument.rules.tickE8)
    let markE8 = max(1, Int64((symbol.level * tick).rounded()))
    let basis = symbol.basis
    let indexE8 = max(1, Int64((symbol.level * (1 - basis) * tick).rounded()))
    let rate = min(0.0005, max(-0.0005, 0.0001 + basis / 4))
    let next = (time.nanoseconds / Self.fundingNanoseconds + 1) * Self.fundingNanoseconds
    return .mark(
      InstrumentID(index), time: time, markE8: markE8, indexE8: indexE8,
      fundingRateE8: Int64((rate * 1e8).rounded()), nextFundingMilliseconds: next / 1_000_000)
  }

  // MARK: Prices

  private mutating func advancePrices(to now: Int64) {
    let due = (now - settings.start.nanoseconds) * Self.stepsPerSecond / Self.second
    while stepCount < due {
      stepCount += 1
      step()
    }
  }

  private mutating func step() {
    let isSecond = stepCount % Self.stepsPerSecond == 0
    let common = factorReturn()
    for index in symbols.indices {
      let listing = listings[index]
      let own = symbols[index].volatility.next(noise: random.normal()) * listing.minuteDeviation
      symbols[index].regime.step(using: &random)
      let drift =
        (symbols[index].regime.direction + listing.beta * factorRegime.direction) * listing.minuteDeviation
        * Self.driftPerStep
      // A weak pull towards the start price keeps a long run within a band a trader would recognise.
      let pull = (1 - symbols[index].level / Double(listing.startTicks)) * 0.000_004
      let change = own + listing.beta * common * listing.minuteDeviation + drift + pull
      symbols[index].level = max(10, symbols[index].level * (1 + change))
      symbols[index].drift = drift
      if isSecond {
        symbols[index].basis = symbols[index].basis * 0.999 + random.normal() * 0.000_01
      }
    }
  }

  private mutating func factorReturn() -> Double {
    factorRegime.step(using: &random)
    return factor.next(noise: random.normal())
  }

  /// A regime of direction 1 moves by two and a half minute deviations a minute.
  private static let driftPerStep = 2.5 / 600

  /// Puts bid and ask around the level, a spread apart that widens with volatility, with new quantities.
  private mutating func requote(_ index: Int) {
    let listing = listings[index]
    let symbol = symbols[index]
    let draw = random.next()
    let wide = symbol.volatility.variance > 4 ? listing.spreadTicks : 0
    let spread = listing.spreadTicks + wide + (draw & 0xF == 0 ? 1 : 0)
    // The level sits anywhere inside the spread, so quotes flicker by a tick.
    let bid = max(1, Int64(symbol.level - Double(draw >> 11) * 0x1p-53 * Double(spread)))
    symbols[index].bid = bid
    symbols[index].ask = bid + spread
    symbols[index].bidSteps = 8 * quantity(index, hash: draw)
    symbols[index].askSteps = 8 * quantity(index, hash: draw >> 20)
  }

  /// A quantity worth between about 50 and 20,000 dollars, small ones far more often.
  private func quantity(_ index: Int, hash: UInt64) -> Int64 {
    let uniform = Double(hash & 0xFFFF) * 0x1p-16
    let heavy = 1 / (0.004 + uniform)  // 1…250
    return max(1, Int64(symbols[index].stepsPer50Dollars * heavy))
  }

  private static let lotterySize = 16_384

  private static func lottery(_ listings: [GeneratedMarketUniverse.Listing]) -> [UInt16] {
    let total = listings.reduce(0.0) { $0 + $1.activity }
    var result: [UInt16] = []
    result.reserveCapacity(lotterySize)
    var sum = 0.0
    for (index, listing) in listings.enumerated() {
      sum += listing.activity
      let end = index == listings.count - 1 ? lotterySize : Int(sum / total * Double(lotterySize))
      while result.count < end { result.append(UInt16(index)) }
    }
    return result
  }
}

/// What moves of one symbol.
private struct SymbolState: Sendable {
  /// The price in ticks, finer than a tick.
  var level: Double
  var volatility = Volatility()
  var regime = Regime()
  var drift = 0.0
  var basis = 0.0
  var bid: Int64 = 0
  var ask: Int64 = 0
  var bidSteps: Int64 = 0
  var askSteps: Int64 = 0
  var aggregateID: Int64
  let stepsPer50Dollars: Double

  init(_ listing: GeneratedMarketUniverse.Listing, using random: inout SeededRandom) {
    level = Double(listing.startTicks)
    aggregateID = 1_000_000 + Int64(random.below(1_000_000_000))
    let rules = listing.instrument.rules
    stepsPer50Dollars = 50 / (rules.double(Price(ticks: listing.startTicks)) * Double(rules.stepE8) / 1e8)
    regime.step(using: &random)
  }
}

/// Clustering volatility: a step's variance remembers recent squared steps and returns to one.
private struct Volatility: Sendable {
  /// Relative to the usual variance.
  var variance = 1.0

  /// The return of one step, in minute deviations. Over a minute of 600 steps its deviation is about one.
  mutating func next(noise: Double) -> Double {
    let shock = variance.squareRoot() * noise
    variance += 0.01 * (1 - variance) + 0.06 * (shock * shock - variance)
    variance = min(16, max(0.2, variance))
    return shock * Self.stepOverMinute
  }

  private static let stepOverMinute = 0.040_824_829_046_386_3  // 1/√600
}

/// A direction the price leans to for a while.
private struct Regime: Sendable {
  var direction = 0.0
  var stepsLeft: Int64 = 0

  mutating func step(using random: inout SeededRandom) {
    if stepsLeft > 0 {
      stepsLeft -= 1
      return
    }
    stepsLeft = 400 + Int64(random.below(2_000))
    let strength = 0.4 + 0.9 * random.uniform()
    direction = random.next() & 1 == 0 ? strength : -strength
  }
}
