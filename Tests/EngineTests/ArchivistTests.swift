import Foundation
import Market
import Storage
import Synchronization
import Testing
import Trading

@testable import Engine

@Suite("The archivist")
struct ArchivistTests {
  private typealias Samples = JournalSamples

  private static func temporaryStore() throws -> SQLiteStore {
    try SQLiteStore(
      path: FileManager.default.temporaryDirectory.appending(path: "aegis-\(UUID().uuidString).sqlite").path)
  }

  /// A clock that stands still until it is moved.
  private final class HandClock: Sendable {
    private let nanoseconds = Mutex<Int64>(0)
    func now() -> Int64 { nanoseconds.withLock { $0 } }
    func advance(_ seconds: Int64) { nanoseconds.withLock { $0 += seconds * 1_000_000_000 } }
  }

  /// What is stored in the end, for comparing.
  private static func everything(_ store: some Store, _ scope: StoreScope) async throws -> [String] {
    var rows: [String] = []
    rows += try await store.trades(scope, run: nil, limit: storeRowsMax).map { "\($0)" }
    rows += try await store.signals(scope, run: nil, limit: storeRowsMax).map { "\($0)" }
    rows += try await store.orders(scope, run: nil, limit: storeRowsMax).map { "\($0)" }
    rows += try await store.fills(scope, run: nil, limit: storeRowsMax).map { "\($0)" }
    rows += try await store.lots(scope, run: nil, limit: storeRowsMax).map { "\($0)" }
    return rows
  }

  @Test("stores what it is given before it returns")
  func storesAtOnce() async throws {
    let store = try Self.temporaryStore()
    let archivist = Archivist(table: Samples.table, now: { 0 }) { store }
    let day = Samples.day()
    #expect(await archivist.absorb(day, from: 0, run: Samples.run()) == UInt64(day.count))
    #expect(await archivist.health == StoreHealth())
    #expect(try await store.summary(of: Samples.run().key)?.trades == 1)
  }

  @Test("goes on where the store stands after a restart, whatever it is offered")
  func resumes() async throws {
    let store = try Self.temporaryStore()
    let day = Samples.day()
    let first = Archivist(table: Samples.table, now: { 0 }) { store }
    await first.absorb(Array(day[..<9]), from: 0, run: Samples.run())
    let second = Archivist(table: Samples.table, now: { 0 }) { store }
    #expect(await second.absorb([], from: 0, run: Samples.run()) == 9)
    #expect(await second.absorb(Array(day[5...]), from: 5, run: Samples.run()) == UInt64(day.count))
    #expect(try await store.cursor(of: Samples.run().key) == UInt64(day.count))
  }

  @Test("asks for what is missing instead of skipping it")
  func asksForTheMissing() async throws {
    let store = try Self.temporaryStore()
    let archivist = Archivist(table: Samples.table, now: { 0 }) { store }
    #expect(await archivist.absorb(Array(Samples.day()[3...]), from: 3, run: Samples.run()) == 0)
    #expect(try await store.cursor(of: Samples.run().key) == 0)
  }

