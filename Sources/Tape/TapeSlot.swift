public import SharedMemory

/// The stamp behind each stored record: its checksum and the low half of its index.
@usableFromInline enum TapeSlot {
  @inlinable static var stampByteCount: Int { 8 }

  /// The checksum covers the index, so a record in another's place is found out too.
  @inlinable @inline(__always)
  static func stamp(of record: UnsafeRawBufferPointer, index: Int) -> UInt64 {
    let low = UInt64(UInt32(truncatingIfNeeded: index))
    let seed = UInt32(truncatingIfNeeded: index) &* 0x9E37_79B9
    return UInt64(Checksum.crc32c(record, seed: seed)) | low << 32
  }

  /// Whether `slot`, a record with its stamp, is the record `index` and unharmed.
  static func isWhole(_ slot: UnsafeRawBufferPointer, index: Int) -> Bool {
    let record = UnsafeRawBufferPointer(rebasing: slot[..<(slot.count - stampByteCount)])
    return slot.loadUnaligned(fromByteOffset: record.count, as: UInt64.self)
      == stamp(of: record, index: index)
  }
}

/// How many records of a segment count, and whether more may come: 31 bits, a flag, and the checksum of both in one
/// word, so that one store changes all and a damaged word is not believed.
@usableFromInline struct TapeCommit: Equatable {
  @usableFromInline var count: Int
  /// The segment is complete: what follows is in the next one.
  @usableFromInline var isSealed: Bool

  @inlinable init(count: Int, isSealed: Bool) {
    self.count = count
    self.isSealed = isSealed
  }

  @inlinable var word: UInt64 {
    let low = UInt32(truncatingIfNeeded: count) | (isSealed ? 1 << 31 : 0)
    return UInt64(low) | UInt64(Self.checksum(of: low)) << 32
  }

  /// Nil for a word nobody wrote.
  init?(word: UInt64) {
    let low = UInt32(truncatingIfNeeded: word)
    guard UInt32(truncatingIfNeeded: word >> 32) == Self.checksum(of: low) else { return nil }
    count = Int(low & 0x7FFF_FFFF)
    isSealed = low >> 31 == 1
  }

  @inlinable static func checksum(of low: UInt32) -> UInt32 {
    withUnsafeBytes(of: low) { Checksum.crc32c($0) }
  }
}
