import GRDB

/// One step of the schema, never edited once released: a change is a new step.
struct Migration: Sendable {
  /// The schema number after it.
  var version: Int
  var sql: String
}

/// The schema's history. Forward only: an older engine refuses a newer file.
enum Migrations {
  /// Marks the file as ours (`aegs` in ASCII), so that another program's database is not written to.
  static let applicationID: Int32 = 0x6165_6773

  static let all: [Migration] = [
    Migration(version: 1, sql: first)
  ]

  /// Brings the database to the newest schema inside one immediate transaction: two starts at once wait for each other,
  /// and a step that fails leaves the old schema whole.
  ///
  /// - Parameter backUp: called once before the first change to a schema that already holds data.
  static func run(
    on queue: some DatabaseWriter, path: String, migrations: [Migration], backUp: (Int) throws -> Void
  ) throws {
    let supported = migrations.last?.version ?? 0
    let found = try queue.read { db in try version(of: db, path: path, supported: supported) }
    guard found < supported else { return }
    if found > 0 { try backUp(found) }
    try queue.writeWithoutTransaction { db in
      try db.inTransaction(.immediate) {
        // the other start may have been first
        let current = try version(of: db, path: path, supported: supported)
        for migration in migrations where migration.version > current {
          try db.execute(sql: migration.sql)
        }
        try db.execute(sql: "PRAGMA application_id = \(applicationID)")
        try db.execute(sql: "PRAGMA user_version = \(supported)")
        return .commit
      }
    }
  }

  /// The schema number of a file, 0 for an empty one.
  static func version(of db: Database, path: String, supported: Int) throws -> Int {
    let application = try Int32.fetchOne(db, sql: "PRAGMA application_id") ?? 0
    let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
    if application == 0 {
      let tables = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_master") ?? 0
      guard tables == 0, version == 0 else { throw StoreError.foreign(path: path) }
      return 0
    }
    guard application == applicationID else { throw StoreError.foreign(path: path) }
    guard version <= supported else {
      throw StoreError.newerSchema(path: path, found: version, supported: supported)
    }
    return version
  }

