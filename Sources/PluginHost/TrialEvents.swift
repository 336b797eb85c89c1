import Market
import PluginABI

/// The events one set of wishes gets to see of a history, in the order a host sends them.
struct TrialEvents {
  private(set) var events: [aegis_event] = []
  /// For each event the number of base bars finished when it is shown, its own included.
  private(set) var barIndices: [Int32] = []
  /// Candle closes, for windows: what is closed once the event of this index is shown.
  private(set) var candles = TrialCandleLog()
  /// Positions before which a candle closed that only windows show.
  private(set) var closeIndices: Set<Int32> = []
  /// The plugin reads `aegis.host.candles/1`, so closes it did not subscribe to are visible as well.
  let seesWindows: Bool
  let intervalNanoseconds: Int64
  /// What the history's own bars are delivered as.
  let base: Timeframe
  let wishes: EventWishes
  private var sequence: UInt64 = 0
  /// First event of the moment at which candles close: all of them are closed from there on.
  private var closeIndex = 0

  /// What one instance asked for, as bits, and the pace of its quotes.
  struct EventWishes {
    var timeframes: Set<Timeframe> = []
    var hasQuotes = false
    var hasTrades = false
    var hasMarks = false
    var hasGaps = false
    var quoteIntervalNanoseconds: Int64 = 0
    var warmupBarCount = 0

    init(_ subscriptions: [PluginSubscription]) {
      var pace = Int.max
      for wish in subscriptions {
        warmupBarCount = max(warmupBarCount, wish.warmupBarCount)
        switch wish.kind {
        case .bars(let timeframe): timeframes.insert(timeframe)
        case .quotes:
          hasQuotes = true
          pace = min(pace, wish.conflationMilliseconds)
        case .trades: hasTrades = true
        case .marks: hasMarks = true
        case .gaps: hasGaps = true
        }
      }
      quoteIntervalNanoseconds = hasQuotes ? Int64(pace) * 1_000_000 : 0
    }

    /// The smallest timeframe asked for; a minute for a plugin that takes no bars.
    var base: Timeframe { timeframes.min() ?? .minute1 }
  }

  /// - Parameter barCount: only so many bars per instrument; nil = all.
  init(_ history: TrialHistory, wishes: EventWishes, barCount: Int? = nil, seesWindows: Bool = false) {
    self.seesWindows = seesWindows
    intervalNanoseconds = history.intervalNanoseconds
    base = wishes.base
    self.wishes = wishes
    let length = min(barCount ?? Int.max, history.instruments[0].count)
    // A larger timeframe is built only from whole bars.
    let larger = Timeframe.allCases.filter {
      $0 > base && $0.nanoseconds >= history.intervalNanoseconds
        && $0.nanoseconds % history.intervalNanoseconds == 0
    }
    var builders = history.instruments.map { _ in
      larger.map { CandleBuilder(timeframe: $0, intervalNanoseconds: history.intervalNanoseconds) }
    }
    var lastQuotes = [Int64](repeating: .min / 2, count: history.instruments.count)
    for index in 0..<length {
      let openTime = history.instruments[0][index].openNanoseconds
      if index > 0 {
        let due = history.instruments[0][index - 1].openNanoseconds + history.intervalNanoseconds
        if openTime > due {
          closeIndex = events.count
          for instrument in builders.indices {
            flush(&builders[instrument], instrument, before: openTime, index)
          }
          if wishes.hasGaps { appendGaps(history.instruments.count, from: due, to: openTime, index) }
        }
      }
      appendInside(history.instruments.map { $0[index] }, index, &lastQuotes)
      closeIndex = events.count
      for (instrument, bars) in history.instruments.enumerated() {
        appendBar(bars[index], base, instrument, endNanoseconds: openTime + intervalNanoseconds, index)
      }
      for (instrument, bars) in history.instruments.enumerated() {
        for position in builders[instrument].indices {
          if let done = builders[instrument][position].absorb(bars[index]) {
            appendBar(
              done.bar, larger[position], instrument, endNanoseconds: openTime + intervalNanoseconds, index,
              isComplete: done.isComplete)
          }
        }
      }
    }
  }

