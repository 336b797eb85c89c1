import BinanceWire
import Market
import NIOCore
import Simulator

/// The whole exchange behind both ports: prices, account, candles and subscribers, on one thread.   [event loop]
///
/// Every turn draws the events that are due on the venue's clock, shows each to the exchange and to its subscribers,
/// and then writes every connection's batch once. Requests of the REST port run between turns on the same thread, so
/// nothing here needs a lock.
final class ExchangeCore {
  let options: SimulatorOptions
  let clock: SimulatedClock
  let table: InstrumentTable
  let symbols: [String: InstrumentID]
  let history: PriceHistory
  let verifier: SignatureVerifier

  var exchange: SimulatedExchange
  var candles: LiveCandles
  var hub: StreamHub
  var names: OrderNames
  var listenKeys: ListenKeys
  var usage: UsageWindows
  /// Client ids made up for orders that came without one.
  var inventedCount: Int64 = 0
  /// Realised profit per instrument since the start, before fees (`cr`).
  var realized: [Quote]
  /// Stream clients closed because they fell too far behind.
  private(set) var slowClientCount = 0

  private(set) var quotes: [MarketEvent]
  private(set) var marks: [MarketEvent]
  private(set) var updateIDs: [Int64]
  private(set) var aggregateIDs: [Int64]
  private(set) var tradeIDs: [Int64]
  private var markCounts: [UInt8]

  private var source: MarketSource
  private let sourceStart: Instant
  private let isTape: Bool
  /// What is added to the source's times: it was made for the start, but plays from the first subscription.
  private var sourceShift: Int64?
  private let writer: MarketMessageWriter
  /// One stream message at a time.
  private var payload: [UInt8] = []
  private var klineVersions: [Int: UInt64] = [:]
  private var lastQuarterSecond: Int64 = 0
  private var lastSecond: Int64 = 0

  /// Events of one turn: bounds the time a REST request may wait behind a burst.
  static let eventsPerTurnMax = 20_000
  static let fundingMilliseconds: Int64 = 8 * 3_600_000

  init(options: SimulatorOptions, market: LoadedMarket, clock: SimulatedClock) {
    self.options = options
    self.clock = clock
    table = market.table
    history = market.history
    writer = MarketMessageWriter(table: market.table, newerFields: .values)
    payload.reserveCapacity(MarketMessageWriter.messageBytesMax)
    var symbols: [String: InstrumentID] = [:]
    for (index, instrument) in market.table.instruments.enumerated() {
      symbols[instrument.symbol] = InstrumentID(index)
    }
    self.symbols = symbols
    verifier = SignatureVerifier(
      apiKey: Secret(options.apiKey ?? SimulatorOptions.defaultAPIKey),
      secret: Secret(options.apiSecret ?? SimulatorOptions.defaultAPISecret))
    exchange = SimulatedExchange(instruments: market.table, settings: options.exchange)
    let start = clock.start
    let history = market.history
    candles = LiveCandles(
      start: start, rules: market.table.rules, openings: market.openings,
      begun: { history.begun($0, $1, start: start) })
    hub = StreamHub(market.table)
    names = OrderNames(countMax: options.exchange.closedOrdersMax + SimulatedExchangeSettings.openOrdersMax)
    listenKeys = ListenKeys(seed: UInt64(bitPattern: clock.start.nanoseconds))
    usage = UsageWindows(weightPerMinuteMax: options.weightPerMinuteMax)
    let count = market.table.count
    realized = [Quote](repeating: .zero, count: count)
    updateIDs = (0..<count).map { 1_000_000_000 + Int64($0) }
    aggregateIDs = (0..<count).map { 1_000_000 + Int64($0) * 1_000 }
    tradeIDs = (0..<count).map { 5_000_000 + Int64($0) * 1_000 }
    markCounts = [UInt8](repeating: 0, count: count)
    source = market.source
    sourceStart = market.sourceStart
    isTape = market.isTape
    quotes = market.openingQuotes
    marks = market.openingMarks
    for index in 0..<count {
      marks[index].word3 = nextFunding(after: marks[index].time)
      exchange.observe(quotes[index])
      exchange.observe(marks[index])
    }
    lastSecond = start.nanoseconds / 1_000_000_000
  }

  private(set) var isStopped = false

  /// Ends the turns and closes every stream connection.
  func stop() {
    isStopped = true
    for connection in hub.connections {
      connection.append(.close, bytes: [0x03, 0xE9])  // 1001: going away
      connection.flush()
      connection.close()
    }
  }

