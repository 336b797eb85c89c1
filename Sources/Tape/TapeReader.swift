internal import Glibc
internal import SharedMemory

/// Reads the records of a tape in order, segment after segment, finished or still being written.   [one thread]
///
/// Every record is checked before it is handed out. What cannot be read at the very end of a tape was being written when
/// its writer died: it is cut off and told in `damages`. What is wrong before good records is an error.
public struct TapeReader<Record: BitwiseCopyable & Sendable>: ~Copyable, Sendable {
  public let directory: TapeDirectory
  public let kind: FourLetters
  public let formatVersion: UInt32
  /// Damage got over so far; at most one entry per segment and kind.
  public private(set) var damages: [TapeDamage] = []

  private var file: TapeSegmentFile?
  private let firstSegment: Int?
  /// Records of the segment handed out so far.
  private var index = 0
  private var buffer: [UInt64] = []
  private var buffered = 0..<0
  /// The end that was found torn, and the count the segment had then.
  private var cut: (index: Int, committed: Int)?
  /// Records found by their stamps because the commit word is damaged.
  private var scanned: Int?
  private var hasLookedFurther = false

  private static var slotByteCount: Int { MemoryLayout<Record>.size + TapeSlot.stampByteCount }
  /// Slots read at once: some tens of KiB, enough to make the system call cheap.
  private static var slotsPerRead: Int { 512 }

  /// - Parameters:
  ///   - kind, formatVersion: what the records must be.
  ///   - segment: where to begin; nil for the oldest there is. A tape without segments reads as empty until there is one.
  public init(
    directory: String, name: String, kind: FourLetters, formatVersion: UInt32,
    startingAtSegment segment: Int? = nil
  ) throws(TapeError) {
    let size = MemoryLayout<Record>.size
    precondition(
      size > 0 && size % 8 == 0 && size <= TapeLimits.recordByteCountMax, "whole words, at most a page")
    precondition(MemoryLayout<Record>.alignment <= 8, "slots are aligned to words")
    self.directory = try TapeDirectory(directory: directory, name: name)
    self.kind = kind
    self.formatVersion = formatVersion
    firstSegment = segment
    file = nil
  }

  /// The next record; nil when nothing more is committed yet (ask again to follow a live tape).
  ///
  /// After an error the reader stays where it is.
  public mutating func next() throws(TapeError) -> Record? {
    while true {
      if !buffered.isEmpty {
        let position = buffered.lowerBound
        let size = Self.slotByteCount
        let index = self.index
        let record = buffer.withUnsafeBytes { bytes -> Record? in
          let slot = UnsafeRawBufferPointer(rebasing: bytes[position * size..<(position + 1) * size])
          return TapeSlot.isWhole(slot, index: index) ? slot.load(as: Record.self) : nil
        }
        if let record {
          buffered = position + 1..<buffered.upperBound
          self.index += 1
          return record
        }
        buffered = 0..<0
        try cutHere()
      }
      guard try refill() else { return nil }
    }
  }

  /// The header of the segment `next` reads from; nil before the first. It changes when `next` crosses into another.
  public var header: TapeHeader? {
    switch file {
    case .some(let file): file.header
    case .none: nil
    }
  }

  /// The path of that segment.
  public var path: String? {
    switch file {
    case .some(let file): file.path
    case .none: nil
    }
  }

  /// Records of that segment handed out so far.
  public var indexInSegment: Int { index }

  /// The sequence of the record handed out last, by its segment's header; nil at the beginning of a segment.
  public var lastSequence: UInt64? {
    guard index > 0, let header else { return nil }
    return header.firstSequence &+ UInt64(index - 1)
  }

  /// Brings more slots into the buffer, from this segment or the next; false when there are none for now.
  private mutating func refill() throws(TapeError) -> Bool {
    while true {
      guard let segment = header?.segment else {
        let numbers = try directory.segments()
        guard let first = numbers.first(where: { $0 >= firstSegment ?? 1 }) else { return false }
        try open(segment: first)
        continue
      }
      let commit = try committed()
      if let cut, cut.committed == commit.count {
        guard commit.isSealed else { return try advance(from: segment) }
        guard try hasSuccessor(of: segment) else { return false }
        throw .missingRecords(
          path: path ?? "", expectedSequence: (header?.firstSequence ?? 0) &+ UInt64(index))
      }
      cut = nil
      if index < commit.count {
        if try read(upTo: commit.count) { return true }
        try cutHere()
        continue
      }
      if commit.isSealed || index == commit.count {
        // A successor is begun only when this segment is final. It may have grown before we saw the successor.
        guard try hasSuccessor(of: segment) else { return false }
        if try committed().count > index { continue }
        return try advance(from: segment)
      }
      return false
    }
  }

  /// Opens the next segment if it is there.
  private mutating func advance(from segment: Int) throws(TapeError) -> Bool {
    guard try hasSuccessor(of: segment) else { return false }
    try open(segment: segment + 1)
    return try refill()
  }

