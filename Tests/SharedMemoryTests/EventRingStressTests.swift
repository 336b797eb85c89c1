import Glibc
import SharedMemory
import Testing

@Suite("The event ring between processes", .serialized)
struct EventRingStressTests {
  typealias Writer = EventRingWriter<TestRecord>
  typealias Reader = EventRingReader<TestRecord>
  let directory = TemporaryDirectory()

  /// What a reader saw; kept consistent by checking every record against its sequence.
  struct Tally {
    var delivered: UInt64 = 0
    var lost: UInt64 = 0
    var wrong: UInt64 = 0

    mutating func take(from reader: inout Reader) -> Bool {
      let before = reader.sequence
      switch reader.next() {
      case .record(let record):
        delivered += 1
        if !record.isWhole || record.index != before || reader.sequence != before + 1 { wrong += 1 }
        return true
      case .overrun(let count):
        lost += count
        if reader.sequence != before + count { wrong += 1 }
        return true
      case .empty:
        return false
      }
    }
  }

  @Test(
    "never tears or reorders a record and accounts for every one, however fast the writer",
    arguments: [8, 64, 4096])
  func twoProcesses(capacity: Int) throws {
    let count: UInt64 = 300_000
    var writer = try Writer(anonymousCapacity: capacity)
    var reader = try Reader(of: writer, startingAt: .oldest)
    let child = ChildProcess {
      for index in 0..<count { writer.publish(TestRecord(index)) }
      return 0
    }
    var tally = Tally()
    let deadline = Deadline()
    while reader.sequence < count, !deadline.hasPassed {
      for _ in 0..<1000 where !tally.take(from: &reader) { break }
    }
    #expect(child.wait() == 0)
    #expect(tally.wrong == 0)
    #expect(tally.delivered + tally.lost == count)
    #expect(tally.delivered > 0)
  }

  @Test("reports no loss to a reader that keeps up, whatever it catches the writer at")
  func noFalseLoss() throws {
    let count: UInt64 = 200_000
    var writer = try Writer(anonymousCapacity: 8)
    var reader = try Reader(of: writer, startingAt: .oldest)
    let gauge = Scratch()
    let child = ChildProcess {
      let deadline = Deadline()
      for index in 0..<count {
        while index - gauge[0] >= 6 { if deadline.hasPassed { return 4 } }
        writer.publish(TestRecord(index))
      }
      return 0
    }
    var tally = Tally()
    let deadline = Deadline()
    while reader.sequence < count, !deadline.hasPassed {
      for _ in 0..<1000 {
        _ = reader.isReady
        if tally.take(from: &reader) { gauge[0] = reader.sequence }
      }
    }
    #expect(child.wait() == 0)
    #expect(tally.wrong == 0)
    #expect(tally.lost == 0)
    #expect(tally.delivered == count)
  }

  @Test("tells a reader that was stopped exactly what it missed")
  func stoppedReader() throws {
    let path = directory.file("ring")
    let capacity = 1024
    let count: UInt64 = 40_000
    try Writer.create(path: path, capacity: capacity)
    var writer = try Writer(attachingTo: path)
    var reader = try Reader(path: path, startingAt: .oldest)
    let scratch = Scratch()
    let child = ChildProcess {
      var tally = Tally()
      let deadline = Deadline()
      while reader.sequence < count, !deadline.hasPassed {
        while tally.take(from: &reader) { scratch[3] = reader.sequence }
      }
      scratch[0] = tally.delivered
      scratch[1] = tally.lost
      scratch[2] = tally.wrong
      return 0
    }
    for round in 0..<4 {
      for _ in 0..<200 { writer.publish(TestRecord(writer.nextSequence)) }
      let deadline = Deadline()
      while scratch[3] < writer.nextSequence, !deadline.hasPassed { usleep(50) }
      child.stop()
      for _ in 0..<(capacity * (round + 2)) { writer.publish(TestRecord(writer.nextSequence)) }
      child.resume()
    }
    while writer.nextSequence < count { writer.publish(TestRecord(writer.nextSequence)) }
    #expect(child.wait() == 0)
    #expect(scratch[2] == 0)
    #expect(scratch[0] + scratch[1] == count)
    #expect(scratch[1] >= UInt64(4 * capacity))
  }

  @Test("survives writers killed in the middle: every sequence is delivered or counted, once, across epochs")
  func killedWriters() throws {
    let path = directory.file("ring")
    try Writer.create(path: path, capacity: 256)
    var reader = try Reader(path: path, startingAt: .oldest)
    var tally = Tally()
    let rounds: UInt64 = 25
    for round in 1...rounds {
      let goal = reader.sequence + 500 + round * 37
      let child = ChildProcess {
        guard var writer = try? Writer(attachingTo: path) else { return 9 }  // seen as a missing epoch
        while true { writer.publish(TestRecord(writer.nextSequence)) }
      }
      let deadline = Deadline()
      while reader.sequence < goal, !deadline.hasPassed { _ = tally.take(from: &reader) }
      child.kill()
      #expect(child.wait() == nil)
      while tally.take(from: &reader) {}
      #expect(reader.currentEpoch == round)
    }
    var writer = try Writer(attachingTo: path)
    #expect(writer.epoch == rounds + 1)
    writer.publish(TestRecord(writer.nextSequence))
    while tally.take(from: &reader) {}
    #expect(tally.wrong == 0)
    #expect(tally.delivered + tally.lost == writer.nextSequence)
    #expect(reader.sequence == writer.nextSequence)
  }

  @Test("wakes a sleeping reader for every batch, and loses no wake-up")
  func wakeUps() throws {
    let count: UInt64 = 3000
    var writer = try Writer(anonymousCapacity: 8192)
    var reader = try Reader(of: writer, startingAt: .oldest)
    let scratch = Scratch()
    let child = ChildProcess {
      while reader.sequence < count {
        // A minute: a lost wake-up shows as a time-out, which fails the test.
        if !reader.wait(spinCount: 1, timeoutNanoseconds: 60_000_000_000) { return 3 }
        while case .record = reader.next() { scratch[0] = reader.sequence }
      }
      return 0
    }
    let deadline = Deadline()
    for index in 0..<count {
      writer.publish(TestRecord(index))
      writer.wakeReaders()
      // Every other record waits for the reader, so that it goes to sleep in between.
      if index % 2 == 0 { while scratch[0] <= index, !deadline.hasPassed { sched_yield() } }
    }
    #expect(child.wait() == 0)
    #expect(scratch[0] == count)
  }
}
