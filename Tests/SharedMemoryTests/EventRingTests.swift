import Glibc
import Synchronization
import Testing

@testable import SharedMemory

@Suite("The event ring")
struct EventRingTests {
  typealias Writer = EventRingWriter<TestRecord>
  typealias Reader = EventRingReader<TestRecord>
  let directory = TemporaryDirectory()

  @Test("delivers records in order and is empty in between")
  func deliversInOrder() throws {
    var writer = try Writer(anonymousCapacity: 8)
    var reader = try Reader(of: writer, startingAt: .oldest)
    #expect(reader.next().isEmpty == true)
    for index in UInt64(0)..<20 {
      writer.publish(TestRecord(index))
      #expect(reader.next().record == TestRecord(index))
      #expect(reader.next().isEmpty == true)
      #expect(reader.sequence == index + 1)
    }
    #expect(writer.nextSequence == 20)
  }

  @Test(
    "tells exactly how many records were overwritten and goes on half a ring behind the newest",
    arguments: [9, 10, 15, 16, 17, 24, 31, 100, 1000, 12_345] as [UInt64])
  func overrun(produced: UInt64) throws {
    var writer = try Writer(anonymousCapacity: 8)
    var reader = try Reader(of: writer, startingAt: .oldest)
    for index in 0..<produced { writer.publish(TestRecord(index)) }
    #expect(reader.next().lost == produced - 4)
    for index in produced - 4..<produced { #expect(reader.next().record == TestRecord(index)) }
    #expect(reader.next().isEmpty == true)
  }

  @Test("loses nothing when the reader is exactly a ring behind")
  func exactlyFull() throws {
    var writer = try Writer(anonymousCapacity: 8)
    var reader = try Reader(of: writer, startingAt: .oldest)
    for index in UInt64(0)..<8 { writer.publish(TestRecord(index)) }
    for index in UInt64(0)..<8 { #expect(reader.next().record == TestRecord(index)) }
  }

  @Test("starts a late reader at the oldest or the newest record, or where it is told")
  func starts() throws {
    var writer = try Writer(anonymousCapacity: 16)
    for index in UInt64(0)..<50 { writer.publish(TestRecord(index)) }
    var oldest = try Reader(of: writer, startingAt: .oldest)
    #expect(oldest.next().record == TestRecord(34))
    var newest = try Reader(of: writer, startingAt: .newest)
    #expect(newest.next().isEmpty == true)
    newest.sequence = 40
    #expect(newest.next().record == TestRecord(40))
    newest.sequence = 3
    #expect(newest.next().lost == 39)
    newest.sequence = 60
    #expect(newest.next().isEmpty == true)
    #expect(newest.isReady == false)
  }

  @Test("behaves like an endless list of which the last slots can be read", arguments: UInt64(0)..<60)
  func agreesWithModel(seed: UInt64) throws {
    var random = TestRandom(seed: seed)
    let capacity = 8 << Int.random(in: 0...3, using: &random)
    var writer = try Writer(anonymousCapacity: capacity)
    var reader = try Reader(of: writer, startingAt: .oldest)
    var produced: UInt64 = 0
    var expected: UInt64 = 0
    for _ in 0..<400 {
      if Bool.random(using: &random) {
        for _ in 0..<Int.random(in: 0...(capacity * 3 / 2), using: &random) {
          writer.publish(TestRecord(produced))
          produced += 1
        }
        if Bool.random(using: &random) { writer.publishCursor() }
      } else {
        for _ in 0..<Int.random(in: 0...capacity, using: &random) {
          if produced - expected > UInt64(capacity) {
            let target = produced - UInt64(capacity / 2)
            #expect(reader.isReady == true)
            #expect(reader.next().lost == target - expected, "seed \(seed)")
            expected = target
          } else if expected < produced {
            #expect(reader.isReady == true)
            #expect(reader.next().record == TestRecord(expected), "seed \(seed)")
            expected += 1
          } else {
            #expect(reader.isReady == false)
            #expect(reader.next().isEmpty == true, "seed \(seed)")
          }
        }
      }
    }
  }

  @Test("lets a new writer go on after the newest record, in a new epoch")
  func newWriter() throws {
    let path = directory.file("ring")
    try Writer.create(path: path, capacity: 16)
    var reader = try Reader(path: path, startingAt: .oldest)
    #expect(reader.currentEpoch == 0)
    for epoch in UInt64(1)...5 {
      var writer = try Writer(attachingTo: path)
      #expect(writer.epoch == epoch)
      #expect(reader.currentEpoch == epoch)
      #expect(writer.nextSequence == (epoch - 1) * 7)
      for _ in 0..<7 { writer.publish(TestRecord(writer.nextSequence)) }
    }
    reader.sequence = 35 - 16
    for index in UInt64(35 - 16)..<35 { #expect(reader.next().record == TestRecord(index)) }
  }

  @Test(
    "never delivers a half-written slot of a dead writer, and overwrites it first",
    arguments: [3, 8, 21] as [UInt64])
  func halfWrittenSlot(produced: UInt64) throws {
    let path = directory.file("ring")
    try Writer.create(path: path, capacity: 8)
    do {
      var writer = try Writer(attachingTo: path)
      for index in 0..<produced { writer.publish(TestRecord(index)) }
      // What a writer killed between its first word and its stamp leaves behind.
      let slot = writer.slots.words(of: produced)
      slot[7].store(EventRing.busy, ordering: .relaxed)
      slot[0].store(0xDEAD, ordering: .relaxed)
    }
    var reader = try Reader(path: path, startingAt: .oldest)
    var last: UInt64?
    while let record = reader.next().record {
      #expect(record.isWhole)
      last = record.index
    }
    #expect(last == produced - 1)
    var late = try Reader(path: path, startingAt: .newest)
    #expect(late.next().isEmpty == true)
    var writer = try Writer(attachingTo: path)
    #expect(writer.nextSequence == produced)
    writer.publish(TestRecord(produced))
    #expect(reader.next().record == TestRecord(produced))
    #expect(late.next().record == TestRecord(produced))
  }

  @Test("does not strand a lapped reader on a slot that a dead writer left half-written")
  func lappedOnBusySlot() throws {
    var writer = try Writer(anonymousCapacity: 8)
    var reader = try Reader(of: writer, startingAt: .oldest)
    for index in UInt64(0)..<8 { writer.publish(TestRecord(index)) }
    writer.slots.stamp(of: 8).pointee.store(EventRing.busy, ordering: .relaxed)
    #expect(reader.isReady == true)
    #expect(reader.next().lost == 4)
    for index in UInt64(4)..<8 { #expect(reader.next().record == TestRecord(index)) }
    #expect(reader.next().isEmpty == true)
    #expect(reader.isReady == false)
  }

  @Test("has one writer at a time")
  func oneWriter() throws {
    let path = directory.file("ring")
    try Writer.create(path: path, capacity: 16)
    let writer = try Writer(attachingTo: path)
    let error = #expect(throws: MapError.self) { _ = try Writer(attachingTo: path) }
    #expect(error == .inUse(path: path, role: "writer", processID: getpid()))
    #expect(writer.epoch == 1)
  }

  @Test(
    "refuses a foreign or damaged header and says what differs",
    arguments: [
      (0, "magic"), (8, "layout version"), (12, "record size"), (16, "capacity"),
    ])
  func wrongHeader(offset: Int, field: String) throws {
    let path = directory.file("ring")
    try Writer.create(path: path, capacity: 16)
    do {
      let region = try MappedRegion.open(path: path, writable: true)
      let old = region.base.load(fromByteOffset: offset, as: UInt8.self)
      region.base.storeBytes(of: old ^ 0x5A, toByteOffset: offset, as: UInt8.self)
    }
    let error = #expect(throws: MapError.self) { _ = try Reader(path: path, startingAt: .oldest) }
    #expect(
      error?.description.contains("\(path): \(field) is ") == true, "\(error?.description ?? "no error")")
    #expect(throws: MapError.self) { _ = try Writer(attachingTo: path) }
  }

  @Test("refuses a file shorter than its capacity says, and one that is no ring")
  func wrongSize() throws {
    let path = directory.file("ring")
    try Writer.create(path: path, capacity: 64)
    #expect(truncate(path, 4096 + 63 * 64) == 0)
    let error = #expect(throws: MapError.self) { _ = try Reader(path: path, startingAt: .oldest) }
    #expect(error?.description.contains("size is 8128 bytes, expected 8192 bytes") == true)
    try HandoffProducer<TestRecord>.create(path: path, capacity: 64)
    let other = #expect(throws: MapError.self) { _ = try Reader(path: path, startingAt: .oldest) }
    #expect(other?.description.contains("magic is \"AEGISHND\", expected \"AEGISRNG\"") == true)
    #expect(throws: MapError.self) { try Writer.create(path: path, capacity: 100) }
  }

  @Test("can be read through a read-only mapping")
  func readOnly() throws {
    let path = directory.file("ring")
    try Writer.create(path: path, capacity: 16)
    var writer = try Writer(attachingTo: path)
    var reader = try Reader(path: path, startingAt: .oldest, writable: false)
    #expect(reader.wait(spinCount: 1, timeoutNanoseconds: 1_000_000) == false)
    writer.publish(TestRecord(0))
    #expect(reader.wait(spinCount: 1, timeoutNanoseconds: 1_000_000_000) == true)
    #expect(reader.next().record == TestRecord(0))
  }

  @Test("returns from a wait at once when something is there, and at the time-out when not")
  func waits() throws {
    var writer = try Writer(anonymousCapacity: 16)
    let reader = try Reader(of: writer, startingAt: .oldest)
    let begun = SystemClock.monotonicNanoseconds()
    #expect(reader.wait(spinCount: 10, timeoutNanoseconds: 2_000_000) == false)
    #expect(SystemClock.monotonicNanoseconds() - begun >= 2_000_000)
    writer.publish(TestRecord(0))
    #expect(reader.wait(spinCount: 10, timeoutNanoseconds: 60_000_000_000) == true)
    #expect(reader.lag == 0)
    writer.publishCursor()
    #expect(reader.lag == 1)
  }
}

extension RingRead where Record == TestRecord {
  var record: TestRecord? { if case .record(let record) = self { record } else { nil } }
  var lost: UInt64? { if case .overrun(let lost) = self { lost } else { nil } }
  var isEmpty: Bool { if case .empty = self { true } else { false } }
}
