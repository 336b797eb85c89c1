/// What a plugin was doing: part of every report about one that failed.
public enum PluginPhase: String, Sendable, CaseIterable {
  case scan, load, create, activate, process, state, end
  /// Between two calls; threads and handlers of its own may run.
  case idle

  /// For a sentence: "crashed in process".
  public var words: String {
    switch self {
    case .scan: "while it was looked at"
    case .load: "while loading"
    case .create: "in create"
    case .activate: "in activate or deactivate"
    case .process: "in process"
    case .state: "while saving or loading its state"
    case .end: "while ending"
    case .idle: "between calls"
    }
  }
}
