import ArgumentParser
import Engine
import Foundation

/// Where a command finds the engine it is about.
struct EngineOptions: ParsableArguments {
  @Option(name: .customLong("data-dir"), help: "The data directory of the engine.")
  var dataDirectory: String?

  @Option(name: .customLong("config"), help: "The settings file (default: aegis.yaml, when there is one).")
  var settingsFile: String?

  /// The settings these options and the environment choose.
  func settings() throws(SettingsError) -> Settings {
    var flags: [String: String] = [:]
    if let dataDirectory { flags["dataDirectory"] = dataDirectory }
    return try Settings.load(
      Settings.Sources(flags: flags, environment: ProcessInfo.processInfo.environment, file: settingsFile))
  }
}

/// Ends a command with a line on standard error and an exit code.
func fail(_ error: some CustomStringConvertible, exitCode: Int32 = 1) -> ExitCode {
  FileHandle.standardError.write(Data("\(error)\n".utf8))
  return ExitCode(exitCode)
}

extension EngineReport {
  /// Prints it and ends the command with its exit code.
  func finish() throws {
    if let note { FileHandle.standardError.write(Data("\(note)\n".utf8)) }
    if !text.isEmpty { FileHandle.standardOutput.write(Data("\(text)\n".utf8)) }
    guard exitCode == .success else { throw ArgumentParser.ExitCode(exitCode.rawValue) }
  }
}
