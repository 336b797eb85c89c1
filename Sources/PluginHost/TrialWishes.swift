import Market
import PluginABI

/// What an instance turns out to want, found out before its events are made.
struct TrialWishes {
  var events: TrialEvents.EventWishes
  /// It reads `aegis.host.candles/1`, so that candle closes it did not subscribe to are visible to it as well.
  var seesWindows: Bool

  private static let barCount = 300

  /// Asks one instance, and watches another over some events: the extension may be asked for as late as in `process`.
  ///
  /// - Parameter note: told what is about to be done, so that a crash can be explained.
  init(
    _ plugin: TrialPlugin, values: [PluginParameter.Value], seed: UInt64, note: (String) -> Void = { _ in }
  ) throws(PluginError) {
    let symbols = ["TEST0USDT"]
    note("create")
    let asked = try TrialInstance(plugin, values: values, symbols: symbols, seed: seed, events: nil)
    events = TrialEvents.EventWishes(asked.subscriptions)
    seesWindows = asked.readsCandles
    guard !seesWindows else { return }
    let trial = TrialEvents(
      .generated(
        seed: seed, intervalNanoseconds: events.base.nanoseconds, barCount: Self.barCount, instrumentCount: 1),
      wishes: events)
    let watched = try TrialInstance(plugin, values: values, symbols: symbols, seed: seed, events: trial)
    try watched.activate(now: trial.events.first?.ts_ns ?? 0)
    note("process")
    var output = TrialOutput()
    watched.feed(trial, 0..<trial.events.count, liveFrom: 0, batchCount: 16, into: &output)
    seesWindows = watched.readsCandles
  }
}
