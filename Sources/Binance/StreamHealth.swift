import Market

/// How an instrument's streams are: a small table the feed sweeps once a second.
///
/// An instrument is as well as its worst entry point. Pure: times come in as arguments.
struct StreamHealth {
  struct Limits: Sendable {
    /// Silence after which a stream that used to be busy is stale.
    var activeNanoseconds: Int64 = 10_000_000_000
    /// Silence after which any stream is stale.
    var anyNanoseconds: Int64 = 60_000_000_000
    /// Messages within one active window that make a stream busy.
    var busyCount: UInt32 = 20
  }

  private struct Entry {
    var state = StreamState.connecting
    var isWanted = false
    var isBusy = false
    var countAtWindow: UInt32 = 0
    var connection = 0
  }

  private let limits: Limits
  private let instrumentCount: Int
  private var entries: [Entry]
  /// What was last said about an instrument; nil before the first word.
  private var published: [StreamState?]
  private var windowStart: Int64 = 0

  init(instrumentCount: Int, limits: Limits) {
    self.limits = limits
    self.instrumentCount = instrumentCount
    entries = Array(repeating: Entry(), count: 2 * instrumentCount)
    published = Array(repeating: nil, count: instrumentCount)
  }

  private func index(_ entry: StreamEntry, _ instrument: InstrumentID) -> Int {
    entry.rawValue * instrumentCount + Int(instrument.index)
  }

  /// A connection carries these streams and is in this state now.
  mutating func set(_ state: StreamState, _ plan: ConnectionPlan) {
    for instrument in plan.instruments {
      let at = index(plan.entry, instrument)
      entries[at].isWanted = true
      entries[at].connection = plan.number
      entries[at].state = state
      entries[at].isBusy = false
    }
  }

  /// Judges every stream of a connection by the age of its newest message.
  ///
  /// - Parameters:
  ///   - lastReceived, receivedCount: by instrument, of this entry point.
  ///   - lastMark: by instrument; a fresh mark price vouches for a stream that has nothing to say.
  /// - Returns: how many streams were live before and are stale now.
  mutating func sweep(
    _ plan: ConnectionPlan, lastReceived: UnsafePointer<Int64>, receivedCount: UnsafePointer<UInt32>,
    lastMark: UnsafePointer<Int64>, openedAt: Int64, startsWindow: Bool, now: Int64
  ) -> Int {
    var newlyStale = 0
    for instrument in plan.instruments {
      let position = Int(instrument.index)
      let at = index(plan.entry, instrument)
      var entry = entries[at]
      guard entry.state != .closed, entry.state != .connecting else { continue }
      let received = lastReceived[position]
      if startsWindow {
        entry.isBusy = receivedCount[position] &- entry.countAtWindow >= limits.busyCount
        entry.countAtWindow = receivedCount[position]
      }
      if received >= openedAt {
        let age = now - received
        let isQuiet = age > (entry.isBusy ? limits.activeNanoseconds : limits.anyNanoseconds)
        let isVouchedFor = !entry.isBusy && now - lastMark[position] <= limits.activeNanoseconds
        let isStale = isQuiet && !isVouchedFor
        if isStale, entry.state == .live { newlyStale += 1 }
        entry.state = isStale ? .stale : .live
      } else if entry.state == .acknowledged, now - openedAt > limits.anyNanoseconds,
        now - lastMark[position] > limits.activeNanoseconds
      {
        entry.state = .stale  // acknowledged, and never a frame
      }
      entries[at] = entry
    }
    return newlyStale
  }

  /// Calls `body` for every instrument whose state is not what was last published.
  mutating func publishChanges(_ body: (InstrumentID, StreamState, _ connection: Int) -> Void) {
    for position in 0..<instrumentCount {
      var worst: Entry?
      for entry in [entries[position], entries[instrumentCount + position]] where entry.isWanted {
        if Self.rank(entry.state) < worst.map({ Self.rank($0.state) }) ?? .max { worst = entry }
      }
      guard let worst, published[position] != worst.state else { continue }
      published[position] = worst.state
      body(InstrumentID(position), worst.state, worst.connection)
    }
  }

  func count(_ state: StreamState) -> Int { published.count { $0 == state } }

  /// Worst first. Acknowledged is less than stale: there never was data.
  private static func rank(_ state: StreamState) -> Int {
    switch state {
    case .closed: 0
    case .connecting: 1
    case .acknowledged: 2
    case .stale: 3
    case .live: 4
    }
  }
}
