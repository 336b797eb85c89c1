import Dispatch
import Glibc
import Synchronization

/// Notices SIGHUP. Signals that arrive within a short time of each other count as one.
final class HangUpSignal: @unchecked Sendable {  // the source is only kept alive
  private let lastNanoseconds = Atomic<Int64>(0)
  private let takenNanoseconds = Atomic<Int64>(0)
  private let source: any DispatchSourceSignal

  /// Quiet time after the last signal of a burst.
  private static let debounceNanoseconds: Int64 = 200_000_000

  init() {
    signal(SIGHUP, SIG_IGN)  // an early signal must not end the process
    source = DispatchSource.makeSignalSource(signal: SIGHUP, queue: DispatchQueue(label: "aegis.hangup"))
    source.setEventHandler { [weak self] in
      self?.lastNanoseconds.store(Clock.monotonicNanoseconds(), ordering: .releasing)
    }
    source.resume()
  }

  /// Whether a burst of signals has ended since the last call that said so.
  func take(now: Int64 = Clock.monotonicNanoseconds()) -> Bool {
    let last = lastNanoseconds.load(ordering: .acquiring)
    guard last != takenNanoseconds.load(ordering: .relaxed), now - last >= Self.debounceNanoseconds else {
      return false
    }
    takenNanoseconds.store(last, ordering: .relaxed)
    return true
  }
}
