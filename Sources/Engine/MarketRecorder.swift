import Foundation
import Logging
import Market
import SharedMemory
import Synchronization
import Tape

/// The second reader of the ring: writes every market event to the tape, in the Orchestrator, on its own thread.
///
/// If it is ever lapped, the tape says so: a new segment begins at the sequence after the hole, so a replay refuses to
/// pretend that nothing is missing.
final class MarketRecorder: Sendable {
  /// A segment holds 64 MiB: minutes of a busy market, so retention works in small steps.
  static let recordsPerSegment = 1 << 20
  private static let napNanoseconds: Int64 = 20_000_000

  private let isStopping = Atomic<Bool>(false)
  private let hasEnded = DispatchSemaphore(value: 0)

  /// Starts the thread.
  /// - Parameter header: kind, venue and table version of the tape.
  func start(
    regions: SharedRegions, directory: DataDirectory, header: TapeHeader, retentionHours: Int, logger: Logger
  ) throws {
    var header = header
    let ring = try EventRingReader<MarketEvent>(path: regions.ring, startingAt: .oldest)
    let lane = try CounterLane(path: regions.counters, lane: ProcessLane.recorder.rawValue)
    header.epoch = ring.currentEpoch
    header.firstSequence = ring.sequence
    let writer = try TapeWriter<MarketEvent>(
      directory: directory.market.path, name: EngineTapes.marketName, header: header,
      recordsPerSegment: Self.recordsPerSegment)
    let tape = try TapeDirectory(directory: directory.market.path, name: EngineTapes.marketName)
    let box = Box(
      Recording(
        ring: ring, writer: writer, tape: tape, lane: lane, retentionHours: retentionHours, logger: logger))
    let thread = Thread { [self] in
      box.take().run(until: isStopping)
      hasEnded.signal()
    }
    thread.name = "recorder"
    thread.stackSize = 1 << 20
    thread.start()
  }

  /// Writes what is in the ring, seals the tape, and returns.
  func stop() {
    isStopping.store(true, ordering: .releasing)
    hasEnded.wait()
  }

  /// Carries a noncopyable value into the thread's closure.
  private final class Box: @unchecked Sendable {  // handed over once, before the thread starts
    private var content: Recording?
    init(_ content: consuming Recording) { self.content = consume content }
    func take() -> Recording {
      guard let taken = content.take() else { preconditionFailure("taken once") }
      return taken
    }
  }

  private struct Recording: ~Copyable {
    var ring: EventRingReader<MarketEvent>
    var writer: TapeWriter<MarketEvent>
    let tape: TapeDirectory
    let lane: CounterLane
    let retentionHours: Int
    let logger: Logger
    var recordCount: UInt64 = 0
    var lostCount: UInt64 = 0
    var isFailing = false
    /// Records were lost: the next one begins a segment with its own sequence.
    var hasHole = false

    init(
      ring: consuming EventRingReader<MarketEvent>, writer: consuming TapeWriter<MarketEvent>,
      tape: TapeDirectory, lane: consuming CounterLane, retentionHours: Int, logger: Logger
    ) {
      self.ring = ring
      self.writer = writer
      self.tape = tape
      self.lane = lane
      self.retentionHours = retentionHours
      self.logger = logger
    }

    consuming func run(until isStopping: borrowing Atomic<Bool>) {
      var nextUpkeep: Int64 = 0
      while true {
        let isLast = isStopping.load(ordering: .acquiring)
        copyAll()
        let now = Clock.monotonicNanoseconds()
        lane.set(recordCount, at: RecorderCounter.records.rawValue)
        lane.set(lostCount, at: RecorderCounter.lost.rawValue)
        lane.beat(monotonicNanoseconds: now, progress: recordCount)
        if isLast { break }
        if now >= nextUpkeep {
          nextUpkeep = now + 10_000_000_000
          upkeep()
        }
        _ = ring.wait(spinCount: 0, timeoutNanoseconds: MarketRecorder.napNanoseconds)
      }
      do {
        try writer.seal()
      } catch {
        logger.error("the market tape could not be sealed", metadata: ["error": "\(error)"])
      }
    }

    mutating func copyAll() {
      while true {
        let sequence = ring.sequence
        switch ring.next() {
        case .empty: return
        case .overrun(let lost):
          lostCount += lost
          logger.error(
            "the recorder was lapped: market events are missing on the tape",
            metadata: ["lost": "\(lost)", "fromSequence": "\(sequence)"])
          hasHole = true
        case .record(let event):
          do throws(TapeError) {
            if hasHole {
              try writer.startSegment(
                firstSequence: sequence, epoch: ring.currentEpoch, tableVersion: writer.header.tableVersion)
              hasHole = false
            }
            try writer.append(event)
            recordCount += 1
            isFailing = false
          } catch {
            lostCount += 1
            hasHole = true
            if !isFailing {
              isFailing = true
              logger.error("the market tape cannot be written", metadata: ["error": "\(error)"])
            }
          }
        }
      }
    }

    /// Makes the next segment ready and lets old ones go.
    mutating func upkeep() {
      do throws(TapeError) {
        try writer.prepareNextSegment()
        let oldest = Clock.wallNanoseconds() - Int64(retentionHours) * 3_600_000_000_000
        _ = try tape.removeSegments(olderThan: oldest, keepingBytes: nil)
      } catch {
        logger.warning("upkeep of the market tape failed", metadata: ["error": "\(error)"])
      }
    }
  }
}
