import Glibc
import Testing

@testable import SharedMemory

/// Two words that must belong together.
struct SmallRecord: BitwiseCopyable, Sendable, Equatable {
  var index: UInt64
  var mirror: UInt64
  init(_ index: UInt64) {
    self.index = index
    mirror = ~index
  }
}

/// The largest record a queue takes.
struct LargeRecord: BitwiseCopyable, Sendable {
  var first: TestRecord
  var second: TestRecord
  var third: TestRecord
  var fourth: TestRecord
  var word0: UInt64
  var word1: UInt64
  var word2: UInt64
  var word3: UInt64
  init(_ index: UInt64) {
    (first, second, third, fourth) = (.init(index), .init(index + 1), .init(index + 2), .init(index + 3))
    (word0, word1, word2, word3) = (index, index, index, index)
  }
  var isWhole: Bool {
    first.isWhole && second.isWhole && third.isWhole && fourth.isWhole && fourth.index == word3 + 3
      && first.index == word0
  }
}

@Suite("The hand-off queue", .serialized)
struct HandoffQueueTests {
  let directory = TemporaryDirectory()

  @Test("gives back in order what was put in, refuses when full and counts it")
  func fullAndEmpty() throws {
    var producer = try HandoffProducer<SmallRecord>(anonymousCapacity: 4)
    var consumer = try HandoffConsumer(of: producer)
    for lap in UInt64(0)..<10 {
      #expect(consumer.tryPop() == nil)
      for index in 0..<UInt64(4) { #expect(producer.tryPush(SmallRecord(lap * 4 + index)) == true) }
      #expect(producer.tryPush(SmallRecord(999)) == false)
      #expect(producer.refusedCount == lap + 1)
      #expect(producer.pendingCount == 4)
      for index in 0..<UInt64(4) { #expect(consumer.tryPop() == SmallRecord(lap * 4 + index)) }
    }
    #expect(consumer.refusedCount == 10)
  }

  @Test("shows staged records only when they are published")
  func staging() throws {
    var producer = try HandoffProducer<TestRecord>(anonymousCapacity: 4)
    var consumer = try HandoffConsumer(of: producer)
    #expect(producer.tryStage(TestRecord(0)) == true)
    #expect(producer.tryStage(TestRecord(1)) == true)
    #expect(consumer.tryPop() == nil)
    producer.publish()
    #expect(consumer.tryTake() == TestRecord(0))
    #expect(consumer.tryTake() == TestRecord(1))
    #expect(producer.pendingCount == 2)
    consumer.release()
    #expect(producer.pendingCount == 0)
  }

  @Test("behaves like a bounded list", arguments: UInt64(0)..<40)
  func agreesWithModel(seed: UInt64) throws {
    var random = TestRandom(seed: seed)
    let capacity = 2 << Int.random(in: 0...4, using: &random)
    var producer = try HandoffProducer<LargeRecord>(anonymousCapacity: capacity)
    var consumer = try HandoffConsumer(of: producer)
    var pushed: UInt64 = 0
    var popped: UInt64 = 0
    for _ in 0..<500 {
      if Bool.random(using: &random) {
        let isAccepted = producer.tryPush(LargeRecord(pushed))
        #expect(isAccepted == (pushed - popped < UInt64(capacity)), "seed \(seed)")
        if isAccepted { pushed += 1 }
      } else {
        let record = consumer.tryPop()
        #expect((record == nil) == (pushed == popped), "seed \(seed)")
        if let record {
          #expect(record.isWhole && record.word0 == popped, "seed \(seed)")
          popped += 1
        }
      }
    }
  }

  @Test("carries every record once and in order between processes", arguments: [2, 64, 1024])
  func twoProcesses(capacity: Int) throws {
    // With two places every second record needs the other process: a change of process each when the cores are busy.
    let count: UInt64 = capacity == 2 ? 10_000 : 100_000
    var producer = try HandoffProducer<TestRecord>(anonymousCapacity: capacity)
    var consumer = try HandoffConsumer(of: producer)
    let child = ChildProcess {
      let deadline = Deadline()
      for index in 0..<count {
        while !producer.tryPush(TestRecord(index)) {
          if deadline.hasPassed { return 4 }
          if capacity == 2 { sched_yield() }
        }
      }
      return 0
    }
    var expected: UInt64 = 0
    var wrong = 0
    let deadline = Deadline()
    while expected < count, !deadline.hasPassed {
      guard let record = consumer.tryPop() else {
        if capacity == 2 { sched_yield() }
        continue
      }
      if record != TestRecord(expected) { wrong += 1 }
      expected += 1
    }
    #expect(child.wait() == 0)
    #expect(expected == count)
    #expect(wrong == 0)
    #expect(consumer.tryPop() == nil)
  }

  @Test("goes on with a new producer and a new consumer after either was killed")
  func killedEnds() throws {
    let path = directory.file("queue")
    try HandoffProducer<TestRecord>.create(path: path, capacity: 64)
    let scratch = Scratch()
    var consumer = try HandoffConsumer<TestRecord>(attachingTo: path)
    var expected: UInt64 = 0
    var wrong = 0
    for _ in 0..<10 {
      let goal = expected + 300
      // The number of the next record is the queue's own count of them.
      let child = ChildProcess {
        guard var producer = try? HandoffProducer<TestRecord>(attachingTo: path) else { return 9 }
        while true { if producer.tryPush(TestRecord(producer.written)) { scratch[0] = producer.written } }
      }
      let deadline = Deadline()
      while expected < goal, !deadline.hasPassed {
        if let record = consumer.tryPop() {
          if record != TestRecord(expected) { wrong += 1 }
          expected += 1
        }
      }
      child.kill()
      #expect(child.wait() == nil)
      while let record = consumer.tryPop() {
        if record != TestRecord(expected) { wrong += 1 }
        expected += 1
      }
    }
    #expect(wrong == 0)
    #expect(expected >= 3000)
    #expect(expected >= scratch[0])

    // A consumer that took two records and gave back none: the next one gets them again.
    var producer = try HandoffProducer<TestRecord>(attachingTo: path)
    #expect(producer.written == expected)
    for index in 0..<UInt64(3) { #expect(producer.tryPush(TestRecord(expected + index)) == true) }
    #expect(consumer.tryTake() == TestRecord(expected))
    #expect(consumer.tryTake() == TestRecord(expected + 1))
    _ = consume consumer
    var heir = try HandoffConsumer<TestRecord>(attachingTo: path)
    for index in 0..<UInt64(3) { #expect(heir.tryPop() == TestRecord(expected + index)) }
    #expect(heir.tryPop() == nil)
  }

  @Test("has one producer and one consumer at a time")
  func oneOfEach() throws {
    let path = directory.file("queue")
    try HandoffProducer<SmallRecord>.create(path: path, capacity: 8)
    let producer = try HandoffProducer<SmallRecord>(attachingTo: path)
    let consumer = try HandoffConsumer<SmallRecord>(attachingTo: path)
    #expect(throws: MapError.self) { _ = try HandoffProducer<SmallRecord>(attachingTo: path) }
    #expect(throws: MapError.self) { _ = try HandoffConsumer<SmallRecord>(attachingTo: path) }
    #expect(producer.capacity == consumer.capacity)
  }

  @Test("refuses another record size, a bad capacity and impossible cursors")
  func wrongShape() throws {
    let path = directory.file("queue")
    try HandoffProducer<SmallRecord>.create(path: path, capacity: 8)
    let size = #expect(throws: MapError.self) { _ = try HandoffConsumer<TestRecord>(attachingTo: path) }
    #expect(size?.description.contains("record size is 16 bytes, expected 56 bytes") == true)
    #expect(throws: MapError.self) { try HandoffProducer<SmallRecord>.create(path: path, capacity: 12) }
    let region = try MappedRegion.open(path: path, writable: true)
    region.base.storeBytes(of: UInt64(9), toByteOffset: HandoffQueue.writeOffset, as: UInt64.self)
    let cursors = #expect(throws: MapError.self) { _ = try HandoffConsumer<SmallRecord>(attachingTo: path) }
    #expect(cursors?.description.contains("cursors is 9 written, 0 read") == true)
  }
}
