internal import CPlatform
import Glibc
import Synchronization

/// Judges how long one call of a plugin has been running. Pure: marks and times come in.
public struct BudgetWatch: Sendable {
  public enum Verdict: Sendable, Hashable {
    case fine
    /// Over the soft budget; said once per call.
    case slow(nanoseconds: Int64)
    /// Over the hard budget; said once per call.
    case hung(nanoseconds: Int64)
  }

  private let softNanoseconds: Int64
  private let hardNanoseconds: Int64
  private var mark: UInt64 = 0
  private var since: Int64 = 0
  private var isSlowSaid = false
  private var isHungSaid = false

  /// - Parameters: the budgets; soft is not more than hard.
  public init(softNanoseconds: Int64, hardNanoseconds: Int64) {
    self.softNanoseconds = softNanoseconds
    self.hardNanoseconds = hardNanoseconds
  }

  /// - Parameters:
  ///   - mark: number of the call that runs, 0 = none.
  ///   - now: monotonic nanoseconds. A call counts from the first look that saw it, so one that a look missed is
  ///     never judged too hard.
  public mutating func look(mark: UInt64, now: Int64) -> Verdict {
    guard mark != 0 else {
      self.mark = 0
      return .fine
    }
    if mark != self.mark {
      self.mark = mark
      since = now
      isSlowSaid = false
      isHungSaid = false
      return .fine
    }
    let elapsed = now - since
    if elapsed >= hardNanoseconds, !isHungSaid {
      isHungSaid = true
      return .hung(nanoseconds: elapsed)
    }
    if elapsed >= softNanoseconds, !isSlowSaid {
      isSlowSaid = true
      return .slow(nanoseconds: elapsed)
    }
    return .fine
  }
}

/// Watches calls of plugins that run in this process, from a thread of its own.
///
/// The decision thread says which plugin it is about to call and when that returned: two stores, no clock. The engine
/// cannot stop a call that hangs in its own process; whoever listens stops routing that plugin's orders, raises the
/// alarm, and in the end leaves so that the supervisor starts again with the plugin quarantined.
public final class PluginWatchdog: Sendable {
  public struct Report: Sendable, Hashable {
    /// Index of the plugin that is being called.
    public var plugin: Int
    public var verdict: BudgetWatch.Verdict
  }

  /// (call number << 8 | plugin index + 1); 0 between calls.
  private let mark = Atomic<UInt64>(0)
  private let isOver = Atomic<Bool>(false)
  private let hasEnded = Atomic<Bool>(false)

  /// - Parameter report: called on the watching thread, at most twice per call of a plugin; must not block.   [any]
  public init(
    softNanoseconds: Int64, hardNanoseconds: Int64, lookMilliseconds: Int,
    report: @escaping @Sendable (Report) -> Void
  ) {
    startPluginThread("plugin-watch") { [self] in
      var budget = BudgetWatch(softNanoseconds: softNanoseconds, hardNanoseconds: hardNanoseconds)
      while !isOver.load(ordering: .acquiring) {
        let mark = mark.load(ordering: .acquiring)
        let verdict = budget.look(mark: mark, now: aegis_monotonic_nanoseconds())
        if verdict != .fine { report(Report(plugin: Int(mark & 0xFF) - 1, verdict: verdict)) }
        usleep(UInt32(max(1, lookMilliseconds)) * 1000)
      }
      hasEnded.store(true, ordering: .releasing)
    }
  }

  /// - Parameters:
  ///   - plugin: 0…63.
  ///   - call: different from call to call; the event's sequence will do.   [decision-thread]
  @inlinable @inline(__always) public func begin(plugin: Int, call: UInt64) {
    store(call << 8 | UInt64(truncatingIfNeeded: plugin + 1))
  }

  @inlinable @inline(__always) public func end() { store(0) }

  /// Release: a watcher that sees the mark also sees what was done before it.
  @usableFromInline func store(_ value: UInt64) { mark.store(value, ordering: .releasing) }

  /// Ends the watching thread and waits for it.   [control]
  public func stop() {
    isOver.store(true, ordering: .releasing)
    while !hasEnded.load(ordering: .acquiring) { usleep(1000) }
  }
}

/// Runs `body` on a new thread that nobody waits for; the kernel keeps 15 bytes of the name.
func startPluginThread(_ name: String, _ body: @escaping @Sendable () -> Void) {
  final class Box {
    let name: String
    let body: @Sendable () -> Void
    init(_ name: String, _ body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }
  let box = Unmanaged.passRetained(Box(name, body))
  var thread = pthread_t()
  let code = pthread_create(
    &thread, nil,
    { context in
      guard let context else { return nil }
      let box = Unmanaged<Box>.fromOpaque(context).takeRetainedValue()
      _ = box.name.withCString { aegis_name_thread($0) }  // a name is a help to people only
      box.body()
      return nil
    }, box.toOpaque())
  precondition(code == 0, "a thread can be started")
  pthread_detach(thread)
}