  /// Made-up events as they are; windows show the bars among them.
  init(_ events: [aegis_event], wishes: EventWishes, intervalNanoseconds: Int64, seesWindows: Bool) {
    self.events = events
    self.wishes = wishes
    self.intervalNanoseconds = intervalNanoseconds
    self.seesWindows = seesWindows
    barIndices = events.indices.map { Int32($0) }
    base = wishes.base
    for (index, event) in events.enumerated() where event.kind == AEGIS_EV_BAR {
      let timeframe = UInt8(truncatingIfNeeded: event.flags & AEGIS_EVENT_TIMEFRAME_MASK)
      guard let timeframe = Timeframe(rawValue: timeframe) else { continue }
      let bar = event.u.bar
      if seesWindows { closeIndices.insert(Int32(index)) }
      candles.append(
        TrialHistory.Bar(
          openNanoseconds: event.ts_ns - timeframe.nanoseconds, open: bar.open, high: bar.high, low: bar.low,
          close: bar.close, volume: bar.volume),
        Int(event.instrument), timeframe, isComplete: event.flags & AEGIS_EVENT_COMPLETE != 0,
        beforeEvent: index)
    }
  }

  private mutating func append(
    _ kind: UInt16, _ payload: aegis_payload, at nanoseconds: Int64, _ instrument: Int, flags: UInt16 = 0,
    _ index: Int
  ) {
    // Strictly increasing, not consecutive.
    sequence += 1 + UInt64(events.count % 3)
    var event = aegis_event()
    event.ts_ns = nanoseconds
    event.u = payload
    event.instrument = UInt32(instrument)
    event.kind = kind
    event.flags = flags
    event.seq = sequence
    events.append(event)
    barIndices.append(Int32(index))
  }

  private mutating func appendBar(
    _ bar: TrialHistory.Bar, _ timeframe: Timeframe, _ instrument: Int, endNanoseconds: Int64, _ index: Int,
    isComplete: Bool = true
  ) {
    if seesWindows { closeIndices.insert(Int32(closeIndex)) }
    candles.append(bar, instrument, timeframe, isComplete: isComplete, beforeEvent: closeIndex)
    guard wishes.timeframes.contains(timeframe) else { return }
    append(
      AEGIS_EV_BAR,
      aegis_payload(
        bar: aegis_bar(open: bar.open, high: bar.high, low: bar.low, close: bar.close, volume: bar.volume)),
      at: endNanoseconds, instrument,
      flags: UInt16(timeframe.rawValue) | (isComplete ? AEGIS_EVENT_COMPLETE : 0),
      index)
  }

  /// Quotes, trades and a mark price inside the bars of all instruments, moment by moment: open, the nearer extreme,
  /// the farther one, close.
  private mutating func appendInside(_ bars: [TrialHistory.Bar], _ index: Int, _ lastQuotes: inout [Int64]) {
    guard wishes.hasQuotes || wishes.hasTrades || wishes.hasMarks else { return }
    for step in 0..<4 {
      for (instrument, bar) in bars.enumerated() {
        let isRising = bar.close >= bar.open
        let time = bar.openNanoseconds + (intervalNanoseconds / 5) * Int64(step + 1)
        let price =
          switch step {
          case 0: bar.open
          case 1: isRising ? bar.low : bar.high
          case 2: isRising ? bar.high : bar.low
          default: bar.close
          }
        if wishes.hasQuotes, time - lastQuotes[instrument] >= wishes.quoteIntervalNanoseconds {
          lastQuotes[instrument] = time
          append(
            AEGIS_EV_QUOTE,
            aegis_payload(
              quote: aegis_quote(
                bid: price * 0.9999, ask: price * 1.0001, bid_size: 5, ask_size: 5, reserved: 0)),
            at: time, instrument, index)
        }
        if wishes.hasTrades {
          append(
            AEGIS_EV_TRADE,
            aegis_payload(
              trade: aegis_trade(
                price: price, size: bar.volume / 4, trade_id: UInt64(index * 4 + step), reserved: (0, 0))),
            at: time, instrument, flags: isRising ? 0 : AEGIS_EVENT_BUYER_IS_MAKER, index)
        }
        if wishes.hasMarks, step == 3 { appendMark(bar, at: time, instrument, index) }
      }
    }
  }

  private mutating func appendMark(_ bar: TrialHistory.Bar, at time: Int64, _ instrument: Int, _ index: Int) {
    append(
      AEGIS_EV_MARK,
      aegis_payload(
        mark: aegis_mark(
          mark: bar.close, index: bar.close, funding_fraction: 0.0001,
          next_funding_ns: bar.openNanoseconds + 28_800_000_000_000, reserved: 0)),
      at: time, instrument, index)
  }

