import Market

/// Builds JSON text front to back: objects, arrays, and values whose types are the exchange's own.
///
/// Decimals are texts, ids and times are numbers, as clients' models want them.
struct JSONText {
  private(set) var bytes: [UInt8] = []
  private var needsComma = false

  mutating func object(_ key: StaticString? = nil, _ body: (inout JSONText) -> Void) {
    open(key, 0x7B)
    body(&self)
    close(0x7D)
  }

  mutating func array(_ key: StaticString? = nil, _ body: (inout JSONText) -> Void) {
    open(key, 0x5B)
    body(&self)
    close(0x5D)
  }

  mutating func text(_ key: StaticString? = nil, _ value: some StringProtocol) {
    start(key)
    bytes.append(0x22)
    for byte in value.utf8 {
      switch byte {
      case 0x22, 0x5C:
        bytes.append(0x5C)
        bytes.append(byte)
      case ..<0x20:
        bytes.append(contentsOf: "\\u00".utf8)
        bytes.append(Self.hex(byte >> 4))
        bytes.append(Self.hex(byte & 15))
      default: bytes.append(byte)
      }
    }
    bytes.append(0x22)
  }

  mutating func number(_ key: StaticString? = nil, _ value: some BinaryInteger) {
    start(key)
    bytes.append(contentsOf: String(value).utf8)
  }

  mutating func flag(_ key: StaticString? = nil, _ value: Bool) {
    start(key)
    bytes.append(contentsOf: (value ? "true" : "false").utf8)
  }

  mutating func null(_ key: StaticString? = nil) {
    start(key)
    bytes.append(contentsOf: "null".utf8)
  }

  /// Text that is JSON already.
  mutating func raw(_ key: StaticString? = nil, _ json: some Sequence<UInt8>) {
    start(key)
    bytes.append(contentsOf: json)
  }

  /// A decimal × 10^8 with a fixed number of digits.
  mutating func decimal(_ key: StaticString? = nil, e8: Int64, decimals: Int = 8) {
    text(key, FixedPoint.text(e8, decimals: decimals))
  }

  mutating func quote(_ key: StaticString? = nil, _ amount: Quote) { decimal(key, e8: amount.e8) }

  private mutating func open(_ key: StaticString?, _ bracket: UInt8) {
    start(key)
    bytes.append(bracket)
    needsComma = false
  }

  private mutating func close(_ bracket: UInt8) {
    bytes.append(bracket)
    needsComma = true
  }

  private mutating func start(_ key: StaticString?) {
    if needsComma { bytes.append(0x2C) }
    needsComma = true
    guard let key else { return }
    bytes.append(0x22)
    bytes.append(contentsOf: UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount))
    bytes.append(0x22)
    bytes.append(0x3A)
  }

  private static func hex(_ digit: UInt8) -> UInt8 { digit < 10 ? 0x30 + digit : 0x57 + digit }
}
