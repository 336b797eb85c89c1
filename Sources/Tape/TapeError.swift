public import SharedMemory

/// What can go wrong with a tape. One line for the operator: file, what is wrong, what to do.
public enum TapeError: Error, Equatable, Sendable {
  /// No room for the next segment.
  case full(path: String, byteCount: Int)
  /// The file system refused.
  case file(MapError)
  /// The file is whole, but not what this reader reads: other kind, version, record size or layout.
  case mismatch(path: String, field: String, found: String, expected: String)
  /// A record that is followed by good ones is damaged: what the tape says from here on cannot be trusted.
  case corruptRecord(path: String, index: Int)
  /// A segment between others is missing, or lost its end though it was complete.
  case missingRecords(path: String, expectedSequence: UInt64)
  /// Another writer has this tape open.
  case inUse(path: String)
  /// A setting outside its bounds.
  case setting(field: String, found: String, expected: String)
}

extension TapeError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .full(let path, let byteCount):
      "\(path): no room for a segment of \(byteCount) bytes. Free space there or lower the retention."
    case .file(let error): error.description
    case .mismatch(let path, "format version", let found, let expected):
      "\(path): format version is \(found), this program reads \(expected). Read it with the program that wrote it."
    case .mismatch(let path, let field, let found, let expected):
      "\(path): \(field) is \(found), expected \(expected). Keep the file aside and give this tape another name or directory."
    case .corruptRecord(let path, let index):
      "\(path): record \(index) is damaged and good records follow it. Keep the file; restore it from a copy or rebuild from the exchange."
    case .missingRecords(let path, let expectedSequence):
      "\(path): records from sequence \(expectedSequence) on are missing. Restore the segment or start reading behind it."
    case .inUse(let path):
      "\(path): another process is writing this tape. Stop it first; a tape has one writer."
    case .setting(let field, let found, let expected):
      "tape setting \(field) is \(found), expected \(expected). Change the setting."
    }
  }
}

/// Damage that a reader got over, to be told to the operator.
public struct TapeDamage: Sendable, Equatable {
  public enum Kind: Sendable, Equatable {
    /// The end was lost: this many records the header counted are unreadable, none behind them is good.
    case tornTail(lostCount: Int)
    /// The word that counts the records was damaged; they were counted by their stamps.
    case commitWord
  }
  public var kind: Kind
  public var path: String
  /// Index in the segment of the first record that is not there any more.
  public var index: Int

  public init(kind: Kind, path: String, index: Int) {
    self.kind = kind
    self.path = path
    self.index = index
  }
}
