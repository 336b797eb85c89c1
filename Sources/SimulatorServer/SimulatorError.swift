/// Why the simulator cannot start. Every text is one line that names file, field and fix.
public enum SimulatorError: Error, Equatable, CustomStringConvertible {
  /// A tape or candle file that cannot be used: `reason` says what is wrong with it and what to do.
  case tape(path: String, line: Int?, reason: String)
  /// An option out of range.
  case option(name: String, reason: String)
  /// A port that cannot be listened on.
  case port(number: Int, reason: String)

  public var description: String {
    switch self {
    case .tape(let path, let line, let reason):
      line.map { "\(path):\($0): \(reason)" } ?? "\(path): \(reason)"
    case .option(let name, let reason): "\(name): \(reason)"
    case .port(let number, let reason): "port \(number): \(reason)"
    }
  }
}
