import PluginABI
import PluginKit

/// Follows the sign of fast minus slow exponential average, per instrument.
///
/// Both averages start at the first value and move by `2 / (span + 1)` of the distance to the next; when they are
/// equal the side stays. A signal goes out when the side differs from the one last announced. `README.md` beside this
/// folder's C twin says what to expect of it.
final class TrendFollower: Strategy {
  static let id: StaticString = "trend-follower"
  static let version: StaticString = "1.0.0"
  static let about = About(
    name: "Trend follower", vendor: "aegis", summary: "Sides with the faster of two moving averages",
    license: "Apache-2.0")
  static let capabilities: Capabilities = [.deterministic, .stateful, .needsBars, .realtimeSafe]
  static let stateVersion: UInt32 = 1

  private enum ID {
    static let source: UInt32 = 1
    static let timeframe: UInt32 = 2
    static let fast: UInt32 = 3
    static let slow: UInt32 = 4
    static let warmup: UInt32 = 5
    static let enterOnStart: UInt32 = 6
    static let expected: UInt32 = 7
    static let confidence: UInt32 = 8
    static let horizon: UInt32 = 9
    static let stop: UInt32 = 10
    static let target: UInt32 = 11
  }

  static let parameters: [Parameter] = [
    .choice(ID.source, "source", of: ["bars", "trades"], help: "what the averages are taken over"),
    .choice(
      ID.timeframe, "timeframe", of: ["1m", "5m", "15m", "1h", "1d"],
      help: "length of a bar; unused for trades"),
    .integer(ID.fast, "fast", default: 10, in: 1...1_000_000, unit: "bars", help: "span of the fast average"),
    .integer(ID.slow, "slow", default: 30, in: 2...1_000_000, unit: "bars", help: "span of the slow average"),
    .integer(
      ID.warmup, "warmup", default: 0, in: 0...10_000_000, unit: "bars",
      help: "values per instrument before the first signal; 0 = as many as slow"),
    .flag(
      ID.enterOnStart, "enter_on_start", default: true,
      help: "announce the side found in warm-up at the first live event, not only later changes"),
    .number(
      ID.expected, "expected", default: 0.02, in: 0.0001...1, unit: "fraction",
      help: "return to announce, without its sign"),
    .number(
      ID.confidence, "confidence", default: 0.65, in: 0...1,
      help: "confidence to announce; a guess, not fitted"),
    .integer(
      ID.horizon, "horizon_minutes", default: 120, in: 1...10080, unit: "minutes",
      help: "how long a signal holds"),
    .optionalNumber(
      ID.stop, "stop", in: 0.00001...1, unit: "fraction", help: "stop distance; none = the engine's default"),
    .optionalNumber(
      ID.target, "target", in: 0.00001...1, unit: "fraction",
      help: "target distance; none = the engine's default"),
  ]

  static let subscriptions: [Subscription] = [
    .bars(.minute1, warmupBarCount: 90), .quotes(conflationMilliseconds: 1000),
  ]

  /// What is known of one instrument.
  private struct State: BitwiseCopyable {
    var fast = 0.0
    var slow = 0.0
    /// Values absorbed.
    var count: Int64 = 0
    /// +1 rising, -1 falling, 0 before the averages first differ.
    var side: Int64 = 0
    /// The side the last signal named; also the side that needs no signal.
    var announced: Int64 = 0
  }

  private let states: UnsafeMutableBufferPointer<State>
  private let usesTrades: Bool
  private let timeframe: Timeframe
  private let fastSpan: Int64
  private let slowSpan: Int64
  private let fastWeight: Double
  private let slowWeight: Double
  private let warmupCount: Int64
  private let entersOnStart: Bool
  private let expectedFraction: Double
  private let confidence: Float
  private let horizonNanoseconds: Int64
  private let stopFraction: Float
  private let targetFraction: Float

  init(_ config: Config) throws {
    usesTrades = try config.choice(ID.source) == 1
    // The host has checked the choice; there are as many as timeframes.
    timeframe = Timeframe(rawValue: UInt32(try config.choice(ID.timeframe))) ?? .minute1
    fastSpan = try config.integer(ID.fast)
    slowSpan = try config.integer(ID.slow)
    guard fastSpan < slowSpan else {
      throw PluginFailure("fast (\(fastSpan)) must be less than slow (\(slowSpan))")
    }
    fastWeight = 2.0 / Double(fastSpan + 1)
    slowWeight = 2.0 / Double(slowSpan + 1)
    let warmup = try config.integer(ID.warmup)
    warmupCount = warmup == 0 ? slowSpan : warmup
    entersOnStart = try config.flag(ID.enterOnStart)
    expectedFraction = try config.number(ID.expected)
    confidence = Float(try config.number(ID.confidence))
    horizonNanoseconds = try config.integer(ID.horizon) * 60_000_000_000
    stopFraction = Float(try config.number(ID.stop))
    targetFraction = Float(try config.number(ID.target))
    states = .allocate(capacity: config.instrumentCount)
    states.initialize(repeating: State())
  }

