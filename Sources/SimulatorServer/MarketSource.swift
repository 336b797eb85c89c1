import Market
import Simulator

/// Where prices come from: one sequence of events on the venue's clock, whatever is behind it.   [event loop]
struct MarketSource {
  // Exactly one of the two is there. Optionals instead of an enumeration, so that events are drawn in place.
  private var generated: GeneratedMarket?
  private var tape: TapePlayer?

  init(_ market: GeneratedMarket) { generated = market }

  init(_ tape: TapeMarket, start: Instant) { self.tape = TapePlayer(tape, start: start) }

  /// When the next event is due.
  var nextTime: Instant { generated?.nextTime ?? tape?.nextTime ?? Instant(nanoseconds: .max) }

  mutating func next() -> MarketEvent {
    if let event = generated?.next() ?? tape?.next() { return event }
    preconditionFailure("a source is generated or a tape")
  }
}

/// Plays a tape's tracks, each over and over, merged by time.
struct TapePlayer {
  private struct Cursor {
    var index = 0
    var round: Int64 = 0
    var nextTime: Int64 = 0
  }

  private var tracks: [TapeMarket.Track]
  private var cursors: [Cursor]
  private let start: Int64
  private var earliest = 0

  private static let fundingMilliseconds: Int64 = 8 * 3_600_000

  /// - Precondition: every track has an event; `TapeMarket` makes no other.
  init(_ tape: TapeMarket, start: Instant) {
    tracks = tape.tracks
    self.start = start.nanoseconds
    cursors = tape.tracks.map {
      Cursor(nextTime: start.nanoseconds + ($0.events.first?.time.nanoseconds ?? 0))
    }
    findEarliest()
  }

  var nextTime: Instant {
    Instant(nanoseconds: cursors[earliest].nextTime)
  }

  mutating func next() -> MarketEvent {
    let track = earliest
    var event = tracks[track].events[cursors[track].index]
    event.time = Instant(nanoseconds: cursors[track].nextTime)
    if event.kind == .mark {
      event.word3 = (event.time.milliseconds / Self.fundingMilliseconds + 1) * Self.fundingMilliseconds
    }
    cursors[track].index += 1
    if cursors[track].index == tracks[track].events.count {
      cursors[track].index = 0
      cursors[track].round += 1
    }
    let offset = tracks[track].events[cursors[track].index].time.nanoseconds
    cursors[track].nextTime = start + cursors[track].round * tracks[track].roundNanoseconds + offset
    findEarliest()
    return event
  }

  private mutating func findEarliest() {
    var best = 0
    for index in cursors.indices where cursors[index].nextTime < cursors[best].nextTime { best = index }
    earliest = best
  }
}
