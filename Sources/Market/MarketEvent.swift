/// One market fact on an instrument's grid: 56 bytes of integers, so that with its stamp it fills a cache line.
///
/// The meaning of the five payload words depends on `kind`; use the constructors and the typed views.
/// The layout is shared between processes and written to tapes: never reorder.
@frozen public struct MarketEvent: Sendable, BitwiseCopyable {
  @frozen public enum Kind: UInt8, Sendable, BitwiseCopyable {
    /// Best bid and ask: bid ticks, bid steps, ask ticks, ask steps, received.
    case quote = 1
    /// One aggregate trade: price ticks, quantity steps, aggregate id, number of trades in it, received.
    case trade = 2
    /// Mark price × 10^8, index price × 10^8, funding rate × 10^8, next funding epoch milliseconds, received.
    case mark = 3
    /// A closed candle as an event (backtests): open, high, low, close ticks, volume steps; timeframe in `detail`.
    case bar = 4
    /// Something is missing: first missing id, last missing id, count, -, received; `GapCause` in `detail`.
    case gap = 5
    /// A stream changed state: `StreamState` in `detail`, connection number in word 0, received in word 4.
    case stream = 6
  }

  public var kind: Kind
  /// Small number whose meaning depends on `kind`: timeframe, gap cause, stream state.
  public var detail: UInt8
  public var flags: MarketEventFlags
  public var instrument: InstrumentID
  /// The exchange's own time of the fact (`T`).
  public var time: Instant
  public var word0: Int64
  public var word1: Int64
  public var word2: Int64
  public var word3: Int64
  public var word4: Int64

  @inlinable public init(
    kind: Kind, detail: UInt8 = 0, flags: MarketEventFlags = [], instrument: InstrumentID, time: Instant,
    word0: Int64 = 0, word1: Int64 = 0, word2: Int64 = 0, word3: Int64 = 0, word4: Int64 = 0
  ) {
    self.kind = kind
    self.detail = detail
    self.flags = flags
    self.instrument = instrument
    self.time = time
    self.word0 = word0
    self.word1 = word1
    self.word2 = word2
    self.word3 = word3
    self.word4 = word4
  }
}

@frozen public struct MarketEventFlags: OptionSet, Sendable, BitwiseCopyable, Hashable {
  public var rawValue: UInt16
  @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// The buyer's order was resting: the trade was a sale into the bid.
  @inlinable public static var buyerIsMaker: MarketEventFlags { MarketEventFlags(rawValue: 1) }
  /// The price left the firewall's band and waits for confirmation: show it, do not trade on it.
  @inlinable public static var quarantined: MarketEventFlags { MarketEventFlags(rawValue: 2) }
  /// A bar event's candle flags.
  @inlinable public static var synthetic: MarketEventFlags { MarketEventFlags(rawValue: 4) }
  @inlinable public static var incomplete: MarketEventFlags { MarketEventFlags(rawValue: 8) }
}

/// Why data is missing.
@frozen public enum GapCause: UInt8, Sendable, BitwiseCopyable {
  /// The aggregate trade ids jumped.
  case tradeIdentifiers = 1
  /// A connection was away.
  case disconnected = 2
  /// A ring reader was lapped; the count is exact.
  case overrun = 3
  /// A new writer took over the ring.
  case writerRestarted = 4
}

@frozen public enum StreamState: UInt8, Sendable, BitwiseCopyable {
  case connecting = 0
  /// The exchange answered the subscription; no data frame yet.
  case acknowledged = 1
  case live = 2
  case stale = 3
  case closed = 4
}

extension MarketEvent {
  @inlinable public static func quote(
    _ instrument: InstrumentID, time: Instant, bid: Price, bidQuantity: Quantity, ask: Price,
    askQuantity: Quantity, receivedNanoseconds: Int64 = 0
  ) -> MarketEvent {
    MarketEvent(
      kind: .quote, instrument: instrument, time: time, word0: bid.ticks, word1: bidQuantity.steps,
      word2: ask.ticks, word3: askQuantity.steps, word4: receivedNanoseconds)
  }

