/// The parameters of a request: query first, then body; a name present in both counts from the query.
public struct RequestParameters: Sendable {
  private var values: [String: String] = [:]

  public init(query: String, body: String) {
    for part in [query, body] {
      for pair in part.split(separator: "&").prefix(Self.countMax) {
        let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let name = Self.decoded(halves[0]), values[name] == nil,
          let value = Self.decoded(halves.count > 1 ? halves[1] : "")
        else { continue }
        values[name] = value
      }
    }
  }

  /// A bound on what one request may carry.
  public static let countMax = 64

  /// A parameter that was sent and is not empty.
  public subscript(name: String) -> String? {
    guard let value = values[name], !value.isEmpty else { return nil }
    return value
  }

  /// Undoes percent-encoding; nil when it is broken or not UTF-8.
  public static func decoded(_ text: Substring) -> String? {
    guard text.utf8.contains(where: { $0 == 0x25 || $0 == 0x2B }) else { return String(text) }
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      switch byte {
      case 0x2B: bytes.append(0x20)
      case 0x25:
        guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else {
          return nil
        }
        bytes.append(high << 4 | low)
      default: bytes.append(byte)
      }
    }
    return String(validating: bytes, as: UTF8.self)
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
  }
}
