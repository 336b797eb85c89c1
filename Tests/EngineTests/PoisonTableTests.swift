import BinanceWire
import Market
import PluginHost
import Testing
import Trading

@testable import Engine

/// A venue that keeps what comes past it: everything plugins, candles and orders would see.
private struct RecordingVenue: Exchange {
  var seen: [MarketEvent] = []
  mutating func observe(_ event: MarketEvent) { seen.append(event) }
  mutating func submit(_ command: OrderCommand) {}
  mutating func poll(now: Instant) -> ExchangeReport? { nil }
}

/// The way of a message from the socket to the decision: scanner, firewall, Brain.
private final class Line {
  static let table = InstrumentTable(
    venue: "test",
    instruments: [
      Instrument(
        symbol: "BTCUSDT", baseAsset: "BTC",
        rules: InstrumentRules(tickE8: 10_000_000, stepE8: 100_000, priceTicksMax: 10_000_000)),
      Instrument(
        symbol: "ETHUSDT", baseAsset: "ETH", rules: InstrumentRules(tickE8: 1_000_000, stepE8: 100_000)),
    ])

  var scanner = MarketMessageScanner(table: Line.table)
  var firewall = DataFirewall(rules: Line.table.rules)
  var brain: BrainLoop<RecordingVenue, MemoryJournal>
  var ringSequence: UInt64 = 0

  init() {
    let rules = Self.table.rules
    brain = BrainLoop(
      venue: RecordingVenue(), journal: MemoryJournal(),
      desk: Desk(
        rules: rules, settings: DeskSettings(), run: 1, openingBalance: Quote(e8: 1_000_000_000_000)),
      candles: CandleBook(rules: rules, windowBars: [.minute1: 16]),
      ledger: VirtualLedger(rules: rules, settings: LedgerSettings(DeskSettings())),
      plugins: PluginSet(hostName: "test", version: "1"), rules: rules, reportsAreInputs: true,
      journalsCandles: true, isWarm: true)
  }

  func publish(_ event: MarketEvent) {
    brain.take(event, sequence: ringSequence)
    ringSequence += 1
  }

  /// What became of one message. Padding is digits, so that a number cut off would seem to go on.
  func take(_ bytes: [UInt8], at milliseconds: Int64) -> PoisonShape.Outcome {
    let padded = bytes + [UInt8](repeating: 0x31, count: MarketMessageScanner.paddingBytes)
    let scan = padded.withUnsafeBytes { raw in
      scanner.scan(UnsafeRawBufferPointer(rebasing: raw[..<bytes.count]), receivedNanoseconds: 1)
    }
    switch scan {
    case .malformed(let reason): return .malformed(reason)
    case .ignored: return .ignored
    case .control: return .control
    case .batch: return .batch
    case .event(var event, let sequence):
      if let reason = firewall.inspect(
        &event, sequence: sequence, serverNow: Instant(milliseconds: milliseconds))
      {
        return .rejected(reason)
      }
      if let missing = firewall.missing {
        publish(
          .gap(
            event.instrument, time: event.time, cause: .tradeIdentifiers, first: missing.first,
            last: missing.last, count: missing.count))
        publish(event)
        return .gap(missing.count)
      }
      publish(event)
      return event.flags.contains(.quarantined) ? .quarantined : .accepted
    }
  }
}

@Suite("Poison, from the socket to the decision")
struct PoisonTableTests {
  static let shapes = PoisonNumbers.shapes + PoisonStructure.shapes + PoisonValues.shapes
  static let start: Int64 = 1_795_250_040_000
  /// Far enough apart that no candidate waits and no stream may begin anew; 200 of them make a minute.
  static let stepMilliseconds: Int64 = 300

  /// A good market, and between its messages those of `shapes`: as they are, or when not `isPoisoned` only the plain
  /// messages that stand for the legal ones.
  private static func run(isPoisoned: Bool, shapes: [PoisonShape]) -> Line {
    let line = Line()
    var moment = MarketMoment(milliseconds: start, updateID: 5_000_000_000, aggregateID: 10_001)
    func good(_ text: String, _ milliseconds: Int64) {
      let outcome = line.take(Array(text.utf8), at: milliseconds)
      #expect(outcome == .accepted, "good data at \(milliseconds): \(outcome) \(text)")
    }
    for (number, shape) in shapes.enumerated() {
      // Prices that move, so that candles have four different ones.
      let ticks = MarketMoment.priceTicks + Int64(number * 37 % 41) - 20
      var trade = moment.trade
      trade["p"] = "\"\(ticks / 10).\(ticks % 10)\""
      good(trade.text, moment.milliseconds)
      good(moment.quote.text, moment.milliseconds)
      good(moment.mark.text, moment.milliseconds)
      moment.olderTrade = moment.lastTrade
      (moment.lastTrade, moment.lastQuote, moment.lastMark) = (
        trade.text, moment.quote.text, moment.mark.text
      )
      moment.aggregateID += 1
      moment.updateID += 1
      moment.milliseconds += stepMilliseconds
      // The next good mark is one later than a mark that was accepted.
      defer { moment.milliseconds += 1 }
      let outcome: PoisonShape.Outcome
      if isPoisoned {
        outcome = line.take(shape.bytes(moment), at: moment.milliseconds)
        #expect(outcome == shape.outcome, "\(shape.name): \(outcome)")
      } else {
        switch shape.outcome {
        case .accepted, .gap: outcome = line.take(Array(shape.plain(moment).utf8), at: moment.milliseconds)
        default: continue
        }
        #expect(outcome == shape.outcome, "\(shape.name), plain: \(outcome)")
      }
      switch outcome {
      case .accepted, .quarantined:
        switch shape.base {
        case .trade: moment.aggregateID += 1
        case .quote: moment.updateID += 1
        case .mark, .single: break
        }
      case .gap(let count): moment.aggregateID += count + 1
      default: break
      }
    }
    return line
  }

