import Tape
import Trading

/// Compares what a loop writes with what was recorded, word for word, up to the first difference.
///
/// Entries beyond the end of the record are counted and never held against the loop: a run that was killed in the
/// middle of an input has no more of them.
struct ReplayJournal: JournalSink, ~Copyable {
  /// One entry that is not what was recorded.
  struct Mismatch: Sendable {
    /// Number within the run, from 0.
    var index: Int
    var recorded: JournalEntry
    var computed: JournalEntry
  }

  private var recorded: RecordedJournal
  private(set) var comparedCount = 0
  private(set) var verdictCount = 0
  /// Entries the loop wrote after the record had ended.
  private(set) var beyondCount = 0
  private(set) var mismatch: Mismatch?
  private(set) var failure: TapeError?
  /// The newest checkpoint that agreed.
  private(set) var lastCheckpoint: JournalEntry?

  init(_ recorded: consuming RecordedJournal) { self.recorded = recorded }

  var isFull: Bool { false }
  /// Nothing more will be compared.
  var hasStopped: Bool { mismatch != nil || failure != nil }

  mutating func append(_ entry: JournalEntry) {
    guard !hasStopped else { return }
    do throws(TapeError) {
      guard let expected = try recorded.next() else {
        beyondCount += 1
        return
      }
      guard expected == entry else {
        mismatch = Mismatch(index: comparedCount, recorded: expected, computed: entry)
        return
      }
      comparedCount += 1
      switch entry.kind {
      case .verdict: verdictCount += 1
      case .checkpoint: lastCheckpoint = entry
      default: break  // every other kind only counts
      }
    } catch {
      failure = error
    }
  }
}

/// The journal entries of one run, in order.
struct RecordedJournal: ~Copyable {
  private var reader: TapeReader<JournalEntry>
  private let run: UInt32
  private var isOver = false
  private(set) var count = 0
  /// What the reader got over: a torn end after a kill.
  var damages: [TapeDamage] { reader.damages }

  init(_ directory: DataDirectory, run: UInt32, firstSegment: Int) throws(TapeError) {
    reader = try EngineTapes.journalReader(directory, startingAtSegment: firstSegment)
    self.run = run
  }

  mutating func next() throws(TapeError) -> JournalEntry? {
    guard !isOver, let entry = try reader.next(), let header = reader.header,
      UInt32(truncatingIfNeeded: header.run) == run
    else {
      isOver = true
      return nil
    }
    count += 1
    return entry
  }
}
