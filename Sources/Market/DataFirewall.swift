/// The limits a market event is held against.
@frozen public struct FirewallLimits: Sendable, BitwiseCopyable, Hashable {
  /// How old and how far ahead of the venue's clock an event may be.
  public var agedNanosecondsMax: Int64 = 300_000_000_000
  public var aheadNanosecondsMax: Int64 = 2_000_000_000
  /// A price further than one part in `bandDivisor` from mark and recent median is quarantined: 10 is 10 %.
  public var bandDivisor: Int64 = 10
  /// Prices that stay away this long without one returning are a real move, even from one source alone.
  public var persistNanoseconds: Int64 = 3_000_000_000
  /// Largest funding rate that is believed, × 10^8: 10 %.
  public var fundingRateE8Max: Int64 = 10_000_000
  /// A mark and its index further apart than this factor, in either direction: one of them is wrong.
  public var indexFactorMax: Int64 = 2
  /// How far the next funding may lie behind the mark that announces it, and how far ahead.
  public var fundingBehindNanosecondsMax: Int64 = 3_600_000_000_000
  public var fundingAheadNanosecondsMax: Int64 = 7 * 86_400_000_000_000
  /// A stream whose ids jump by more within `restartNanoseconds` did not count them: one forged id must not make
  /// all true ones look old.
  public var sequenceJumpMax: Int64 = 100_000_000
  /// A stream whose ids fell back but whose time is this much newer began anew: not a reordering.
  public var restartNanoseconds: Int64 = 5_000_000_000

  public init() {}
}

/// A run of aggregate trade ids that never arrived.
@frozen public struct MissingTrades: Sendable, BitwiseCopyable, Hashable {
  public var first: Int64
  public var last: Int64
  @inlinable public var count: Int64 { last &- first &+ 1 }
  @inlinable public init(first: Int64, last: Int64) {
    self.first = first
    self.last = last
  }
}

/// Decides of every market event whether it may enter the ring.
///
/// Refuses impossible prices, sizes, times, orders and books; marks finite but absurd prices `.quarantined`
/// until the mark, another stream or time confirms them. Keeps under 256 bytes an instrument, allocated once.
/// [one thread]
public struct DataFirewall: ~Copyable {
  /// More than any real quantity: 10^15 steps.
  @inlinable public static var stepsMax: Int64 { 1_000_000_000_000_000 }
  /// Above this sums and products of prices could overflow; no price in ticks comes near.
  @inlinable public static var ticksMax: Int64 { .max >> 8 }
  /// More single trades than any aggregate holds.
  @inlinable public static var tradeCountMax: Int64 { 10_000_000 }

  public let limits: FirewallLimits
  private let tracks: UnsafeMutableRawPointer
  private let instrumentCount: Int
  /// Refusals by `FirewallRejection.rawValue`.
  public private(set) var counts = InlineArray<8, UInt64>(repeating: 0)
  /// Events marked `.quarantined`.
  public private(set) var quarantinedCount: UInt64 = 0
  /// What the last `inspect` found missing before the trade it accepted; publish it as a `.gap` event first.
  public private(set) var missing: MissingTrades?

  public init(rules: [InstrumentRules], limits: FirewallLimits = FirewallLimits()) {
    precondition(rules.count <= InstrumentTable.countMax, "at most \(InstrumentTable.countMax) instruments")
    precondition(limits.bandDivisor > 0, "a band has a width")
    precondition(limits.indexFactorMax > 0, "a factor is positive")
    self.limits = limits
    instrumentCount = rules.count
    tracks = .allocate(byteCount: max(rules.count, 1) * Track.stride, alignment: Track.alignment)
    for (index, rules) in rules.enumerated() {
      (tracks + index * Track.stride).initializeMemory(
        as: Track.self, to: Track(tickE8: rules.tickE8, ticksMax: rules.priceTicksMax))
    }
  }

  deinit { tracks.deallocate() }

  /// Judges one event in its stream's order.
  ///
  /// - Parameters:
  ///   - event: gets the flag `.quarantined` when it may be shown but not traded on.
  ///   - sequence: the stream's own order: update id, trade id, or event time of a mark.
  ///   - serverNow: the venue's clock at the moment of receipt.
  /// - Returns: nil when accepted. A refused event changes nothing but the counts.
  public mutating func inspect(_ event: inout MarketEvent, sequence: Int64, serverNow: Instant)
    -> FirewallRejection?
  {
    missing = nil
    let index = Int(event.instrument.index)
    guard index < instrumentCount else { return count(.instrument) }
    let track = track(index)
    let age = serverNow.nanoseconds(since: event.time)
    guard age <= limits.agedNanosecondsMax, age >= -limits.aheadNanosecondsMax else { return count(.time) }
    switch event.kind {
    case .quote: return inspectQuote(&event, sequence, track)
    case .trade: return inspectTrade(&event, sequence, track)
    case .mark: return inspectMark(&event, sequence, track)
    case .bar, .gap, .stream: return count(.logic)
    }
  }

  /// Forgets the order of every stream, not the prices: after a connection to another server.
  public mutating func forgetSequences() {
    for index in 0..<instrumentCount {
      let track = track(index)
      track.pointee.quote = StreamPosition()
      track.pointee.trade = StreamPosition()
      track.pointee.single = StreamPosition()
      track.pointee.mark = StreamPosition()
    }
  }

