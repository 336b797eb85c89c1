import Glibc
import Tape
import Testing

@Suite("A damaged tape")
struct TapeDamageTests {
  let fixture = Fixture()

  @Test(
    "with any one byte changed gives no wrong record: all, an error, or a shorter tape and a report",
    arguments: [0xFF, 0x01] as [UInt8])
  func everyByte(mask: UInt8) throws {
    let count = 8
    try fixture.write(count, recordsPerSegment: count)
    let path = fixture.path(1)
    let good = bytes(of: path)
    let slots = 4096..<good.count
    // Beside slots and the header's own bytes the first page is empty; a sample of it is enough.
    let offsets =
      Array(0..<160) + Array(1000..<1100) + Array(stride(from: 160, to: 4096, by: 97)) + Array(slots)
    var outcomes = (whole: 0, cut: 0, error: 0)
    for offset in offsets {
      var bad = good
      bad[offset] ^= mask
      write(bad, to: path)
      let reading = try Reading(fixture)
      #expect(reading.isPrefix, "offset \(offset)")
      if let error = reading.error {
        outcomes.error += 1
        #expect(error.description.contains(path), "offset \(offset)")
        if slots.contains(offset) {
          #expect(error == .corruptRecord(path: path, index: (offset - 4096) / 128))
        }
      } else if reading.records.count < count {
        outcomes.cut += 1
        #expect(
          reading.damages == [TapeDamage(kind: .tornTail(lostCount: 1), path: path, index: count - 1)],
          "offset \(offset)")
        #expect(reading.records.count == count - 1)
      } else {
        outcomes.whole += 1
        #expect(!slots.contains(offset), "a changed record was handed out, offset \(offset)")
      }
    }
    // The last record's bytes cut the tail; all other records' bytes and the header's are errors.
    #expect(outcomes.cut == 128)
    #expect(outcomes.error >= (count - 1) * 128 + 140)
    #expect(outcomes.whole > 0)
  }

  @Test("cut short anywhere gives the records before the cut and reports the rest", arguments: [false, true])
  func everyLength(isSealed: Bool) throws {
    let count = 4
    var writer = try fixture.writer(recordsPerSegment: count + 2)
    for index in 0..<UInt64(count) { try writer.append(JournalSized(index)) }
    if isSealed { try writer.seal() } else { _ = consume writer }
    let path = fixture.path(1)
    let good = bytes(of: path)
    for length in Array(stride(from: 0, to: 4096, by: 61)) + Array(4096..<good.count) {
      write(Array(good[..<length]), to: path)
      let reading = try Reading(fixture)
      #expect(reading.isPrefix)
      if length < 4096 {
        #expect(
          reading.error
            == .mismatch(path: path, field: "size", found: "\(length) bytes", expected: "at least 4096 bytes")
        )
        continue
      }
      let left = min(count, (length - 4096) / 128)
      #expect(reading.error == nil)
      #expect(reading.records.count == left, "length \(length)")
      let lost = TapeDamage(kind: .tornTail(lostCount: count - left), path: path, index: left)
      #expect(reading.damages == (left < count ? [lost] : []), "length \(length)")
    }
  }

  @Test("whose count is unreadable is counted by its stamps, and says so")
  func commitWord() throws {
    try fixture.write(5, recordsPerSegment: 9)
    let path = fixture.path(1)
    var bad = bytes(of: path)
    bad[1024] ^= 0x10
    write(bad, to: path)
    let reading = try Reading(fixture)
    #expect(reading.error == nil)
    #expect(reading.records.count == 5)
    #expect(reading.damages == [TapeDamage(kind: .commitWord, path: path, index: 5)])
    bad[4096 + 2 * 128] ^= 1
    write(bad, to: path)
    #expect(try Reading(fixture).error == .corruptRecord(path: path, index: 2))
  }

  @Test("goes on behind the torn end of a killed writer, and not behind a complete segment that lost its end")
  func tornMiddle() throws {
    do {
      var killed = try fixture.writer(recordsPerSegment: 8)
      for index in 0..<UInt64(4) { try killed.append(JournalSized(index)) }
    }
    let path = fixture.path(1)
    var torn = bytes(of: path)
    torn[4096 + 3 * 128 + 5] ^= 1
    write(torn, to: path)
    var writer = try fixture.writer(recordsPerSegment: 8, firstSequence: 3)
    for index in UInt64(3)..<6 { try writer.append(JournalSized(index)) }
    try writer.seal()
    let reading = try Reading(fixture)
    #expect(reading.error == nil)
    #expect(reading.records.count == 6)
    #expect(reading.isPrefix)
    #expect(reading.damages == [TapeDamage(kind: .tornTail(lostCount: 1), path: path, index: 3)])

    let other = Fixture()
    try other.write(6, recordsPerSegment: 4)
    var short = bytes(of: other.path(1))
    short.removeLast(128)
    write(short, to: other.path(1))
    let shortReading = try Reading(other)
    #expect(shortReading.records.count == 3)
    #expect(shortReading.error == .missingRecords(path: other.path(1), expectedSequence: 3))
  }

  @Test("with a segment missing in the middle is an error that names it")
  func missingSegment() throws {
    try fixture.write(12, recordsPerSegment: 4)
    unlink(fixture.path(2))
    let reading = try Reading(fixture)
    #expect(reading.records.count == 4)
    #expect(reading.error == .missingRecords(path: fixture.path(2), expectedSequence: 4))
    // From the segment behind the hole on it can be read.
    var later = try fixture.reader(fromSegment: 3)
    #expect(try later.next() == JournalSized(8))
  }

  @Test("does not take a record that was copied into another's place")
  func movedRecord() throws {
    try fixture.write(8, recordsPerSegment: 8)
    var bad = bytes(of: fixture.path(1))
    bad.replaceSubrange(4096 + 128..<4096 + 256, with: bad[4096 + 3 * 128..<4096 + 4 * 128])
    write(bad, to: fixture.path(1))
    #expect(try Reading(fixture).error == .corruptRecord(path: fixture.path(1), index: 1))
  }
}
