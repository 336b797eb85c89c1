import Foundation
import Glibc
import Logging
public import SimulatorServer

/// `aegis simulate`: the simulator as a process of its own.
public enum SimulateProcess {
  /// Serves until SIGTERM or SIGINT, or until the process that started it is gone when `endsWithParent`.
  ///
  /// Prints its addresses on standard output, one line of JSON, when both ports answer.
  public static func run(_ options: SimulatorOptions, endsWithParent: Bool) async throws {
    var logger = Logger(label: "aegis.simulator") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = .warning
    let server = SimulatorServer(options: options, logger: logger)
    let signals = TerminationSignals()
    let parent = getppid()
    let serving = Task {
      try await server.run { addresses in
        print(addresses.json)
        fflush(nil)
      }
    }
    let watching = Task {
      while !Task.isCancelled {
        if signals.count > 0 || endsWithParent && getppid() != parent { break }
        try await Task.sleep(nanoseconds: 50_000_000)
      }
      serving.cancel()
    }
    defer { watching.cancel() }
    try await serving.value
  }
}
