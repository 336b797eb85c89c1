import Glibc

/// How a plugin failed, for people and for quarantine.
public struct PluginFailure: Sendable, Hashable {
  public enum Cause: Sendable, Hashable {
    case signal(Int32)
    case exit(Int32)
    /// A call did not return within the hard budget, or an answer within the time limit.
    case hung(milliseconds: Int)
    /// It kept sending signals that break the rules.
    case badSignals
    /// It wrote what makes no sense into shared memory or the control channel.
    case broken
  }

  public var cause: Cause
  public var phase: PluginPhase
  /// One line: what happened, where known why.
  public var reason: String
  /// Its stack when it crashed, innermost first; empty when not known.
  public var backtrace: [String]

  public init(cause: Cause, phase: PluginPhase, reason: String, backtrace: [String] = []) {
    self.cause = cause
    self.phase = phase
    self.reason = reason
    self.backtrace = backtrace
  }

  static func signalName(_ number: Int32) -> String {
    switch number {
    case SIGSEGV: "segmentation fault (SIGSEGV)"
    case SIGBUS: "bus error (SIGBUS)"
    case SIGABRT: "aborted (SIGABRT)"
    case SIGILL: "illegal instruction, often a trap (SIGILL)"
    case SIGTRAP: "trap (SIGTRAP)"
    case SIGFPE: "arithmetic fault (SIGFPE)"
    case SIGSYS: "forbidden system call (SIGSYS)"
    case SIGKILL: "killed (SIGKILL), by somebody or by the kernel for want of memory"
    case SIGXFSZ: "wrote a file larger than it may (SIGXFSZ)"
    case SIGTERM: "terminated (SIGTERM)"
    default: "signal \(number)"
    }
  }
}

/// How the process of an isolated plugin is.
public enum IsolatedStatus: Sendable, Hashable {
  case running
  /// Ended because it was asked to.
  case ended
  case failed(PluginFailure)
}