  var isPlaying: Bool { sourceShift != nil }
  var connectionCount: Int { hub.connections.count }

  func nextFunding(after time: Instant) -> Int64 {
    (time.milliseconds / Self.fundingMilliseconds + 1) * Self.fundingMilliseconds
  }

  // MARK: Turns

  /// Does everything that is due.
  ///
  /// - Returns: real nanoseconds until the next turn is worth taking.
  func turn() -> Int64 {
    let now = clock.now
    if sourceShift == nil, hub.subscriptionCount > 0 {
      sourceShift = now.nanoseconds(since: sourceStart)
    }
    var isBehind = false
    if let shift = sourceShift {
      let due = now.nanoseconds - shift
      var count = 0
      while source.nextTime.nanoseconds <= due {
        if count == Self.eventsPerTurnMax {
          isBehind = true
          break
        }
        count += 1
        var event = source.next()
        event.time = event.time.advanced(byNanoseconds: shift)
        if event.time.nanoseconds >= candles.minuteEndNanoseconds { closeMinutes(by: event.time) }
        deliver(event)
      }
    }
    if !isBehind {
      closeMinutes(by: now)
      drainAccount(now: now)
      timers(now)
    }
    hub.flush()
    dropSlowClients()
    guard !isBehind else { return 0 }
    guard isPlaying else { return Self.idleNanoseconds }
    let next = source.nextTime.advanced(byNanoseconds: sourceShift ?? 0)
    return min(max(clock.realNanoseconds(until: next), Self.turnNanoseconds), Self.idleNanoseconds)
  }

  /// The shortest pause between turns: what joins messages into one write.
  private static let turnNanoseconds: Int64 = 1_000_000
  private static let idleNanoseconds: Int64 = 20_000_000

  private func timers(_ now: Instant) {
    let quarter = now.nanoseconds / 250_000_000
    if quarter != lastQuarterSecond {
      lastQuarterSecond = quarter
      for place in hub.activeKlines { sendRunningKline(place, now) }
    }
    let second = now.nanoseconds / 1_000_000_000
    guard second != lastSecond else { return }
    let previous = lastSecond
    lastSecond = second
    sendAllMarks(hub.allMarksEverySecond)
    if second / 3 != previous / 3 { sendAllMarks(hub.allMarks) }
    if second / 5 != previous / 5, !hub.allBookTickers.connections.isEmpty {
      for index in quotes.indices {
        writeBookTicker(quotes[index])
        hub.send(payload, to: hub.allBookTickers)
      }
    }
    if let key = listenKeys.expired(now: now) { sendKeyExpired(key, now) }
  }

  private func dropSlowClients() {
    for connection in hub.connections where connection.isClosed {
      if connection.wasTooSlow { slowClientCount += 1 }
      hub.remove(connection)
    }
  }

  // MARK: Market events

  @inline(__always)
  private func deliver(_ source: MarketEvent) {
    var event = source
    let index = Int(event.instrument.index)
    switch event.kind {
    case .quote:
      updateIDs[index] += 1
      quotes[index] = event
      exchange.observe(event)
      if !hub.bookTickers[index].connections.isEmpty {
        writeBookTicker(event)
        hub.send(payload, to: hub.bookTickers[index])
      }
    case .trade:
      if event.detail == TapeMarket.singleFill {
        tradeIDs[index] += 1
        if !hub.trades[index].connections.isEmpty { sendFill(event, index, steps: event.word1) }
        return
      }
      aggregateIDs[index] += 1
      event.word2 = aggregateIDs[index]
      if !isTape { sendFills(event, index) }
      exchange.observe(event)
      candles.trade(event)
      if !hub.aggregateTrades[index].connections.isEmpty {
        payload.removeAll(keepingCapacity: true)
        writer.aggregateTrade(
          event.instrument, aggregateID: aggregateIDs[index],
          firstTradeID: tradeIDs[index] - event.tradeCount + 1, lastTradeID: tradeIDs[index],
          eventTime: event.time, time: event.time, price: event.price, quantity: event.quantity,
          buyerIsMaker: event.flags.contains(.buyerIsMaker), isCombined: false, into: &payload)
        hub.send(payload, to: hub.aggregateTrades[index])
      }
    case .mark:
      event.word3 = nextFunding(after: event.time)
      marks[index] = event
      exchange.observe(event)
      markCounts[index] = (markCounts[index] + 1) % 3
      let isThird = markCounts[index] == 0
      if !hub.marksEverySecond[index].connections.isEmpty
        || (isThird && !hub.marks[index].connections.isEmpty)
      {
        writeMark(event)
        hub.send(payload, to: hub.marksEverySecond[index])
        if isThird { hub.send(payload, to: hub.marks[index]) }
      }
    case .bar, .gap, .stream: return
    }
    if exchange.waitingReportCount > 0 { drainAccount(now: event.time) }
  }

