import PluginHost
import Trading

/// One plugin at work as the control side knows it.
struct PluginSeat {
  /// Where its next version is looked for.
  var path: String
  var id: String?
  var parameters: [String: String]
  /// Of the active instance.
  var descriptor: PluginDescriptor
  var generation = 1
  /// Its signals open virtual lots and no orders.
  var isLedgerOnly = false
  var sinceNanoseconds: Int64
  var probation: Probation?
  /// Why its signals do not count any more; nil while they do.
  var suspension: String?
  /// Nothing runs in it: its plugin was in quarantine when the Brain started.
  var isAbsent = false
  /// The process the plugin runs in; nil for this one.
  var isolated: IsolatedPlugin?
  /// When a quarantine of an isolated plugin ends, seconds since 1970; nil = a person has to end it.
  var retrySeconds: Int64?
  /// A version that was refused or rolled back is not tried again until the file changes.
  var refusedHashes: [String: String] = [:]
  /// Refused signals at the beginning of the minute that is being watched.
  var watched: (refusedCount: UInt64, sinceNanoseconds: Int64) = (0, 0)
  var counters = PluginCounters()

  struct Probation {
    var untilNanoseconds: Int64
    var former: PluginDescriptor
    var isolated: IsolatedPlugin?
  }

  var state: String {
    if suspension != nil { return "quarantined" }
    if isLedgerOnly, probation == nil { return "ledger only" }
    return probation == nil ? "active" : "probation"
  }
}

extension PluginRuntime {
  init(_ seat: PluginSeat) {
    var refused: [String: UInt64] = [:]
    for reason in SignalRefusal.allCases where seat.counters[reason] > 0 {
      refused[reason.name] = seat.counters[reason]
    }
    self.init(
      id: seat.descriptor.id, version: seat.descriptor.version, sha256: seat.descriptor.sha256,
      file: seat.path,
      generation: UInt64(seat.generation), placement: seat.isolated == nil ? "inproc" : "isolated",
      state: seat.state, sinceNanoseconds: seat.sinceNanoseconds, reason: seat.suspension ?? "",
      counters: Counters(
        events: seat.counters.eventCount, signals: seat.counters.signalCount, refused: refused))
  }
}
