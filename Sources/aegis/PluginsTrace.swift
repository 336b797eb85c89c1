import ArgumentParser
import Engine

extension Plugins {
  struct Trace: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Run a candle file through a plugin and print what it sees and says, as CSV.",
      discussion: """
        Events: bar,time,event,dir,origin,level,top,bottom,value. `bar` and `origin` are rows of the candle file,
        counted from 0, and `time` is the open time of `bar`; both count the bars of its own timeframe when the event
        belongs to a larger one. Signals: bar, time, the numbers of the signal, and its features by name. Cells that are
        not known are empty. Without --events or --signals both tables are printed, with an empty line between.
        The interval of the file is found from its times, and may be any. Its bars are handed over as the smallest
        timeframe the plugin subscribes to; larger ones it subscribes to are put together from them where the interval
        divides them. Quotes and trades, for plugins that ask, follow open, both extremes and close of each bar.
          aegis plugins trace smc --candles BTCUSDT_15m.csv swing_length=5 --events
        Exit codes: 0 traced, 1 it failed or crashed, 2 wrong usage, 3 no such plugin.
        """)

    @OptionGroup var options: EngineOptions

    @Argument(help: "A plugin's id, a library in the plugin folder, or a path.") var plugin: String
    @Argument(help: "Parameters of the plugin as name=value; the rest take their defaults.")
    var parameters: [String] = []
    @Option(help: "The candle file: CSV, plain or gzip-packed.") var candles: String
    @Option(name: .customLong("plugin-id"), help: "Which plugin of the library, when it holds several.")
    var pluginID: String?
    @Flag(help: "Only events.") var events = false
    @Flag(help: "Only signals.") var signals = false
    @Option(help: "Write PREFIX.events.csv and PREFIX.signals.csv instead of printing.") var outputPrefix:
      String?
    @Option(help: "Seed of the instance.") var seed: UInt64 = 1
    @Option(help: "The folder plugins are looked up in; default: plugins.directory of the settings.")
    var directory: String?
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      try await PluginReport.finish {
        try PluginTraceRun.report(
          options.settings(), plugin, directory: directory, id: pluginID, candles: candles,
          parameters: parameters, part: events == signals ? .both : (events ? .events : .signals),
          outputPrefix: outputPrefix, seed: seed, json: json)
      }
    }
  }
}
