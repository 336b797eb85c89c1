import SharedMemory

/// The counter page's plan: one lane per process, numbered slots within it. The numbers are shared memory: never reuse.
public enum ProcessLane: Int, CaseIterable, Sendable {
  case feed = 0
  case brain = 1
  case recorder = 2

  public var name: String {
    switch self {
    case .feed: "feed"
    case .brain: "brain"
    case .recorder: "recorder"
    }
  }

  /// Slots every lane has.
  static let counterCount = 64
}

/// Slots of the Brain's lane.
public enum BrainCounter: Int, Sendable {
  case events = 0
  case implausible = 1
  case signals = 2
  case commands = 3
  case reports = 4
  /// Events lost to overruns of the ring.
  case lost = 5
  case overruns = 6
  /// Furthest the Brain ever was behind the Feed, events.
  case lagMax = 7
  case journalFull = 8
  /// The seat whose plugin is being called, from 1; 0 between calls. What a Brain that dies leaves here is to blame.
  case pluginCall = 9
}

/// Slots of the recorder's lane.
public enum RecorderCounter: Int, Sendable {
  case records = 0
  case lost = 1
}
