import Foundation
import Glibc
import Logging
import Market
import PluginHost
import SharedMemory
import Synchronization
import Trading

/// Looks after the plugins at work from a thread of its own in the Brain: reloads, rolls back, watches bad signals,
/// ends what has left. The decision thread only ever swaps instances that stand ready.
final class PluginKeeper: @unchecked Sendable {  // all but `isStopping` belongs to the keeper's own thread
  /// What it works with.
  struct Surroundings {
    var loader: PluginLoader
    var mailbox: PluginMailbox
    /// `aegis-plugin-host`.
    var host: String
    var cacheDirectory: String
    var symbols: [String]
    var settings: Settings.Reload
    var files: PluginRequestFiles
    var policy: PluginPolicy
    var logger: Logger
  }

  let surroundings: Surroundings
  private let control: ControlPage
  var seats: [PluginSeat]
  /// Images mapped beyond the active ones.
  var retiredImageCount = 0
  private var reloadNumberSeen: UInt64
  private var nextStatus: Int64 = 0
  private let isStopping = Atomic<Bool>(false)
  private let hasStopped = DispatchSemaphore(value: 0)

  private static let pollMicroseconds: UInt32 = 20_000
  private static let statusNanoseconds: Int64 = 1_000_000_000
  private static let minuteNanoseconds: Int64 = 60_000_000_000
  /// From here on the number of retired images is worth a warning.
  private static let retiredImagesWarning = 64

  init(_ surroundings: Surroundings, seats: [PluginSeat], control: consuming ControlPage) {
    self.surroundings = surroundings
    self.seats = seats
    reloadNumberSeen = control.reloadNumber
    self.control = control
  }

  func start() {
    writeAtWork()
    Thread.detachNewThread { [self] in
      while !isStopping.load(ordering: .acquiring) {
        // Requests that came while the Brain was starting are in the folder already.
        if control.reloadNumber != reloadNumberSeen {
          reloadNumberSeen = control.reloadNumber
          for request in surroundings.files.takeAll() { carryOut(request) }
          nextStatus = 0
        }
        watch()
        usleep(Self.pollMicroseconds)
      }
      hasStopped.signal()
    }
  }

  /// Ends the thread; call while the decision thread still answers, or after it has ended.
  func stop() {
    isStopping.store(true, ordering: .releasing)
    hasStopped.wait()
  }

  // MARK: Requests

  private func carryOut(_ request: PluginRequest) {
    var report = ReloadReport(request: request, files: surroundings.files, logger: surroundings.logger)
    let unknown = request.plugins.filter { id in !seats.contains { $0.descriptor.id == id } }
    for id in unknown {
      let known = seats.map(\.descriptor.id).joined(separator: ", ")
      report.add(
        id, "refused", "no such plugin at work; there are \(known.isEmpty ? "none" : known)", failed: true)
    }
    for index in seats.indices
    where request.plugins.isEmpty || request.plugins.contains(seats[index].descriptor.id) {
      switch request.action {
      case .reload: reload(index, request, &report)
      case .rollback: rollBack(index, reason: "asked for", &report)
      }
    }
    report.finish()
    writeAtWork()
  }

  /// What a Brain that starts again should load.
  private func writeAtWork() {
    do { try PluginsAtWork(seats).write(in: URL(filePath: surroundings.cacheDirectory)) } catch {
      surroundings.logger.warning(
        "the plugins at work cannot be written down", metadata: ["error": "\(error)"])
    }
  }

  /// Ends what left the set.
  func endRemoved(_ answer: PluginMailbox.Answer) {
    for plugin in answer.removed {
      surroundings.loader.end(plugin)
      retiredImageCount += 1
      if retiredImageCount == Self.retiredImagesWarning {
        surroundings.logger.warning(
          "former versions of plugins stay mapped until a restart",
          metadata: ["images": "\(retiredImageCount)"])
      }
    }
  }

  /// Asks for a change and ends what left by it.
  ///
  /// - Returns: nil when the decision thread did not answer.
  func change(_ index: Int, _ change: PluginChange, candidate: DetachedPlugin? = nil) -> PluginMailbox.Answer?
  {
    let answer = surroundings.mailbox.ask(.change(seat: index, change, candidate: candidate))
    if let answer { endRemoved(answer) }
    return answer
  }

