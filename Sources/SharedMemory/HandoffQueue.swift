/// The layout of the lossless hand-off queue: one producer, one consumer, each in whatever process.
///
/// Each side owns one cursor, on a line of its own, and keeps a private copy of the other's: the lines move only when
/// a copy runs out. Records are stored in place with plain moves; the cursors order them.
@usableFromInline enum HandoffQueue {
  @usableFromInline static let writeOffset = 2 * RegionHeader.lineByteCount
  @usableFromInline static let readOffset = 4 * RegionHeader.lineByteCount
  @usableFromInline static let refusedOffset = 6 * RegionHeader.lineByteCount
  static let producerPlace: Int64 = 0
  static let consumerPlace: Int64 = 1

  /// Four cache lines: beyond that a copy per side costs more than a pointer.
  static let recordByteCountMax = 256
  static let capacityRange = 2...(1 << 24)

  /// Small records lie dense, larger ones in whole cache lines.
  @inlinable static func slotByteCount(recordByteCount size: Int) -> Int {
    size >= 64 ? (size + 63) / 64 * 64 : size > 32 ? 64 : size > 16 ? 32 : size > 8 ? 16 : 8
  }

  static func byteCount(recordByteCount: Int, capacity: Int) -> Int {
    RegionHeader.byteCount + capacity * slotByteCount(recordByteCount: recordByteCount)
  }

  static func isGood(capacity: Int) -> Bool {
    capacityRange.contains(capacity) && capacity.nonzeroBitCount == 1
  }

  static func header(recordByteCount: Int, capacity: Int) -> RegionHeader {
    RegionHeader(magic: "AEGISHND", recordByteCount: recordByteCount, capacity: capacity)
  }

  static func checkRecord<Record>(_: Record.Type) {
    let size = MemoryLayout<Record>.size
    precondition(size > 0 && size % 8 == 0 && size <= recordByteCountMax, "whole words, at most 256 bytes")
    precondition(
      MemoryLayout<Record>.alignment <= 16, "slots are aligned to 16 bytes where they are that large")
  }

  static func checkCapacity(_ capacity: Int, path: String) throws(MapError) {
    guard isGood(capacity: capacity) else {
      throw .mismatch(
        path: path, field: "queue capacity", found: "\(capacity)",
        expected: "a power of two in \(capacityRange)", fix: "Change the setting.")
    }
  }

  static func capacity(of region: borrowing MappedRegion, recordByteCount: Int) throws(MapError) -> Int {
    let header = try RegionHeader.read(
      from: region, expected: header(recordByteCount: recordByteCount, capacity: 0),
      capacity: isGood(capacity:),
      byteCount: { byteCount(recordByteCount: recordByteCount, capacity: Int($0.capacity)) })
    return Int(header.capacity)
  }

  static func checkCursors(written: UInt64, read: UInt64, capacity: Int, path: String) throws(MapError) {
    guard written &- read <= UInt64(capacity) else {
      throw .mismatch(
        path: path, field: "cursors", found: "\(written) written, \(read) read",
        expected: "at most \(capacity) between them",
        fix: "The queue is damaged: stop both sides, remove it and start again.")
    }
  }
}
