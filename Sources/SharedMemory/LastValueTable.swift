public import Synchronization

/// The newest value per index, for whoever comes late: a table of sequence locks.
///
/// A slot is a version word and the record's words. The version's low two bits are the state, the rest counts writes:
/// 0 never written (or lost with a writer that died in it), 1 being written, 2 readable.
@frozen @usableFromInline struct LastValueTable: Sendable {
  @inlinable static var empty: UInt64 { 0 }
  @inlinable static var writing: UInt64 { 1 }
  @inlinable static var readable: UInt64 { 2 }
  /// A reader that meets a writer at every look gives up after this many; a write takes a few nanoseconds.
  @inlinable static var attemptsMax: Int { 1000 }

  static let recordByteCountMax = 1024
  static let countRange = 1...(1 << 20)

  @usableFromInline nonisolated(unsafe) let first: UnsafeMutableRawPointer
  @usableFromInline let slotByteCount: Int
  @usableFromInline let count: Int

  /// Version and record, in whole cache lines.
  static func slotByteCount(recordByteCount: Int) -> Int { (recordByteCount + 8 + 63) / 64 * 64 }

  static func byteCount(recordByteCount: Int, count: Int) -> Int {
    RegionHeader.byteCount + count * slotByteCount(recordByteCount: recordByteCount)
  }

  static func checkRecord<Record>(_: Record.Type) {
    let size = MemoryLayout<Record>.size
    precondition(size > 0 && size % 8 == 0 && size <= recordByteCountMax, "whole words, at most 1 KiB")
    precondition(MemoryLayout<Record>.alignment <= 8, "slots are aligned to words")
  }

  static func header(recordByteCount: Int, count: Int) -> RegionHeader {
    RegionHeader(magic: "AEGISLVT", recordByteCount: recordByteCount, capacity: count)
  }

  init(region: borrowing MappedRegion, recordByteCount: Int) throws(MapError) {
    let header = try RegionHeader.read(
      from: region, expected: Self.header(recordByteCount: recordByteCount, count: 0),
      capacity: { Self.countRange.contains($0) },
      byteCount: { Self.byteCount(recordByteCount: recordByteCount, count: Int($0.capacity)) })
    first = region.base + RegionHeader.byteCount
    slotByteCount = Self.slotByteCount(recordByteCount: recordByteCount)
    count = Int(header.capacity)
  }

  @inlinable @inline(__always)
  func words(at index: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    precondition(index >= 0 && index < count, "an index of the table")
    return (first + index &* slotByteCount).assumingMemoryBound(to: Atomic<UInt64>.self)
  }
}

/// The one writer of a table of last values.   [one thread]
@frozen public struct LastValueWriter<Record: BitwiseCopyable & Sendable>: ~Copyable, @unchecked Sendable {
  @usableFromInline let table: LastValueTable
  @usableFromInline let region: MappedRegion

  /// Lays out an empty table of `count` values (1…2^20) at `path`.
  public static func create(path: String, count: Int) throws(MapError) {
    LastValueTable.checkRecord(Record.self)
    guard LastValueTable.countRange.contains(count) else {
      throw .mismatch(
        path: path, field: "table count", found: "\(count)", expected: "\(LastValueTable.countRange)",
        fix: "Change the setting.")
    }
    let size = MemoryLayout<Record>.size
    _ = try MappedRegion.create(
      path: path, byteCount: LastValueTable.byteCount(recordByteCount: size, count: count)
    ) { bytes in
      bytes.storeBytes(
        of: LastValueTable.header(recordByteCount: size, count: count), as: RegionHeader.self)
    }
  }

  /// Becomes the writer of an existing table. Values stay; one that the last writer died in is empty again.
  public init(attachingTo path: String) throws(MapError) {
    LastValueTable.checkRecord(Record.self)
    let region = try MappedRegion.open(path: path, writable: true)
    let table = try LastValueTable(region: region, recordByteCount: MemoryLayout<Record>.size)
    guard try region.claim(place: 0) else { throw .inUse(path: path, role: "writer", processID: 0) }
    for index in 0..<table.count {
      let version = table.words(at: index)
      let value = version.pointee.load(ordering: .relaxed)
      if value & 3 == LastValueTable.writing {
        version.pointee.store((value & ~3) &+ 4 | LastValueTable.empty, ordering: .releasing)
      }
    }
    self.table = table
    self.region = region
  }

  @inlinable public var count: Int { table.count }

  /// Replaces the value at `index`.   [writer-thread]
  /// - Precondition: 0 ≤ index < count.
  @inlinable @inline(__always)
  public func set(_ record: Record, at index: Int) {
    let slot = table.words(at: index)
    let count = slot[0].load(ordering: .relaxed) & ~3
    slot[0].store(count | LastValueTable.writing, ordering: .relaxed)  // W1: readers keep out
    atomicMemoryFence(ordering: .releasing)  // W1 before any W2; pairs with R3
    withUnsafeBytes(of: record) { bytes in
      for word in 0..<MemoryLayout<Record>.size / 8 {
        let value = bytes.loadUnaligned(fromByteOffset: word * 8, as: UInt64.self)
        slot[word + 1].store(value, ordering: .relaxed)  // W2
      }
    }
    slot[0].store(count &+ 4 | LastValueTable.readable, ordering: .releasing)  // W3 after W2; pairs with R1
  }
}

/// A reader of a table of last values.   [any thread]
@frozen public struct LastValueReader<Record: BitwiseCopyable & Sendable>: ~Copyable, @unchecked Sendable {
  @usableFromInline let table: LastValueTable
  @usableFromInline let region: MappedRegion

  public init(path: String) throws(MapError) {
    LastValueTable.checkRecord(Record.self)
    let region = try MappedRegion.open(path: path, writable: false)
    let table = try LastValueTable(region: region, recordByteCount: MemoryLayout<Record>.size)
    self.table = table
    self.region = region
  }

  @inlinable public var count: Int { table.count }

  /// The value at `index`; nil when none was written, or when its writer stopped in the middle of one.
  /// - Precondition: 0 ≤ index < count.
  @inlinable public func value(at index: Int) -> Record? {
    let slot = table.words(at: index)
    return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: MemoryLayout<Record>.size / 8) { copy in
      for _ in 0..<LastValueTable.attemptsMax {
        let version = slot[0].load(ordering: .acquiring)  // R1: pairs with W3
        if version & 3 == LastValueTable.empty { return nil }
        if version & 3 == LastValueTable.writing { continue }
        for word in 0..<copy.count { copy[word] = slot[word + 1].load(ordering: .relaxed) }  // R2
        atomicMemoryFence(ordering: .acquiring)  // R3: all R2 before R4
        if slot[0].load(ordering: .relaxed) == version {  // R4: unchanged, so no W2 was among R2
          return UnsafeRawBufferPointer(copy).load(as: Record.self)
        }
      }
      return nil
    }
  }
}
