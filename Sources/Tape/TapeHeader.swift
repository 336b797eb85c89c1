internal import SharedMemory

/// What a tape segment says about itself in its first page.
public struct TapeHeader: Sendable, Equatable {
  /// What the records are, as four ASCII letters, for example `MKTE` or `JRNL`.
  public var kind: FourLetters
  /// Version of the record's meaning and layout. Readers take exactly theirs.
  public var formatVersion: UInt32
  /// Bytes of one record, without its stamp. Set by the writer.
  public internal(set) var recordByteCount: Int
  /// The run that wrote it.
  public var run: UInt64
  /// The ring writer's epoch, or 0.
  public var epoch: UInt64
  /// Sequence of the first record of this segment; the others follow without a gap.
  public var firstSequence: UInt64
  /// UTC, when the segment was begun.
  public var createdNanoseconds: Int64
  /// Where the records come from; at most 63 bytes of UTF-8.
  public var venue: String
  /// Version of the instrument table the records refer to.
  public var tableVersion: UInt64
  /// Number in the file's name, from 1. Set by the writer.
  public internal(set) var segment: Int
  /// Places for records. Set by the writer.
  public internal(set) var capacity: Int

  public static let venueByteCountMax = 63

  public init(
    kind: FourLetters, formatVersion: UInt32, run: UInt64, epoch: UInt64 = 0, firstSequence: UInt64 = 0,
    createdNanoseconds: Int64, venue: String, tableVersion: UInt64 = 0
  ) {
    self.kind = kind
    self.formatVersion = formatVersion
    recordByteCount = 0
    self.run = run
    self.epoch = epoch
    self.firstSequence = firstSequence
    self.createdNanoseconds = createdNanoseconds
    self.venue = venue
    self.tableVersion = tableVersion
    segment = 0
    capacity = 0
  }
}

/// Four ASCII letters as a number, in reading order.
public struct FourLetters: Sendable, Hashable, ExpressibleByStringLiteral, CustomStringConvertible {
  public let value: UInt32

  public init(value: UInt32) { self.value = value }

  public init(stringLiteral letters: StaticString) {
    precondition(letters.utf8CodeUnitCount == 4, "four letters")
    value = letters.withUTF8Buffer { $0.reduce(0) { $0 << 8 | UInt32($1) } }
  }

  public var description: String {
    let bytes = (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
    guard bytes.allSatisfy({ (0x20..<0x7F).contains($0) }) else { return "0x" + String(value, radix: 16) }
    return "\"" + String(decoding: bytes, as: UTF8.self) + "\""
  }
}

/// Why a header was refused: the field, what it is, what it should be.
struct TapeHeaderFault: Error {
  var field: String
  var found: String
  var expected: String
}

extension TapeHeader {
  /// The header page; slots follow it.
  static let byteCount = 4096
  /// Where the commit word is: apart from the constant part, on a line of its own.
  static let commitOffset = 1024
  static let magic: UInt64 = 0x4145_4749_5354_4150  // "AEGISTAP"
  static let layoutVersion: UInt32 = 1

  private enum Offset {
    static let magic = 0
    static let layoutVersion = 8
    static let recordByteCount = 12
    static let kind = 16
    static let formatVersion = 20
    static let run = 24
    static let epoch = 32
    static let firstSequence = 40
    static let created = 48
    static let tableVersion = 56
    static let segment = 64
    static let capacity = 72
    static let venueByteCount = 80
    static let venue = 81
    static let checksum = 144
    static let end = 148
  }

