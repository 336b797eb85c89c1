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
  public static let stepsMax: Int64 = 1_000_000_000_000_000

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
      return event.word0 > 0 && event.word2 > event.word0 && event.word1 >= 0 && event.word3 >= 0
        && event.time > .never
    case .trade: return event.word0 > 0 && event.word1 > 0 && event.word3 > 0 && event.time > .never
    case .mark: return event.word0 > 0 && event.word1 >= 0 && event.time > .never
    case .bar:
      return event.word2 > 0 && event.word1 >= event.word0 && event.word1 >= event.word3
        && event.word2 <= event.word0 && event.word2 <= event.word3 && event.word4 >= 0
        && event.timeframe != nil
    case .gap: return event.word2 >= 0
    case .stream: return true
    }
  }

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
    guard event.word1 > 0, event.word1 <= Self.stepsMax, event.word3 > 0 else { return count(.size) }
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
    guard event.word0 > 0, ticks <= track.pointee.ticksMax, event.word1 >= 0 else { return count(.price) }
    guard event.word2.magnitude <= UInt64(limits.fundingRateE8Max), event.word3 >= 0 else {
      return count(.logic)
    }
    if let refused = track.pointee.mark.refusal(of: sequence, event.time, limits) { return count(refused) }
    track.pointee.mark.advance(to: sequence, event.time)
    settle(&event, ticks: ticks, source: .mark, track)
    if !event.flags.contains(.quarantined) { track.pointee.markTicks = ticks }
    return nil
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
      event.flags.insert(.quarantined)
      quarantinedCount &+= 1
    }
  }

  @inline(__always) private func track(_ index: Int) -> UnsafeMutablePointer<Track> {
    (tracks + index &* Track.stride).assumingMemoryBound(to: Track.self)
  }

  @inline(never) private mutating func count(_ rejection: FirewallRejection) -> FirewallRejection {
    counts[Int(rejection.rawValue)] &+= 1
    return rejection
  }
}

extension DataFirewall {
  fileprivate enum Source: UInt8, BitwiseCopyable { case quote = 1, trade = 2, mark = 4 }

  /// Where a stream stands; -1 before its first event.
  fileprivate struct StreamPosition: BitwiseCopyable {
    var sequence: Int64 = -1
    var time = Instant.never

    @inline(__always)
    func refusal(of next: Int64, _ nextTime: Instant, _ limits: FirewallLimits) -> FirewallRejection? {
      if next > sequence { return nextTime < time ? .time : nil }
      if nextTime.nanoseconds(since: time) >= limits.restartNanoseconds { return nil }
      return next == sequence ? .duplicate : .order
    }

    @inline(__always) mutating func advance(to next: Int64, _ nextTime: Instant) {
      sequence = next
      time = nextTime
    }
  }

  /// What is remembered of one instrument. The first eight words are all that most quotes touch: one cache line.
  fileprivate struct Track {
    static var alignment: Int { 64 }
    static var stride: Int { (MemoryLayout<Track>.size + alignment - 1) / alignment * alignment }

    let ticksMax: Int64
    /// Median of the last samples; 0 before the first.
    var medianTicks: Int64 = 0
    var sampleTime = Instant.never
    /// A price far away that waits for confirmation; 0 when none.
    var candidateTicks: Int64 = 0
    var quote = StreamPosition()
    var trade = StreamPosition()
    var single = StreamPosition()
    var mark = StreamPosition()
    let tickE8: Int64
    /// The last mark that was believed, in ticks; 0 before the first.
    var markTicks: Int64 = 0
    var samples: (Int64, Int64, Int64, Int64, Int64) = (0, 0, 0, 0, 0)
    var sampleIndex: UInt8 = 0
    var candidateTime = Instant.never
    var candidateSource: UInt8 = 0

    static let sampleNanoseconds: Int64 = 250_000_000

    init(tickE8: Int64, ticksMax: Int64) {
      self.tickE8 = tickE8
      // Above this sums and products of the band could overflow; no price comes near.
      self.ticksMax = min(ticksMax, .max >> 8)
    }

    /// Near the recent median or the last believed mark. The first price of an instrument has nothing to be
    /// compared with and passes; if it was the absurd one, the next sources outvote it.
    @inline(__always) func isNear(_ ticks: Int64, _ divisor: Int64) -> Bool {
      if medianTicks == 0 { return true }
      if Self.isNear(ticks, medianTicks, divisor) { return true }
      return markTicks > 0 && Self.isNear(ticks, markTicks, divisor)
    }

    @inline(__always) static func isNear(_ a: Int64, _ b: Int64, _ divisor: Int64) -> Bool {
      let (distance, overflow) = abs(a &- b).multipliedReportingOverflow(by: divisor)
      return !overflow && distance <= b
    }

    /// A second source that agrees with the waiting price within the time, or persistence.
    @inline(never)
    mutating func confirms(_ ticks: Int64, _ source: Source, _ time: Instant, _ limits: FirewallLimits)
      -> Bool
    {
      let waited = time.nanoseconds(since: candidateTime)
      guard candidateTicks > 0, Self.isNear(ticks, candidateTicks, limits.bandDivisor),
        waited <= limits.persistNanoseconds &* 4
      else {
        candidateTicks = ticks
        candidateTime = time
        candidateSource = source.rawValue
        return false
      }
      if candidateSource != source.rawValue, waited <= limits.persistNanoseconds { return true }
      return waited >= limits.persistNanoseconds
    }

    /// Takes one sample a quarter second and keeps the median of the last five.
    @inline(__always) mutating func remember(_ ticks: Int64, _ time: Instant) {
      if time.nanoseconds(since: sampleTime) >= Self.sampleNanoseconds { sample(ticks, time) }
    }

    @inline(never) private mutating func sample(_ ticks: Int64, _ time: Instant) {
      if medianTicks == 0 { return restart(at: ticks, time) }
      sampleTime = time
      switch sampleIndex {
      case 0: samples.0 = ticks
      case 1: samples.1 = ticks
      case 2: samples.2 = ticks
      case 3: samples.3 = ticks
      default: samples.4 = ticks
      }
      sampleIndex = sampleIndex == 4 ? 0 : sampleIndex + 1
      // Median of five: the larger of the two middle candidates once the extremes are gone.
      let (a, b) = (min(samples.0, samples.1), max(samples.0, samples.1))
      let (c, d) = (min(samples.2, samples.3), max(samples.2, samples.3))
      let low = max(a, c)
      let high = min(b, d)
      medianTicks = max(min(low, high), min(max(low, high), samples.4))
    }

    /// Begins anew at a price: the first one, or one that was confirmed.
    mutating func restart(at ticks: Int64, _ time: Instant) {
      samples = (ticks, ticks, ticks, ticks, ticks)
      medianTicks = ticks
      sampleTime = time
      candidateTicks = 0
    }
  }
}
