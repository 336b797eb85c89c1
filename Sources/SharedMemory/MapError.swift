internal import CPlatform

/// Why a shared region cannot be made or used. One line for the operator: file, what is wrong, what to do.
public enum MapError: Error, Equatable, Sendable {
  /// The kernel refused `operation`; `code` is its errno.
  case system(path: String, operation: String, code: Int32, fix: String)
  /// The file is not the region this program expects.
  case mismatch(path: String, field: String, found: String, expected: String, fix: String)
  /// A living process already holds the place that only one may hold; its id is 0 when unknown.
  case inUse(path: String, role: String, processID: Int32)

  /// The text of an errno, as the C library says it.
  public static func text(ofCode code: Int32) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
      guard let base = buffer.baseAddress else { return "error \(code)" }
      aegis_error_text(code, base, buffer.count)
      return String(cString: base)
    }
  }
}

extension MapError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .system(let path, let operation, let code, let fix):
      "\(path): \(operation) failed: \(MapError.text(ofCode: code)) (errno \(code)). \(fix)"
    case .mismatch(let path, let field, let found, let expected, let fix):
      "\(path): \(field) is \(found), expected \(expected). \(fix)"
    case .inUse(let path, let role, let processID):
      "\(path): \(processID == 0 ? "another process" : "process \(processID)") is already its \(role). Stop it first; there is one at a time."
    }
  }
}