  /// What was seen, without ids: a quarantined trade takes one that the clean market does not know.
  private static func facts(_ events: [MarketEvent]) -> [[Int64]] {
    events.filter { !$0.flags.contains(.quarantined) }.map {
      [
        Int64($0.kind.rawValue), Int64($0.detail), Int64($0.flags.rawValue), $0.time.nanoseconds,
        $0.kind == .gap ? 0 : $0.word0, $0.kind == .gap ? 0 : $0.word1,
        $0.kind == .trade ? 0 : $0.word2, $0.word3,
      ]
    }
  }

  @Test("the table has more than two hundred shapes, each once")
  func table() {
    #expect(Self.shapes.count >= 250)
    #expect(Set(Self.shapes.map(\.name)).count == Self.shapes.count)
    let moment = MarketMoment(milliseconds: Self.start, updateID: 5_000_000_000, aggregateID: 10_001)
    var names: [[UInt8]: String] = [:]
    for shape in Self.shapes {
      let bytes = shape.bytes(moment)
      if bytes.isEmpty { continue }  // a replay, before anything was sent
      #expect(names[bytes] == nil, "\(shape.name) is \(names[bytes] ?? "") again")
      names[bytes] = shape.name
    }
    let refused = Self.shapes.filter {
      switch $0.outcome {
      case .malformed, .rejected: true
      default: false
      }
    }
    #expect(refused.count >= 200)
  }

  @Test("every shape ends as the table says, and nothing of it reaches candles, orders or plugins")
  func endToEnd() {
    let poisoned = Self.run(isPoisoned: true, shapes: Self.shapes)
    let clean = Self.run(isPoisoned: false, shapes: Self.shapes)
    let seen = Self.facts(poisoned.brain.venue.seen)
    #expect(seen == Self.facts(clean.brain.venue.seen))
    #expect(seen.count > 3 * Self.shapes.count)
    let flagged = poisoned.brain.venue.seen.count { $0.flags.contains(.quarantined) }
    #expect(flagged == Self.shapes.count { $0.outcome == .quarantined })
    #expect(clean.firewall.quarantinedCount == 0 && clean.brain.counts.implausibleEvents == 0)
    func candles(_ line: Line) -> [[Int64]] {
      line.brain.journal.entries.filter { $0.kind == .candleClosed }.compactMap(\.candle).map {
        let candle = $0.candle
        return [
          $0.timeframe.nanoseconds, candle.openTime.nanoseconds, candle.open.ticks, candle.high.ticks,
          candle.low.ticks, candle.close.ticks, candle.volume.steps, Int64(candle.tradeCount),
          Int64(candle.flags.rawValue),
        ]
      }
    }
    let closed = candles(poisoned)
    #expect(closed == candles(clean))
    #expect(closed.count >= 1 && poisoned.brain.counts.commands == 0)
    var refused: UInt64 = 0
    for reason in FirewallRejection.allCases { refused += poisoned.firewall.counts[Int(reason.rawValue)] }
    let wanted = Self.shapes.count { if case .rejected = $0.outcome { true } else { false } }
    #expect(refused == UInt64(wanted))
  }

  /// What the scanner says, in a form that can be compared.
  private static func scan(_ scanner: inout MarketMessageScanner, _ bytes: [UInt8]) -> String {
    let padded = bytes + [UInt8](repeating: 0x31, count: MarketMessageScanner.paddingBytes)
    return padded.withUnsafeBytes { raw in
      "\(scanner.scan(UnsafeRawBufferPointer(rebasing: raw[..<bytes.count]), receivedNanoseconds: 1))"
    }
  }

