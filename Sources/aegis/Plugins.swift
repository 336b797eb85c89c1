import ArgumentParser
import Engine
import Foundation

struct Plugins: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Look at plugins, make, check, call and trust them, and change them while the engine trades.",
    subcommands: [
      List.self, Info.self, New.self, Validate.self, Trace.self, Call.self, Bind.self, Trust.self,
      Unquarantine.self, Reload.self, Rollback.self,
    ], defaultSubcommand: List.self)

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the plugin folder, with what a running engine does with each.",
      discussion: """
        Files are looked at by processes of their own; what they were is remembered until they change.
        Exit codes: 0 listed, 1 the folder cannot be read.
        """)

    @OptionGroup var options: EngineOptions

    @Option(help: "The folder to look at; default: plugins.directory of the settings.")
    var directory: String?

    @Flag(help: "Look at every file again.") var fresh = false
    @Flag(help: "Load no file, not even in another process: show only what stands in it.") var noRun = false
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      try await PluginReport.finish {
        try await PluginList.report(
          options.settings(), directory: directory, fresh: fresh, runsCode: !noRun, json: json)
      }
    }
  }
}

extension PluginReport {
  /// Prints what `body` reports and ends the command with its exit code.
  static func finish(_ body: () async throws -> PluginReport) async throws {
    let report: PluginReport
    do {
      report = try await body()
    } catch let error as PluginCommandError {
      throw fail(error, exitCode: error.exitCode)
    } catch {
      throw fail("\(error)")
    }
    if let note = report.note { FileHandle.standardError.write(Data("\(note)\n".utf8)) }
    if !report.text.isEmpty { FileHandle.standardOutput.write(Data("\(report.text)\n".utf8)) }
    guard report.exitCode == 0 else { throw ExitCode(report.exitCode) }
  }
}
