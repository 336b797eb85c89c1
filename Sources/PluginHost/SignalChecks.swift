import Market
import PluginABI

/// Why a plugin's output was refused. Raw values index `PluginCounters`.
public enum SignalRefusal: Int, CaseIterable, Sendable {
  /// Return, confidence, stop, target or deviation is infinite, or a NaN where none is allowed.
  case notFinite
  /// The expected return is larger than the cap.
  case returnTooLarge
  case horizon
  case confidence
  case stop
  case target
  case deviation
  /// An instrument that is not in the table.
  case instrument
  /// `cause_seq` is not the event that was handed over.
  case cause
  /// Decided before its cause or after now: a look ahead.
  case time
  /// More features than the schema has.
  case features
  /// More signals than the descriptor promised; all of the call are refused.
  case tooMany
  /// `process` returned an error; what it wrote is ignored.
  case failed
  /// Emitted while warming up.
  case warmup

  public var name: String {
    switch self {
    case .notFinite: "not finite"
    case .returnTooLarge: "return too large"
    case .horizon: "horizon"
    case .confidence: "confidence"
    case .stop: "stop"
    case .target: "target"
    case .deviation: "deviation"
    case .instrument: "instrument"
    case .cause: "cause"
    case .time: "time"
    case .features: "features"
    case .tooMany: "too many"
    case .failed: "failed"
    case .warmup: "while warming up"
    }
  }
}

/// What a signal is checked against: the facts of the one event it may answer.
struct SignalRules {
  /// Larger expectations are mistakes of unit or sign, not forecasts.
  static let returnFractionMax = 1.0

  var sequence: UInt64
  var eventNanoseconds: Int64
  var nowNanoseconds: Int64
  var instrumentCount: UInt32
  var featureCount: UInt16

  /// The first rule the signal breaks; nil when it keeps all.   [decision-thread]
  @inline(__always)
  func refusal(of signal: aegis_signal) -> SignalRefusal? {
    if !signal.return_fraction.isFinite || signal.confidence.isNaN { return .notFinite }
    if signal.return_fraction.magnitude > Self.returnFractionMax { return .returnTooLarge }
    if signal.cause_seq != sequence { return .cause }
    if signal.ts_ns < eventNanoseconds || signal.ts_ns > nowNanoseconds { return .time }
    // The end of the horizon must be a moment too.
    if signal.horizon_ns <= 0 || signal.horizon_ns > Int64.max - max(signal.ts_ns, 0) { return .horizon }
    if !(signal.confidence >= 0 && signal.confidence <= 1) { return .confidence }
    if signal.instrument >= instrumentCount { return .instrument }
    if !(signal.stop_fraction.isNaN || (signal.stop_fraction > 0 && signal.stop_fraction.isFinite)) {
      return .stop
    }
    if !(signal.target_fraction.isNaN || (signal.target_fraction > 0 && signal.target_fraction.isFinite)) {
      return .target
    }
    if !(signal.stddev_fraction.isNaN || (signal.stddev_fraction >= 0 && signal.stddev_fraction.isFinite)) {
      return .deviation
    }
    if signal.feature_count > featureCount { return .features }
    return nil
  }
}

extension Signal {
  /// A checked signal in the engine's own form.
  @inline(__always)
  init(_ signal: aegis_signal, plugin: UInt16) {
    self.init(
      causeSequence: signal.cause_seq, time: Instant(nanoseconds: signal.ts_ns),
      horizonNanoseconds: signal.horizon_ns, returnFraction: signal.return_fraction,
      confidence: signal.confidence, deviationFraction: signal.stddev_fraction,
      stopFraction: signal.stop_fraction, targetFraction: signal.target_fraction,
      instrument: InstrumentID(index: signal.instrument),
      flags: SignalFlags(rawValue: signal.flags).intersection([.calibrated, .observation, .flat]),
      plugin: plugin, tag: signal.tag)
  }
}
