public import Market
import Simulator

extension TapeMarket {
  /// Events of one pass over the tape.
  public var passEventCount: Int {
    tracks.reduce(0) { sum, track in sum + track.events.count { !Self.isSingleFill($0) } }
  }

  /// Every recording once, at the times at which it was made: what a Feed would have published then, which is aggregate
  /// trades and not single fills.
  public func pass() -> TapePass { TapePass(self) }

  /// Closed candles before a symbol's first recording, oldest first.
  public func historyBeforePass(_ instrument: InstrumentID, _ timeframe: Timeframe, countMax: Int) -> [Candle]
  {
    guard let first = tracks[Int(instrument.index)].parts.first else { return [] }
    let start = Instant(nanoseconds: first.receivedNanoseconds)
    return history.bars(
      instrument, timeframe, from: .never, to: start, end: Timeframe.minute1.openTime(of: start),
      countMax: countMax
    )
    .filter { $0.openTime.nanoseconds + timeframe.nanoseconds <= start.nanoseconds }
    .map { bar in
      Candle(
        openTime: bar.openTime, open: Price(ticks: bar.openTicks), high: Price(ticks: bar.highTicks),
        low: Price(ticks: bar.lowTicks), close: Price(ticks: bar.closeTicks),
        volume: Quantity(steps: bar.volumeSteps), tradeCount: Int32(clamping: bar.tradeCount),
        flags: [.complete, .backfilled])
    }
  }

  static func isSingleFill(_ event: MarketEvent) -> Bool {
    event.kind == .trade && event.detail == singleFill
  }
}

/// One pass over a tape, merged by time, without any clock.
public struct TapePass: Sendable {
  private var tracks: [Cursor]

  private static let fundingMilliseconds: Int64 = 8 * 3_600_000

  /// Where one symbol stands.
  private struct Cursor: Sendable {
    let track: TapeMarket.Track
    var index = 0
    var part = 0
    /// When the event at `index` was received; the largest number at the end. Never falls.
    var time: Int64 = 0

    init(_ track: TapeMarket.Track) {
      self.track = track
      settle()
    }

    mutating func advance() {
      index += 1
      settle()
    }

    /// Finds the next event to show, from `index` on, and its time.
    private mutating func settle() {
      while index < track.events.count, TapeMarket.isSingleFill(track.events[index]) { index += 1 }
      guard index < track.events.count else {
        time = .max
        return
      }
      while part + 1 < track.parts.count, track.parts[part + 1].firstEvent <= index { part += 1 }
      let place = track.parts[part]
      time = max(
        time, place.receivedNanoseconds + track.events[index].time.nanoseconds - place.playedNanoseconds)
    }
  }

  init(_ tape: TapeMarket) { tracks = tape.tracks.map(Cursor.init) }

  /// The next event, nil at the end. Of one moment the first symbol's comes first.
  public mutating func next() -> MarketEvent? {
    var best = -1
    var time = Int64.max
    for index in tracks.indices where tracks[index].time < time { (best, time) = (index, tracks[index].time) }
    guard best >= 0 else { return nil }
    var event = tracks[best].track.events[tracks[best].index]
    event.time = Instant(nanoseconds: time)
    if event.kind == .mark {
      event.word3 = (event.time.milliseconds / Self.fundingMilliseconds + 1) * Self.fundingMilliseconds
    }
    tracks[best].advance()
    return event
  }
}