  @Test("a store that fails now and then loses nothing and gets nothing twice", arguments: UInt64(0)..<6)
  func flapping(seed: UInt64) async throws {
    let clock = HandClock()
    let real = try Self.temporaryStore()
    let flapping = FlappingStore(real, seed: seed)
    let archivist = Archivist(table: Samples.table, now: clock.now) { () throws(StoreError) in
      try flapping.checked()
      return flapping
    }
    var random = SeededRandom(seed: seed)
    let journal = (0..<40).flatMap { _ in Samples.day() }
    let run = Samples.run()
    var next: UInt64 = 0
    var sawDegraded = false
    for _ in 0..<20_000 {
      if await archivist.health.pendingEntries == 0, next == UInt64(journal.count) { break }
      let from = Int(next)
      let count = min(Int(random.below(60)), journal.count - from)
      next = await archivist.absorb(Array(journal[from..<from + count]), from: next, run: run)
      if await archivist.health.isDegraded { sawDegraded = true }
      clock.advance(Int64(random.below(3)))
    }
    let health = await archivist.health
    #expect(sawDegraded, "seed \(seed)")
    #expect(
      health.pendingEntries == 0 && health.lostEntries == 0 && !health.isDegraded, "seed \(seed): \(health)")
    let straight = try Self.temporaryStore()
    let other = Archivist(table: Samples.table, now: { 0 }) { straight }
    await other.absorb(journal, from: 0, run: run)
    #expect(
      try await Self.everything(real, run.key.scope) == Self.everything(straight, run.key.scope),
      "seed \(seed)")
    #expect(try await real.cursor(of: run.key) == UInt64(journal.count))
  }

  @Test("holds a bounded part of the journal while the store is away, and asks for the rest later")
  func bounded() async throws {
    let clock = HandClock()
    let isThere = Mutex(false)
    let store = try Self.temporaryStore()
    let archivist = Archivist(table: Samples.table, now: clock.now) { () throws(StoreError) in
      guard isThere.withLock({ $0 }) else { throw .unavailable(detail: "away") }
      return store
    }
    let run = Samples.run()
    let entry = JournalEntry.clock(time: Samples.at(1))
    let many = Array(repeating: entry, count: Archivist.pendingEntriesMax + 1000)
    let next = await archivist.absorb(many, from: 0, run: run)
    #expect(next == UInt64(Archivist.pendingEntriesMax))
    let health = await archivist.health
    #expect(health.isDegraded && health.pendingEntries == Archivist.pendingEntriesMax)
    #expect(health.detail?.contains("away") == true)

    isThere.withLock { $0 = true }
    clock.advance(10)
    // full when offered
    #expect(await archivist.absorb(Array(many[Int(next)...]), from: next, run: run) == next)
    #expect(await archivist.absorb(Array(many[Int(next)...]), from: next, run: run) == UInt64(many.count))
    #expect(try await store.cursor(of: run.key) == UInt64(many.count))
    #expect(await archivist.health == StoreHealth())
  }

  @Test("waits longer after every failure, up to a limit, and does not ask in between")
  func backsOff() async throws {
    let clock = HandClock()
    let attempts = Mutex(0)
    let archivist = Archivist(table: Samples.table, now: clock.now) { () throws(StoreError) -> any Store in
      attempts.withLock { $0 += 1 }
      throw .unavailable(detail: "away")
    }
    await archivist.absorb([.clock(time: .never)], from: 0, run: Samples.run())
    let early = attempts.withLock { $0 }
    for _ in 0..<50 { await archivist.absorb([], from: 1, run: Samples.run()) }
    #expect(attempts.withLock { $0 } == early)
    for _ in 0..<600 {
      clock.advance(1)
      await archivist.absorb([], from: 1, run: Samples.run())
    }
    let total = attempts.withLock { $0 } - early
    #expect((100...130).contains(total), "\(total) attempts in ten minutes")
  }

  @Test("a store that was replaced gets the run again from its beginning")
  func replacedStore() async throws {
    let clock = HandClock()
    let stores = [try Self.temporaryStore(), try Self.temporaryStore()]
    let switching = FlappingStore(stores[0], seed: nil)
    let archivist = Archivist(table: Samples.table, now: clock.now) { switching }
    let day = Samples.day()
    await archivist.absorb(Array(day[..<5]), from: 0, run: Samples.run())
    switching.replace(with: stores[1])
    #expect(await archivist.absorb(Array(day[5...]), from: 5, run: Samples.run()) == 0)
    clock.advance(10)
    #expect(await archivist.absorb(day, from: 0, run: Samples.run()) == UInt64(day.count))
    #expect(try await stores[1].summary(of: Samples.run().key)?.trades == 1)
    #expect(await archivist.health.lostEntries == 0)
  }

  @Test("an entry that cannot be read is counted and does not stop the rest")
  func unreadableEntries() async throws {
    let store = try Self.temporaryStore()
    let archivist = Archivist(table: Samples.table, now: { 0 }) { store }
    var foreign = Samples.signal(InstrumentID(4000), position: 1, second: 1)
    foreign.position = 1
    let broken = JournalEntry(.verdict, detail: 9999, instrument: Samples.bitcoin, time: .never)
    await archivist.absorb([foreign, broken] + Samples.day(), from: 0, run: Samples.run())
    #expect(await archivist.health.unreadableEntries == 2)
    #expect(try await store.summary(of: Samples.run().key)?.trades == 1)
  }

  @Test("finishing stores the rest once the store is back, and gives up when it is not")
  func finishing() async throws {
    let store = try Self.temporaryStore()
    let isThere = Mutex(false)
    let start = ContinuousClock.now
    let archivist = Archivist(
      table: Samples.table,
      now: { Int64((ContinuousClock.now - start) / .nanoseconds(1)) }
    ) { () throws(StoreError) in
      guard isThere.withLock({ $0 }) else { throw .unavailable(detail: "away") }
      return store
    }
    await archivist.absorb(Samples.day(), from: 0, run: Samples.run())
    #expect(await archivist.finish(withinNanoseconds: 120_000_000) == false)
    isThere.withLock { $0 = true }
    #expect(await archivist.finish(withinNanoseconds: 5_000_000_000))
    #expect(try await store.summary(of: Samples.run().key)?.trades == 1)
  }
}

