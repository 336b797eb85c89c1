import Logging
import Market
import Tape
import Trading

/// What the journal says about the runs before this one.
struct Recovery: Sendable {
  /// nil when there was no run.
  var state: RecoveredState?
  var opening: RunOpening
  var nextRun: UInt32 { opening.run }

  /// Folds the newest run: its openings already hold what the runs before it left.
  static func lastRun(
    in directory: DataDirectory, openingBalance: Quote, logger: Logger
  ) throws(TapeError) -> Recovery {
    guard let last = try EngineTapes.runs(directory).last else {
      return Recovery(state: nil, opening: RunOpening(run: 1, wallet: openingBalance))
    }
    var reader = try EngineTapes.journalReader(directory, startingAtSegment: last.firstSegment)
    var fold = JournalFold(openingBalance: openingBalance)
    var count = 0
    while let entry = try reader.next() {
      fold.absorb(entry)
      count += 1
    }
    for damage in reader.damages {
      logger.warning("the journal's end was torn and is cut off", metadata: ["damage": "\(damage)"])
    }
    logger.info("journal read", metadata: ["run": "\(last.run)", "entries": "\(count)"])
    var state = fold.recovered
    state.opening.run = max(state.opening.run, last.run + 1)
    return Recovery(state: state, opening: state.opening)
  }

  /// The first entries of the new run.
  func openingEntries() -> [JournalEntry] {
    let time = state?.lastTime ?? .never
    return (state?.openingEntries(time: time) ?? [.runStarted(opening, time: time)]) + [.runReady(time: time)]
  }
}
