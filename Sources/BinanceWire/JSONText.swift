import Foundation

/// JSON for everything that is not a market message: account, orders, lists. Not for ticks.
enum JSONText {
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

  /// Keys sorted, slashes as they are: the same value gives the same bytes.
  static func encode(_ value: some Encodable) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return Array(try encoder.encode(value))
    } catch {
      preconditionFailure("texts, whole numbers and flags always encode: \(error)")
    }
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