  /// Writes the constant part, checksum last, into a page.
  func store(into page: UnsafeMutableRawBufferPointer) {
    page.storeBytes(of: Self.magic, toByteOffset: Offset.magic, as: UInt64.self)
    page.storeBytes(of: Self.layoutVersion, toByteOffset: Offset.layoutVersion, as: UInt32.self)
    page.storeBytes(of: UInt32(recordByteCount), toByteOffset: Offset.recordByteCount, as: UInt32.self)
    page.storeBytes(of: kind.value, toByteOffset: Offset.kind, as: UInt32.self)
    page.storeBytes(of: formatVersion, toByteOffset: Offset.formatVersion, as: UInt32.self)
    page.storeBytes(of: run, toByteOffset: Offset.run, as: UInt64.self)
    page.storeBytes(of: epoch, toByteOffset: Offset.epoch, as: UInt64.self)
    page.storeBytes(of: firstSequence, toByteOffset: Offset.firstSequence, as: UInt64.self)
    page.storeBytes(of: createdNanoseconds, toByteOffset: Offset.created, as: Int64.self)
    page.storeBytes(of: tableVersion, toByteOffset: Offset.tableVersion, as: UInt64.self)
    page.storeBytes(of: UInt64(segment), toByteOffset: Offset.segment, as: UInt64.self)
    page.storeBytes(of: UInt64(capacity), toByteOffset: Offset.capacity, as: UInt64.self)
    let name = Array(venue.utf8)
    page.storeBytes(of: UInt8(name.count), toByteOffset: Offset.venueByteCount, as: UInt8.self)
    for index in 0..<Self.venueByteCountMax {
      page[Offset.venue + index] = index < name.count ? name[index] : 0
    }
    let checksum = Checksum.crc32c(UnsafeRawBufferPointer(rebasing: page[..<Offset.checksum]))
    page.storeBytes(of: checksum, toByteOffset: Offset.checksum, as: UInt32.self)
  }

  /// Reads the constant part back and checks that it is whole and of this layout.
  init(page: UnsafeRawBufferPointer) throws(TapeHeaderFault) {
    guard page.count >= Self.byteCount else {
      throw TapeHeaderFault(
        field: "size", found: "\(page.count) bytes", expected: "at least \(Self.byteCount) bytes")
    }
    let magic = page.loadUnaligned(fromByteOffset: Offset.magic, as: UInt64.self)
    guard magic == Self.magic else {
      throw TapeHeaderFault(
        field: "magic", found: "0x" + String(magic, radix: 16), expected: "that of a tape segment")
    }
    let layout = page.loadUnaligned(fromByteOffset: Offset.layoutVersion, as: UInt32.self)
    guard layout == Self.layoutVersion else {
      throw TapeHeaderFault(field: "layout version", found: "\(layout)", expected: "\(Self.layoutVersion)")
    }
    let stored = page.loadUnaligned(fromByteOffset: Offset.checksum, as: UInt32.self)
    let checksum = Checksum.crc32c(UnsafeRawBufferPointer(rebasing: page[..<Offset.checksum]))
    guard stored == checksum else {
      throw TapeHeaderFault(
        field: "header checksum", found: "0x" + String(stored, radix: 16),
        expected: "0x" + String(checksum, radix: 16))
    }
    let nameCount = Int(page[Offset.venueByteCount])
    guard nameCount <= Self.venueByteCountMax else {
      throw TapeHeaderFault(
        field: "venue length", found: "\(nameCount)", expected: "0…\(Self.venueByteCountMax)")
    }
    let capacityWord = page.loadUnaligned(fromByteOffset: Offset.capacity, as: UInt64.self)
    guard let capacity = Int(exactly: capacityWord), TapeLimits.recordsPerSegment.contains(capacity) else {
      throw TapeHeaderFault(
        field: "capacity", found: "\(capacityWord)", expected: "\(TapeLimits.recordsPerSegment)")
    }
    self.init(
      kind: FourLetters(value: page.loadUnaligned(fromByteOffset: Offset.kind, as: UInt32.self)),
      formatVersion: page.loadUnaligned(fromByteOffset: Offset.formatVersion, as: UInt32.self),
      run: page.loadUnaligned(fromByteOffset: Offset.run, as: UInt64.self),
      epoch: page.loadUnaligned(fromByteOffset: Offset.epoch, as: UInt64.self),
      firstSequence: page.loadUnaligned(fromByteOffset: Offset.firstSequence, as: UInt64.self),
      createdNanoseconds: page.loadUnaligned(fromByteOffset: Offset.created, as: Int64.self),
      venue: String(decoding: page[Offset.venue..<Offset.venue + nameCount], as: UTF8.self),
      tableVersion: page.loadUnaligned(fromByteOffset: Offset.tableVersion, as: UInt64.self))
    recordByteCount = Int(page.loadUnaligned(fromByteOffset: Offset.recordByteCount, as: UInt32.self))
    segment = Int(truncatingIfNeeded: page.loadUnaligned(fromByteOffset: Offset.segment, as: UInt64.self))
    self.capacity = capacity
  }
}