  @inlinable public static func trade(
    _ instrument: InstrumentID, time: Instant, price: Price, quantity: Quantity, aggregateID: Int64,
    tradeCount: Int64 = 1, buyerIsMaker: Bool = false, receivedNanoseconds: Int64 = 0
  ) -> MarketEvent {
    MarketEvent(
      kind: .trade, flags: buyerIsMaker ? .buyerIsMaker : [], instrument: instrument, time: time,
      word0: price.ticks, word1: quantity.steps, word2: aggregateID, word3: tradeCount,
      word4: receivedNanoseconds)
  }

  @inlinable public static func mark(
    _ instrument: InstrumentID, time: Instant, markE8: Int64, indexE8: Int64, fundingRateE8: Int64,
    nextFundingMilliseconds: Int64, receivedNanoseconds: Int64 = 0
  ) -> MarketEvent {
    MarketEvent(
      kind: .mark, instrument: instrument, time: time, word0: markE8, word1: indexE8, word2: fundingRateE8,
      word3: nextFundingMilliseconds, word4: receivedNanoseconds)
  }

  /// A closed candle. `time` is the candle's end: the moment at which it became known.
  @inlinable public static func bar(_ instrument: InstrumentID, _ timeframe: Timeframe, _ candle: Candle)
    -> MarketEvent
  {
    var flags: MarketEventFlags = []
    if candle.flags.contains(.synthetic) { flags.insert(.synthetic) }
    if !candle.flags.contains(.complete) { flags.insert(.incomplete) }
    return MarketEvent(
      kind: .bar, detail: timeframe.rawValue, flags: flags, instrument: instrument,
      time: candle.openTime.advanced(byNanoseconds: timeframe.nanoseconds), word0: candle.open.ticks,
      word1: candle.high.ticks, word2: candle.low.ticks, word3: candle.close.ticks, word4: candle.volume.steps
    )
  }

  @inlinable public static func gap(
    _ instrument: InstrumentID, time: Instant, cause: GapCause, first: Int64 = 0, last: Int64 = 0,
    count: Int64
  ) -> MarketEvent {
    MarketEvent(
      kind: .gap, detail: cause.rawValue, instrument: instrument, time: time, word0: first, word1: last,
      word2: count)
  }

  @inlinable public static func stream(
    _ instrument: InstrumentID, time: Instant, state: StreamState, connection: Int64,
    receivedNanoseconds: Int64 = 0
  ) -> MarketEvent {
    MarketEvent(
      kind: .stream, detail: state.rawValue, instrument: instrument, time: time, word0: connection,
      word4: receivedNanoseconds)
  }

  // Views. Each is meaningful for the kind named; the firewall guarantees positive prices.
  @inlinable public var bid: Price { Price(ticks: word0) }  // quote
  @inlinable public var bidQuantity: Quantity { Quantity(steps: word1) }  // quote
  @inlinable public var ask: Price { Price(ticks: word2) }  // quote
  @inlinable public var askQuantity: Quantity { Quantity(steps: word3) }  // quote
  @inlinable public var price: Price { Price(ticks: word0) }  // trade
  @inlinable public var quantity: Quantity { Quantity(steps: word1) }  // trade
  @inlinable public var aggregateID: Int64 { word2 }  // trade
  @inlinable public var tradeCount: Int64 { word3 }  // trade
  @inlinable public var markE8: Int64 { word0 }  // mark
  @inlinable public var indexE8: Int64 { word1 }  // mark
  @inlinable public var fundingRateE8: Int64 { word2 }  // mark
  @inlinable public var nextFunding: Instant { Instant(milliseconds: word3) }  // mark
  @inlinable public var missingCount: Int64 { word2 }  // gap
  /// Monotonic nanoseconds at which Feed read the frame; 0 when not live.
  @inlinable public var receivedNanoseconds: Int64 { kind == .bar ? 0 : word4 }
  @inlinable public var timeframe: Timeframe? { kind == .bar ? Timeframe(rawValue: detail) : nil }

  /// The candle of a bar event.
  @inlinable public var candle: Candle {
    var candleFlags: CandleFlags = flags.contains(.incomplete) ? [] : .complete
    if flags.contains(.synthetic) { candleFlags.insert(.synthetic) }
    let length = timeframe?.nanoseconds ?? 0
    return Candle(
      openTime: time.advanced(byNanoseconds: -length), open: Price(ticks: word0), high: Price(ticks: word1),
      low: Price(ticks: word2), close: Price(ticks: word3), volume: Quantity(steps: word4), flags: candleFlags
    )
  }
}
