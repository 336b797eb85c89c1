import Binance
import BinanceWire
import Logging
import Market
import SharedMemory
import Storage
import Trading

/// Brings closed candles to the Brain: at its start, and whenever trades were missed. From our own store first, then
/// from the venue's klines within the request budget; never both for one candle. They reach the Brain as inputs, so a
/// replay sees them too.
actor HistoryLoader {
  /// Candles of one instrument and timeframe that are missing or incomplete.
  struct Request: Sendable, Hashable {
    var instrument: InstrumentID
    var timeframe: Timeframe
    var from: Instant
    var through: Instant
    /// The run that asks: only it is given the answer.
    var run: UInt32
  }

  /// Requests waiting; more are dropped and counted, and their candles stay incomplete.
  static let queuedMax = 20_000
  /// REST calls of this loader at once.
  static let callsMax = 6
  /// The venue closes a candle a little after its end; asked earlier it would answer with a running one.
  static let settleNanoseconds: Int64 = 1_500_000_000
  private static let klinesMax = 1500

  private let table: InstrumentTable
  private let client: RestClient
  private let store: (any Store)?
  private let scope: StoreScope
  private let usesREST: Bool
  private let logger: Logger
  private var inputs: HandoffProducer<JournalEntry>
  private var queue: [Request] = []
  private var isWorking = false
  /// The newest run that asked for its warm-up.
  private var run: UInt32 = 0
  private(set) var droppedCount = 0

  init(
    table: InstrumentTable, client: RestClient, store: (any Store)?, scope: StoreScope, usesREST: Bool,
    inputs: consuming HandoffProducer<JournalEntry>, logger: Logger
  ) {
    self.table = table
    self.client = client
    self.store = store
    self.scope = scope
    self.usesREST = usesREST
    self.inputs = inputs
    self.logger = logger
  }

  /// What a new run of the Brain asks for: so many closed candles of every instrument, then the word that it has them.
  func warmUp(run: UInt32, bars: [Timeframe: Int]) async {
    guard run > self.run else { return }
    self.run = run
    queue.removeAll()
    let wanted = bars.filter { $0.value > 0 }.sorted { $0.key < $1.key }
    let ids = Array(table.ids)
    var done = 0
    await withTaskGroup(of: Void.self) { group in
      var next = 0
      while next < ids.count || !group.isEmpty {
        while next < min(ids.count, done + Self.callsMax) {
          let id = ids[next]
          next += 1
          group.addTask { await self.warmUp(run, id, wanted) }
        }
        await group.next()
        done += 1
        if done % 50 == 0, done < ids.count {
          logger.info("loading history", metadata: ["instruments": "\(done) of \(ids.count)"])
        }
      }
    }
    guard run == self.run else { return }
    logger.info("history loaded", metadata: ["instruments": "\(ids.count)"])
  }

  private func warmUp(_ run: UInt32, _ id: InstrumentID, _ wanted: [(key: Timeframe, value: Int)]) async {
    for (timeframe, count) in wanted where run == self.run {
      let length = timeframe.nanoseconds
      let now = client.clock.now()
      let newest = timeframe.openTime(of: now).advanced(byNanoseconds: -length)
      let oldest = newest.advanced(byNanoseconds: -length * Int64(count - 1))
      for candle in await candles(
        Request(instrument: id, timeframe: timeframe, from: oldest, through: newest, run: run))
      {
        await push(.history(id, timeframe, candle, time: .never), to: run)
      }
    }
    await push(.instrumentReady(id, time: .never), to: run)
  }

  /// A candle closed incomplete: fetch the whole one when the venue has it.
  func backfill(_ request: Request) {
    guard usesREST else { return }
    guard queue.count < Self.queuedMax else {
      droppedCount += 1
      return
    }
    queue.append(request)
    guard !isWorking else { return }
    isWorking = true
    Task { await work() }
  }

  private func work() async {
    defer { isWorking = false }
    while !queue.isEmpty {
      let request = queue.removeFirst()
      let due = request.through.nanoseconds + request.timeframe.nanoseconds + Self.settleNanoseconds
      let wait = due - client.clock.now().nanoseconds
      if wait > 0 {
        do { try await Task.sleep(nanoseconds: UInt64(min(wait, 60_000_000_000))) } catch { return }
      }
      for candle in await candles(request) {
        await push(.history(request.instrument, request.timeframe, candle, time: .never), to: request.run)
      }
    }
  }

  /// Complete closed candles of the range, oldest first: what the store holds, the rest from the venue.
  private func candles(_ request: Request) async -> [Candle] {
    let stored = await storedCandles(request)
    let length = request.timeframe.nanoseconds
    let wantedCount = Int(request.through.nanoseconds(since: request.from) / length) + 1
    guard stored.count < wantedCount, usesREST else { return stored }
    // Everything after the last one of an unbroken stored beginning is asked for.
    var expected = request.from
    for candle in stored where candle.openTime == expected {
      expected = expected.advanced(byNanoseconds: length)
    }
    let count = min(Int(request.through.nanoseconds(since: expected) / length) + 1, Self.klinesMax)
    let call = OrderRequests(table: table).klines(
      request.instrument, request.timeframe, start: expected,
      end: request.through.advanced(byNanoseconds: length - 1), limit: max(count, 1))
    do {
      let answer = try await client.send(call, patienceMilliseconds: 120_000)
      guard answer.status == 200 else {
        logger.warning(
          "history was refused",
          metadata: ["instrument": "\(table[request.instrument].symbol)", "status": "\(answer.status)"])
        return stored
      }
      let fetched = try RestAnswers(table: table).klines(
        answer.body, of: request.instrument, now: client.clock.now())
      let known = stored.filter { $0.openTime < expected }
      return known + fetched.filter { $0.openTime >= expected && $0.openTime <= request.through }
    } catch {
      logger.warning(
        "history could not be had",
        metadata: ["instrument": "\(table[request.instrument].symbol)", "error": "\(error)"])
      return stored
    }
  }

  private func storedCandles(_ request: Request) async -> [Candle] {
    guard let store else { return [] }
    do {
      let rows = try await store.candles(
        scope, symbol: table[request.instrument].symbol, timeframe: request.timeframe,
        fromNanoseconds: request.from.nanoseconds, limit: Self.klinesMax)
      let rules = table[request.instrument].rules
      return rows.compactMap { row in
        guard row.openTimeNanoseconds <= request.through.nanoseconds, let candle = row.candle(rules: rules),
          candle.flags.contains(.complete)
        else { return nil }
        return candle
      }
    } catch {
      return []  // the store says so itself, in its health; history then comes from the venue
    }
  }

  /// The run rides in the entry's position, which the Brain sets anew when it takes it.
  private func push(_ entry: JournalEntry, to run: UInt32) async {
    guard run == self.run else { return }
    var entry = entry
    entry.position = UInt64(run)
    while !inputs.tryPush(entry) {
      // The Brain is busy or away: it takes its inputs before the market, so this ends when it is back.
      do { try await Task.sleep(nanoseconds: 2_000_000) } catch { return }
    }
  }
}