/// A store that fails every other time by its seed, before or after it did what was asked.
private final class FlappingStore: Store {
  private struct State {
    var store: any Store
    var random: SeededRandom?
  }
  private let state: Mutex<State>

  init(_ store: any Store, seed: UInt64?) {
    state = Mutex(State(store: store, random: seed.map(SeededRandom.init(seed:))))
  }

  func replace(with store: any Store) { state.withLock { $0.store = store } }

  func checked() throws(StoreError) {
    let fails = state.withLock { state in (state.random?.below(3) ?? 1) == 0 }
    if fails { throw .unavailable(detail: "flapping") }
  }

  private var store: any Store { state.withLock { $0.store } }

  func begin(_ run: RunInfo) async throws(StoreError) {
    try checked()
    try await store.begin(run)
  }
  func cursor(of run: RunKey) async throws(StoreError) -> UInt64 {
    try checked()
    return try await store.cursor(of: run)
  }
  func store(_ batch: StoreBatch) async throws(StoreError) {
    try checked()
    try await store.store(batch)
    try checked()  // stored, and the answer got lost
  }
  func trades(_ scope: StoreScope, run: Int64?, limit: Int) async throws(StoreError) -> [TradeRow] {
    try await store.trades(scope, run: run, limit: limit)
  }
  func signals(_ scope: StoreScope, run: Int64?, limit: Int) async throws(StoreError) -> [SignalRow] {
    try await store.signals(scope, run: run, limit: limit)
  }
  func orders(_ scope: StoreScope, run: Int64?, limit: Int) async throws(StoreError) -> [OrderRow] {
    try await store.orders(scope, run: run, limit: limit)
  }
  func fills(_ scope: StoreScope, run: Int64?, limit: Int) async throws(StoreError) -> [FillRow] {
    try await store.fills(scope, run: run, limit: limit)
  }
  func lots(_ scope: StoreScope, run: Int64?, limit: Int) async throws(StoreError) -> [LotRow] {
    try await store.lots(scope, run: run, limit: limit)
  }
  func equity(_ run: RunKey, limit: Int) async throws(StoreError) -> [EquityRow] {
    try await store.equity(run, limit: limit)
  }
  func positions(atEndOf run: RunKey) async throws(StoreError) -> [PositionRow] {
    try await store.positions(atEndOf: run)
  }
  func candles(
    _ scope: StoreScope, symbol: String, timeframe: Timeframe, fromNanoseconds: Int64, limit: Int
  ) async throws(StoreError) -> [CandleRow] {
    try await store.candles(
      scope, symbol: symbol, timeframe: timeframe, fromNanoseconds: fromNanoseconds, limit: limit)
  }
  func runs(_ scope: StoreScope?, limit: Int) async throws(StoreError) -> [RunInfo] {
    try await store.runs(scope, limit: limit)
  }
  func summary(of run: RunKey) async throws(StoreError) -> RunSummary? { try await store.summary(of: run) }
  func prune(_ scope: StoreScope, beforeNanoseconds: Int64) async throws(StoreError) -> Int {
    try await store.prune(scope, beforeNanoseconds: beforeNanoseconds)
  }
  func close() async { await store.close() }
}
