import ArgumentParser
import Engine
import Foundation

extension Plugins {
  /// `aegis plugins reload`
  struct Reload: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Put new versions of plugins to work while the engine trades.",
      discussion: """
        Each changed file is tried in a process of its own, runs in the shadow of the old version, and takes over between \
        two events. Whatever fails, the old version goes on. `kill -HUP` does the same for all plugins.
        Exit codes: 0 all well, 1 a version was refused, 3 no engine is running.
        """)

    @OptionGroup var options: EngineOptions
    @Argument(help: "Plugin ids; all when none is named.") var plugins: [String] = []
    @Flag(help: "Start without the state of the old version.") var freshState = false
    @Flag(help: "Also load an unchanged file, or one that was refused before.") var force = false
    @Flag(help: "Print JSON, one object a line.") var json = false

    func run() async throws {
      try await PluginAsking.run(
        options, .reload, plugins, isFresh: freshState, isForced: force, json: json)
    }
  }

  /// `aegis plugins rollback`
  struct Rollback: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Go back to the former version of a plugin, while it is in probation.",
      discussion: "Exit codes: 0 back, 1 there is no former version, 3 no engine is running.")

    @OptionGroup var options: EngineOptions
    @Argument(help: "The plugin's id.") var plugin: String
    @Flag(help: "Print JSON, one object a line.") var json = false

    func run() async throws {
      try await PluginAsking.run(options, .rollback, [plugin], isFresh: false, isForced: false, json: json)
    }
  }
}

private enum PluginAsking {
  static func run(
    _ options: EngineOptions, _ action: PluginRequest.Action, _ plugins: [String], isFresh: Bool,
    isForced: Bool, json: Bool
  ) async throws {
    let settings: Settings
    do { settings = try options.settings() } catch { throw fail(error) }
    let isWell: Bool
    do throws(PluginControl.Failure) {
      isWell = try await PluginControl.ask(
        settings, action, plugins: plugins, isFresh: isFresh, isForced: isForced
      ) { step in
        print(json ? Self.json(step) : Self.text(step))
      }
    } catch {
      FileHandle.standardError.write(Data("aegis: \(error)\n".utf8))
      if case .notRunning = error { throw ArgumentParser.ExitCode(3) }
      throw ArgumentParser.ExitCode(1)
    }
    if !isWell { throw ArgumentParser.ExitCode(1) }
  }

  private static func text(_ step: PluginStep) -> String {
    let word = step.isFailure ? step.step.uppercased() : step.step
    return "\(step.plugin)  \(word.padding(toLength: 12, withPad: " ", startingAt: 0))\(step.text)"
      + (step.milliseconds >= 0.1 ? String(format: "  (%.1f ms)", step.milliseconds) : "")
  }

  private static func json(_ step: PluginStep) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // A step is names, numbers and text: it always encodes.
    return (try? encoder.encode(step)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }
}
