/// A message or answer of the exchange that could not be understood.
public enum WireError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Not JSON of the expected shape: what was read and where it failed.
  case malformed(String, detail: String)
  /// A value is not a plain decimal or does not fit.
  case number(field: String, text: String)
  /// A price or quantity is not on the instrument's grid: the filters changed.
  case offGrid(field: String, text: String, symbol: String)
  case symbol(String)

  public var description: String {
    switch self {
    case .malformed(let what, let detail): "\(what): \(detail)"
    case .number(let field, let text): "\(field): '\(text)' is not a decimal number in range"
    case .offGrid(let field, let text, let symbol):
      "\(field): \(text) is not on the grid of \(symbol); read exchangeInfo again"
    case .symbol(let symbol): "symbol \(symbol) is not in the instrument table"
    }
  }
}
