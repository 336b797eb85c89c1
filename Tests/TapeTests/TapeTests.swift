import Glibc
import Tape
import Testing

@Suite("A tape")
struct TapeTests {
  let fixture = Fixture()

  @Test(
    "gives back what was written, over as many segments as it took",
    arguments: [0, 1, 7, 8, 9, 16, 100, 1500])
  func roundTrip(count: Int) throws {
    try fixture.write(count, recordsPerSegment: count > 1000 ? 700 : 8)
    let reading = try Reading(fixture)
    #expect(reading.error == nil)
    #expect(reading.damages == [])
    #expect(reading.records.count == count)
    #expect(reading.isPrefix)
  }

  @Test("tells in each segment's header what it holds and where its sequence begins")
  func headers() throws {
    var writer = try fixture.writer(recordsPerSegment: 4, firstSequence: 1000)
    for index in 0..<UInt64(6) { try writer.append(JournalSized(index)) }
    #expect(writer.nextSequence == 1006)
    try writer.startSegment(firstSequence: 2000, epoch: 8, tableVersion: 6)
    try writer.append(JournalSized(6))
    #expect(writer.header.segment == 3)
    try writer.seal()

    var reader = try fixture.reader()
    var sequences: [UInt64] = []
    var segments: [Int] = []
    while try reader.next() != nil {
      sequences.append(reader.lastSequence ?? .max)
      segments.append(reader.header?.segment ?? 0)
    }
    #expect(sequences == [1000, 1001, 1002, 1003, 1004, 1005, 2000])
    #expect(segments == [1, 1, 1, 1, 2, 2, 3])
    let header = reader.header
    let last = try #require(header)
    #expect(last.epoch == 8)
    #expect(last.tableVersion == 6)
    #expect(last.run == 42)
    #expect(last.kind == "JRNL")
    #expect(last.venue == "simulator")
    #expect(last.recordByteCount == 120)
    #expect(last.createdNanoseconds == 1_700_000_001_000_000_000)
    let first = try TapeDirectory(directory: fixture.directory.path, name: fixture.name).header(ofSegment: 1)
    #expect(first.createdNanoseconds == 1_700_000_000_000_000_000)
    #expect(first.firstSequence == 1000)
  }

  @Test("stores a record and its stamp in one or two cache lines, and is trimmed when sealed")
  func sizes() throws {
    try fixture.write(5, recordsPerSegment: 1000)
    #expect(bytes(of: fixture.path(1)).count == 4096 + 5 * 128)
    var market = try TapeWriter<MarketSized>(
      directory: fixture.directory.path, name: "market", header: fixture.header(), recordsPerSegment: 10)
    for index in 0..<UInt64(3) { try market.append(MarketSized(index)) }
    #expect(bytes(of: fixture.directory.file("market-000001.tape")).count == 4096 + 10 * 64)
    try market.seal()
    #expect(bytes(of: fixture.directory.file("market-000001.tape")).count == 4096 + 3 * 64)
  }

  @Test("is followed while it is written: nil until the next record, then the record")
  func follows() throws {
    var reader = try fixture.reader()
    #expect(try reader.next() == nil)
    #expect(reader.header == nil)
    var writer = try fixture.writer(recordsPerSegment: 3)
    for index in 0..<UInt64(10) {
      #expect(try reader.next() == nil)
      try writer.append(JournalSized(index))
      #expect(try reader.next() == JournalSized(index))
    }
    try writer.seal()
    #expect(try reader.next() == nil)
    #expect(reader.damages == [])
  }

  @Test("is never overwritten: a new writer begins the next segment, also behind one that was not sealed")
  func neverOverwrites() throws {
    try fixture.write(3, recordsPerSegment: 8)
    let sealed = bytes(of: fixture.path(1))
    do {
      var killed = try fixture.writer(recordsPerSegment: 8, firstSequence: 3)
      for index in UInt64(3)..<5 { try killed.append(JournalSized(index)) }
    }
    var writer = try fixture.writer(recordsPerSegment: 8, firstSequence: 5)
    #expect(writer.header.segment == 3)
    try writer.append(JournalSized(5))
    try writer.seal()
    #expect(bytes(of: fixture.path(1)) == sealed)
    let reading = try Reading(fixture)
    #expect(reading.error == nil)
    #expect(reading.damages == [])
    #expect(reading.records.count == 6)
    #expect(reading.isPrefix)
  }

  @Test("has one writer at a time")
  func oneWriter() throws {
    var writer = try fixture.writer(recordsPerSegment: 8)
    let error = #expect(throws: TapeError.self) { _ = try fixture.writer(recordsPerSegment: 8) }
    #expect(error == .inUse(path: fixture.directory.file("journal.lock")))
    try writer.append(JournalSized(0))
    try writer.seal()
    _ = try fixture.writer(recordsPerSegment: 8)
  }

  @Test("takes a prepared segment instead of making one, and leaves no prepared file behind")
  func prepared() throws {
    var writer = try fixture.writer(recordsPerSegment: 4)
    let preparer = writer.makePreparer()
    for index in 0..<UInt64(40) {
      if index < 20 { try preparer.prepareNextSegment() }
      try writer.append(JournalSized(index))
    }
    // Changes at 4, 8, 12, 16 and 20 found one ready; those at 24, 28, 32 and 36 did not.
    #expect(writer.unpreparedChangeCount == 4)
    try writer.prepareNextSegment()
    #expect(access(fixture.directory.file("journal.next"), F_OK) == 0)
    try writer.seal()
    #expect(access(fixture.directory.file("journal.next"), F_OK) != 0)
    try preparer.prepareNextSegment()
    #expect(access(fixture.directory.file("journal.next"), F_OK) != 0)
    let reading = try Reading(fixture)
    #expect(reading.records.count == 40)
    #expect(reading.isPrefix)
  }

