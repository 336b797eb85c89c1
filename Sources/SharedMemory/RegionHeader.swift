internal import Glibc

/// The first bytes of every shared region: what it is, so that a stale or foreign file is refused and not misread.
@frozen public struct RegionHeader: BitwiseCopyable, Sendable, Equatable {
  /// Eight letters that name the kind of region.
  public var magic: UInt64
  public var layoutVersion: UInt32
  public var recordByteCount: UInt32
  /// Slots, indices or lanes, by kind.
  public var capacity: UInt64
  /// Second dimension where there is one (counters per lane), else 0.
  public var width: UInt64
  public var creatorProcessID: Int32
  public var reserved: UInt32

  /// Bytes before the first slot in every region but single pages.
  @usableFromInline static let byteCount = 4096
  /// Two cache lines: neighbours in one line, or in a pair the prefetcher fetches together, slow each other down.
  @usableFromInline static let lineByteCount = 128

  init(magic: StaticString, recordByteCount: Int, capacity: Int, width: Int = 0) {
    self.magic = Self.word(magic)
    layoutVersion = 1
    self.recordByteCount = UInt32(recordByteCount)
    self.capacity = UInt64(capacity)
    self.width = UInt64(width)
    creatorProcessID = getpid()
    reserved = 0
  }

  /// Eight ASCII letters as one word.
  static func word(_ letters: StaticString) -> UInt64 {
    precondition(letters.utf8CodeUnitCount == 8, "a magic word has eight letters")
    return letters.withUTF8Buffer { bytes in bytes.reduce(0) { $0 << 8 | UInt64($1) } }
  }

  /// Letters of a magic word, or its number when they are no letters.
  static func letters(_ word: UInt64) -> String {
    let bytes = (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) }
    guard bytes.allSatisfy({ (0x20..<0x7F).contains($0) }) else { return "0x" + String(word, radix: 16) }
    return "\"" + String(decoding: bytes, as: UTF8.self) + "\""
  }

  /// Reads the header of `region` and checks it field by field against `expected`; `capacity` and `width` 0 there
  /// mean any.
  static func read(
    from region: borrowing MappedRegion, expected: RegionHeader,
    capacity isGood: (Int) -> Bool, byteCount: (RegionHeader) -> Int
  ) throws(MapError) -> RegionHeader {
    let path = region.path
    func mismatch(_ field: String, _ found: String, _ wanted: String) -> MapError {
      .mismatch(
        path: path, field: field, found: found, expected: wanted,
        fix: "It was left by another version or program: stop what uses it, remove it and start again.")
    }
    guard region.byteCount >= MemoryLayout<RegionHeader>.size else {
      throw mismatch("size", "\(region.byteCount) bytes", "at least \(MemoryLayout<RegionHeader>.size) bytes")
    }
    let header = region.base.load(as: RegionHeader.self)
    guard header.magic == expected.magic else {
      throw mismatch("magic", letters(header.magic), letters(expected.magic))
    }
    guard header.layoutVersion == expected.layoutVersion else {
      throw mismatch("layout version", "\(header.layoutVersion)", "\(expected.layoutVersion)")
    }
    guard header.recordByteCount == expected.recordByteCount else {
      throw mismatch(
        "record size", "\(header.recordByteCount) bytes", "\(expected.recordByteCount) bytes")
    }
    guard let capacity = Int(exactly: header.capacity), isGood(capacity),
      header.width <= UInt64(UInt16.max)
    else {
      throw mismatch("capacity", "\(header.capacity) × \(header.width)", "one this program could have made")
    }
    guard region.byteCount == byteCount(header) else {
      throw mismatch("size", "\(region.byteCount) bytes", "\(byteCount(header)) bytes for its capacity")
    }
    return header
  }
}
