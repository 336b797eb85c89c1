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
  var assignment: String?

  @Option(help: "Only load the plugins of this settings file, and say what is wrong with them.")
  var checkPlugins: String?

  func validate() throws {
    guard (assignment == nil) != (checkPlugins == nil) else {
      throw ValidationError("give either --assignment or --check-plugins")
    }
  }

  func run() async throws {
    if let assignment { return try await BrainProcess.run(assignmentPath: assignment) }
    guard let checkPlugins else { return }
    do { try PluginPreflight.check(settingsFile: checkPlugins) } catch { throw fail("\(error)") }
  }
}