  @Test("clears away what a killed writer had prepared")
  func leftovers() throws {
    write([1, 2, 3], to: fixture.directory.file("journal.next"))
    write([1, 2, 3], to: fixture.directory.file("journal.next.77.new"))
    try fixture.write(2, recordsPerSegment: 1)
    #expect(access(fixture.directory.file("journal.next.77.new"), F_OK) != 0)
    #expect(try Reading(fixture).records.count == 2)
  }

  @Test("is refused in one clear line when version, kind or record size differ")
  func mismatches() throws {
    try fixture.write(2, recordsPerSegment: 8)
    let path = fixture.path(1)
    var version = try TapeReader<JournalSized>(
      directory: fixture.directory.path, name: "journal", kind: "JRNL", formatVersion: 4)
    let versionError = #expect(throws: TapeError.self) { _ = try version.next() }
    #expect(
      versionError?.description
        == "\(path): format version is 3, this program reads 4. Read it with the program that wrote it.")
    var kind = try TapeReader<JournalSized>(
      directory: fixture.directory.path, name: "journal", kind: "MKTE", formatVersion: 3)
    let kindError = #expect(throws: TapeError.self) { _ = try kind.next() }
    #expect(kindError?.description.contains("kind is \"JRNL\", expected \"MKTE\"") == true)
    var size = try TapeReader<MarketSized>(
      directory: fixture.directory.path, name: "journal", kind: "JRNL", formatVersion: 3)
    let sizeError = #expect(throws: TapeError.self) { _ = try size.next() }
    #expect(sizeError?.description.contains("record size is 120 bytes, expected 56 bytes") == true)
  }

  @Test("says that it is full when there is no room, loses nothing, and goes on when there is")
  func full() throws {
    // Larger than the whole file system, which refuses at once and allocates nothing.
    var status = statvfs()
    guard statvfs("/dev/shm", &status) == 0, status.f_blocks > 0 else { return }
    let total = Int(status.f_blocks) * Int(status.f_frsize)
    let records = total / 128 + 1
    guard records <= 1 << 30, total < MappedByteLimit.value else { return }
    let error = #expect(throws: TapeError.self) {
      _ = try TapeWriter<JournalSized>(
        directory: "/dev/shm", name: "aegis-test-\(getpid())", header: fixture.header(),
        recordsPerSegment: records)
    }
    unlink("/dev/shm/aegis-test-\(getpid()).lock")
    guard case .full(_, let byteCount) = error else {
      Issue.record("expected full, got \(String(describing: error))")
      return
    }
    #expect(byteCount == 4096 + records * 128)
  }

  @Test("keeps its newest segments when old ones are removed by age or size")
  func retention() throws {
    var clock: Int64 = 0
    let tape = try TapeDirectory(directory: fixture.directory.path, name: "market")
    for segment in 1...6 {
      clock = Int64(segment) * 100
      var header = fixture.header(firstSequence: UInt64(segment - 1) * 64)
      header.createdNanoseconds = clock
      var writer = try TapeWriter<MarketSized>(
        directory: fixture.directory.path, name: "market", header: header, recordsPerSegment: 64)
      for index in 0..<UInt64(64) { try writer.append(MarketSized(index)) }
      try writer.seal()
    }
    // Segments 1 and 2 ended before 301: their successors began at 200 and 300.
    #expect(try tape.removeSegments(olderThan: 301, keepingBytes: nil) == [1, 2])
    #expect(try tape.removeSegments(olderThan: nil, keepingBytes: 3 * 8192) == [3])
    #expect(try tape.removeSegments(olderThan: .max, keepingBytes: 0) == [4, 5])
    #expect(try tape.segments() == [6])
    var reader = try TapeReader<MarketSized>(
      directory: fixture.directory.path, name: "market", kind: "JRNL", formatVersion: 3)
    #expect(try reader.next() == MarketSized(0))
    #expect(reader.lastSequence == 320)
  }

  @Test("refuses names that are paths and settings out of bounds")
  func settings() throws {
    for name in ["", "../x", "a/b", ".hidden", String(repeating: "x", count: 101), "ä"] {
      #expect(throws: TapeError.self) { _ = try TapeDirectory(directory: "/tmp", name: name) }
    }
    #expect(throws: TapeError.self) { _ = try fixture.writer(recordsPerSegment: 0) }
    var header = fixture.header()
    header.venue = String(repeating: "v", count: 64)
    #expect(throws: TapeError.self) {
      _ = try TapeWriter<JournalSized>(
        directory: fixture.directory.path, name: "j", header: header, recordsPerSegment: 8)
    }
    let absent = fixture.directory.file("absent")
    let error = #expect(throws: TapeError.self) {
      _ = try TapeWriter<JournalSized>(
        directory: absent, name: "j", header: fixture.header(), recordsPerSegment: 8)
    }
    #expect(error?.description.contains(absent) == true)
  }
}

/// The largest region that can be asked for at all.
enum MappedByteLimit { static let value = 1 << 36 }
