import Foundation
import Logging
import Market
import Storage
import Tape
import Trading

/// Reads the journal behind the Brain and hands it to whoever lives from it. Two of these follow one journal: one for
/// the screen and the API, which must never wait, and one for the store, which may.
struct JournalFollower: ~Copyable {
  static let batchMax = 4096

  private let directory: DataDirectory
  private var reader: TapeReader<JournalEntry>
  private var run: UInt32?
  private var index: UInt64 = 0
  private var held: JournalEntry?

  /// Starts at the newest run there is, or at the first one to come.
  init(_ directory: DataDirectory) throws(TapeError) {
    self.directory = directory
    let last = try EngineTapes.runs(directory).last
    reader = try EngineTapes.journalReader(directory, startingAtSegment: last?.firstSegment)
  }

  struct Batch {
    var run: UInt32
    /// Number of the first entry within its run.
    var from: UInt64
    var entries: [JournalEntry]
  }

  /// What was written since the last call, of one run at most; nil when there is nothing.
  mutating func next() throws(TapeError) -> Batch? {
    var batch: Batch?
    while (batch?.entries.count ?? 0) < Self.batchMax {
      let entry: JournalEntry
      if let waiting = held {
        entry = waiting
        held = nil
      } else if let read = try reader.next() {
        entry = read
      } else {
        break
      }
      let entryRun = UInt32(truncatingIfNeeded: reader.header?.run ?? 0)
      if run != entryRun {
        if batch != nil {
          held = entry
          break
        }
        run = entryRun
        index = 0
      }
      if batch == nil { batch = Batch(run: entryRun, from: index, entries: []) }
      batch?.entries.append(entry)
      index += 1
    }
    return batch
  }
}
