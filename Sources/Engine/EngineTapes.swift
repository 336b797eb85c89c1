import Foundation
import Market
import Tape
import Trading

/// The two tapes of a run: what their records are called and how they are opened.
enum EngineTapes {
  static let marketName = "market"
  static let marketKind: FourLetters = "MKTE"
  /// Raised when the meaning of a market record changes.
  static let marketVersion: UInt32 = 1

  static let journalName = "journal"
  static let journalKind: FourLetters = "JRNL"
  /// Raised when the meaning of a journal record changes.
  static let journalVersion: UInt32 = 1
  /// A segment holds 32 MiB.
  static let journalRecordsPerSegment = 1 << 18

  static func marketReader(
    _ directory: DataDirectory, startingAtSegment segment: Int? = nil
  ) throws(TapeError) -> TapeReader<MarketEvent> {
    try TapeReader(
      directory: directory.market.path, name: marketName, kind: marketKind, formatVersion: marketVersion,
      startingAtSegment: segment)
  }

  static func journalReader(
    _ directory: DataDirectory, startingAtSegment segment: Int? = nil
  ) throws(TapeError) -> TapeReader<JournalEntry> {
    try TapeReader(
      directory: directory.journal.path, name: journalName, kind: journalKind, formatVersion: journalVersion,
      startingAtSegment: segment)
  }

  /// The session that is being recorded: every start of the engine lays out a new ring, whose sequences begin anew, so
  /// the segments of the market tape carry its number as their run. 0 without a tape.
  static func marketSession(_ directory: DataDirectory) throws(TapeError) -> UInt64 {
    let tape = try TapeDirectory(directory: directory.market.path, name: marketName)
    guard let newest = try tape.segments().last else { return 0 }
    return try tape.header(ofSegment: newest).run
  }

  /// The first journal segment of each run, by run number.
  static func runs(_ directory: DataDirectory) throws(TapeError) -> [(run: UInt32, firstSegment: Int)] {
    let tape = try TapeDirectory(directory: directory.journal.path, name: journalName)
    var runs: [(run: UInt32, firstSegment: Int)] = []
    for segment in try tape.segments() {
      let run = UInt32(truncatingIfNeeded: try tape.header(ofSegment: segment).run)
      if runs.last?.run != run { runs.append((run, segment)) }
    }
    return runs
  }

  /// Every entry of one run, in order.
  static func entries(_ directory: DataDirectory, run: UInt32, firstSegment: Int) throws(TapeError)
    -> [JournalEntry]
  {
    var reader = try journalReader(directory, startingAtSegment: firstSegment)
    var entries: [JournalEntry] = []
    while let entry = try reader.next() {
      guard let header = reader.header, UInt32(truncatingIfNeeded: header.run) == run else { break }
      entries.append(entry)
    }
    return entries
  }
}
