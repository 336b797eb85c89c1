public import Market
public import Storage
public import Trading

/// How the store is doing, for the API and the screen.
public struct StoreHealth: Sendable, Hashable, Codable {
  /// Facts wait in the journal because the store did not take them; trading goes on.
  public var isDegraded = false
  /// What the store said; nil while all is well.
  public var detail: String?
  /// Journal entries read and not stored yet.
  public var pendingEntries = 0
  /// Failures since the last success.
  public var failureCount = 0
  /// Entries that could not be read as facts; they are in the journal, not in the store.
  public var unreadableEntries = 0
  /// Entries of an earlier run that a replaced store has no place for any more.
  public var lostEntries: UInt64 = 0

  public init() {}
}

/// Brings what the journal says into the store, in order, exactly once.
///
/// The driver follows the journal and offers entries from the index asked for; calling `absorb` with none a few times a
/// second drives the retries. Nothing waits here for a store that is down: what does not fit is asked for again later,
/// the journal keeps it. [any task; one driver]
public actor Archivist {
  /// One entry makes at most two rows.
  private static let entriesPerTransactionMax = 500
  public static let rowsPerTransactionMax = 2 * entriesPerTransactionMax
  /// What is held while the store is down, about 8 MB; the rest stays in the journal.
  public static let pendingEntriesMax = 65_536
  private static let delayNanosecondsMin: Int64 = 100_000_000
  private static let delayNanosecondsMax: Int64 = 5_000_000_000

  private struct Segment {
    var run: RunInfo
    var from: UInt64
    var entries: [JournalEntry]
  }

  private let connect: @Sendable () async throws(StoreError) -> any Store
  private let now: @Sendable () -> Int64
  private var rows: JournalRows
  private var store: (any Store)?
  private var segments: [Segment] = []
  private var current: RunInfo?
  private var next: UInt64 = 0
  private var knownRuns: Set<RunKey> = []
  private var retryAt: Int64 = .min
  private var delayNanoseconds = delayNanosecondsMin
  private var isStoring = false

  public private(set) var health = StoreHealth()

  /// - Parameters:
  ///   - now: a monotonic clock in nanoseconds, for the time between retries.
  ///   - connect: opens the store; called again while it fails.
  public init(
    table: InstrumentTable, now: @escaping @Sendable () -> Int64,
    connect: @escaping @Sendable () async throws(StoreError) -> any Store
  ) {
    rows = JournalRows(table: table)
    self.now = now
    self.connect = connect
  }

  /// Takes entries of a run's journal, the first of them at `index`, and stores what it can.
  ///
  /// - Returns: the index wanted next. Less than `index + entries.count` means: offer again from there, a little later.
  @discardableResult
  public func absorb(
    _ entries: [JournalEntry], from index: UInt64, run: RunInfo
  ) async -> UInt64 {
    if current?.key != run.key {
      current = run
      next = await storedCursor(of: run) ?? index
    }
    if index <= next {
      let known = Int(min(next - index, UInt64(entries.count)))
      let room = Self.pendingEntriesMax - health.pendingEntries
      let taken = Array(entries[known...].prefix(max(room, 0)))
      if !taken.isEmpty {
        segments.append(Segment(run: run, from: next, entries: taken))
        next += UInt64(taken.count)
        health.pendingEntries += taken.count
      }
    }
    await drain()
    return next
  }

  /// Stores everything pending, trying until it is done or the time is over; the last step before the store closes.
  ///
  /// - Returns: whether nothing is pending any more.
  public func finish(withinNanoseconds limit: Int64) async -> Bool {
    let deadline = now() + limit
    while health.pendingEntries > 0, now() < deadline, !Task.isCancelled {
      retryAt = .min
      await drain()
      guard health.pendingEntries > 0 else { break }
      do { try await Task.sleep(nanoseconds: UInt64(Self.delayNanosecondsMin / 2)) } catch { break }
    }
    return health.pendingEntries == 0
  }

  public func close() async {
    await store?.close()
    store = nil
  }

  private func storedCursor(of run: RunInfo) async -> UInt64? {
    guard now() >= retryAt else { return nil }
    do {
      let store = try await connected()
      try await begin(run, in: store)
      return try await store.cursor(of: run.key)
    } catch {
      failed(error)
      return nil
    }
  }

  private func connected() async throws(StoreError) -> any Store {
    if let store { return store }
    let opened = try await connect()
    store = opened
    knownRuns = []
    return opened
  }

  private func begin(_ run: RunInfo, in store: any Store) async throws(StoreError) {
    guard !knownRuns.contains(run.key) else { return }
    try await store.begin(run)
    knownRuns.insert(run.key)
  }

  /// Stores pending entries, oldest first, until none are left or the store fails.
  private func drain() async {
    guard !isStoring, !segments.isEmpty, now() >= retryAt else { return }
    isStoring = true
    defer { isStoring = false }
    while let segment = segments.first {
      let count = min(segment.entries.count, Self.entriesPerTransactionMax)
      let end = segment.from + UInt64(count)
      let before = rows.unreadableCount
      let changes = rows.changes(of: segment.entries.prefix(count), from: segment.from)
      let unreadable = rows.unreadableCount - before
      do {
        let store = try await connected()
        try await begin(segment.run, in: store)
        try await store.store(
          StoreBatch(run: segment.run.key, from: segment.from, next: end, changes: changes))
      } catch {
        if case .gap(let expected, _) = error { rewind(segment.run.key, to: expected) }
        return failed(error)
      }
      health.unreadableEntries += unreadable
      stored(count)
    }
  }

  private func stored(_ count: Int) {
    health.pendingEntries -= count
    if segments[0].entries.count == count {
      segments.removeFirst()
    } else {
      segments[0].entries.removeFirst(count)
      segments[0].from += UInt64(count)
    }
    health.isDegraded = false
    health.detail = nil
    health.failureCount = 0
    delayNanoseconds = Self.delayNanosecondsMin
    retryAt = .min
  }

  private func failed(_ error: StoreError) {
    health.isDegraded = true
    health.detail = "\(error)"
    health.failureCount += 1
    retryAt = now() + delayNanoseconds
    delayNanoseconds = min(delayNanoseconds * 2, Self.delayNanosecondsMax)
  }

  /// The store knows less than was believed: it was replaced. The driver is asked for the missing entries; of a run that
  /// is over they are counted as lost, for nobody reads its journal again.
  private func rewind(_ run: RunKey, to expected: UInt64) {
    for segment in segments where segment.run.key == run {
      health.pendingEntries -= segment.entries.count
      if run != current?.key { health.lostEntries += UInt64(segment.entries.count) }
    }
    segments.removeAll { $0.run.key == run }
    knownRuns.remove(run)
    if run == current?.key { next = expected }
  }
}
