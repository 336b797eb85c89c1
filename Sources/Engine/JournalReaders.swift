import Foundation
import Logging
import Market
import Storage
import Synchronization
import Tape
import Trading

/// The two followers of the journal: one keeps the board and asks for missing history, the other fills the store.
final class JournalReaders: Sendable {
  private static let napNanoseconds: UInt64 = 50_000_000
  /// How long the store gets at the end to take what is left.
  private static let finishNanoseconds: Int64 = 5_000_000_000

  private let directory: DataDirectory
  private let scope: StoreScope
  private let board: HealthBoard
  private let archivist: Archivist
  private let loader: HistoryLoader
  private let settings: Settings
  private let logger: Logger
  /// Runs up to this one ended before this engine started: they are in the store's care alone.
  private let lastRunBefore: UInt32
  private let isEnding = Atomic<Bool>(false)
  private let screenEnded = Atomic<Bool>(false)
  private let storeEnded = Atomic<Bool>(false)

  init(
    directory: DataDirectory, scope: StoreScope, board: HealthBoard, archivist: Archivist,
    loader: HistoryLoader,
    settings: Settings, lastRunBefore: UInt32, logger: Logger
  ) {
    self.directory = directory
    self.scope = scope
    self.board = board
    self.archivist = archivist
    self.loader = loader
    self.settings = settings
    self.lastRunBefore = lastRunBefore
    self.logger = logger
  }

  /// Feeds the board, and the history loader: a new run wants its warm-up, an incomplete candle its trades.
  func followForScreen() async {
    defer { screenEnded.store(true, ordering: .releasing) }
    await follow { [self] batch in
      guard batch.run > lastRunBefore else { return true }
      board.absorb(batch.entries, from: batch.from)
      for entry in batch.entries { await react(to: entry, run: batch.run) }
      return true
    }
  }

  /// Feeds the store. A store that is away makes this one wait, and nothing else.
  func followForStore() async {
    defer { storeEnded.store(true, ordering: .releasing) }
    await follow { [self] batch in
      let run = RunInfo(
        key: RunKey(scope: scope, run: Int64(batch.run)),
        startedNanoseconds: startedNanoseconds(of: batch), version: EngineVersion.text,
        settings: SettingsRendering.json(settings))
      var offset = 0
      while true {
        let wanted = await archivist.absorb(
          Array(batch.entries[offset...]), from: batch.from + UInt64(offset), run: run)
        board.set(store: await archivist.health)
        if wanted >= batch.from + UInt64(batch.entries.count) { return true }
        guard wanted >= batch.from, await nap() else { return wanted >= batch.from }
        offset = Int(wanted - batch.from)
      }
    }
    _ = await archivist.finish(withinNanoseconds: Self.finishNanoseconds)
    board.set(store: await archivist.health)
  }

  /// From the run's own record; without one, the first time its entries carry.
  private func startedNanoseconds(of batch: JournalFollower.Batch) -> Int64 {
    do {
      return try RunRecord.read(from: directory.runRecord(batch.run)).startedMilliseconds * 1_000_000
    } catch {
      return batch.entries.first { $0.time > .never }?.time.nanoseconds ?? 0
    }
  }

  /// Reads what is left, waits for both, within the time.
  func finish() async {
    isEnding.store(true, ordering: .releasing)
    let deadline = Clock.monotonicNanoseconds() + 2 * Self.finishNanoseconds
    while !(screenEnded.load(ordering: .acquiring) && storeEnded.load(ordering: .acquiring)),
      Clock.monotonicNanoseconds() < deadline, await nap()
    {}
  }

  private func react(to entry: JournalEntry, run: UInt32) async {
    switch entry.kind {
    case .runStarted:
      do {
        let record = try RunRecord.read(from: directory.runRecord(run))
        var bars: [Timeframe: Int] = [:]
        for (name, count) in record.warmUpBars {
          if let timeframe = Timeframe(name: name) { bars[timeframe] = count }
        }
        Task { [loader, bars] in await loader.warmUp(run: run, bars: bars) }
      } catch {
        logger.error("the run's record cannot be read", metadata: ["run": "\(run)", "error": "\(error)"])
      }
    case .candleClosed:
      guard let (timeframe, candle) = entry.candle, timeframe == .minute1, !candle.flags.contains(.complete)
      else {
        return
      }
      await loader.backfill(
        HistoryLoader.Request(
          instrument: entry.instrument, timeframe: timeframe, from: candle.openTime, through: candle.openTime,
          run: run))
    default: return  // every other fact is for the board alone
    }
  }

  private func follow(_ take: (JournalFollower.Batch) async -> Bool) async {
    var waiting: JournalFollower?
    while waiting == nil {
      do throws(TapeError) {
        waiting = try JournalFollower(directory)
      } catch {
        logger.error("the journal cannot be read", metadata: ["error": "\(error)"])
        guard await nap() else { return }
      }
    }
    guard var follower = waiting.take() else { return }
    var lastError: TapeError?
    while true {
      let isLast = isEnding.load(ordering: .acquiring)
      do throws(TapeError) {
        while let batch = try follower.next() {
          while !(await take(batch)) {
            guard await nap() else { return }
          }
        }
        lastError = nil
      } catch {
        if lastError != error {
          logger.error("the journal cannot be read on", metadata: ["error": "\(error)"])
        }
        lastError = error
      }
      guard !isLast, await nap() else { return }
    }
  }

  private func nap() async -> Bool {
    do {
      try await Task.sleep(nanoseconds: Self.napNanoseconds)
      return true
    } catch {
      return false  // cancelled
    }
  }
}
