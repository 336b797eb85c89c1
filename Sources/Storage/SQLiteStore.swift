import Foundation
import GRDB

/// The store in one SQLite file, the default.
///
/// Write-ahead log, so that readers never wait for the writer; blocking work runs on GRDB's own queues, no task waits on
/// a thread. [any task]
public final class SQLiteStore: Store {
  private let pool: any DatabaseWriter
  public let path: String

  /// How long a statement waits for another process's lock before it is `unavailable`.
  public static let busyTimeoutSeconds = 5.0

  /// Opens or creates the file and brings its schema up to date. Blocks: call it at start, not from an actor that is busy.
  ///
  /// - Parameter readOnly: for the command line beside a running engine; nothing is created or changed.
  /// - Throws: `newerSchema`, `foreign`, `damaged`, `missing` or `notReadable`, each naming the file.
  public convenience init(path: String, readOnly: Bool = false) throws(StoreError) {
    try self.init(path: path, readOnly: readOnly, migrations: Migrations.all)
  }

  init(path: String, readOnly: Bool, migrations: [Migration]) throws(StoreError) {
    self.path = path
    var configuration = Configuration()
    configuration.readonly = readOnly
    configuration.label = "aegis.store"
    configuration.busyMode = .timeout(Self.busyTimeoutSeconds)
    configuration.maximumReaderCount = 2  // one person and one API request at a time; each holds a page cache
    configuration.prepareDatabase { db in
      // The journal is the durable copy: after power loss the cursor and the rows go back together.
      if !readOnly { try db.execute(sql: "PRAGMA synchronous = NORMAL") }
    }
    do {
      if readOnly {
        guard FileManager.default.fileExists(atPath: path) else { throw StoreError.missing(path: path) }
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        let supported = migrations.last?.version ?? 0
        let found = try queue.read { db in try Migrations.version(of: db, path: path, supported: supported) }
        guard found > 0 else { throw StoreError.missing(path: path) }
        pool = queue
      } else {
        let pool = try DatabasePool(path: path, configuration: configuration)
        try Migrations.run(on: pool, path: path, migrations: migrations) { version in
          try Self.backUp(pool, path: path, version: version)
        }
        self.pool = pool
      }
    } catch { throw Self.opening(error, path: path) }
  }

  /// A copy beside the file before its schema changes: `store.sqlite.schema1`. An older copy of that name is kept.
  private static func backUp(_ pool: DatabasePool, path: String, version: Int) throws {
    let copy = "\(path).schema\(version)"
    guard !FileManager.default.fileExists(atPath: copy) else { return }
    let unfinished = "\(copy).unfinished"
    if FileManager.default.fileExists(atPath: unfinished) {
      try FileManager.default.removeItem(atPath: unfinished)
    }
    try pool.writeWithoutTransaction { db in try db.execute(sql: "VACUUM INTO ?", arguments: [unfinished]) }
    try FileManager.default.moveItem(atPath: unfinished, toPath: copy)
  }

  private static func opening(_ error: any Error, path: String) -> StoreError {
    if let error = error as? StoreError { return error }
    guard let error = error as? DatabaseError else {
      return .notReadable(path: path, detail: "\(error)")
    }
    switch error.resultCode {
    case .SQLITE_NOTADB, .SQLITE_CORRUPT: return .damaged(path: path, detail: error.message ?? "\(error)")
    case .SQLITE_BUSY, .SQLITE_LOCKED: return .unavailable(detail: "\(path) is locked by another process")
    default: return .notReadable(path: path, detail: error.message ?? "\(error)")
    }
  }

  private func running(_ error: any Error) -> StoreError {
    if let error = error as? StoreError { return error }
    guard let error = error as? DatabaseError else { return .unavailable(detail: "\(error)") }
    switch error.resultCode {
    case .SQLITE_NOTADB, .SQLITE_CORRUPT: return .damaged(path: path, detail: error.message ?? "\(error)")
    case .SQLITE_MISUSE: return .closed
    default: return .unavailable(detail: error.message ?? "\(error)")
    }
  }

  func write<Value: Sendable>(
    _ body: @Sendable @escaping (Database) throws -> Value
  ) async throws(StoreError) -> Value {
    do { return try await pool.write(body) } catch { throw running(error) }
  }

  func read<Value: Sendable>(
    _ body: @Sendable @escaping (Database) throws -> Value
  ) async throws(StoreError) -> Value {
    do { return try await pool.read(body) } catch { throw running(error) }
  }

  // MARK: Writing

  public func begin(_ run: RunInfo) async throws(StoreError) {
    try await write { db in
      try db.execute(
        sql: """
          INSERT INTO runs (venue, mode, run, started_ns, version, settings) VALUES (?, ?, ?, ?, ?, ?)
          ON CONFLICT DO NOTHING
          """,
        arguments: [
          run.key.scope.venue, run.key.scope.mode.rawValue, run.key.run, run.startedNanoseconds, run.version,
          run.settings,
        ])
    }
  }

  public func cursor(of run: RunKey) async throws(StoreError) -> UInt64 {
    try await read { db in try Self.cursor(of: run, in: db) ?? 0 }
  }

  private static func cursor(of run: RunKey, in db: Database) throws -> UInt64? {
    try Int64.fetchOne(
      db, sql: "SELECT cursor FROM runs WHERE venue = ? AND mode = ? AND run = ?",
      arguments: [run.scope.venue, run.scope.mode.rawValue, run.run]
    ).map(UInt64.init)
  }

  public func store(_ batch: StoreBatch) async throws(StoreError) {
    try await write { db in
      let cursor = try Self.cursor(of: batch.run, in: db)
      guard batch.from <= cursor ?? 0 else { throw StoreError.gap(expected: cursor ?? 0, got: batch.from) }
      var writer = RowWriter(db: db, run: batch.run)
      if cursor == nil { try writer.registerUnknownRun() }
      for change in batch.changes { try writer.write(change) }
      try writer.advance(to: batch.next)
    }
  }

  public func prune(_ scope: StoreScope, beforeNanoseconds: Int64) async throws(StoreError) -> Int {
    try await write { db in
      var count = 0
      for sql in [
        "DELETE FROM signals WHERE venue = ? AND mode = ? AND time_ns < ?",
        "DELETE FROM verdicts WHERE venue = ? AND mode = ? AND time_ns < ?",
        "DELETE FROM equity WHERE venue = ? AND mode = ? AND time_ns < ?",
        "DELETE FROM candles WHERE venue = ? AND mode = ? AND open_time_ns < ? AND timeframe = 0",
      ] {
        try db.execute(sql: sql, arguments: [scope.venue, scope.mode.rawValue, beforeNanoseconds])
        count += db.changesCount
      }
      return count
    }
  }

  public func close() async {
    do { try pool.close() } catch {
      // A statement is still running; the file is safe without an orderly close, the log is replayed at the next open.
    }
  }
}
