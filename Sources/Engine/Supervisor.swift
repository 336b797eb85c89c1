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

  /// - Parameters:
  ///   - environment: variables set on top of our own.
  ///   - removedVariables: variables the child must not see, such as keys.
  ///   - isRestarted: false for a child whose state dies with it; its end is then final.
  ///   - onLine: gets every line the child writes to standard output.
  public init(
    name: String, executable: String, arguments: [String], environment: [String: String] = [:],
    removedVariables: [String] = [], isRestarted: Bool = true, logger: Logger,
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
  }

  /// 0 while there is no child.
  public var currentProcessID: Int32 { processID.load(ordering: .acquiring) }
  public var restarts: Int { restartCount.load(ordering: .relaxed) }

  /// Runs the child until `stop` or cancellation; returns when it has ended for good.
  public func run() async {
    var schedule = RestartSchedule()
    while !isStopping.load(ordering: .acquiring), !Task.isCancelled {
      let status = await runOnce()
      if isStopping.load(ordering: .acquiring) || Task.isCancelled { break }
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

  private func runOnce() async -> String {
    var updates: [Environment.Key: String?] = [:]
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
      return "\(result.terminationStatus)"
    } catch {
      processID.store(0, ordering: .releasing)
      return "could not be started: \(error)"
    }
  }
}
