public import Synchronization

/// What one look at the ring gives.
@frozen public enum RingRead<Record: BitwiseCopyable & Sendable>: Sendable {
  case record(Record)
  /// Nothing new yet.
  case empty
  /// The writer was a whole ring ahead: exactly `lost` records were overwritten before they were read. The reader now
  /// stands half a ring behind the newest.
  case overrun(lost: UInt64)
}

/// The layout of the broadcast ring: one writer that never waits, any number of readers that never disturb it.
///
/// A slot is one cache line: 56 bytes of record and an 8-byte stamp. The stamp of the record with sequence `s` is
/// `s + 1`; 0 is a slot never written, `busy` one being written. The only line that moves between processors is the
/// record's own: there is no shared cursor on the path.
@usableFromInline enum EventRing {
  @usableFromInline static let recordByteCount = 56
  @usableFromInline static let slotByteCount = 64
  @inlinable static var busy: UInt64 { .max }

  @usableFromInline static let epochOffset = 1 * RegionHeader.lineByteCount
  @usableFromInline static let writerProcessOffset = epochOffset + 8
  @usableFromInline static let cursorOffset = 2 * RegionHeader.lineByteCount
  @usableFromInline static let turnOffset = 3 * RegionHeader.lineByteCount
  @usableFromInline static let sleeperOffset = 4 * RegionHeader.lineByteCount

  /// Fewest slots for which "half a ring behind" leaves room; most: 4 GiB of them.
  static let capacityRange = 8...(1 << 26)

  static func byteCount(capacity: Int) -> Int { RegionHeader.byteCount + capacity * slotByteCount }

  static func isGood(capacity: Int) -> Bool {
    capacityRange.contains(capacity) && capacity.nonzeroBitCount == 1
  }

  static func header(capacity: Int) -> RegionHeader {
    RegionHeader(magic: "AEGISRNG", recordByteCount: recordByteCount, capacity: capacity)
  }

  static func checkRecord<Record>(_: Record.Type) {
    precondition(MemoryLayout<Record>.size == recordByteCount, "a ring record is 56 bytes")
    precondition(MemoryLayout<Record>.alignment <= 8, "slots are aligned to words")
  }

  static func checkCapacity(_ capacity: Int, path: String) throws(MapError) {
    guard isGood(capacity: capacity) else {
      throw .mismatch(
        path: path, field: "ring capacity", found: "\(capacity)",
        expected: "a power of two in \(capacityRange)", fix: "Change the setting.")
    }
  }

  static func capacity(of region: borrowing MappedRegion) throws(MapError) -> Int {
    let header = try RegionHeader.read(
      from: region, expected: header(capacity: 0), capacity: isGood(capacity:),
      byteCount: { byteCount(capacity: Int($0.capacity)) })
    return Int(header.capacity)
  }

  /// The sequence after the newest complete record: the highest stamp of all slots. O(capacity), for attaching only.
  static func nextSequence(in region: borrowing MappedRegion, capacity: Int) throws(MapError) -> UInt64 {
    let slots = RingSlots(region: region, capacity: capacity)
    var highest: UInt64 = 0
    for index in 0..<UInt64(capacity) {
      let stamp = slots.stamp(of: index).pointee.load(ordering: .acquiring)
      guard stamp != 0, stamp != busy else { continue }
      guard (stamp &- 1) & slots.mask == index else {
        throw .mismatch(
          path: region.path, field: "stamp of slot \(index)", found: "\(stamp)",
          expected: "one that belongs there", fix: "The ring is damaged: remove it and start again.")
      }
      highest = max(highest, stamp)
    }
    return highest
  }
}

/// The slots of a mapped ring, found by sequence.
@frozen @usableFromInline struct RingSlots {
  @usableFromInline let first: UnsafeMutableRawPointer
  @usableFromInline let mask: UInt64

  @usableFromInline init(region: borrowing MappedRegion, capacity: Int) {
    first = region.base + RegionHeader.byteCount
    mask = UInt64(capacity - 1)
  }

  /// Eight words: seven of record, then the stamp.
  @inlinable @inline(__always)
  func words(of sequence: UInt64) -> UnsafeMutablePointer<Atomic<UInt64>> {
    (first + Int(truncatingIfNeeded: (sequence & mask) &<< 6)).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  @inlinable @inline(__always)
  func stamp(of sequence: UInt64) -> UnsafeMutablePointer<Atomic<UInt64>> { words(of: sequence) + 7 }
}

/// A 56-byte record as the seven words it is stored in.
@frozen @usableFromInline struct RingWords: BitwiseCopyable {
  @usableFromInline var word0, word1, word2, word3, word4, word5, word6: UInt64

  @inlinable @inline(__always)
  init(from slot: UnsafeMutablePointer<Atomic<UInt64>>) {
    word0 = slot[0].load(ordering: .relaxed)
    word1 = slot[1].load(ordering: .relaxed)
    word2 = slot[2].load(ordering: .relaxed)
    word3 = slot[3].load(ordering: .relaxed)
    word4 = slot[4].load(ordering: .relaxed)
    word5 = slot[5].load(ordering: .relaxed)
    word6 = slot[6].load(ordering: .relaxed)
  }

  @inlinable @inline(__always)
  func store(to slot: UnsafeMutablePointer<Atomic<UInt64>>) {
    slot[0].store(word0, ordering: .relaxed)
    slot[1].store(word1, ordering: .relaxed)
    slot[2].store(word2, ordering: .relaxed)
    slot[3].store(word3, ordering: .relaxed)
    slot[4].store(word4, ordering: .relaxed)
    slot[5].store(word5, ordering: .relaxed)
    slot[6].store(word6, ordering: .relaxed)
  }
}
