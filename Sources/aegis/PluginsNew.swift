import ArgumentParser
import Engine
import Foundation

extension Plugins {
  /// `aegis plugins new`
  struct New: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a new plugin: files, build, validation.",
      discussion: """
        The folder NAME gets a strategy that runs, its test, its build files and its own copy of the plugin SDK; it
        needs nothing outside. Languages: \(PluginScaffold.Language.allCases.map(\.rawValue).joined(separator: ", ")).
        Exit codes: 0 made, built and valid; 1 something failed; 2 wrong usage; 3 the compiler or the SDK is not there.
        """)

    @Argument(help: "The plugin's id and folder: 1–64 of a–z, 0–9, '-' and '_'.") var name: String
    @Option(name: .customLong("lang"), help: "The language.") var language = ""
    @Option(help: "Where to make the folder; default: here.") var directory = "."
    @Option(help: "The SDK to copy; default: the one beside this program.") var sdk: String?
    @Flag(help: "Make the files only.") var noBuild = false
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      do {
        let scaffold = try PluginScaffold(
          name: name, language: language, parent: directory, sdk: sdk, builds: !noBuild,
          searchPath: ProcessInfo.processInfo.environment["PATH"] ?? "")
        var report = try scaffold.write()
        say("created \(report.directory)/  \(report.files.joined(separator: "  "))")
        say("sdk/ is a copy of plugin SDK \(report.sdkVersion), ABI \(report.abiVersion)")
        if !noBuild {
          say("building with make …")
          try await scaffold.build(&report)
          say("built \(report.library)")
          try await scaffold.validate(&report)
        }
        for check in report.checks {
          say(
            " \(check.result.padding(toLength: 7, withPad: " ", startingAt: 0)) \(check.check): \(check.detail)"
          )
        }
        if json {
          let encoder = JSONEncoder()
          encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
          print(String(decoding: try encoder.encode(report), as: UTF8.self))
        }
        if report.isValid == false { throw fail("\(report.library) does not pass validation") }
        say(
          "next: cd \(quoted(report.directory)) && make test; edit the strategy, then: make && make validate")
      } catch let error as PluginScaffoldError {
        throw fail(error, exitCode: error.exitCode)
      }
    }

    /// A path as a shell reads it.
    private func quoted(_ path: String) -> String {
      let isPlain = path.allSatisfy { $0.isLetter || $0.isNumber || "/._-".contains($0) }
      return isPlain ? path : "'\(path.replacing("'", with: "'\\''"))'"
    }

    /// A line for people, which JSON takes the place of.
    private func say(_ line: String) {
      if !json { FileHandle.standardOutput.write(Data("\(line)\n".utf8)) }
    }
  }
}
