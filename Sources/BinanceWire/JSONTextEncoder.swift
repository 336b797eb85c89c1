/// Writes values as JSON, members in the order in which their types name them, front to back.
///
/// One definition of a message thus serves both directions. Values are texts, numbers, flags, lists and what is made
/// of them; `nil` members are left out. Nested and super containers are not offered: no message asks for them.
final class JSONTextEncoder: Encoder {
  private(set) var bytes: [UInt8] = []
  /// What ends the value being written; 0 while it has opened nothing.
  private var bracket: UInt8 = 0
  private var needsComma = false

  var codingPath: [any CodingKey] { [] }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    open(0x7B, 0x7D)
    return KeyedEncodingContainer(Members(encoder: self))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    open(0x5B, 0x5D)
    return Elements(encoder: self)
  }

  func singleValueContainer() -> any SingleValueEncodingContainer { Single(encoder: self) }

  /// One value with all that is in it.
  func write(_ value: some Encodable) throws {
    let outer = bracket
    bracket = 0
    try value.encode(to: self)
    if bracket != 0 { bytes.append(bracket) }
    bracket = outer
    needsComma = true
  }

  fileprivate func separate() {
    if needsComma { bytes.append(0x2C) }
    needsComma = false
  }

  fileprivate func name(_ key: some CodingKey) {
    separate()
    text(key.stringValue)
    bytes.append(0x3A)
  }

  fileprivate func literal(_ text: String) { bytes.append(contentsOf: text.utf8) }

  fileprivate func text(_ value: String) {
    bytes.append(0x22)
    for byte in value.utf8 {
      switch byte {
      case 0x22, 0x5C:
        bytes.append(0x5C)
        bytes.append(byte)
      case ..<0x20:
        literal("\\u00")
        bytes.append(Self.hexDigit(byte >> 4))
        bytes.append(Self.hexDigit(byte & 15))
      default: bytes.append(byte)
      }
    }
    bytes.append(0x22)
  }

  private func open(_ opening: UInt8, _ closing: UInt8) {
    precondition(bracket == 0, "a value is one object or one list")
    bytes.append(opening)
    bracket = closing
    needsComma = false
  }

  private static func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }
}

/// The members of an object.
private struct Members<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let encoder: JSONTextEncoder
  var codingPath: [any CodingKey] { [] }

  func encodeNil(forKey key: Key) {
    encoder.name(key)
    encoder.literal("null")
  }

  func encode(_ value: some Encodable, forKey key: Key) throws {
    encoder.name(key)
    try encoder.write(value)
  }

  func nestedContainer<Inner: CodingKey>(keyedBy type: Inner.Type, forKey key: Key)
    -> KeyedEncodingContainer<Inner>
  {
    unsupported()
  }

  func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { unsupported() }
  func superEncoder() -> any Encoder { unsupported() }
  func superEncoder(forKey key: Key) -> any Encoder { unsupported() }
}

/// The elements of a list.
private struct Elements: UnkeyedEncodingContainer {
  let encoder: JSONTextEncoder
  private(set) var count = 0
  var codingPath: [any CodingKey] { [] }

  init(encoder: JSONTextEncoder) { self.encoder = encoder }

  mutating func encodeNil() {
    encoder.separate()
    encoder.literal("null")
    count += 1
  }

  mutating func encode(_ value: some Encodable) throws {
    encoder.separate()
    try encoder.write(value)
    count += 1
  }

  func nestedContainer<Inner: CodingKey>(keyedBy type: Inner.Type) -> KeyedEncodingContainer<Inner> {
    unsupported()
  }

  func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { unsupported() }
  func superEncoder() -> any Encoder { unsupported() }
}

/// A text, a number or a flag.
private struct Single: SingleValueEncodingContainer {
  let encoder: JSONTextEncoder
  var codingPath: [any CodingKey] { [] }

  func encodeNil() { encoder.literal("null") }
  func encode(_ value: Bool) { encoder.literal(value ? "true" : "false") }
  func encode(_ value: String) { encoder.text(value) }
  func encode(_ value: Int) { encoder.literal(String(value)) }
  func encode(_ value: Int8) { encoder.literal(String(value)) }
  func encode(_ value: Int16) { encoder.literal(String(value)) }
  func encode(_ value: Int32) { encoder.literal(String(value)) }
  func encode(_ value: Int64) { encoder.literal(String(value)) }
  func encode(_ value: UInt) { encoder.literal(String(value)) }
  func encode(_ value: UInt8) { encoder.literal(String(value)) }
  func encode(_ value: UInt16) { encoder.literal(String(value)) }
  func encode(_ value: UInt32) { encoder.literal(String(value)) }
  func encode(_ value: UInt64) { encoder.literal(String(value)) }
  func encode(_ value: Float) throws { try encode(Double(value)) }

  func encode(_ value: Double) throws {
    guard value.isFinite else {
      throw EncodingError.invalidValue(value, .init(codingPath: [], debugDescription: "JSON has no \(value)"))
    }
    encoder.literal(value.description)
  }

  func encode(_ value: some Encodable) throws { try value.encode(to: encoder) }
}

private func unsupported() -> Never { preconditionFailure("messages are made of plain members and lists") }