  deinit { states.deallocate() }

  var subscriptions: [Subscription] {
    if usesTrades { return [.trades] }
    let bars = Subscription.bars(timeframe, warmupBarCount: Int(min(max(warmupCount, 3 * slowSpan), 1500)))
    // Quotes only say that an instrument is live, so one a second is plenty.
    return entersOnStart ? [bars, .quotes(conflationMilliseconds: 1000)] : [bars]
  }

  func process(_ events: Events, _ out: SignalWriter) {
    let isWarmup = events.isWarmup
    for index in events.indices {
      let event = events.pointer(index)
      let instrument = Int(event.pointee.instrument)
      guard instrument < states.count else { continue }
      switch event.pointee.kind {
      case AEGIS_EV_BAR where !usesTrades:
        let marks = event.pointee.flags
        guard UInt32(marks & AEGIS_EVENT_TIMEFRAME_MASK) == timeframe.rawValue else { continue }
        absorb(
          event.pointee.u.bar.close, mayAct: !isWarmup && marks & AEGIS_EVENT_COMPLETE != 0,
          isWarmup: isWarmup,
          instrument, event, out)
      case AEGIS_EV_TRADE where usesTrades:
        absorb(event.pointee.u.trade.price, mayAct: !isWarmup, isWarmup: isWarmup, instrument, event, out)
      case AEGIS_EV_QUOTE where entersOnStart && !usesTrades:
        let state = states[instrument]
        if state.announced == 0, state.side != 0, state.count >= warmupCount, !isWarmup {
          announce(instrument, event, out)
        }
      default: continue
      }
    }
  }

  /// Moves both averages to the next value and announces a side that is news.
  @inline(__always)
  private func absorb(
    _ value: Double, mayAct: Bool, isWarmup: Bool, _ instrument: Int, _ event: UnsafePointer<aegis_event>,
    _ out: SignalWriter
  ) {
    let state = states.baseAddress! + instrument  // the caller found the instrument in the buffer
    if state.pointee.count == 0 {
      state.pointee.fast = value
      state.pointee.slow = value
    } else {
      state.pointee.fast += fastWeight * (value - state.pointee.fast)
      state.pointee.slow += slowWeight * (value - state.pointee.slow)
    }
    if state.pointee.fast > state.pointee.slow {
      state.pointee.side = 1
    } else if state.pointee.fast < state.pointee.slow {
      state.pointee.side = -1
    }
    let isReady = state.pointee.count >= warmupCount
    state.pointee.count += 1
    if mayAct, isReady {
      if state.pointee.side != state.pointee.announced { announce(instrument, event, out) }
    } else if !entersOnStart, isWarmup || !isReady {
      state.pointee.announced = state.pointee.side  // a side found in warm-up is no news later
    }
  }

  private func announce(_ instrument: Int, _ event: UnsafePointer<aegis_event>, _ out: SignalWriter) {
    states[instrument].announced = states[instrument].side
    out.emit(
      aegis_signal(
        from: event.pointee, returnFraction: Double(states[instrument].side) * expectedFraction,
        confidence: confidence, horizonNanoseconds: horizonNanoseconds, stopFraction: stopFraction,
        targetFraction: targetFraction))
  }

  func save(_ state: inout StateWriter) {
    state.write(UInt64(states.count))
    for one in states {
      state.write(one.fast)
      state.write(one.slow)
      state.write(one.count)
      state.write(one.side)
      state.write(one.announced)
    }
  }

  func load(_ state: inout StateReader, version: UInt32) throws {
    guard version == Self.stateVersion else {
      throw PluginFailure("cannot read state version \(version)", code: AEGIS_E_STATE_VERSION)
    }
    let count = try state.read(UInt64.self)
    guard count == UInt64(states.count) else {
      throw PluginFailure(
        "the state is for \(count) instruments, not \(states.count)", code: AEGIS_E_STATE_CORRUPT)
    }
    var restored: [State] = []
    for index in states.indices {
      let one = State(
        fast: try state.read(Double.self), slow: try state.read(Double.self),
        count: try state.read(Int64.self),
        side: try state.read(Int64.self), announced: try state.read(Int64.self))
      guard one.fast.isFinite, one.slow.isFinite, one.count >= 0, (-1...1).contains(one.side),
        (-1...1).contains(one.announced)
      else {
        throw PluginFailure("instrument \(index) of the state is impossible", code: AEGIS_E_STATE_CORRUPT)
      }
      restored.append(one)
    }
    try state.end()
    _ = states.update(fromContentsOf: restored)  // all or nothing
  }
}
