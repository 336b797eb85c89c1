import Dispatch
import Glibc
import Synchronization

/// Counts SIGTERM and SIGINT. The first asks for an orderly end; the second ends the process at once.
public final class TerminationSignals: @unchecked Sendable {  // the sources are only kept alive
  private let received = Atomic<Int>(0)
  private let sources: [any DispatchSourceSignal]

  /// - Parameter exitsOnSecond: the second signal ends the process with status 130.
  public init(exitsOnSecond: Bool = true) {
    let queue = DispatchQueue(label: "aegis.signals")
    var made: [any DispatchSourceSignal] = []
    for number in [SIGTERM, SIGINT] {
      signal(number, SIG_IGN)  // before the source exists an early signal must not kill the process
      made.append(DispatchSource.makeSignalSource(signal: number, queue: queue))
    }
    sources = made
    for source in made {
      source.setEventHandler { [weak self] in
        guard let self else { return }
        let count = received.add(1, ordering: .sequentiallyConsistent).newValue
        if count > 1, exitsOnSecond { exit(130) }
      }
      source.resume()
    }
  }

  public var count: Int { received.load(ordering: .sequentiallyConsistent) }
}
