import ArgumentParser
import Engine

extension Plugins {
  struct Info: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show everything a plugin says about itself.",
      discussion: "Exit codes: 0 shown, 1 the file cannot be used, 3 no such plugin.")

    @OptionGroup var options: EngineOptions

    @Argument(help: "A plugin's id, a library in the plugin folder, or a path.") var plugin: String
    @Option(help: "The folder plugins are looked up in; default: plugins.directory of the settings.")
    var directory: String?
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      try await PluginReport.finish {
        try await PluginInfo.report(options.settings(), plugin, directory: directory, json: json)
      }
    }
  }
}
