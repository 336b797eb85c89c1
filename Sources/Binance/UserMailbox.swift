import BinanceWire
import Synchronization

/// What the account stream tells the order thread.
enum UserInput: Sendable {
  case event(UserEvent)
  /// The stream is up (again): whatever happened meanwhile must be asked for.
  case connected
  case disconnected
}

/// Carries account events to the order thread, in order.   [any thread → order-thread]
///
/// Bounded: when the order thread is so late, the account is read anew instead of event by event.
final class UserMailbox: Sendable {
  private static let countMax = 65_536

  private let inputs = Mutex<[UserInput]>([])

  func add(_ input: UserInput) {
    inputs.withLock { inputs in
      if inputs.count >= Self.countMax { inputs = [.connected] }
      inputs.append(input)
    }
  }

  func drain() -> [UserInput] {
    inputs.withLock { inputs in
      guard !inputs.isEmpty else { return [] }
      let drained = inputs
      inputs.removeAll(keepingCapacity: true)
      return drained
    }
  }
}
