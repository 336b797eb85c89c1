import Glibc
import SharedMemory
import Testing

@Suite("The shared record", .serialized)
struct SharedRecordTests {
  let directory = TemporaryDirectory()

  /// One process's end of a record.
  private final class Participant {
    private var record: SharedRecord

    init(_ path: String) throws(MapError) { record = try SharedRecord(path: path) }

    var wordCount: Int { record.wordCount }
    var words: [UInt64] { record.update { span in (0..<span.count).map { span[$0] } } }
    func set(_ index: Int, to value: UInt64) { record.update { $0[index] = value } }

    /// A step that is whole or visible: the first word counts, the others all follow it.
    /// - Returns: false when a half-done step was seen.
    func step() -> Bool {
      record.update { span in
        let count = span[0]
        for index in 1..<span.count where span[index] != count &* UInt64(index) { return false }
        for index in 1..<span.count { span[index] = (count &+ 1) &* UInt64(index) }
        span[0] = count &+ 1
        return true
      }
    }

    /// Moves one from word 0 to another; false when nothing is left.
    func take(into index: Int) -> Bool {
      record.update { span in
        guard span[0] > 0 else { return false }
        span[0] -= 1
        span[index] += 1
        return true
      }
    }
  }

  @Test("shows every participant what the last one left")
  func shared() throws {
    let path = directory.file("record")
    try SharedRecord.create(path: path, words: [7, 8, 9])
    let one = try Participant(path)
    let two = try Participant(path)
    #expect(one.wordCount == 3 && two.words == [7, 8, 9])
    for round in UInt64(0)..<10 {
      one.set(0, to: round)
      two.set(1, to: 9 + round)
      #expect(one.words == [round, 9 + round, 9])
    }
    #expect(two.words == one.words)
  }

  @Test("takes as many participants as it has places, and a place again when its owner is gone")
  func places() throws {
    let path = directory.file("record")
    try SharedRecord.create(path: path, words: [1])
    func fill(_ depth: Int) throws {
      guard depth > 0 else {
        #expect {
          _ = try Participant(path)
        } throws: {
          guard case .inUse = $0 as? MapError else { return false }
          return true
        }
        return
      }
      let participant = try Participant(path)
      participant.set(0, to: participant.words[0] + 1)
      try fill(depth - 1)
      #expect(participant.wordCount == 1)  // alive to here
    }
    for _ in 0..<3 { try fill(SharedRecord.participantsMax) }
    let last = try Participant(path)
    #expect(last.words == [1 + 3 * UInt64(SharedRecord.participantsMax)])
  }

  @Test("refuses sizes it cannot have, and files that are something else")
  func refusals() throws {
    let path = directory.file("record")
    #expect(throws: MapError.self) { try SharedRecord.create(path: path, words: []) }
    #expect(throws: MapError.self) {
      try SharedRecord.create(path: path, words: [UInt64](repeating: 0, count: 513))
    }
    #expect(throws: MapError.self) { _ = try Participant(path) }
    try ControlPage.create(path: path, desiredState: .normal)
    #expect(throws: MapError.self) { _ = try Participant(path) }
  }

  @Test("two processes lose no step and see none half done")
  func twoProcesses() throws {
    let path = directory.file("record")
    try SharedRecord.create(path: path, words: [UInt64](repeating: 0, count: 40))
    let one = try Participant(path)
    let two = try Participant(path)
    let count = 50_000
    let child = ChildProcess {
      for _ in 0..<count where !two.step() { return 1 }
      return 0
    }
    var torn = 0
    for _ in 0..<count where !one.step() { torn += 1 }
    #expect(child.wait() == 0 && torn == 0)
    #expect(one.words.first == UInt64(2 * count))
  }

  @Test("a process killed at any instruction loses at most its own unfinished step and holds nobody up")
  func kills() throws {
    let path = directory.file("record")
    try SharedRecord.create(path: path, words: [UInt64](repeating: 0, count: 40))
    let one = try Participant(path)
    var random = SystemRandomNumberGenerator()
    var ours: UInt64 = 0
    var theirs: UInt64 = 0
    for _ in 0..<60 {
      let two = try Participant(path)  // the place of the last one that was killed
      let done = Scratch()
      let child = ChildProcess {
        while two.step() { done[0] += 1 }
        return 1
      }
      let deadline = Deadline(seconds: 60)
      while done[0] == 0, !deadline.hasPassed { usleep(50) }
      #expect(done[0] > 0, "the child never came to work")
      for _ in 0..<UInt64.random(in: 1...3000, using: &random) {
        #expect(one.step(), "a half-done step became visible")
        ours += 1
      }
      child.kill()
      #expect(child.wait() == nil)
      #expect(one.step(), "a half-done step became visible")
      ours += 1
      let total = one.words[0]
      // It may have died between its step and counting it.
      #expect(total == ours + theirs + done[0] || total == ours + theirs + done[0] + 1)
      theirs = total - ours
    }
  }

  @Test("a process that stands still in the middle of a step holds nobody up")
  func stops() throws {
    let path = directory.file("record")
    try SharedRecord.create(path: path, words: [UInt64](repeating: 0, count: 40))
    let one = try Participant(path)
    let two = try Participant(path)
    let child = ChildProcess {
      while two.step() {}
      return 1
    }
    for _ in 0..<30 {
      usleep(200)
      child.stop()
      let before = one.words[0]
      for _ in 0..<100 { #expect(one.step()) }
      #expect(one.words[0] == before + 100)
      child.resume()
    }
    child.kill()
    #expect(child.wait() == nil)
  }

  @Test("two processes never take more from a budget than it has, one of them killed half-way")
  func budget() throws {
    let path = directory.file("record")
    let size: UInt64 = 100_000
    try SharedRecord.create(path: path, words: [size, 0, 0])
    let one = try Participant(path)
    let two = try Participant(path)
    let taken = Scratch()
    let child = ChildProcess {
      while two.take(into: 2) { taken[0] += 1 }
      return 0
    }
    var ours: UInt64 = 0
    let deadline = Deadline(seconds: 60)
    while ours < 1000 || taken[0] < 1000, !deadline.hasPassed, one.take(into: 1) { ours += 1 }
    child.kill()
    _ = child.wait()
    while one.take(into: 1) { ours += 1 }
    let words = one.words
    #expect(words[0] == 0 && words[1] == ours && words[1] + words[2] == size)
    #expect(words[2] == taken[0] || words[2] == taken[0] + 1)
    #expect(taken[0] > 0 && ours > 0)
  }
}
