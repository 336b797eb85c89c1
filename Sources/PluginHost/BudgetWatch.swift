internal import CPlatform
import Glibc

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