  func rollBack(_ index: Int, reason: String, _ report: inout ReloadReport) {
    let seat = seats[index]
    guard let probation = seat.probation else {
      report.add(
        seat.descriptor.id, "refused", "there is no former version to go back to: probation is over",
        failed: true)
      return
    }
    guard let answer = change(index, .rolledBack) else {
      return report.add(seat.descriptor.id, "refused", ReloadReport.noAnswer, failed: true)
    }
    let left = seats[index].descriptor
    seats[index].refusedHashes[left.sha256] = "was rolled back (\(reason))"
    seats[index].descriptor = probation.former
    seats[index].isolated = probation.isolated
    seats[index].generation += 1
    seats[index].probation = nil
    seats[index].sinceNanoseconds = Clock.wallNanoseconds()
    seats[index].watched = (answer.counters.refusedCount, Clock.monotonicNanoseconds())
    report.add(
      left.id, "rolled back",
      "to \(probation.former.version) at position \(answer.position), pause \(ReloadReport.pause(answer)); \(reason)"
    )
  }

  // MARK: Watching

  private func watch() {
    let now = Clock.monotonicNanoseconds()
    guard now >= nextStatus else { return }
    nextStatus = now + Self.statusNanoseconds
    for index in seats.indices {
      guard let answer = surroundings.mailbox.ask(.look(seat: index)) else { continue }
      endRemoved(answer)
      seats[index].counters = answer.counters
      watchProcess(index)
      watchSignals(index, now)
      endProbation(index, now)
    }
    writeStatus()
  }

  private func watchSignals(_ index: Int, _ now: Int64) {
    let seat = seats[index]
    let count = seat.counters.refusedCount
    if count < seat.watched.refusedCount || now - seat.watched.sinceNanoseconds >= Self.minuteNanoseconds {
      seats[index].watched = (count, now)
      return
    }
    guard seat.suspension == nil, count - seat.watched.refusedCount >= surroundings.settings.badSignalsMax
    else {
      return
    }
    let reason = "\(count - seat.watched.refusedCount) bad signals within a minute"
    seats[index].watched = (count, now)
    if seat.probation != nil {
      var report = ReloadReport(request: nil, files: surroundings.files, logger: surroundings.logger)
      rollBack(index, reason: reason, &report)
      writeAtWork()
      return
    }
    guard change(index, .suspended(true)) != nil else { return }
    seats[index].suspension = reason
    seats[index].refusedHashes[seat.descriptor.sha256] = reason
    quarantine(index, reason: reason, phase: .process)
    writeAtWork()
    surroundings.logger.error(
      "plugin taken out of service", metadata: ["plugin": "\(seat.descriptor.id)", "reason": "\(reason)"])
  }

  private func endProbation(_ index: Int, _ now: Int64) {
    guard let probation = seats[index].probation, now >= probation.untilNanoseconds,
      change(index, .shadowEnded) != nil
    else { return }
    seats[index].probation = nil
    surroundings.logger.info(
      "probation passed",
      metadata: ["plugin": "\(seats[index].descriptor.id)", "version": "\(seats[index].descriptor.version)"])
  }

  private func writeStatus() {
    let status = PluginsAnswer(plugins: seats.map(PluginRuntime.init), retiredImages: retiredImageCount)
    do {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      try encoder.encode(status).write(to: surroundings.files.statusFile, options: .atomic)
    } catch {
      surroundings.logger.warning("the plugins' status cannot be written", metadata: ["error": "\(error)"])
    }
  }
}

/// What happened, told to the log and to whoever asked.
struct ReloadReport {
  let request: PluginRequest?
  let files: PluginRequestFiles
  let logger: Logger
  private var hasFailed = false
  private var stepStart = Clock.monotonicNanoseconds()

  static let noAnswer = "the decision thread did not answer; nothing was changed"

  init(request: PluginRequest?, files: PluginRequestFiles, logger: Logger) {
    self.request = request
    self.files = files
    self.logger = logger
  }

  /// Adds a step with the time since the one before.
  mutating func add(_ plugin: String, _ step: String, _ text: String, failed: Bool = false) {
    let now = Clock.monotonicNanoseconds()
    write(
      PluginStep(
        plugin: plugin, step: step, text: text, milliseconds: Double(now - stepStart) / 1e6, isFailure: failed
      ))
    stepStart = now
    hasFailed = hasFailed || failed
    logger.log(
      level: failed ? .error : .info, "plugin \(step)",
      metadata: ["plugin": "\(plugin)", "detail": "\(text)"])
  }

  mutating func finish() {
    write(PluginStep(plugin: "", step: "done", text: "", milliseconds: 0, isFailure: hasFailed))
  }

  private func write(_ step: PluginStep) {
    // Nobody waits for what nobody asked for by name.
    guard let request, request.id != PluginRequest.hangUp.id else { return }
    do { try files.append(step, to: request.id) } catch {
      logger.warning("the answer to a plugin request cannot be written", metadata: ["error": "\(error)"])
    }
  }

  static func pause(_ answer: PluginMailbox.Answer) -> String {
    String(format: "%.1f µs", Double(answer.pauseNanoseconds) / 1000)
  }
}
