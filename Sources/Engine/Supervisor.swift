import Foundation
import Glibc
public import Logging
import Subprocess
import Synchronization
import SystemPackage

/// Keeps one child process alive: starts it, waits, starts it again with growing delay, until told to stop.
///
/// Children get their own process group, so that Ctrl-C at a terminal reaches the Orchestrator alone and the drain
/// keeps its order. A child whose heartbeat stands still is killed here and restarted like any other end.
public final class Supervisor: Sendable {
  public let name: String
  private let executable: String
  private let arguments: [String]
  private let environment: [String: String]
  private let removedVariables: [String]
  private let isRestarted: Bool
  private let onLine: @Sendable (String) -> Void
  private let logger: Logger
  private let processID = Atomic<Int32>(0)
  private let isStopping = Atomic<Bool>(false)
  private let restartCount = Atomic<Int>(0)
  private let isHung = Atomic<Bool>(false)
  private let onEnd: @Sendable (Ending) -> Void

  /// How a child ended by itself.
  public struct Ending: Sendable {
    /// The signal that killed it; nil when it exited.
    public var signal: Int32?
    /// It was killed here because its heartbeat stood still.
    public var wasHung: Bool
    public var text: String
  }

  /// - Parameters:
  ///   - environment: variables set on top of our own.
  ///   - removedVariables: variables the child must not see, such as keys.
  ///   - isRestarted: false for a child whose state dies with it; its end is then final.
  ///   - onEnd: told of every end that was not asked for, before the next start.
  ///   - onLine: gets every line the child writes to standard output.
  public init(
    name: String, executable: String, arguments: [String], environment: [String: String] = [:],
    removedVariables: [String] = [], isRestarted: Bool = true, logger: Logger,
    onEnd: @escaping @Sendable (Ending) -> Void = { _ in },
    onLine: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.name = name
    self.executable = executable
    self.arguments = arguments
    self.environment = environment
    self.removedVariables = removedVariables
    self.isRestarted = isRestarted
    self.logger = logger
    self.onLine = onLine
    self.onEnd = onEnd
  }

  /// 0 while there is no child.
  public var currentProcessID: Int32 { processID.load(ordering: .acquiring) }
  public var restarts: Int { restartCount.load(ordering: .relaxed) }

  /// Runs the child until `stop` or cancellation; returns when it has ended for good.
  public func run() async {
    var schedule = RestartSchedule()
    while !isStopping.load(ordering: .acquiring), !Task.isCancelled {
      let (status, signal) = await runOnce()
      let wasHung = isHung.exchange(false, ordering: .relaxed)
      if isStopping.load(ordering: .acquiring) || Task.isCancelled { break }
      onEnd(Ending(signal: signal, wasHung: wasHung, text: status))
      guard isRestarted else {
        logger.error("child process ended", metadata: ["process": "\(name)", "status": "\(status)"])
        break
      }
      let delay = schedule.delayNanoseconds(afterEndAt: Clock.monotonicNanoseconds())
      restartCount.add(1, ordering: .relaxed)
      logger.warning(
        "child process ended, starting it again",
        metadata: [
          "process": "\(name)", "status": "\(status)", "delayMilliseconds": "\(delay / 1_000_000)",
          "ends": "\(schedule.endCount)",
        ])
      do {
        try await Task.sleep(nanoseconds: UInt64(delay))
      } catch {
        break  // cancelled: the engine is going down
      }
    }
  }

  /// After this the child is not started again. Ending it is the caller's choice: by the control page, or `signal`.
  public func stop() { isStopping.store(true, ordering: .releasing) }

  /// Sends a signal to the child, if there is one.
  public func signal(_ number: Int32) {
    let child = currentProcessID
    if child > 0 { kill(child, number) }
  }

  /// Kills a child that does not move any more.
  public func killHung() {
    isHung.store(true, ordering: .relaxed)
    signal(SIGKILL)
  }

  private func runOnce() async -> (String, Int32?) {
    var updates: [Environment.Key: String?] = [:]
    // Seconds of writing a trace would be seconds without a Brain; who wants one sets the variable.
    if ProcessInfo.processInfo.environment["SWIFT_BACKTRACE"] == nil {
      updates["SWIFT_BACKTRACE"] = "enable=no"
    }
    for (key, value) in environment { updates[Environment.Key(stringLiteral: key)] = value }
    for key in removedVariables { updates[Environment.Key(stringLiteral: key)] = String?.none }
    var options = PlatformOptions()
    options.processGroupID = 0
    do {
      let result = try await Subprocess.run(
        .path(FilePath(executable)), arguments: Arguments(arguments), environment: .inherit.updating(updates),
        platformOptions: options, input: .none, output: .sequence, error: .currentStandardError
      ) { execution in
        processID.store(execution.processIdentifier.value, ordering: .releasing)
        for try await line in execution.standardOutput.strings() {
          onLine(line)
        }
      }
      processID.store(0, ordering: .releasing)
      var signal: Int32?
      if case .signaled(let number) = result.terminationStatus { signal = number }
      return ("\(result.terminationStatus)", signal)
    } catch {
      processID.store(0, ordering: .releasing)
      return ("could not be started: \(error)", nil)
    }
  }
}
