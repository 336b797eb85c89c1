import ArgumentParser
import Engine

extension Plugins {
  struct Bind: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make functions of an existing C library callable without code.",
      discussion: """
        Writes <id>.bind.json into the plugin folder; `aegis plugins call <id> …` and entry filters then know them. A
        declaration is NAME: RESULT(ARGUMENTS) with f64, i32, i64, bool, str, f64* (followed by i64, its length) and
        f64*out; it is believed, and a wrong one is undefined behaviour: calls run in a process of their own.
          aegis plugins bind ./libfoo.so --fn 'ema: f64(f64*,i64,f64)' --causal ema
        Exit codes: 0 bound, 1 the library or a symbol cannot be used, 2 a declaration is wrong, 3 no such library.
        """)

    @OptionGroup var options: EngineOptions

    @Argument(help: "The shared library.") var library: String
    @Option(name: .customLong("fn"), help: "NAME: RESULT(ARGUMENTS); may be repeated.")
    var declarations: [String] = []
    @Option(help: "A function whose outputs look at no later cell; may be repeated.") var causal: [String] =
      []
    @Option(help: "What to call it by; default: the file's name without lib and endings.") var id: String?
    @Option(help: "The folder to write to; default: plugins.directory of the settings.")
    var directory: String?
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
      guard !declarations.isEmpty else {
        throw ValidationError("give at least one --fn, such as --fn 'ema: f64(f64*,i64,f64)'")
      }
    }

    func run() async throws {
      do {
        let settings = try options.settings()
        let folder = directory ?? settings.plugins.directory ?? Settings.bundledPluginDirectory
        print(
          try PluginBind(
            library: library, declarations: declarations, causal: causal, id: id, directory: folder
          ).run(json: json))
      } catch let failure as PluginCommandFailure {
        throw fail(failure.text, exitCode: failure.exitCode)
      } catch {
        throw fail("error: \(error)")
      }
    }
  }
}