  /// The cheap half, for the reader's side of the ring: no state, a few compares.
  @inlinable public static func isPlausible(_ event: MarketEvent, instrumentCount: Int) -> Bool {
    guard event.instrument.index < instrumentCount else {
      return (event.kind == .stream || event.kind == .gap) && event.instrument == .none
    }
    switch event.kind {
    case .quote:
      return event.word0 > 0 && event.word2 > event.word0 && event.word2 <= ticksMax
        && isSize(event.word1) && isSize(event.word3) && event.time > .never
    case .trade:
      return event.word0 > 0 && event.word0 <= ticksMax && event.word1 > 0 && isSize(event.word1)
        && event.word3 > 0 && event.word3 <= tradeCountMax && event.time > .never
    case .mark: return event.word0 > 0 && event.word1 >= 0 && event.time > .never
    case .bar:
      return event.word2 > 0 && event.word1 >= event.word0 && event.word1 >= event.word3
        && event.word2 <= event.word0 && event.word2 <= event.word3 && event.word1 <= ticksMax
        && event.word4 >= 0 && event.timeframe != nil && event.time > .never
    case .gap: return event.word2 >= 0
    case .stream: return true
    }
  }

  @inlinable static func isSize(_ steps: Int64) -> Bool { steps >= 0 && steps <= stepsMax }

  private mutating func inspectQuote(
    _ event: inout MarketEvent, _ sequence: Int64, _ track: UnsafeMutablePointer<Track>
  ) -> FirewallRejection? {
    guard event.word0 > 0, event.word2 > 0, event.word0 <= track.pointee.ticksMax,
      event.word2 <= track.pointee.ticksMax
    else { return count(.price) }
    guard event.word1 >= 0, event.word3 >= 0, event.word1 <= Self.stepsMax, event.word3 <= Self.stepsMax
    else {
      return count(.size)
    }
    guard event.word0 < event.word2 else { return count(.logic) }
    if let refused = track.pointee.quote.refusal(of: sequence, event.time, limits) { return count(refused) }
    track.pointee.quote.advance(to: sequence, event.time)
    settle(&event, ticks: (event.word0 &+ event.word2) &>> 1, source: .quote, track)
    return nil
  }

  private mutating func inspectTrade(
    _ event: inout MarketEvent, _ sequence: Int64, _ track: UnsafeMutablePointer<Track>
  ) -> FirewallRejection? {
    guard event.word0 > 0, event.word0 <= track.pointee.ticksMax else { return count(.price) }
    guard event.word1 > 0, event.word1 <= Self.stepsMax, event.word3 > 0,
      event.word3 <= Self.tradeCountMax
    else { return count(.size) }
    if event.detail == 0 {
      if let refused = track.pointee.trade.refusal(of: sequence, event.time, limits) { return count(refused) }
      let last = track.pointee.trade.sequence
      if last >= 0, sequence > last &+ 1 { missing = MissingTrades(first: last &+ 1, last: sequence &- 1) }
      track.pointee.trade.advance(to: sequence, event.time)
    } else {
      if let refused = track.pointee.single.refusal(of: sequence, event.time, limits) {
        return count(refused)
      }
      track.pointee.single.advance(to: sequence, event.time)
    }
    settle(&event, ticks: event.word0, source: .trade, track)
    return nil
  }

  private mutating func inspectMark(
    _ event: inout MarketEvent, _ sequence: Int64, _ track: UnsafeMutablePointer<Track>
  ) -> FirewallRejection? {
    let ticks = event.word0 / track.pointee.tickE8
    guard event.word0 > 0, ticks <= track.pointee.ticksMax, event.word1 >= 0,
      event.word1 / track.pointee.tickE8 <= track.pointee.ticksMax
    else { return count(.price) }
    guard event.word2.magnitude <= UInt64(limits.fundingRateE8Max),
      isNextFunding(event.word3, of: event.time)
    else { return count(.logic) }
    if let refused = track.pointee.mark.refusal(of: sequence, event.time, limits) { return count(refused) }
    track.pointee.mark.advance(to: sequence, event.time)
    guard isNear(index: event.word1, mark: event.word0) else {
      quarantine(&event)
      return nil
    }
    settle(&event, ticks: ticks, source: .mark, track)
    if !event.flags.contains(.quarantined) { track.pointee.markTicks = ticks }
    return nil
  }

  /// Zero stands for none.
  private func isNextFunding(_ milliseconds: Int64, of time: Instant) -> Bool {
    guard milliseconds > 0, milliseconds <= Int64.max / 1_000_000 else { return milliseconds == 0 }
    let ahead = Instant(milliseconds: milliseconds).nanoseconds(since: time)
    return ahead <= limits.fundingAheadNanosecondsMax && ahead >= -limits.fundingBehindNanosecondsMax
  }

  /// Zero stands for none: a contract before its index begins.
  private func isNear(index: Int64, mark: Int64) -> Bool {
    index == 0 || (index / limits.indexFactorMax <= mark && mark / limits.indexFactorMax <= index)
  }

  /// Flags the event when its price is absurd, else lets it into the memory of recent prices.
  @inline(__always)
  private mutating func settle(
    _ event: inout MarketEvent, ticks: Int64, source: Source, _ track: UnsafeMutablePointer<Track>
  ) {
    if track.pointee.isNear(ticks, limits.bandDivisor) {
      if track.pointee.candidateTicks != 0 { track.pointee.candidateTicks = 0 }
      track.pointee.remember(ticks, event.time)
    } else if track.pointee.confirms(ticks, source, event.time, limits) {
      track.pointee.restart(at: ticks, event.time)
    } else {
      quarantine(&event)
    }
  }

  private mutating func quarantine(_ event: inout MarketEvent) {
    event.flags.insert(.quarantined)
    quarantinedCount &+= 1
  }

  @inline(__always) private func track(_ index: Int) -> UnsafeMutablePointer<Track> {
    (tracks + index &* Track.stride).assumingMemoryBound(to: Track.self)
  }

  @inline(never) private mutating func count(_ rejection: FirewallRejection) -> FirewallRejection {
    counts[Int(rejection.rawValue)] &+= 1
    return rejection
  }
}
