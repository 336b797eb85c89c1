import ArgumentParser
import Engine

struct Plugins: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Look at plugins, make them, call them, trust them, and change them while the engine trades.",
    subcommands: [
      List.self, New.self, Call.self, Bind.self, Trust.self, Unquarantine.self, Reload.self, Rollback.self,
    ], defaultSubcommand: List.self)

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the plugin folder. Each file is looked at by a process of its own.",
      discussion: "Exit codes: 0 listed, 1 the folder cannot be read.")

    @OptionGroup var options: EngineOptions

    @Option(help: "The folder to look at; default: plugins.directory of the settings.")
    var directory: String?

    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      do {
        print(try PluginList.text(options.settings(), directory: directory, json: json))
      } catch {
        throw fail("\(error)")
      }
    }
  }
}
