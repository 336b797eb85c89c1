import Foundation
import Market
import Tape

/// The market events of one session by their sequence in the ring, as the recorder wrote them.
///
/// Sequences count per session: every start of the engine lays out a new ring. The headers name the session, so that
/// the tape of another one is never taken for this.
struct ReplayMarket: ~Copyable {
  private var reader: TapeReader<MarketEvent>
  private let session: UInt64
  private var waiting: (sequence: UInt64, event: MarketEvent)?
  private var isOver = false
  private(set) var takenCount = 0

  /// - Parameter sequence: the first one that will be asked for.
  init(_ directory: DataDirectory, session: UInt64, from sequence: UInt64) throws(TapeError) {
    let tape = try TapeDirectory(directory: directory.market.path, name: EngineTapes.marketName)
    var start: Int?
    for segment in try tape.segments().reversed() {
      let header = try tape.header(ofSegment: segment)
      guard header.run == session else {
        if start != nil { break }
        continue
      }
      start = segment
      if header.firstSequence <= sequence { break }
    }
    reader = try EngineTapes.marketReader(directory, startingAtSegment: start)
    self.session = session
    isOver = start == nil
  }

  /// The event with this sequence; nil when it is not on the tape. Ask in ascending order.
  mutating func event(at sequence: UInt64) throws(TapeError) -> MarketEvent? {
    while true {
      if let waiting {
        if waiting.sequence > sequence { return nil }
        self.waiting = nil
        if waiting.sequence == sequence {
          takenCount += 1
          return waiting.event
        }
        continue  // events the run never took: it started later, or was overrun
      }
      guard !isOver, let event = try reader.next(), let header = reader.header, header.run == session,
        let found = reader.lastSequence
      else {
        isOver = true
        return nil
      }
      waiting = (found, event)
    }
  }

  /// The first event that is on the tape after one that is not; nil when there is none.
  var nextSequence: UInt64? { waiting?.sequence }
}
