import BinanceWire
public import Market
import SharedMemory

/// What becomes of one message: scanned, judged, published. The single producer of the ring.   [feed-loop only]
///
/// Nothing here allocates, locks or asks a clock; its tables are reserved once.
struct MarketIngest: ~Copyable {
  /// What a message was to the connection it came on.
  enum Outcome { case data, control, bad }

  private var scanner: MarketMessageScanner
  private var firewall: DataFirewall
  private var ring: EventRingWriter<MarketEvent>
  private var lastValues: LastValueWriter<MarketEvent>?
  /// The venue's clock, refreshed by the loop.
  var clock: VenueClock.Reading
  private(set) var counters = FeedCounters()

  let instrumentCount: Int
  /// Newest aggregate trade id by instrument; 0 before the first.
  private let lastAggregateID: UnsafeMutablePointer<Int64>
  /// The trade stream was away since the last trade: what is missing is the connection's fault.
  private let wasAway: UnsafeMutablePointer<Bool>
  /// Monotonic moment of the newest message and number of messages, by entry and instrument.
  let lastReceived: UnsafeMutablePointer<Int64>
  let receivedCount: UnsafeMutablePointer<UInt32>
  /// Monotonic moment of the newest mark price, by instrument: it comes every second, traded or not.
  let lastMark: UnsafeMutablePointer<Int64>
  /// For load tests whose server repeats one tape: history is forgotten when a message is older than the last.
  private let forgetsHistoryOnRepeat: Bool

  init(
    table: InstrumentTable, ring: consuming EventRingWriter<MarketEvent>,
    lastValues: consuming LastValueWriter<MarketEvent>?, clock: VenueClock.Reading,
    limits: FirewallLimits = FirewallLimits(), forgetsHistoryOnRepeat: Bool = false
  ) {
    instrumentCount = table.count
    scanner = MarketMessageScanner(table: table)
    firewall = DataFirewall(rules: table.rules, limits: limits)
    self.ring = ring
    self.lastValues = lastValues
    self.clock = clock
    self.forgetsHistoryOnRepeat = forgetsHistoryOnRepeat
    let count = max(table.count, 1)
    lastAggregateID = .allocate(capacity: count)
    lastAggregateID.initialize(repeating: 0, count: count)
    wasAway = .allocate(capacity: count)
    wasAway.initialize(repeating: false, count: count)
    lastReceived = .allocate(capacity: 2 * count)
    lastReceived.initialize(repeating: 0, count: 2 * count)
    receivedCount = .allocate(capacity: 2 * count)
    receivedCount.initialize(repeating: 0, count: 2 * count)
    lastMark = .allocate(capacity: count)
    lastMark.initialize(repeating: 0, count: count)
  }

  deinit {
    lastAggregateID.deallocate()
    wasAway.deallocate()
    lastReceived.deallocate()
    receivedCount.deallocate()
    lastMark.deallocate()
  }

  /// One whole message as it came.
  /// - Precondition: `FrameParser.paddingByteCount` readable bytes follow it.
  mutating func message(_ bytes: UnsafeRawBufferPointer, receivedNanoseconds: Int64) -> Outcome {
    counters.frames &+= 1
    counters.bytes &+= UInt64(truncatingIfNeeded: bytes.count)
    var reading = MarketMessageScanner.Reading()
    switch scanner.read(bytes, receivedNanoseconds: receivedNanoseconds, into: &reading) {
    case .event:
      accept(&reading.event, sequence: reading.sequence, receivedNanoseconds: receivedNanoseconds)
      return .data
    case .ignored:
      counters.ignored &+= 1
      return .data
    case .control: return .control
    case .batch, .malformed:
      counters.malformed &+= 1
      return .bad
    }
  }

  @inline(__always)
  private mutating func accept(_ event: inout MarketEvent, sequence: Int64, receivedNanoseconds: Int64) {
    let serverNow = clock.time(atMonotonicNanoseconds: receivedNanoseconds)
    if let rejection = firewall.inspect(&event, sequence: sequence, serverNow: serverNow) {
      counters.rejected &+= 1
      guard forgetsHistoryOnRepeat, rejection == .order || rejection == .duplicate || rejection == .time
      else { return }
      firewall.forgetSequences()
      guard firewall.inspect(&event, sequence: sequence, serverNow: serverNow) == nil else { return }
    }
    let instrument = Int(event.instrument.index)
    if event.kind == .trade {
      markMissingTrades(before: event, instrument)
    } else if event.kind == .mark {
      lastMark[instrument] = receivedNanoseconds
    }
    let lane = (event.kind == .quote ? 0 : instrumentCount) &+ instrument
    lastReceived[lane] = receivedNanoseconds
    receivedCount[lane] &+= 1
    ring.publish(event)
    lastValues?.set(event, at: LastValueIndex.of(event.kind, instrument))
    counters.events &+= 1
  }

  /// Aggregate ids count up by one, so a jump says exactly what was lost.
  @inline(__always)
  private mutating func markMissingTrades(before event: MarketEvent, _ instrument: Int) {
    if event.detail == 0 { lastAggregateID[instrument] = event.aggregateID }
    if let missing = firewall.missing {
      ring.publish(
        .gap(
          event.instrument, time: event.time, cause: wasAway[instrument] ? .disconnected : .tradeIdentifiers,
          first: missing.first, last: missing.last, count: missing.count))
      counters.gaps &+= 1
      counters.missingTrades &+= UInt64(missing.count)
    }
    wasAway[instrument] = false
  }

  /// The instrument's trades cannot be seen until further notice. What is missing is not known yet, so the mark has
  /// count 0; if trades turn out to be missing, a second mark with their ids follows before the first new trade.
  mutating func markAway(_ instrument: InstrumentID, time: Instant) {
    let index = Int(instrument.index)
    guard !wasAway[index] else { return }
    wasAway[index] = true
    let last = lastAggregateID[index]
    ring.publish(.gap(instrument, time: time, cause: .disconnected, first: last > 0 ? last + 1 : 0, count: 0))
    counters.gaps &+= 1
  }

  mutating func publish(state: StreamState, _ instrument: InstrumentID, connection: Int, now: Int64) {
    ring.publish(
      .stream(
        instrument, time: clock.time(atMonotonicNanoseconds: now), state: state,
        connection: Int64(connection),
        receivedNanoseconds: now))
  }

  /// The end of a batch: late joiners see the cursor, sleepers wake.
  mutating func flush() {
    ring.publishCursor()
    ring.wakeReaders()
  }

  mutating func count(_ change: (inout FeedCounters) -> Void) { change(&counters) }

  func snapshot() -> FeedCounters {
    var copy = counters
    copy.fallbacks = scanner.fallbackCount
    copy.quarantined = firewall.quarantinedCount
    for reason in 0..<8 { copy.rejections[reason] = firewall.counts[reason] }
    return copy
  }
}

/// Where an instrument's newest quote, trade and mark price stand in the table of last values.
public enum LastValueIndex {
  public static let perInstrument = 3

  /// How many values the table needs.
  public static func count(instruments: Int) -> Int { max(1, instruments * perInstrument) }

  /// - Precondition: kind is quote, trade or mark.
  @inline(__always)
  public static func of(_ kind: MarketEvent.Kind, _ instrument: Int) -> Int {
    instrument &* perInstrument &+ Int(kind.rawValue) &- 1
  }
}
