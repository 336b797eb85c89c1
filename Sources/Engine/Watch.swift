import Glibc
import Logging
import SharedMemory
import Storage

/// Looks at every child once a second: tells the board how it is, and ends one whose heartbeat stands still, so that
/// its supervisor starts it again.
struct Watch: Sendable {
  /// A child that shows no progress for so long hangs. It beats ten times a second, also when there is nothing to do.
  static let hangNanosecondsMax: Int64 = 10_000_000_000
  /// A child may take this long from its start to its first beat: recovery reads the journal.
  static let startNanosecondsMax: Int64 = 30_000_000_000

  let board: HealthBoard
  let children: [Supervisor]
  let simulator: Supervisor?
  let regions: SharedRegions
  let archivist: Archivist
  let logger: Logger

  func run() async {
    do {
      try await watch()
    } catch {
      logger.error("the counters cannot be read, hangs go unnoticed", metadata: ["error": "\(error)"])
    }
  }

  private func watch() async throws {
    let reader = try CounterReader(path: regions.counters)
    var started: [String: (process: Int32, since: Int64)] = [:]
    while !Task.isCancelled {
      let now = Clock.monotonicNanoseconds()
      var views: [ProcessView] = []
      for child in children {
        let process = child.currentProcessID
        if started[child.name]?.process != process { started[child.name] = (process, now) }
        let since = started[child.name]?.since ?? now
        let lane = ProcessLane.allCases.first { $0.name == child.name }
        let beat = lane.map { reader.snapshot(lane: $0.rawValue).heartbeatNanoseconds } ?? 0
        let age = beat > since ? now - beat : nil
        views.append(
          ProcessView(
            name: child.name, pid: process,
            state: process == 0 ? "restarting" : age == nil ? "starting" : "running",
            heartbeatAgeMilliseconds: age.map { max(0, $0) / 1_000_000 }, restartCount: child.restarts))
        let isHanging =
          age.map { $0 > Self.hangNanosecondsMax } ?? (now - since > Self.startNanosecondsMax)
        if process != 0, isHanging {
          logger.error(
            "child process hangs, ending it", metadata: ["process": "\(child.name)", "pid": "\(process)"])
          child.killHung()
          started[child.name] = nil
        }
      }
      if let simulator {
        let process = simulator.currentProcessID
        views.append(
          ProcessView(
            name: simulator.name, pid: process, state: process == 0 ? "ended" : "running",
            heartbeatAgeMilliseconds: nil))
      }
      board.set(processes: views)
      do { try await Task.sleep(nanoseconds: 500_000_000) } catch { return }
    }
  }
}

/// Paints the live table while a person watches.
struct LiveScreen: Sendable {
  let board: HealthBoard

  func run() async {
    print(LiveTable.opening, terminator: "")
    while !Task.isCancelled {
      if let size = TerminalSize.ofStandardOutput() {
        print(LiveTable.painted(LiveTable.render(board.view(), size: size)), terminator: "")
        fflush(nil)
      }
      do { try await Task.sleep(nanoseconds: 500_000_000) } catch { break }
    }
    print(LiveTable.closing, terminator: "")
    fflush(nil)
  }
}
