import CPlatform
import Glibc
import SharedMemory
import Synchronization
import Tape
import Testing

@Suite("A tape between threads and processes", .serialized)
struct TapeStressTests {
  let fixture = Fixture()

  /// What the three tasks share.
  final class Live: Sendable {
    let isDone = Atomic(false)
    let writer: Mutex<TapeWriter<MarketSized>?>
    init(_ writer: consuming sending TapeWriter<MarketSized>) { self.writer = Mutex(consume writer) }
  }

  @Test("gives a reader every record of a live writer, in order, while another thread prepares segments")
  func liveTail() async throws {
    let count: UInt64 = 30_000
    let directory = fixture.directory.path
    var header = fixture.header()
    header.firstSequence = 500
    let writer = try TapeWriter<MarketSized>(
      directory: directory, name: "live", header: header, recordsPerSegment: 1024)
    let preparer = writer.makePreparer()
    let live = Live(writer)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        guard var writer = live.writer.withLock({ $0.take() }) else { return }
        for index in 0..<count { try writer.append(MarketSized(index)) }
        try writer.seal()
      }
      group.addTask {
        while !live.isDone.load(ordering: .acquiring) {
          try preparer.prepareNextSegment()
          await Task.yield()
        }
      }
      group.addTask {
        defer { live.isDone.store(true, ordering: .releasing) }
        var reader = try TapeReader<MarketSized>(
          directory: directory, name: "live", kind: "JRNL", formatVersion: 3)
        var expected: UInt64 = 0
        let deadline = SystemClock.monotonicNanoseconds() + 120_000_000_000
        while expected < count, SystemClock.monotonicNanoseconds() < deadline {
          guard let record = try reader.next() else {
            await Task.yield()
            continue
          }
          guard record == MarketSized(expected), reader.lastSequence == 500 + expected else { break }
          expected += 1
        }
        #expect(expected == count)
        #expect(reader.damages == [])
      }
      try await group.waitForAll()
    }
  }

  @Test("loses nothing that was appended when its writer is killed")
  func killedWriter() throws {
    // The writer is a forked child that tells through a shared word how far it got.
    let page = mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
    guard let page, page != MAP_FAILED else { fatalError("mmap: errno \(errno)") }
    defer { munmap(page, 4096) }
    let progress = page.assumingMemoryBound(to: Atomic<UInt64>.self)
    var written: UInt64 = 0
    for round in 0..<5 {
      var child = try fixture.writer(recordsPerSegment: 20_000, firstSequence: written)
      let id = aegis_fork()
      if id == 0 {
        var index = written
        while true {
          // The parent sees too few records.
          guard (try? child.append(JournalSized(index))) != nil else { aegis_exit_now(9) }
          index += 1
          progress.pointee.store(index, ordering: .releasing)
          if index - written == 15_000 { aegis_exit_now(0) }
        }
      }
      let deadline = SystemClock.monotonicNanoseconds() + 120_000_000_000
      while progress.pointee.load(ordering: .acquiring) < written + 200,
        SystemClock.monotonicNanoseconds() < deadline
      { usleep(100) }
      kill(id, SIGKILL)
      waitpid(id, nil, 0)
      let promised = progress.pointee.load(ordering: .acquiring)
      #expect(promised >= written + 200)
      let reading = try Reading(fixture)
      #expect(reading.error == nil, "round \(round)")
      #expect(reading.isPrefix)
      // The one record appended after the last report may be there or not; none before it is missing.
      #expect(UInt64(reading.records.count) >= promised)
      #expect(UInt64(reading.records.count) <= promised + 1)
      written = UInt64(reading.records.count)
    }
  }
}
