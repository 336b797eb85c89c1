import Market
import PluginABI

/// A set of event kinds as bits, so that "does anyone want this" is one AND.
struct EventInterest: OptionSet, Sendable {
  var rawValue: UInt32

  static let quotes = EventInterest(rawValue: 1)
  static let trades = EventInterest(rawValue: 2)
  static let marks = EventInterest(rawValue: 4)
  static let gaps = EventInterest(rawValue: 8)
  @inline(__always) static func bars(_ timeframe: Timeframe) -> EventInterest {
    EventInterest(rawValue: 0x100 << UInt32(timeframe.rawValue))
  }

  init(rawValue: UInt32) { self.rawValue = rawValue }

  init(_ kind: PluginSubscription.Kind) {
    switch kind {
    case .bars(let timeframe): self = .bars(timeframe)
    case .quotes: self = .quotes
    case .trades: self = .trades
    case .marks: self = .marks
    case .gaps: self = .gaps
    }
  }

  /// The bit of one event; empty for what is never shown to plugins: connection states, unknown timeframes and prices
  /// that wait for confirmation.
  @inline(__always) init(_ event: MarketEvent) {
    if event.flags.contains(.quarantined) {
      self = []
      return
    }
    switch event.kind {
    case .quote: self = .quotes
    case .trade: self = .trades
    case .mark: self = .marks
    case .gap: self = .gaps
    case .bar: self = event.timeframe.map { .bars($0) } ?? []
    case .stream: self = []
    }
  }
}

extension PluginSlot {
  /// Whether the instance asked for events of this kind; conflation aside.
  func wants(_ event: aegis_event) -> Bool {
    let kind: EventInterest =
      switch event.kind {
      case AEGIS_EV_QUOTE: .quotes
      case AEGIS_EV_TRADE: .trades
      case AEGIS_EV_MARK: .marks
      case AEGIS_EV_GAP: .gaps
      case AEGIS_EV_BAR:
        Timeframe(rawValue: UInt8(truncatingIfNeeded: event.flags & AEGIS_EVENT_TIMEFRAME_MASK)).map {
          .bars($0)
        }
          ?? []
      default: []
      }
    return !interest.isDisjoint(with: kind)
  }
}

extension aegis_event {
  /// The event as plugins see it: prices and sizes as the doubles nearest to their decimals.   [decision-thread]
  @inline(__always)
  init(_ event: MarketEvent, sequence: UInt64, rules: InstrumentRules) {
    self.init()
    ts_ns = event.time.nanoseconds
    instrument = event.instrument.index
    seq = sequence
    switch event.kind {
    case .quote:
      kind = AEGIS_EV_QUOTE
      u = aegis_payload(
        quote: aegis_quote(
          bid: rules.double(event.bid), ask: rules.double(event.ask),
          bid_size: rules.double(event.bidQuantity),
          ask_size: rules.double(event.askQuantity), reserved: 0))
    case .trade:
      kind = AEGIS_EV_TRADE
      flags = event.flags.contains(.buyerIsMaker) ? AEGIS_EVENT_BUYER_IS_MAKER : 0
      u = aegis_payload(
        trade: aegis_trade(
          price: rules.double(event.price), size: rules.double(event.quantity),
          trade_id: UInt64(bitPattern: event.aggregateID), reserved: (0, 0)))
    case .mark:
      kind = AEGIS_EV_MARK
      u = aegis_payload(
        mark: aegis_mark(
          mark: Double(event.markE8) / 1e8, index: Double(event.indexE8) / 1e8,
          funding_fraction: Double(event.fundingRateE8) / 1e8, next_funding_ns: event.nextFunding.nanoseconds,
          reserved: 0))
    case .bar:
      kind = AEGIS_EV_BAR
      flags = UInt16(event.detail)
      if !event.flags.contains(.incomplete) { flags |= AEGIS_EVENT_COMPLETE }
      if event.flags.contains(.synthetic) { flags |= AEGIS_EVENT_SYNTHETIC }
      u = aegis_payload(
        bar: aegis_bar(
          open: rules.double(Price(ticks: event.word0)), high: rules.double(Price(ticks: event.word1)),
          low: rules.double(Price(ticks: event.word2)), close: rules.double(Price(ticks: event.word3)),
          volume: rules.double(Quantity(steps: event.word4))))
    case .gap:
      kind = AEGIS_EV_GAP
      u = aegis_payload(
        gap: aegis_gap(
          from_ns: event.time.nanoseconds, to_ns: event.time.nanoseconds,
          missing: UInt64(max(event.missingCount, 0)), reserved: (0, 0)))
    case .stream: break  // has no interest bit, so it never comes here
    }
  }
}