  /// Every table starts with whose rows they are. Amounts are kept twice: as decimal text for people and as integers of
  /// 1e-8 for sums that stay exact. Counts of steps are kept beside quantities for the same reason.
  private static let first = """
    CREATE TABLE runs (
      venue TEXT NOT NULL, mode TEXT NOT NULL, run INTEGER NOT NULL,
      started_ns INTEGER NOT NULL, ended_ns INTEGER, version TEXT NOT NULL, settings TEXT NOT NULL,
      cursor INTEGER NOT NULL DEFAULT 0,
      PRIMARY KEY (venue, mode, run)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE signals (
      venue TEXT NOT NULL, mode TEXT NOT NULL, run INTEGER NOT NULL, journal_index INTEGER NOT NULL,
      time_ns INTEGER NOT NULL, position INTEGER NOT NULL, symbol TEXT NOT NULL, plugin INTEGER NOT NULL,
      return_fraction REAL NOT NULL, confidence REAL NOT NULL, stop_fraction REAL, target_fraction REAL,
      horizon_ns INTEGER NOT NULL, is_observation INTEGER NOT NULL, tag INTEGER NOT NULL, outcome TEXT,
      PRIMARY KEY (venue, mode, run, journal_index)
    ) STRICT, WITHOUT ROWID;

    CREATE INDEX signals_by_position ON signals (venue, mode, run, position, symbol);

    CREATE TABLE verdicts (
      venue TEXT NOT NULL, mode TEXT NOT NULL, run INTEGER NOT NULL, journal_index INTEGER NOT NULL,
      time_ns INTEGER NOT NULL, position INTEGER NOT NULL, symbol TEXT NOT NULL, plugin INTEGER NOT NULL,
      side TEXT NOT NULL, outcome TEXT NOT NULL, is_refusal INTEGER NOT NULL, quantity TEXT NOT NULL,
      notional TEXT NOT NULL, notional_e8 INTEGER NOT NULL, risk TEXT NOT NULL, risk_e8 INTEGER NOT NULL,
      measured REAL, "limit" REAL,
      PRIMARY KEY (venue, mode, run, journal_index)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE orders (
      venue TEXT NOT NULL, mode TEXT NOT NULL, client_id TEXT NOT NULL,
      run INTEGER NOT NULL, journal_index INTEGER NOT NULL, order_id INTEGER NOT NULL,
      symbol TEXT NOT NULL, side TEXT NOT NULL, kind TEXT NOT NULL, purpose TEXT NOT NULL,
      reduce_only INTEGER NOT NULL, quantity TEXT NOT NULL, price TEXT,
      status TEXT NOT NULL, status_rank INTEGER NOT NULL, filled_quantity TEXT NOT NULL,
      average_price TEXT, fees TEXT NOT NULL, fees_e8 INTEGER NOT NULL, code INTEGER NOT NULL,
      decided_ns INTEGER NOT NULL, updated_ns INTEGER NOT NULL,
      PRIMARY KEY (venue, mode, client_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX orders_by_run ON orders (venue, mode, run, journal_index);

    CREATE TABLE fills (
      venue TEXT NOT NULL, mode TEXT NOT NULL, client_id TEXT NOT NULL, symbol TEXT NOT NULL,
      trade_id INTEGER NOT NULL, run INTEGER NOT NULL, journal_index INTEGER NOT NULL,
      order_id INTEGER NOT NULL, time_ns INTEGER NOT NULL, side TEXT NOT NULL,
      price TEXT NOT NULL, quantity TEXT NOT NULL, notional TEXT NOT NULL, notional_e8 INTEGER NOT NULL,
      fee TEXT NOT NULL, fee_e8 INTEGER NOT NULL, realized TEXT NOT NULL, realized_e8 INTEGER NOT NULL,
      is_maker INTEGER NOT NULL,
      PRIMARY KEY (venue, mode, client_id, symbol, trade_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX fills_by_run ON fills (venue, mode, run, journal_index);

    CREATE TABLE trades (
      venue TEXT NOT NULL, mode TEXT NOT NULL, run INTEGER NOT NULL, journal_index INTEGER NOT NULL,
      symbol TEXT NOT NULL, plugin INTEGER NOT NULL, side TEXT NOT NULL, quantity TEXT NOT NULL,
      entry_price TEXT NOT NULL, exit_price TEXT NOT NULL, opened_ns INTEGER NOT NULL, closed_ns INTEGER NOT NULL,
      profit TEXT NOT NULL, profit_e8 INTEGER NOT NULL, fees TEXT NOT NULL, fees_e8 INTEGER NOT NULL,
      net TEXT NOT NULL, net_e8 INTEGER NOT NULL, reason TEXT NOT NULL,
      PRIMARY KEY (venue, mode, run, journal_index)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE virtual_trades (
      venue TEXT NOT NULL, mode TEXT NOT NULL, opened_ns INTEGER NOT NULL, lot_id INTEGER NOT NULL,
      run INTEGER NOT NULL, symbol TEXT NOT NULL, plugin INTEGER NOT NULL, side TEXT NOT NULL,
      quantity TEXT NOT NULL, notional TEXT NOT NULL, notional_e8 INTEGER NOT NULL,
      entry_price TEXT NOT NULL, stop_price TEXT NOT NULL, target_price TEXT NOT NULL,
      refusal TEXT, confidence REAL, exit_price TEXT, closed_ns INTEGER, closed_run INTEGER,
      net TEXT, net_e8 INTEGER, fees TEXT, fees_e8 INTEGER, funding TEXT, funding_e8 INTEGER, reason TEXT,
      PRIMARY KEY (venue, mode, opened_ns, lot_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX virtual_trades_by_run ON virtual_trades (venue, mode, run);
    CREATE INDEX virtual_trades_by_closed_run ON virtual_trades (venue, mode, closed_run);

    CREATE TABLE equity (
      venue TEXT NOT NULL, mode TEXT NOT NULL, run INTEGER NOT NULL, journal_index INTEGER NOT NULL,
      time_ns INTEGER NOT NULL, equity TEXT NOT NULL, equity_e8 INTEGER NOT NULL,
      wallet TEXT NOT NULL, wallet_e8 INTEGER NOT NULL,
      unrealized TEXT NOT NULL, unrealized_e8 INTEGER NOT NULL, open_positions INTEGER NOT NULL,
      PRIMARY KEY (venue, mode, run, journal_index)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE positions (
      venue TEXT NOT NULL, mode TEXT NOT NULL, run INTEGER NOT NULL, symbol TEXT NOT NULL,
      journal_index INTEGER NOT NULL, time_ns INTEGER NOT NULL, quantity TEXT NOT NULL, entry_price TEXT,
      cost TEXT NOT NULL, cost_e8 INTEGER NOT NULL, stop_price TEXT, target_price TEXT,
      PRIMARY KEY (venue, mode, run, symbol)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE candles (
      venue TEXT NOT NULL, mode TEXT NOT NULL, symbol TEXT NOT NULL, timeframe INTEGER NOT NULL,
      open_time_ns INTEGER NOT NULL, run INTEGER NOT NULL,
      open TEXT NOT NULL, high TEXT NOT NULL, low TEXT NOT NULL, close TEXT NOT NULL, volume TEXT NOT NULL,
      trade_count INTEGER NOT NULL, flags INTEGER NOT NULL,
      PRIMARY KEY (venue, mode, symbol, timeframe, open_time_ns)
    ) STRICT, WITHOUT ROWID;
    """
}