  @Test("every shape in an envelope is read as it is without")
  func enveloped() {
    var known = 0
    var scanner = MarketMessageScanner(table: Line.table)
    for shape in Self.shapes {
      // Envelopes of envelopes and texts that are no object are other shapes.
      let moment = MarketMoment(milliseconds: Self.start, updateID: 5_000_000_000, aggregateID: 10_001)
      let bare = shape.bytes(moment)
      let text = String(decoding: bare, as: UTF8.self)
      guard text.hasPrefix("{\"e\""), text.hasSuffix("}"), Array(text.utf8) == bare else { continue }
      let first = Self.scan(&scanner, bare)
      let second = Self.scan(&scanner, Array("{\"stream\":\"x@y\",\"data\":\(text)}".utf8))
      // One level more is one level deeper.
      if shape.name != "fifteen arrays" { #expect(first == second, "\(shape.name)") }
      known += 1
    }
    #expect(known > 200)
  }

  /// Events no firewall lets out, as a torn or scribbled ring might show them.
  static let implausible: [(name: String, event: MarketEvent)] = {
    let id = InstrumentID(0)
    let time = Instant(milliseconds: start)
    func quote(_ bid: Int64, _ bidSteps: Int64, _ ask: Int64, _ askSteps: Int64) -> MarketEvent {
      .quote(
        id, time: time, bid: Price(ticks: bid), bidQuantity: Quantity(steps: bidSteps),
        ask: Price(ticks: ask),
        askQuantity: Quantity(steps: askSteps))
    }
    func trade(_ ticks: Int64, _ steps: Int64, count: Int64 = 1) -> MarketEvent {
      .trade(
        id, time: time, price: Price(ticks: ticks), quantity: Quantity(steps: steps), aggregateID: 1,
        tradeCount: count)
    }
    func mark(_ markE8: Int64, _ indexE8: Int64) -> MarketEvent {
      .mark(
        id, time: time, markE8: markE8, indexE8: indexE8, fundingRateE8: 0, nextFundingMilliseconds: 0)
    }
    func bar(_ open: Int64, _ high: Int64, _ low: Int64, _ close: Int64, volume: Int64 = 5) -> MarketEvent {
      .bar(
        id, .minute1,
        Candle(
          openTime: time, open: Price(ticks: open), high: Price(ticks: high), low: Price(ticks: low),
          close: Price(ticks: close), volume: Quantity(steps: volume), tradeCount: 1))
    }
    func changed(_ event: MarketEvent, _ change: (inout MarketEvent) -> Void) -> MarketEvent {
      var event = event
      change(&event)
      return event
    }
    let stranger = InstrumentID(2)
    return [
      ("high below low", bar(100, 90, 110, 100)), ("high below open", bar(100, 99, 90, 95)),
      ("high below close", bar(95, 99, 90, 100)), ("low above open", bar(100, 110, 101, 105)),
      ("low above close", bar(105, 110, 101, 100)), ("low zero", bar(100, 110, 0, 105)),
      ("all zero", bar(0, 0, 0, 0)), ("low negative", bar(100, 110, -1, 105)),
      ("high beyond any price", bar(100, .max, 90, 95)),
      ("volume negative", bar(100, 110, 90, 95, volume: -1)),
      ("volume smallest i64", bar(100, 110, 90, 95, volume: .min)),
      ("a timeframe nobody knows", changed(bar(100, 110, 90, 95)) { $0.detail = 200 }),
      ("a bar of no time", changed(bar(100, 110, 90, 95)) { $0.time = .never }),
      ("book locked", quote(100, 1, 100, 1)), ("book crossed", quote(101, 1, 100, 1)),
      ("bid zero", quote(0, 1, 100, 1)), ("bid negative", quote(-1, 1, 100, 1)),
      ("ask beyond any price", quote(100, 1, .max, 1)), ("bid size negative", quote(100, -1, 101, 1)),
      ("ask size negative", quote(100, 1, 101, -1)), ("bid size beyond any", quote(100, .max, 101, 1)),
      ("ask size beyond any", quote(100, 1, 101, .max)),
      ("a quote of no time", changed(quote(100, 1, 101, 1)) { $0.time = .never }),
      ("price zero", trade(0, 1)), ("price negative", trade(.min, 1)), ("price beyond any", trade(.max, 1)),
      ("size zero", trade(100, 0)), ("size negative", trade(100, -5)), ("size beyond any", trade(100, .max)),
      ("no single trade", trade(100, 1, count: 0)), ("single trades beyond any", trade(100, 1, count: .max)),
      ("a trade before time", changed(trade(100, 1)) { $0.time = Instant(nanoseconds: -1) }),
      ("mark zero", mark(0, 1)), ("mark negative", mark(-1, 1)), ("index negative", mark(1, -1)),
      ("a mark of no time", changed(mark(1, 1)) { $0.time = .never }),
      ("a negative gap", .gap(id, time: time, cause: .overrun, count: -1)),
      ("a trade of a stranger", changed(trade(100, 1)) { $0.instrument = stranger }),
      ("a quote of nobody", changed(quote(100, 1, 101, 1)) { $0.instrument = .none }),
      ("a bar of nobody", changed(bar(100, 110, 90, 95)) { $0.instrument = .none }),
    ]
  }()

  @Test("the reader's own check stops what a ring must never have held")
  func reader() {
    let line = Line()
    for (number, shape) in Self.implausible.enumerated() {
      line.publish(shape.event)
      #expect(line.brain.counts.implausibleEvents == UInt64(number + 1), "\(shape.name)")
    }
    #expect(line.brain.venue.seen.isEmpty && line.brain.candles.count(InstrumentID(0), .minute1) == 0)
    #expect(line.brain.candles.running(InstrumentID(0), .minute1) == nil)
  }
}
