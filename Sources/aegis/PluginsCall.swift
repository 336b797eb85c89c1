import ArgumentParser
import Engine
import Foundation

extension Plugins {
  struct Call: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Call a typed function of a plugin, in a process of its own.",
      discussion: """
        Arguments are name=value or values in order: numbers, true or false, texts; a list is 1,2.5,3 or
        @FILE.csv:COLUMN, or with --candles one of open, high, low, close, volume. Columns become CSV on standard
        output, or the file of --output; cells that are not valid yet are empty.
          aegis plugins call indicators rsi close period=14 --candles BTCUSDT_5m.csv --output rsi.csv
        Exit codes: 0 called, 1 it failed or crashed, 2 an argument does not fit, 3 no such plugin or function.
        """)

    @OptionGroup var options: EngineOptions

    @Argument(help: "A plugin's id, a library in the plugin folder, a bound library, or a path.")
    var plugin: String
    @Argument(help: "The function's name.") var function: String
    @Argument(help: "Its arguments: name=value, or values in order.") var values: [String] = []
    @Option(help: "Candle file: fills a candles argument, and lists named by a column.") var candles: String?
    @Option(help: "Write the columns to this file instead of standard output.") var output: String?
    @Option(help: "The folder plugins are looked up in; default: plugins.directory of the settings.")
    var directory: String?
    @Option(help: "Seconds until the call is given up.") var timeout: Int = 60
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
      guard (1...3600).contains(timeout) else { throw ValidationError("--timeout: give 1 to 3600 seconds") }
    }

    func run() async throws {
      do {
        var settings = try options.settings()
        if let directory { settings.plugins.directory = directory }
        print(
          try PluginCall(
            settings: settings, library: plugin, function: function, words: values, candleFile: candles,
            outputFile: output, timeoutMilliseconds: timeout * 1000
          ).run(json: json))
      } catch let failure as PluginCommandFailure {
        throw fail(failure.text, exitCode: failure.exitCode)
      } catch {
        throw fail("error: \(error)")
      }
    }
  }
}
