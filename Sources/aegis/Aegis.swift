import ArgumentParser
import Engine

@main
struct Aegis: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "aegis",
    abstract: "A trading engine for Binance USD-M perpetuals that hosts strategies as plugins.",
    version: EngineVersion.text,
    subcommands: [
      Run.self, Status.self, Trades.self, Signals.self, Plugins.self, Simulate.self, BacktestCommand.self,
      Replay.self, Config.self, Bench.self, BenchLive.self, Feed.self, Brain.self,
    ])
}
