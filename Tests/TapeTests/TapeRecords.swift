import Glibc
import Tape

/// As large as a market record.
struct MarketSized: BitwiseCopyable, Sendable, Equatable {
  var word0, word1, word2, word3, word4, word5, word6: UInt64
  init(_ index: UInt64) {
    word0 = index
    word1 = index &* 3
    word2 = ~index
    word3 = index ^ 0x5555
    word4 = index &* 0x9E37_79B9_7F4A_7C15
    word5 = 0
    word6 = index
  }
}

/// As large as a journal record.
struct JournalSized: BitwiseCopyable, Sendable, Equatable {
  var first: MarketSized
  var second: MarketSized
  var last: UInt64
  init(_ index: UInt64) {
    first = MarketSized(index)
    second = MarketSized(index &+ 1)
    last = index
  }
}

/// One tape in a directory of its own.
struct Fixture {
  let directory = TemporaryDirectory()
  let name = "journal"

  func header(firstSequence: UInt64 = 0) -> TapeHeader {
    TapeHeader(
      kind: "JRNL", formatVersion: 3, run: 42, epoch: 7, firstSequence: firstSequence,
      createdNanoseconds: 1_700_000_000_000_000_000, venue: "simulator", tableVersion: 5)
  }

  func writer(recordsPerSegment: Int, firstSequence: UInt64 = 0) throws -> TapeWriter<JournalSized> {
    try TapeWriter(
      directory: directory.path, name: name, header: header(firstSequence: firstSequence),
      recordsPerSegment: recordsPerSegment, clock: { 1_700_000_001_000_000_000 })
  }

  func reader(fromSegment segment: Int? = nil) throws -> TapeReader<JournalSized> {
    try TapeReader(
      directory: directory.path, name: name, kind: "JRNL", formatVersion: 3, startingAtSegment: segment)
  }

  func path(_ segment: Int) -> String { directory.file("\(name)-00000\(segment).tape") }

  /// Writes `count` records and seals.
  func write(_ count: Int, recordsPerSegment: Int) throws {
    var writer = try writer(recordsPerSegment: recordsPerSegment)
    for index in 0..<UInt64(count) { try writer.append(JournalSized(index)) }
    try writer.seal()
  }
}

/// What reading a tape to its end gave.
struct Reading {
  var records: [JournalSized] = []
  var damages: [TapeDamage] = []
  var error: TapeError?

  init(_ fixture: Fixture) throws {
    var reader = try fixture.reader()
    do throws(TapeError) {
      while let record = try reader.next() { records.append(record) }
    } catch {
      self.error = error
    }
    damages = reader.damages
  }

  /// The records are the first ones, unharmed and in order.
  var isPrefix: Bool { records == (0..<UInt64(records.count)).map { JournalSized($0) } }
}

/// The whole content of a file.
func bytes(of path: String) -> [UInt8] {
  let descriptor = open(path, O_RDONLY)
  defer { close(descriptor) }
  var status = stat()
  guard fstat(descriptor, &status) == 0 else { return [] }
  var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
  let count = read(descriptor, &bytes, bytes.count)
  return Array(bytes.prefix(max(0, count)))
}

/// Replaces the content of a file.
func write(_ bytes: [UInt8], to path: String) {
  let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
  defer { close(descriptor) }
  precondition(Glibc.write(descriptor, bytes, bytes.count) == bytes.count, "the test's disk is full")
}
