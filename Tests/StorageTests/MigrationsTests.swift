import Foundation
import GRDB
import Testing

@testable import Storage

@Suite("Migrations of the SQLite store")
struct MigrationsTests {
  private let folder: TemporaryFolder
  private let path: String

  init() throws {
    folder = try TemporaryFolder()
    path = folder.file("store.sqlite")
  }

  private static let next =
    Migrations.all + [
      Migration(
        version: Migrations.all.count + 1, sql: "ALTER TABLE runs ADD COLUMN note TEXT NOT NULL DEFAULT ''")
    ]

  private func version() throws -> Int? {
    try DatabaseQueue(path: path).read { try Int.fetchOne($0, sql: "PRAGMA user_version") }
  }

  @Test("step numbers count up by one from one")
  func numbers() {
    #expect(Migrations.all.map(\.version) == Array(1...Migrations.all.count))
  }

  @Test("an older schema is brought up with its rows, after a copy was put beside it")
  func upgrades() async throws {
    let old = try SQLiteStore(path: path)
    try await old.begin(JournalSamples.run())
    await old.close()

    let store = try SQLiteStore(path: path, readOnly: false, migrations: Self.next)
    #expect(try await store.runs(nil, limit: 9).count == 1)
    #expect(try version() == Self.next.count)
    let copy = "\(path).schema\(Migrations.all.count)"
    let before = try SQLiteStore(path: copy, readOnly: true)
    #expect(try await before.runs(nil, limit: 9).count == 1)
  }

  @Test("a newer schema is refused with one line that names file and numbers", arguments: [false, true])
  func refusesNewer(readOnly: Bool) async throws {
    await (try SQLiteStore(path: path, readOnly: false, migrations: Self.next)).close()
    let error = #expect(throws: StoreError.self) { try SQLiteStore(path: path, readOnly: readOnly) }
    #expect(
      error
        == .newerSchema(path: path, found: Self.next.count, supported: Migrations.all.count))
    let line = "\(try #require(error))"
    #expect(line.contains(path) && !line.contains("\n"))
  }

  @Test("a step that fails leaves the old schema whole")
  func failureIsWhole() async throws {
    await (try SQLiteStore(path: path)).close()
    let broken =
      Migrations.all + [
        Migration(version: 2, sql: "CREATE TABLE half (x INTEGER); SELECT nonsense FROM nowhere")
      ]
    #expect(throws: StoreError.self) { try SQLiteStore(path: path, readOnly: false, migrations: broken) }
    #expect(try version() == Migrations.all.count)
    let halves = try await DatabaseQueue(path: path).read {
      try Int.fetchOne($0, sql: "SELECT count(*) FROM sqlite_master WHERE name = 'half'")
    }
    #expect(halves == 0)
    _ = try SQLiteStore(path: path)
  }

  @Test("many starts at once on a new file all succeed")
  func startsAtOnce() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<6 {
        group.addTask { [path] in
          let store = try SQLiteStore(path: path)
          try await store.begin(JournalSamples.run(Int64(number)))
        }
      }
      try await group.waitForAll()
    }
    #expect(try await SQLiteStore(path: path).runs(nil, limit: 99).count == 6)
  }

  @Test("another program's database is not touched")
  func refusesForeign() async throws {
    try await DatabaseQueue(path: path).write { try $0.execute(sql: "CREATE TABLE theirs (x)") }
    let before = try Data(contentsOf: URL(filePath: path))
    #expect(throws: StoreError.foreign(path: path)) { try SQLiteStore(path: path) }
    #expect(throws: StoreError.foreign(path: path)) { try SQLiteStore(path: path, readOnly: true) }
    let tables = try await DatabaseQueue(path: path).read {
      try String.fetchAll($0, sql: "SELECT name FROM sqlite_master")
    }
    #expect(tables == ["theirs"])
    #expect(!before.isEmpty)
  }

  @Test("text that is no database is named as damaged")
  func refusesGarbage() throws {
    try Data(repeating: 0x41, count: 5000).write(to: URL(filePath: path))
    let error = #expect(throws: StoreError.self) { try SQLiteStore(path: path) }
    guard case .damaged(path, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test("reading a store that is not there says so and creates nothing")
  func readingNothing() throws {
    #expect(throws: StoreError.missing(path: path)) { try SQLiteStore(path: path, readOnly: true) }
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  @Test("a folder that is not there is named")
  func missingFolder() {
    let missing = folder.file("no/such/store.sqlite")
    let error = #expect(throws: StoreError.self) { try SQLiteStore(path: missing) }
    #expect(error.map { "\($0)" }?.contains(missing) == true)
  }

  @Test("a reader beside the writer sees what was stored")
  func readsBesideWriter() async throws {
    let writer = try SQLiteStore(path: path)
    let reader = try SQLiteStore(path: path, readOnly: true)
    try await writer.begin(JournalSamples.run())
    #expect(try await reader.runs(nil, limit: 9).count == 1)
    await #expect(throws: StoreError.self) { try await reader.begin(JournalSamples.run(9)) }
  }
}
