import Market
import PluginABI

/// Everything one check needs: the plugin, its parameters, and the events made for what it asks for.
struct TrialBench {
  let plugin: TrialPlugin
  let values: [PluginParameter.Value]
  let options: ValidationOptions
  let history: TrialHistory
  let trial: TrialEvents
  /// Events before are warm-up.
  let liveFrom: Int

  var id: String { plugin.descriptor.id }

  /// - Parameter shape: length and breadth of a made-up market; a given history stays as it is.
  init(
    _ plugin: TrialPlugin, _ options: ValidationOptions, barCount: Int = TrialHistory.barCount,
    instrumentCount: Int = TrialHistory.instrumentCount, note: (String) -> Void = { _ in }
  ) throws {
    self.plugin = plugin
    self.options = options
    values = try plugin.descriptor.values(options.parameters)
    let wanted = try TrialWishes(plugin, values: values, seed: options.seed, note: note)
    let wishes = wanted.events
    if let path = options.historyPath {
      history = try TrialHistory(path: path).varied()
    } else {
      history = .generated(
        seed: options.seed, intervalNanoseconds: wishes.base.nanoseconds, barCount: barCount,
        instrumentCount: instrumentCount)
    }
    trial = TrialEvents(history, wishes: wishes, seesWindows: wanted.seesWindows)
    let warmup = min(wishes.warmupBarCount, history.instruments[0].count / 4)
    liveFrom = trial.firstEvent(ofBar: warmup)
  }

  func instance(dataDirectory: String? = nil) throws(PluginError) -> TrialInstance {
    let instance = try TrialInstance(
      plugin, values: values, symbols: history.symbols, seed: options.seed, events: trial,
      dataDirectory: dataDirectory)
    try instance.activate(now: trial.events.first?.ts_ns ?? 0)
    return instance
  }

  /// A fresh instance over the first events.
  func run(
    batchCount: Int, future: TrialInstance.Future = .hidden, upTo end: Int = .max
  ) throws(PluginError) -> TrialOutput {
    let instance = try instance()
    var output = TrialOutput()
    instance.feed(
      trial, 0..<min(end, trial.events.count), liveFrom: liveFrom, batchCount: batchCount, future: future,
      into: &output)
    return output
  }

  /// "bar 17 of BTCUSDT (2024-01-31 09:15:00)": rows of the history are counted from 0.
  func place(_ eventIndex: Int) -> String {
    guard trial.events.indices.contains(eventIndex) else { return "the start" }
    let bar = Int(trial.barIndices[eventIndex])
    let instrument = Int(trial.events[eventIndex].instrument)
    let symbol = history.symbols.indices.contains(instrument) ? " of \(history.symbols[instrument])" : ""
    return "bar \(bar)\(symbol) (\(CalendarTime.text(history.instruments[0][bar].openNanoseconds)))"
  }

  /// "3 × not finite, first at bar …".
  func refusals(_ output: TrialOutput) -> String {
    output.refusals.map { refusal in
      "\(output.refusalCounts[refusal.reason.rawValue]) × \(refusal.reason.explanation), first at \(place(refusal.eventIndex))"
    }.joined(separator: "; ")
  }
}

extension SignalRefusal {
  /// The broken rule in words a plugin's author can act on.
  var explanation: String {
    switch self {
    case .notFinite: "signal not finite (return or confidence is NaN or infinite)"
    case .returnTooLarge: "signal with |return| above 1 (fractions, not percent)"
    case .horizon: "signal whose horizon is not positive"
    case .confidence: "signal with a confidence outside 0…1"
    case .stop: "signal whose stop is neither NaN nor above 0"
    case .target: "signal whose target is neither NaN nor above 0"
    case .deviation: "signal whose deviation is neither NaN nor from 0 on"
    case .instrument: "signal for an unknown instrument"
    case .cause: "signal whose cause is no event of the batch"
    case .time: "signal decided before its cause or after now"
    case .features: "signal with more features than the schema"
    case .tooMany: "more signals than max_signals_per_event allows"
    case .failed: "process returned an error"
    case .warmup: "signal while warming up"
    }
  }
}