  /// The fills an aggregate is made of: equal parts, the last with what is left.
  private func sendFills(_ event: MarketEvent, _ index: Int) {
    let count = event.tradeCount
    guard !hub.trades[index].connections.isEmpty else {
      tradeIDs[index] += count
      return
    }
    let part = event.word1 / count
    for number in 1...count {
      tradeIDs[index] += 1
      sendFill(event, index, steps: number == count ? event.word1 - part * (count - 1) : part)
    }
  }

  private func sendFill(_ event: MarketEvent, _ index: Int, steps: Int64) {
    payload.removeAll(keepingCapacity: true)
    writer.trade(
      event.instrument, tradeID: tradeIDs[index], eventTime: event.time, time: event.time,
      price: event.price, quantity: Quantity(steps: steps),
      buyerIsMaker: event.flags.contains(.buyerIsMaker), isCombined: false, into: &payload)
    hub.send(payload, to: hub.trades[index])
  }

  private func writeBookTicker(_ event: MarketEvent) {
    payload.removeAll(keepingCapacity: true)
    writer.bookTicker(
      event.instrument, updateID: updateIDs[Int(event.instrument.index)], eventTime: event.time,
      time: event.time, bid: event.bid, bidQuantity: event.bidQuantity, ask: event.ask,
      askQuantity: event.askQuantity, isCombined: false, into: &payload)
  }

  private func writeMark(_ event: MarketEvent) {
    payload.removeAll(keepingCapacity: true)
    writer.markPrice(
      event.instrument, eventTime: event.time, markE8: event.markE8, indexE8: event.indexE8,
      fundingRateE8: event.fundingRateE8, nextFunding: Instant(milliseconds: event.word3),
      isCombined: false, into: &payload)
  }

  private func sendAllMarks(_ fan: StreamHub.Fan) {
    guard !fan.connections.isEmpty else { return }
    var all: [UInt8] = [0x5B]
    for index in marks.indices {
      writeMark(marks[index])
      if index > 0 { all.append(0x2C) }
      all.append(contentsOf: payload)
    }
    all.append(0x5D)
    hub.send(all, to: fan)
  }

  // MARK: Candles

  private func closeMinutes(by now: Instant) {
    while let ended = candles.closeMinute(endedBy: now) {
      for place in hub.activeKlines {
        let timeframe = Timeframe.allCases[place % StreamHub.timeframeCount]
        guard ended.contains(timeframe) else { continue }
        let instrument = InstrumentID(place / StreamHub.timeframeCount)
        guard let bar = candles.lastClosed(instrument, timeframe) else { continue }
        sendKline(place, bar, isClosed: true, now)
      }
    }
  }

  private func sendRunningKline(_ place: Int, _ now: Instant) {
    let instrument = InstrumentID(place / StreamHub.timeframeCount)
    let changes = candles.changes(instrument)
    guard klineVersions[place] != changes else { return }
    klineVersions[place] = changes
    let bar = candles.running(instrument, Timeframe.allCases[place % StreamHub.timeframeCount])
    guard bar.tradeCount > 0 else { return }
    sendKline(place, bar, isClosed: false, now)
  }

  private func sendKline(_ place: Int, _ bar: HistoryBar, isClosed: Bool, _ now: Instant) {
    let index = place / StreamHub.timeframeCount
    let timeframe = Timeframe.allCases[place % StreamHub.timeframeCount]
    let lastTradeID = tradeIDs[index]
    payload.removeAll(keepingCapacity: true)
    writer.kline(
      InstrumentID(index), timeframe, bar.candle, eventTime: now, quoteVolume: bar.quoteVolume,
      takerVolume: Quantity(steps: bar.takerBuySteps), takerQuoteVolume: bar.takerBuyQuote,
      firstTradeID: bar.tradeCount > 0 ? max(1, lastTradeID - bar.tradeCount + 1) : -1,
      lastTradeID: bar.tradeCount > 0 ? lastTradeID : -1, isClosed: isClosed, isCombined: false,
      into: &payload)
    hub.send(payload, to: hub.klines[place])
  }
}
