import Synchronization
import Testing

@testable import SharedMemory

@Suite("The table of last values", .serialized)
struct LastValueTableTests {
  let directory = TemporaryDirectory()

  @Test("keeps the newest value per index for whoever comes late")
  func newest() throws {
    let path = directory.file("table")
    try LastValueWriter<TestRecord>.create(path: path, count: 300)
    let writer = try LastValueWriter<TestRecord>(attachingTo: path)
    for index in 0..<300 where index % 2 == 0 {
      for value in 0..<UInt64(3) { writer.set(TestRecord(UInt64(index) * 10 + value), at: index) }
    }
    let reader = try LastValueReader<TestRecord>(path: path)
    #expect(reader.count == 300)
    for index in 0..<300 {
      #expect(reader.value(at: index) == (index % 2 == 0 ? TestRecord(UInt64(index) * 10 + 2) : nil))
    }
  }

  @Test("never shows a torn value while it is rewritten")
  func noTears() throws {
    let path = directory.file("table")
    try LastValueWriter<TestRecord>.create(path: path, count: 2)
    let writer = try LastValueWriter<TestRecord>(attachingTo: path)
    let reader = try LastValueReader<TestRecord>(path: path)
    let scratch = Scratch()
    let child = ChildProcess {
      var value: UInt64 = 1
      let deadline = Deadline()
      while scratch[0] == 0, !deadline.hasPassed {
        writer.set(TestRecord(value), at: 1)
        value += 1
      }
      return 0
    }
    var seen: UInt64 = 0
    var reads = 0
    var wrong = 0
    let deadline = Deadline()
    while reads < 50_000, !deadline.hasPassed {
      guard let value = reader.value(at: 1) else { continue }
      if !value.isWhole || value.index < seen { wrong += 1 }
      seen = value.index
      reads += 1
    }
    scratch[0] = 1
    #expect(child.wait() == 0)
    #expect(wrong == 0)
    #expect(reads == 50_000)
  }

  @Test("is empty again where its writer died in the middle, and only there")
  func deadWriter() throws {
    let path = directory.file("table")
    try LastValueWriter<TestRecord>.create(path: path, count: 2)
    do {
      let writer = try LastValueWriter<TestRecord>(attachingTo: path)
      writer.set(TestRecord(1), at: 0)
      writer.set(TestRecord(2), at: 1)
      let version = writer.table.words(at: 1)
      version.pointee.store(
        version.pointee.load(ordering: .relaxed) & ~3 | LastValueTable.writing, ordering: .relaxed)
    }
    let reader = try LastValueReader<TestRecord>(path: path)
    #expect(reader.value(at: 1) == nil)
    let writer = try LastValueWriter<TestRecord>(attachingTo: path)
    #expect(reader.value(at: 0) == TestRecord(1))
    #expect(reader.value(at: 1) == nil)
    writer.set(TestRecord(3), at: 1)
    #expect(reader.value(at: 1) == TestRecord(3))
  }
}

@Suite("The control page")
struct ControlPageTests {
  let directory = TemporaryDirectory()

  @Test("carries what the orchestrator wants to a read-only child")
  func carries() throws {
    let path = directory.file("control")
    try ControlPage.create(path: path, desiredState: .reduceOnly)
    let orchestrator = try ControlPage(path: path, writable: true)
    let child = try ControlPage(path: path, writable: false)
    #expect(child.desiredState == .reduceOnly)
    #expect((child.isDraining || child.isShutdownRequested) == false)
    #expect(child.reloadNumber == 0 && child.instrumentTableVersion == 0)
    for state in ControlPage.DesiredState.allCases {
      orchestrator.desiredState = state
      #expect(child.desiredState == state)
    }
    orchestrator.isDraining = true
    orchestrator.isShutdownRequested = true
    orchestrator.reloadNumber += 1
    orchestrator.instrumentTableVersion = 7
    orchestrator.orchestratorHeartbeatNanoseconds = 123
    #expect(child.isDraining && child.isShutdownRequested)
    #expect(child.reloadNumber == 1 && child.instrumentTableVersion == 7)
    #expect(child.orchestratorHeartbeatNanoseconds == 123)
  }

  @Test("reads a state nobody defined as halted")
  func unknownState() throws {
    let path = directory.file("control")
    try ControlPage.create(path: path, desiredState: .normal)
    let region = try MappedRegion.open(path: path, writable: true)
    region.base.storeBytes(
      of: 77, toByteOffset: 128, as: UInt64.self)
    #expect(try ControlPage(path: path, writable: false).desiredState == .halted)
  }
}

@Suite("The counter page")
struct CounterPageTests {
  let directory = TemporaryDirectory()

  @Test("shows each lane's numbers to a reader and keeps them for the lane's next owner")
  func lanes() throws {
    let path = directory.file("counters")
    try CounterLane.createPage(path: path, laneCount: 3, counterCount: 20)
    let reader = try CounterReader(path: path)
    do {
      let lane = try CounterLane(path: path, lane: 1)
      lane.add(to: 0)
      lane.add(41, to: 0)
      lane.set(9, at: 19)
      lane.raise(5, to: 30)
      lane.raise(5, to: 20)
      lane.beat(monotonicNanoseconds: 1000, progress: 6)
      #expect(throws: MapError.self) { _ = try CounterLane(path: path, lane: 1) }
    }
    let again = try CounterLane(path: path, lane: 1)
    again.add(to: 0)
    let snapshot = reader.snapshot(lane: 1)
    #expect(snapshot.heartbeatNanoseconds == 1000)
    #expect(snapshot.progress == 6)
    #expect(snapshot.counters[0] == 43)
    #expect(snapshot.counters[5] == 30)
    #expect(snapshot.counters[19] == 9)
    #expect(reader.value(lane: 1, counter: 0) == 43)
    for lane in [0, 2] {
      #expect(reader.snapshot(lane: lane).counters == [UInt64](repeating: 0, count: 20))
    }
  }

  @Test("refuses lanes and sizes it does not have")
  func bounds() throws {
    let path = directory.file("counters")
    try CounterLane.createPage(path: path, laneCount: 1, counterCount: 1)
    let error = #expect(throws: MapError.self) { _ = try CounterLane(path: path, lane: 1) }
    #expect(error?.description.contains("lane is 1, expected 0..<1") == true)
    #expect(throws: MapError.self) { try CounterLane.createPage(path: path, laneCount: 0, counterCount: 1) }
    #expect(throws: MapError.self) {
      try CounterLane.createPage(path: path, laneCount: 1, counterCount: 5000)
    }
  }
}