  private mutating func appendGaps(_ instrumentCount: Int, from: Int64, to: Int64, _ index: Int) {
    for instrument in 0..<instrumentCount {
      append(
        AEGIS_EV_GAP,
        aegis_payload(gap: aegis_gap(from_ns: from, to_ns: to, missing: 0, reserved: (0, 0))), at: to,
        instrument, index)
    }
  }

  /// Closes larger candles that ended inside a hole.
  private mutating func flush(
    _ builders: inout [CandleBuilder], _ instrument: Int, before openTime: Int64, _ index: Int
  ) {
    for position in builders.indices {
      let timeframe = builders[position].timeframe
      if let bar = builders[position].end(before: openTime) {
        appendBar(
          bar, timeframe, instrument, endNanoseconds: bar.openNanoseconds + timeframe.nanoseconds, index,
          isComplete: false)
      }
    }
  }
}

extension TrialEvents {
  /// A batch may not go on over this position: a candle the plugin can see closed before it.
  func endsBatch(before index: Int) -> Bool {
    let last = events[index - 1]
    return (last.kind == AEGIS_EV_BAR && events[index].ts_ns != last.ts_ns)
      || closeIndices.contains(Int32(index))
  }

  func index(ofSequence sequence: UInt64, in range: Range<Int>) -> Int? {
    var lower = range.lowerBound
    var upper = range.upperBound
    while lower < upper {
      let middle = (lower + upper) / 2
      if events[middle].seq < sequence { lower = middle + 1 } else { upper = middle }
    }
    return lower < range.upperBound && events[lower].seq == sequence ? lower : nil
  }

  /// The first event of the base bar with this number.
  func firstEvent(ofBar bar: Int) -> Int {
    var lower = 0
    var upper = barIndices.count
    while lower < upper {
      let middle = (lower + upper) / 2
      if Int(barIndices[middle]) < bar { lower = middle + 1 } else { upper = middle }
    }
    return lower
  }

  /// The same event with its prices moved by a factor and another size, well-formed.
  static func altered(_ event: aegis_event, by factor: Double) -> aegis_event {
    var event = event
    switch event.kind {
    case AEGIS_EV_BAR:
      let bar = event.u.bar
      let close = bar.close * factor
      event.u.bar = aegis_bar(
        open: bar.open, high: max(bar.high, close) * 1.1, low: min(bar.low, close) * 0.9, close: close,
        volume: bar.volume * 3 + 1)
    case AEGIS_EV_QUOTE:
      event.u.quote.bid *= factor
      event.u.quote.ask *= factor
    case AEGIS_EV_TRADE:
      event.u.trade.price *= factor
      event.u.trade.size = event.u.trade.size * 7 + 1
    case AEGIS_EV_MARK:
      event.u.mark.mark *= factor
      event.u.mark.index *= factor
    default: break
    }
    return event
  }
}

/// Builds one larger candle from smaller ones.
private struct CandleBuilder {
  let timeframe: Timeframe
  let intervalNanoseconds: Int64
  private var bar: TrialHistory.Bar?
  private var count: Int64 = 0

  init(timeframe: Timeframe, intervalNanoseconds: Int64) {
    self.timeframe = timeframe
    self.intervalNanoseconds = intervalNanoseconds
  }

  /// Takes the next smaller candle; returns the larger one it ends.
  mutating func absorb(_ next: TrialHistory.Bar) -> (bar: TrialHistory.Bar, isComplete: Bool)? {
    let openTime = next.openNanoseconds - next.openNanoseconds % timeframe.nanoseconds
    if var current = bar {
      current.high = max(current.high, next.high)
      current.low = min(current.low, next.low)
      current.close = next.close
      current.volume += next.volume
      bar = current
      count += 1
    } else {
      bar = next
      bar?.openNanoseconds = openTime
      count = 1
    }
    guard next.openNanoseconds + intervalNanoseconds >= openTime + timeframe.nanoseconds, let done = bar
    else {
      return nil
    }
    bar = nil
    return (done, count == timeframe.nanoseconds / intervalNanoseconds)
  }

  /// The candle that ended although its last part is missing.
  mutating func end(before openTime: Int64) -> TrialHistory.Bar? {
    guard let done = bar, done.openNanoseconds + timeframe.nanoseconds <= openTime else { return nil }
    bar = nil
    return done
  }
}