  private mutating func open(segment: Int) throws(TapeError) {
    let path = directory.path(ofSegment: segment)
    let opened = try TapeSegmentFile(path: path)
    let header = opened.header
    func expect(_ field: String, _ found: String, _ expected: String) throws(TapeError) {
      guard found == expected else {
        throw .mismatch(path: path, field: field, found: found, expected: expected)
      }
    }
    try expect("kind", header.kind.description, kind.description)
    try expect("format version", "\(header.formatVersion)", "\(formatVersion)")
    try expect("record size", "\(header.recordByteCount) bytes", "\(MemoryLayout<Record>.size) bytes")
    try expect("segment number", "\(header.segment)", "\(segment)")
    file = consume opened
    index = 0
    buffered = 0..<0
    cut = nil
    scanned = nil
    hasLookedFurther = false
  }

  /// Whether the segment after this one is there. One that is skipped in the numbering is an error.
  private mutating func hasSuccessor(of segment: Int) throws(TapeError) -> Bool {
    if access(directory.path(ofSegment: segment + 1), F_OK) == 0 { return true }
    guard !hasLookedFurther else { return false }
    // Once is enough: while we wait here, successors appear in order.
    if let later = try directory.segments().first(where: { $0 > segment }) {
      if later == segment + 1 { return true }
      throw .missingRecords(
        path: directory.path(ofSegment: segment + 1),
        expectedSequence: (header?.firstSequence ?? 0) &+ UInt64(index))
    }
    hasLookedFurther = true
    return false
  }

  private mutating func committed() throws(TapeError) -> TapeCommit {
    switch file {
    case .none: return TapeCommit(count: 0, isSealed: false)
    case .some(let file):
      if let commit = try file.commit() {
        guard commit.count <= file.header.capacity else {
          throw .mismatch(
            path: file.path, field: "record count", found: "\(commit.count)",
            expected: "at most \(file.header.capacity)")
        }
        return commit
      }
    }
    if let scanned { return TapeCommit(count: scanned, isSealed: false) }
    let count = try countByStamps()
    scanned = count
    damages.append(TapeDamage(kind: .commitWord, path: path ?? "", index: count))
    return TapeCommit(count: count, isSealed: false)
  }

  /// Reads slots from `index` on; false when not even one whole slot is there.
  private mutating func read(upTo count: Int) throws(TapeError) -> Bool {
    let wanted = min(count - index, Self.slotsPerRead)
    let read = try readSlots(from: index, count: wanted)
    buffered = 0..<read
    return read > 0
  }

  private mutating func readSlots(from index: Int, count: Int) throws(TapeError) -> Int {
    let wordCount = Self.slotsPerRead * Self.slotByteCount / 8
    if buffer.count < wordCount { buffer = [UInt64](repeating: 0, count: wordCount) }
    switch file {
    case .none: return 0
    case .some(let file):
      let result = buffer.withUnsafeMutableBytes { bytes -> Result<Int, TapeError> in
        let slots = UnsafeMutableRawBufferPointer(rebasing: bytes[..<(count * Self.slotByteCount)])
        do throws(TapeError) {
          return .success(try file.readSlots(from: index, into: slots))
        } catch {
          return .failure(error)
        }
      }
      return try result.get()
    }
  }

  /// The record at `index` is unreadable. If a good one follows, that is an error; if none does, the tape ends here.
  private mutating func cutHere() throws(TapeError) {
    let count = try committed().count
    if try firstWhole(in: index + 1..<max(index + 1, count)) != nil {
      throw .corruptRecord(path: path ?? "", index: index)
    }
    cut = (index, count)
    let damage = TapeDamage(kind: .tornTail(lostCount: count - index), path: path ?? "", index: index)
    if damages.last?.path != damage.path || damages.last?.index != index { damages.append(damage) }
  }

  /// Records whose stamps are good, from the first on; a good one behind the first bad one is an error.
  private mutating func countByStamps() throws(TapeError) -> Int {
    let capacity = header?.capacity ?? 0
    var count = 0
    while count < capacity {
      let read = try readSlots(from: count, count: min(capacity - count, Self.slotsPerRead))
      let whole = (0..<read).prefix { isWhole(at: $0, index: count + $0) }.count
      count += whole
      if whole < Self.slotsPerRead { break }
    }
    if try firstWhole(in: min(count + 1, capacity)..<capacity) != nil {
      throw .corruptRecord(path: path ?? "", index: count)
    }
    return count
  }

  private mutating func firstWhole(in range: Range<Int>) throws(TapeError) -> Int? {
    var position = range.lowerBound
    while position < range.upperBound {
      let read = try readSlots(from: position, count: min(range.upperBound - position, Self.slotsPerRead))
      if read == 0 { return nil }
      if let found = (0..<read).first(where: { isWhole(at: $0, index: position + $0) }) {
        return position + found
      }
      position += read
    }
    return nil
  }

  private func isWhole(at position: Int, index: Int) -> Bool {
    let size = Self.slotByteCount
    return buffer.withUnsafeBytes { bytes in
      TapeSlot.isWhole(
        UnsafeRawBufferPointer(rebasing: bytes[position * size..<(position + 1) * size]), index: index)
    }
  }
}
