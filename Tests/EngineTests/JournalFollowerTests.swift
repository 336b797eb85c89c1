import Foundation
import Market
import Testing
import Trading

@testable import Engine

@Suite("Following the journal")
struct JournalFollowerTests {
  private func entries(_ count: Int) -> [JournalEntry] {
    (0..<count).map { JournalEntry.clock(time: Instant(nanoseconds: Int64($0) + 1)) }
  }

  @Test("hands out every entry once, in batches, numbered within the run")
  func readsInOrder() throws {
    let fixture = try ReplayFixture()
    let written = entries(2 * JournalFollower.batchMax + 5)
    try fixture.rewriteJournal(written, run: 3)
    var follower = try JournalFollower(fixture.directory)
    var read: [JournalEntry] = []
    while let batch = try follower.next() {
      #expect(batch.run == 3 && batch.from == UInt64(read.count))
      #expect(batch.entries.count <= JournalFollower.batchMax)
      read += batch.entries
    }
    #expect(read == written)
    #expect(try follower.next() == nil)
  }

  @Test("starts at the newest run, and numbers a run that follows from 0 again")
  func followsRuns() throws {
    let fixture = try ReplayFixture()
    try fixture.rewriteJournal(entries(4), run: 1)
    try fixture.appendRun(2, entries(3))
    var follower = try JournalFollower(fixture.directory)
    let first = try #require(try follower.next())
    #expect(first.run == 2 && first.from == 0 && first.entries.count == 3)
    try fixture.appendRun(3, entries(2))
    let second = try #require(try follower.next())
    #expect(second.run == 3 && second.from == 0 && second.entries.count == 2)
  }

  @Test("an empty folder has nothing yet, and the first run is seen when it comes")
  func waits() throws {
    let fixture = try ReplayFixture()
    var follower = try JournalFollower(fixture.directory)
    #expect(try follower.next() == nil)
    try fixture.appendRun(1, entries(1))
    #expect(try follower.next()?.entries.count == 1)
  }
}
