extension DataFirewall {
  enum Source: UInt8, BitwiseCopyable { case quote = 1, trade = 2, mark = 4 }

  /// Where a stream stands; -1 before its first event.
  struct StreamPosition: BitwiseCopyable {
    var sequence: Int64 = -1
    var time = Instant.never

    @inline(__always)
    func refusal(of next: Int64, _ nextTime: Instant, _ limits: FirewallLimits) -> FirewallRejection? {
      if next > sequence {
        if nextTime < time { return .time }
        return next &- sequence <= limits.sequenceJumpMax ? nil : refusal(ofJumpTo: nextTime, limits)
      }
      if nextTime.nanoseconds(since: time) >= limits.restartNanoseconds { return nil }
      return next == sequence ? .duplicate : .order
    }

    /// A first event has nothing to jump from; a stream that was away may be anywhere.
    @inline(never)
    private func refusal(ofJumpTo nextTime: Instant, _ limits: FirewallLimits) -> FirewallRejection? {
      sequence < 0 || nextTime.nanoseconds(since: time) >= limits.restartNanoseconds ? nil : .order
    }

    @inline(__always) mutating func advance(to next: Int64, _ nextTime: Instant) {
      sequence = next
      time = nextTime
    }
  }

  /// What is remembered of one instrument. The first eight words are all that most quotes touch: one cache line.
  struct Track {
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
      self.ticksMax = min(ticksMax, DataFirewall.ticksMax)
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
