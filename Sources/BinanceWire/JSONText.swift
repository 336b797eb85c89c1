import Foundation

/// JSON for everything that is not a market message: account, orders, lists. Not for ticks.
public enum JSONText {
  static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws -> Value {
    try JSONDecoder().decode(type, from: Data(bytes))
  }

  /// As `decode`, with a typed error that says where it failed.
  static func read<Value: Decodable>(_ type: Value.Type, _ what: String, _ bytes: [UInt8]) throws(WireError)
    -> Value
  {
    do {
      return try JSONDecoder().decode(type, from: Data(bytes))
    } catch let error as DecodingError {
      throw .malformed(what, detail: reason(error))
    } catch {
      throw .malformed(what, detail: "not readable")
    }
  }

  /// The value's bytes, members in the order in which its type names them; `nil` members are left out.
  ///
  /// - Precondition: numbers are finite.
  public static func encode(_ value: some Encodable) -> [UInt8] {
    let encoder = JSONTextEncoder()
    do {
      try encoder.write(value)
    } catch {
      preconditionFailure("texts, finite numbers and flags always encode: \(error)")
    }
    return encoder.bytes
  }

  private static func reason(_ error: DecodingError) -> String {
    func path(_ context: DecodingError.Context) -> String {
      let path = context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(
        separator: ".")
      return path.isEmpty ? context.debugDescription : "\(path): \(context.debugDescription)"
    }
    switch error {
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
      return path(context)
    case .keyNotFound(let key, let context): return "\(key.stringValue) is missing; \(path(context))"
    @unknown default: return "not readable"
    }
  }
}
