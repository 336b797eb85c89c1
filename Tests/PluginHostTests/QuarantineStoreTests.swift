import Foundation
import Glibc
import Testing

@testable import PluginHost

private let hash = String(repeating: "0f", count: 32)

@Suite("Quarantine")
struct QuarantineStoreTests {
  @discardableResult
  private func fail(_ store: inout QuarantineStore, at seconds: Int64) -> QuarantineStore.Record {
    store.add(
      sha256: hash, id: "x", file: "/x.so", reason: "segmentation fault (SIGSEGV)", phase: .process,
      seconds: seconds)
  }

  @Test("takes 1, 5 and 30 minutes, then a person")
  func backOff() {
    var store = QuarantineStore()
    #expect(store.verdict(sha256: hash, seconds: 0) == .free)
    var now: Int64 = 1000
    for pause in [60, 300, 1800] as [Int64] {
      fail(&store, at: now)
      guard case .quarantined(let record) = store.verdict(sha256: hash, seconds: now + pause - 1) else {
        Issue.record("free after less than \(pause) s")
        return
      }
      #expect(record.until == now + pause)
      #expect(store.verdict(sha256: hash, seconds: now + pause) == .free)
      now += pause
    }
    let last = fail(&store, at: now)
    #expect(last.until == nil)
    #expect(store.verdict(sha256: hash, seconds: .max) != .free)
    #expect(store.active(seconds: .max).count == 1)
    let released = store.release(sha256: hash)
    #expect(released?.count == 4)
    #expect(store.verdict(sha256: hash, seconds: now) == .free)
    let first = fail(&store, at: now)
    #expect(first.count == 1)
  }

  @Test("forgets what lies a quiet day back, but not a person's part")
  func forgiveness() {
    var store = QuarantineStore()
    fail(&store, at: 0)
    let counts = [70, 370 + 86_400, 370 + 86_400 + 1800 + 86_401].map { fail(&store, at: $0).count }
    #expect(counts == [2, 3, 1])
    for _ in 0..<4 { fail(&store, at: 300_000) }
    let late = fail(&store, at: 300_000_000)
    #expect(late.until == nil)
  }

  @Test("is by content: another hash is free")
  func otherHash() {
    var store = QuarantineStore()
    fail(&store, at: 0)
    #expect(store.verdict(sha256: String(repeating: "1e", count: 32), seconds: 0) == .free)
  }

  @Test("keeps its reasons in a file that survives being torn")
  func file() throws {
    let fixture = try Fixture()
    let path = "\(fixture.folder)/quarantine.json"
    let added = try QuarantineStore.update(path: path) { store in
      store.add(
        sha256: hash, id: "x", file: "/a b.so", reason: "left with \"3\"", phase: .create,
        backtracePath: "/t",
        seconds: 77)
    }
    let store = try QuarantineStore.load(path: path)
    #expect(store.records == [added] && store.damagedLines.isEmpty)
    for _ in 0..<3 {
      try QuarantineStore.update(path: path) { store in
        store.add(sha256: hash, id: "x", file: "/x.so", reason: "r", phase: .process, seconds: 78)
      }
    }
    #expect(try QuarantineStore.load(path: path).records.first?.until == nil)
    let whole = try Data(contentsOf: URL(filePath: path))
    for byteCount in 0..<whole.count {
      try whole.prefix(byteCount).write(to: URL(filePath: path))
      chmod(path, 0o600)
      let torn = try QuarantineStore.load(path: path)
      #expect(torn.records.count <= 1)
      #expect(torn.records.isEmpty || torn.records[0].sha256 == hash)
    }
  }

  @Test("takes updates of several processes one after the other")
  func concurrentUpdates() async throws {
    let fixture = try Fixture()
    let path = "\(fixture.folder)/quarantine.json"
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<16 {
        group.addTask {
          let name = String(repeating: String(number, radix: 16), count: 64)
          try QuarantineStore.update(path: path) { store in
            store.add(sha256: name, id: "x", file: "", reason: "r", phase: .load, seconds: 1)
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try QuarantineStore.load(path: path).records.count == 16)
  }

  @Test("says how long it takes")
  func words() {
    var store = QuarantineStore()
    let first = fail(&store, at: 0)
    #expect(first.words(seconds: 10) == "segmentation fault (SIGSEGV); retry in 0m50s")
    let second = fail(&store, at: 60)
    #expect(second.words(seconds: 60).contains("2 times in a row; retry in 5m0s"))
    fail(&store, at: 60)
    let fourth = fail(&store, at: 60)
    #expect(fourth.words(seconds: 60).contains("aegis plugins unquarantine \(hash)"))
  }

  @Test("finds the load that an engine did not survive")
  func sentinel() throws {
    let fixture = try Fixture()
    #expect(LoadSentinel.takeLeftovers(in: fixture.folder).isEmpty)
    let fine = try LoadSentinel(folder: fixture.folder, sha256: String(repeating: "22", count: 32))
    _ = try LoadSentinel(folder: fixture.folder, sha256: hash)
    fine.remove()
    #expect(LoadSentinel.takeLeftovers(in: fixture.folder) == [hash])
    #expect(LoadSentinel.takeLeftovers(in: fixture.folder).isEmpty)
  }
}
