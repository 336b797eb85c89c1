/// What a plugin expects of one instrument: a return, never an amount of capital.
@frozen public struct Signal: Sendable, BitwiseCopyable {
  /// Input position of the event that caused it.
  public var causeSequence: UInt64
  public var time: Instant
  /// How long the expectation holds, from `time`. Positive.
  public var horizonNanoseconds: Int64
  /// Expected gross return over the horizon as a fraction: 0.05 is +5 %, negative expects a fall.
  public var returnFraction: Double
  /// Probability that a trade in that direction ends net positive, 0…1.
  public var confidence: Float
  /// One standard deviation of the forecast as a fraction; NaN when not given.
  public var deviationFraction: Float
  /// Distance from the entry at which the idea is wrong, > 0; NaN asks for the engine's default.
  public var stopFraction: Float
  /// Distance from the entry at which the idea is done, > 0; NaN asks for the engine's default.
  public var targetFraction: Float
  public var instrument: InstrumentID
  public var flags: SignalFlags
  /// Which loaded plugin said it: index into the run's plugin list.
  public var plugin: UInt16
  /// The plugin's own mark, for example its model version.
  public var tag: UInt64

  @inlinable public init(
    causeSequence: UInt64, time: Instant, horizonNanoseconds: Int64, returnFraction: Double,
    confidence: Float,
    deviationFraction: Float = .nan, stopFraction: Float = .nan, targetFraction: Float = .nan,
    instrument: InstrumentID, flags: SignalFlags = [], plugin: UInt16 = 0, tag: UInt64 = 0
  ) {
    self.causeSequence = causeSequence
    self.time = time
    self.horizonNanoseconds = horizonNanoseconds
    self.returnFraction = returnFraction
    self.confidence = confidence
    self.deviationFraction = deviationFraction
    self.stopFraction = stopFraction
    self.targetFraction = targetFraction
    self.instrument = instrument
    self.flags = flags
    self.plugin = plugin
    self.tag = tag
  }

  @inlinable public var side: Side { returnFraction >= 0 ? .buy : .sell }
  @inlinable public var expiry: Instant { time.advanced(byNanoseconds: horizonNanoseconds) }
}

@frozen public struct SignalFlags: OptionSet, Sendable, BitwiseCopyable, Hashable {
  public var rawValue: UInt16
  @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// The confidence was fitted to outcomes.
  public static let calibrated = SignalFlags(rawValue: 1)
  /// A feature row only: stored for learning, never blended, no lot.
  public static let observation = SignalFlags(rawValue: 2)
  /// The idea is over: close what it opened, open nothing.
  public static let flat = SignalFlags(rawValue: 4)
}
