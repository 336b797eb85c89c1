import Market
import PluginABI

/// What one plugin did since it was loaded.
public struct PluginCounters: Sendable, BitwiseCopyable {
  public init() {}

  /// Events handed over, warm-up included.
  public internal(set) var eventCount: UInt64 = 0
  /// Signals that passed.
  public internal(set) var signalCount: UInt64 = 0
  private var refusals = InlineArray<16, UInt64>(repeating: 0)

  public subscript(reason: SignalRefusal) -> UInt64 { refusals[reason.rawValue] }
  public var refusedCount: UInt64 { SignalRefusal.allCases.reduce(0) { $0 + self[$1] } }

  @inline(__always) mutating func count(_ reason: SignalRefusal) { refusals[reason.rawValue] &+= 1 }
}

/// One running instance with the memory it is called with. Plain pointers only: no reference counting on the way.
struct PluginSlot: BitwiseCopyable {
  typealias Process =
    @convention(c) (UnsafeMutablePointer<aegis_instance>?, UnsafeMutablePointer<aegis_batch>?) -> aegis_status

  var processFunction: Process
  var table: UnsafePointer<aegis_strategy>
  var instance: UnsafeMutablePointer<aegis_instance>
  var interest: EventInterest
  var capacity: UInt32
  var featureCount: UInt16
  /// 0 = every quote.
  var quoteIntervalNanoseconds: Int64
  /// When each instrument's last quote was shown; nil without conflation.
  var lastQuoteNanoseconds: UnsafeMutablePointer<Int64>?
  var batch: UnsafeMutablePointer<aegis_batch>
  var output: UnsafeMutablePointer<aegis_signal>
  var features: UnsafeMutablePointer<Float>?
  /// `aegis.state/1`; nil when the plugin has no state to carry.
  var state: aegis_ext_state?
  /// The `IsolatedPlugin` behind the functions; nil for a plugin in this process.
  var isolated: UnsafeRawPointer?
  var counters = PluginCounters()

  /// Hands one event to the plugin and appends the signals that pass.
  ///
  /// - Returns: `written` plus the number of signals appended.
  @inline(__always)
  mutating func process(
    _ event: UnsafeMutablePointer<aegis_event>, _ kind: EventInterest, now: Int64, phase: EventPhase,
    instrumentCount: UInt32, plugin: UInt16, _ signals: UnsafeMutableBufferPointer<Signal>, _ written: Int
  ) -> Int {
    if let lastQuoteNanoseconds, kind == .quotes {
      let last = lastQuoteNanoseconds + Int(event.pointee.instrument)
      guard event.pointee.ts_ns &- last.pointee >= quoteIntervalNanoseconds else { return written }
      last.pointee = event.pointee.ts_ns
    }
    counters.eventCount &+= 1
    batch.pointee.now_ns = now
    batch.pointee.flags = phase.rawValue
    batch.pointee.out_count = 0
    let status = processFunction(instance, batch)
    let produced = batch.pointee.out_count
    if status == AEGIS_OK, produced == 0 { return written }
    return collect(
      status, produced, event, now: now, phase: phase, instrumentCount: instrumentCount, plugin: plugin,
      signals, written)
  }

  @inline(never)
  private mutating func collect(
    _ status: aegis_status, _ produced: UInt32, _ event: UnsafeMutablePointer<aegis_event>, now: Int64,
    phase: EventPhase, instrumentCount: UInt32, plugin: UInt16,
    _ signals: UnsafeMutableBufferPointer<Signal>, _ start: Int
  ) -> Int {
    guard produced <= capacity, status != AEGIS_E_OVERFLOW else {
      counters.count(.tooMany)
      return start
    }
    guard status == AEGIS_OK else {
      counters.count(.failed)
      return start
    }
    if phase.contains(.replay) { return start }
    let rules = SignalRules(
      sequence: event.pointee.seq, eventNanoseconds: event.pointee.ts_ns, nowNanoseconds: now,
      instrumentCount: instrumentCount, featureCount: featureCount)
    var written = start
    for index in 0..<Int(produced) {
      let signal = output[index]
      if phase.contains(.warmup) {
        counters.count(.warmup)
      } else if let reason = rules.refusal(of: signal) {
        counters.count(reason)
      } else {
        signals[written] = Signal(signal, plugin: plugin)
        written += 1
        counters.signalCount &+= 1
      }
    }
    return written
  }

  func featureRow(_ row: Int) -> UnsafeBufferPointer<Float> {
    guard let features, row >= 0, row < Int(batch.pointee.out_count), row < Int(capacity) else {
      return UnsafeBufferPointer(start: nil, count: 0)
    }
    let count = min(Int(output[row].feature_count), Int(featureCount))
    return UnsafeBufferPointer(start: features + row * Int(featureCount), count: count)
  }

  func activate(now: Instant, id: String) throws(PluginError) {
    guard let activate = table.pointee.activate else { return }
    var error = aegis_error()
    let status = activate(instance, now.nanoseconds, &error)
    guard status == AEGIS_OK else {
      throw .createFailed(plugin: id, code: status, message: errorMessage(error))
    }
  }

  func deactivate() { table.pointee.deactivate?(instance) }

  /// Ends the instance and frees its memory; the image stays.
  func end() {
    table.pointee.destroy(instance)
    lastQuoteNanoseconds?.deallocate()
    batch.deallocate()
    output.deallocate()
    features?.deallocate()
    UnsafeMutablePointer(mutating: table).deallocate()
  }
}

/// The text of a plugin's error, cut at its first NUL.
func errorMessage(_ error: aegis_error) -> String {
  withUnsafeBytes(of: error.message) { bytes in
    let text = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    return text.isEmpty ? "no reason given" : text
  }
}
