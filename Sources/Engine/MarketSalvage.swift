import Foundation
import Logging
import Market
import SharedMemory
import Tape

/// After an engine that was killed as a whole: what its ring still holds and its recorder had not written yet goes to
/// the tape before the ring is laid out anew, so that its last run can be computed again to the end.
enum MarketSalvage {
  /// Does nothing unless the ring is the one the newest session of the tape was recorded from: the tape's last event
  /// must stand in the ring under its own sequence.
  static func run(regions: SharedRegions, directory: DataDirectory, logger: Logger) {
    guard FileManager.default.fileExists(atPath: regions.ring) else { return }
    do {
      let count = try salvage(regions: regions, directory: directory)
      if count > 0 {
        logger.info(
          "the last market events of a killed engine are on the tape now", metadata: ["count": "\(count)"])
      }
    } catch {
      logger.warning("the ring of a killed engine cannot be read", metadata: ["error": "\(error)"])
    }
  }

  private static func salvage(regions: SharedRegions, directory: DataDirectory) throws -> Int {
    let tape = try TapeDirectory(directory: directory.market.path, name: EngineTapes.marketName)
    guard let segment = try tape.segments().last else { return 0 }
    var reader = try EngineTapes.marketReader(directory, startingAtSegment: segment)
    var last: (sequence: UInt64, event: MarketEvent)?
    while let event = try reader.next() {
      if let sequence = reader.lastSequence { last = (sequence, event) }
    }
    guard let last, var header = reader.header else { return 0 }
    var ring = try EventRingReader<MarketEvent>(path: regions.ring, startingAt: .oldest)
    guard ring.sequence <= last.sequence else { return 0 }
    ring.sequence = last.sequence
    guard case .record(let same) = ring.next(), isSame(same, last.event) else { return 0 }
    guard ring.isReady else { return 0 }
    header.firstSequence = last.sequence + 1
    header.epoch = ring.currentEpoch
    header.createdNanoseconds = Clock.wallNanoseconds()
    var writer = try TapeWriter<MarketEvent>(
      directory: directory.market.path, name: EngineTapes.marketName, header: header,
      recordsPerSegment: ring.capacity)
    var count = 0
    while case .record(let event) = ring.next(), count < ring.capacity {
      try writer.append(event)
      count += 1
    }
    try writer.seal()
    return count
  }

  private static func isSame(_ a: MarketEvent, _ b: MarketEvent) -> Bool {
    withUnsafeBytes(of: a) { left in withUnsafeBytes(of: b) { right in left.elementsEqual(right) } }
  }
}
