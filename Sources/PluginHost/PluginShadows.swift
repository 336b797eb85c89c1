import Glibc
import Market
import PluginABI

/// How an instance that runs in the shadow compares with the active one of its seat.
public struct ShadowReport: Sendable, Hashable {
  public init() {}

  /// Live events it saw.
  public internal(set) var eventCount: UInt64 = 0
  /// Signals of the active instance and of the shadow.
  public internal(set) var activeSignalCount: UInt64 = 0
  public internal(set) var shadowSignalCount: UInt64 = 0
  /// Events after which the two had said different things.
  public internal(set) var differingCount: UInt64 = 0
  /// The largest difference between two expected returns for the same event, as a fraction.
  public internal(set) var differenceMax = 0.0
  /// Signals and calls of the shadow that broke a rule.
  public internal(set) var refusedCount: UInt64 = 0
  /// Longest call, and calls above the limit.
  public internal(set) var slowestNanoseconds: Int64 = 0
  public internal(set) var slowCount: UInt64 = 0
}

/// One instance beside an active one: a candidate before the switch, or the former instance during probation.
struct PluginShadow: BitwiseCopyable {
  enum Role: UInt8, BitwiseCopyable { case candidate, former }

  var slot: PluginSlot
  var role: Role
  /// Which instruments it has seen the history of; nil = it carries the state of another instance and needs none.
  var isWarm: UnsafeMutablePointer<Bool>?

  func knows(_ instrument: UInt32) -> Bool { isWarm.map { $0[Int(instrument)] } ?? true }
}

/// The shadows of a set, at most one a seat.   [decision-thread, but for what it says otherwise]
final class PluginShadows {
  private(set) var count = 0
  private let shadows: UnsafeMutablePointer<PluginShadow?>
  private let countMax: Int
  var reports: [ShadowReport]
  var descriptors: [PluginDescriptor?]
  /// Handed over by the control side, not in service yet.
  var staged: [DetachedPlugin?]
  /// Taken out of service, for the control side to end.
  var removed: [DetachedPlugin] = []
  let state = PluginStateBuffer()
  /// Where shadows write; nobody trades on it.
  let signals = UnsafeMutableBufferPointer<Signal>.allocate(capacity: PluginTables.signalsPerEventMax)
  /// A call that takes longer is counted as slow.
  var budgetNanoseconds: Int64 = 50_000

  init(countMax: Int) {
    self.countMax = countMax
    shadows = .allocate(capacity: countMax)
    shadows.initialize(repeating: nil, count: countMax)
    reports = Array(repeating: ShadowReport(), count: countMax)
    descriptors = Array(repeating: nil, count: countMax)
    staged = Array(repeating: nil, count: countMax)
    removed.reserveCapacity(2 * countMax)
  }

  deinit {
    shadows.deallocate()
    signals.deallocate()
  }

  subscript(seat: Int) -> PluginShadow? {
    _read { yield shadows[seat] }
    _modify { yield &shadows[seat] }
  }

  func put(_ shadow: PluginShadow, _ descriptor: PluginDescriptor, at seat: Int) {
    precondition(shadows[seat] == nil, "one shadow a seat")
    shadows[seat] = shadow
    descriptors[seat] = descriptor
    reports[seat] = ShadowReport()
    count += 1
  }

  /// Takes the shadow out of the seat.
  func take(_ seat: Int) -> (shadow: PluginShadow, descriptor: PluginDescriptor)? {
    guard let shadow = shadows[seat], let descriptor = descriptors[seat] else { return nil }
    shadows[seat] = nil
    descriptors[seat] = nil
    count -= 1
    shadow.isWarm?.deallocate()
    return (shadow, descriptor)
  }

  func remove(_ seat: Int) {
    guard let (shadow, descriptor) = take(seat) else { return }
    removed.append(DetachedPlugin(slot: shadow.slot, descriptor: descriptor))
  }

  /// Ends everything that is left, with the set.   [control]
  func end() {
    for seat in 0..<countMax { remove(seat) }
    for plugin in removed + staged.compactMap({ $0 }) { plugin.slot.end() }
    removed = []
    staged = []
  }
}
