public import Tape
public import Trading

/// Where the Brain's journal goes: a tape, memory, nowhere, or a comparison with an earlier one. [decision-thread]
public protocol JournalSink: ~Copyable {
  /// Takes one stamped entry. Never blocks, never fails loudly: a sink that cannot go on says so in `isFull`.
  mutating func append(_ entry: JournalEntry)
  /// No further entry will be kept: entries must stop, exits go on (failure modes, rule 3).
  var isFull: Bool { get }
}

/// Counts and forgets; for benchmarks and quick backtests.
public struct NoJournal: JournalSink {
  public private(set) var count = 0
  public init() {}
  public mutating func append(_ entry: JournalEntry) { count += 1 }
  public var isFull: Bool { false }
}

/// Keeps every entry in memory; for backtests whose journal is asked for, and for tests.
public struct MemoryJournal: JournalSink {
  public private(set) var entries: [JournalEntry] = []
  public init() {}
  public mutating func append(_ entry: JournalEntry) { entries.append(entry) }
  public var isFull: Bool { false }
}

/// The journal on disk.
public struct TapeJournal: JournalSink, ~Copyable {
  private var writer: TapeWriter<JournalEntry>
  /// Why the tape could not go on, once it could not.
  public private(set) var failure: TapeError?
  /// Entries that were not kept after the failure.
  public private(set) var lostCount = 0

  public init(_ writer: consuming TapeWriter<JournalEntry>) { self.writer = writer }

  public var isFull: Bool { failure != nil }

  public mutating func append(_ entry: JournalEntry) {
    guard failure == nil else {
      lostCount += 1
      return
    }
    do {
      try writer.append(entry)
    } catch {
      failure = error
      lostCount += 1
    }
  }

  /// Ends the tape in order: the last segment is cut to what was written.
  public consuming func seal() throws(TapeError) { try writer.seal() }
}
