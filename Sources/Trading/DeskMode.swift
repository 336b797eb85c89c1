/// Whether the desk may take new exposure. Raw values go to journals: never renumber.
@frozen public enum DeskMode: UInt8, Sendable, BitwiseCopyable, Codable, CaseIterable {
  case normal = 0
  /// No new exposure; exits, stops and targets go on.
  case reduceOnly = 1
  /// As `reduceOnly`, and only a person ends it.
  case halted = 2

  public var name: String {
    switch self {
    case .normal: "normal"
    case .reduceOnly: "reduce-only"
    case .halted: "halted"
    }
  }
}
