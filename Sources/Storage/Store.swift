public import Market

/// Where facts are kept for people and for the next start. Never on a path that decides: the journal is the memory.
///
/// Every call runs its blocking work off the caller's executor. An implementation is safe to call from any task.
public protocol Store: Sendable {
  /// Registers a run, or recognises it.
  func begin(_ run: RunInfo) async throws(StoreError)
  /// The next journal index to bring; 0 for a run nothing was stored of.
  func cursor(of run: RunKey) async throws(StoreError) -> UInt64
  /// Stores all changes and the new cursor, or nothing at all. Storing the same batch twice changes nothing.
  ///
  /// - Throws: `.gap` when the batch starts after the cursor: what lies between would be lost.
  func store(_ batch: StoreBatch) async throws(StoreError)

  /// Newest first, at most `limit`. `run` nil means every run of the scope.
  func trades(_ scope: StoreScope, run: Int64?, limit: Int) async throws(StoreError) -> [TradeRow]
  func signals(_ scope: StoreScope, run: Int64?, limit: Int) async throws(StoreError) -> [SignalRow]
  func orders(_ scope: StoreScope, run: Int64?, limit: Int) async throws(StoreError) -> [OrderRow]
  func fills(_ scope: StoreScope, run: Int64?, limit: Int) async throws(StoreError) -> [FillRow]
  func lots(_ scope: StoreScope, run: Int64?, limit: Int) async throws(StoreError) -> [LotRow]
  /// Oldest first, the newest `limit` of the run.
  func equity(_ run: RunKey, limit: Int) async throws(StoreError) -> [EquityRow]
  /// Positions as the run last knew them, flat ones left out, by symbol.
  func positions(atEndOf run: RunKey) async throws(StoreError) -> [PositionRow]
  /// Oldest first, from `fromNanoseconds` on, at most `limit`.
  func candles(
    _ scope: StoreScope, symbol: String, timeframe: Timeframe, fromNanoseconds: Int64, limit: Int
  ) async throws(StoreError) -> [CandleRow]
  /// Newest first.
  func runs(_ scope: StoreScope?, limit: Int) async throws(StoreError) -> [RunInfo]
  /// nil for a run nobody registered.
  func summary(of run: RunKey) async throws(StoreError) -> RunSummary?

  /// Deletes signals, verdicts, equity points and 1m candles before a moment; money rows stay.
  /// - Returns: the number of rows deleted.
  func prune(_ scope: StoreScope, beforeNanoseconds: Int64) async throws(StoreError) -> Int
  func close() async
}

/// No query returns more rows than this: a bound on memory, far above what a screen shows.
public let storeRowsMax = 100_000

/// Why the store could not do it. Everything but `newerSchema`, `foreign` and `damaged` may pass: retry.
public enum StoreError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The file was written by a newer engine; this one would not understand it.
  case newerSchema(path: String, found: Int, supported: Int)
  /// A database of another program.
  case foreign(path: String)
  case damaged(path: String, detail: String)
  case missing(path: String)
  case notReadable(path: String, detail: String)
  /// Locked longer than the busy timeout, disk full, input/output error, connection lost.
  case unavailable(detail: String)
  /// The batch starts after the cursor.
  case gap(expected: UInt64, got: UInt64)
  case closed

  /// Whether the same call can succeed later without a person.
  public var isTransient: Bool {
    switch self {
    case .unavailable, .notReadable, .missing: true
    case .newerSchema, .foreign, .damaged, .gap, .closed: false
    }
  }

  public var description: String {
    switch self {
    case .newerSchema(let path, let found, let supported):
      "\(path): schema \(found) was written by a newer aegis, this one knows up to \(supported); "
        + "use that version, or another data directory"
    case .foreign(let path): "\(path): not a store of aegis; name another data directory"
    case .damaged(let path, let detail):
      "\(path): damaged (\(detail)); move it away, the journal still holds the facts"
    case .missing(let path): "\(path): no store here yet; start `aegis run` first, or name its --data-dir"
    case .notReadable(let path, let detail):
      "\(path): cannot be opened (\(detail)); check the folder's permissions and free space"
    case .unavailable(let detail): "the store did not answer (\(detail)); it is tried again"
    case .gap(let expected, let got): "journal entries \(expected)..<\(got) are missing before this batch"
    case .closed: "the store is closed"
    }
  }
}

/// What a stretch of the journal means for the store.
public struct StoreBatch: Sendable {
  public var run: RunKey
  /// Journal index of the first entry it was made from.
  public var from: UInt64
  /// Journal index after the last one; becomes the cursor.
  public var next: UInt64
  public var changes: [StoreChange]

  public init(run: RunKey, from: UInt64, next: UInt64, changes: [StoreChange]) {
    precondition(from <= next, "a batch goes forward")
    self.run = run
    self.from = from
    self.next = next
    self.changes = changes
  }
}

/// One fact to keep.
public enum StoreChange: Sendable, Hashable {
  case signal(SignalRow)
  case verdict(VerdictRow)
  case order(OrderRow)
  case orderUpdate(OrderUpdate)
  case fill(FillRow)
  case trade(TradeRow)
  /// A lot that opened, closed or both; the closing columns fill once.
  case lot(LotRow)
  case equity(EquityRow)
  case position(PositionRow)
  case candle(CandleRow)
  /// The run ended in order.
  case ended(timeNanoseconds: Int64)
}
