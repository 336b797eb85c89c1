/// Who goes first when the budget is short. Smaller is more important.
public enum RequestLane: UInt8, Sendable, Hashable, CaseIterable, Comparable {
  /// Protective orders and the questions that tell whether protection stands.
  case protect = 0
  /// Orders that reduce exposure.
  case close = 1
  case cancel = 2
  /// Orders that add exposure.
  case open = 3
  /// Everything that can wait: candles, prices, lists.
  case query = 4

  public static func < (a: RequestLane, b: RequestLane) -> Bool { a.rawValue < b.rawValue }
}

/// One REST call as a value, complete but for time and signature.
public struct RestRequest: Sendable, Hashable {
  public enum Method: String, Sendable, Hashable {
    case get = "GET", post = "POST", put = "PUT", delete = "DELETE"
  }

  public var method: Method
  /// Starts with `/fapi/`.
  public var path: String
  /// Percent-encoded parameters without `?`, in the order they are sent; every method carries them in the
  /// URL.
  public var query: String
  /// Needs timestamp and signature, and the key.
  public var isSigned: Bool
  /// Needs the header `X-MBX-APIKEY`.
  public var needsKey: Bool
  /// Cost against the request weight of the address.
  public var weight: Int
  /// Cost against each of the account's order limits.
  public var orderCost: Int
  public var lane: RequestLane

  public init(
    _ method: Method, _ path: String, query: String = "", isSigned: Bool = false, needsKey: Bool = false,
    weight: Int = 1, orderCost: Int = 0, lane: RequestLane = .query
  ) {
    self.method = method
    self.path = path
    self.query = query
    self.isSigned = isSigned
    self.needsKey = needsKey || isSigned
    self.weight = weight
    self.orderCost = orderCost
    self.lane = lane
  }
}

/// Assembles `name=value` pairs; values are percent-encoded as UTF-8, so any symbol can be sent.
struct QueryText {
  private(set) var text = ""

  mutating func append(_ name: String, _ value: String) {
    if !text.isEmpty { text += "&" }
    text += name
    text += "="
    text += Self.encoded(value)
  }

  mutating func append(_ name: String, _ value: String?) {
    if let value { append(name, value) }
  }

  mutating func append(_ name: String, _ value: Int64?) {
    if let value { append(name, String(value)) }
  }

  /// Everything but letters, digits and `-._~` becomes `%XX`.
  static func encoded(_ value: String) -> String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(value.utf8.count)
    for byte in value.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: bytes.append(byte)
      default:
        bytes.append(0x25)
        bytes.append(hexDigits[Int(byte >> 4)])
        bytes.append(hexDigits[Int(byte & 15)])
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static let hexDigits = Array("0123456789ABCDEF".utf8)
}
