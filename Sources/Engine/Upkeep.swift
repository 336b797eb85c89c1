import Foundation
import Logging
import Storage
import Tape

/// Lets go of what was kept long enough: old journal segments, old rows, the folders of simulators that are no more.
/// The market tape is the recorder's own business.
struct Upkeep: Sendable {
  static let intervalNanoseconds: UInt64 = 3_600_000_000_000
  private static let dayNanoseconds: Int64 = 86_400_000_000_000

  let directory: DataDirectory
  let scope: StoreScope
  let store: any Store
  let retention: Settings.Retention
  let logger: Logger

  /// Once at the start and every hour, until cancelled.
  func run() async {
    removeOldSimulators()
    while !Task.isCancelled {
      removeOldJournal()
      do {
        let before = Clock.wallNanoseconds() - Int64(retention.storeDays) * Self.dayNanoseconds
        let count = try await store.prune(scope, beforeNanoseconds: before)
        if count > 0 { logger.info("old rows removed", metadata: ["rows": "\(count)"]) }
      } catch {
        logger.warning("old rows could not be removed", metadata: ["error": "\(error)"])
      }
      do { try await Task.sleep(nanoseconds: Self.intervalNanoseconds) } catch { return }
    }
  }

  /// Never touches the newest run: its first entries are what the next start recovers from.
  private func removeOldJournal() {
    do throws(TapeError) {
      guard let newest = try EngineTapes.runs(directory).last else { return }
      let tape = try TapeDirectory(directory: directory.journal.path, name: EngineTapes.journalName)
      let begun = try tape.header(ofSegment: newest.firstSegment).createdNanoseconds
      let cutoff = Clock.wallNanoseconds() - Int64(retention.journalDays) * Self.dayNanoseconds
      let removed = try tape.removeSegments(olderThan: min(begun, cutoff), keepingBytes: nil)
      if !removed.isEmpty { logger.info("old journal removed", metadata: ["segments": "\(removed.count)"]) }
    } catch {
      logger.warning("the old journal could not be removed", metadata: ["error": "\(error)"])
    }
  }

  /// Every start of the simulator leaves a folder of its own, which no later start reads.
  private func removeOldSimulators() {
    let cutoff = Date(timeIntervalSinceNow: -3600 * Double(retention.marketTapeHours))
    do {
      let folders = try FileManager.default.contentsOfDirectory(
        at: directory.root, includingPropertiesForKeys: [.contentModificationDateKey])
      for folder in folders
      where folder.lastPathComponent.hasPrefix("simulator-") && folder.path != directory.base.path {
        let changed = try folder.resourceValues(forKeys: [.contentModificationDateKey])
          .contentModificationDate
        if let changed, changed < cutoff { try FileManager.default.removeItem(at: folder) }
      }
    } catch {
      logger.warning("folders of old simulators could not be removed", metadata: ["error": "\(error)"])
    }
  }
}
