import ArgumentParser
import Engine

/// Started by `aegis run`; not for people.
struct Feed: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "The process that owns the market sockets.", shouldDisplay: false)

  @Option(help: "File written by `aegis run`.")
  var assignment: String

  func run() async throws { try await FeedProcess.run(assignmentPath: assignment) }
}

/// Started by `aegis run`; not for people.
struct Brain: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "The process that decides.", shouldDisplay: false)

  @Option(help: "File written by `aegis run`.")
  var assignment: String

  func run() async throws { try await BrainProcess.run(assignmentPath: assignment) }
}
