import Foundation
import Subprocess
import SystemPackage

extension PluginScaffold {
  /// The longest output of a tool that is kept; a build that prints more is broken anyway.
  private static let outputByteCountMax = 8 << 20
  /// The lines of a failed tool that are shown.
  private static let shownLineCount = 40

  /// Builds the plugin with its own Makefile.
  public func build(_ report: inout Report) async throws(PluginScaffoldError) {
    let result = try await run("make", .name("make"), arguments: ["--no-print-directory"])
    guard result.status.isSuccess else {
      let lines = result.output.split(separator: "\n", omittingEmptySubsequences: false)
      throw .toolFailed(
        tool: "make", directory: directory.path, ending: "\(result.status)",
        output: lines.suffix(Self.shownLineCount).joined(separator: "\n"))
    }
    report.isBuilt = true
  }

  /// Lets the checker run the built plugin in a process of its own.
  public func validate(_ report: inout Report) async throws(PluginScaffoldError) {
    let result = try await run(
      "aegis-plugin-host", .path(FilePath(host)),
      arguments: ["validate", directory.appending(path: library).path])
    let decoder = JSONDecoder()
    report.checks = result.output.split(separator: "\n").map { line in
      // A line that is no check is the plugin's own print, or the host's last words; it is shown as it is.
      (try? decoder.decode(Report.Check.self, from: Data(line.utf8)))
        ?? Report.Check(check: "output", result: "note", detail: String(line))
    }
    report.isValid = result.status.isSuccess
    guard result.status.isSuccess || !report.checks.isEmpty else {
      throw .toolFailed(
        tool: "aegis-plugin-host", directory: directory.path, ending: "\(result.status)", output: "")
    }
  }

  private func run(
    _ tool: String, _ executable: Executable, arguments: [String]
  ) async throws(PluginScaffoldError) -> (status: TerminationStatus, output: String) {
    do {
      // A make around this process must not steer the one inside.
      let cleared = ["MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES"].map {
        (Environment.Key(stringLiteral: $0), String?.none)
      }
      let result = try await Subprocess.run(
        executable, arguments: Arguments(arguments),
        environment: .inherit.updating(Dictionary(uniqueKeysWithValues: cleared)),
        workingDirectory: FilePath(directory.path), input: .none,
        output: .string(limit: Self.outputByteCountMax), error: .combinedWithOutput)
      return (result.terminationStatus, result.standardOutput)
    } catch {
      throw .toolFailed(tool: tool, directory: directory.path, ending: "\(error)", output: "")
    }
  }
}
