/// One strict pass over JSON text: every byte is checked, nothing is built.
///
/// Never reads at or behind `limit`. Strings must be valid UTF-8 without control characters; numbers follow
/// the JSON grammar; nesting ends at `depthMax`. A surrogate escape is refused: no field of ours has one.
struct JSONWalk {
  enum Failure: Error { case syntax, depth }

  var p: Cursor
  let limit: Cursor

  init(_ p: Cursor, _ limit: Cursor) {
    self.p = p
    self.limit = limit
  }

  /// The next byte that is not white space; 0 at the end.
  mutating func next() -> UInt8 {
    while p < limit {
      switch p.pointee {
      case 0x20, 0x09, 0x0A, 0x0D: p += 1
      default: return p.pointee
      }
    }
    return 0
  }

  mutating func expect(_ byte: UInt8) -> Bool {
    guard next() == byte else { return false }
    p += 1
    return true
  }

  /// A text, from its opening quote to behind the closing one.
  /// - Returns: start and byte count between the quotes, and whether it has escapes; nil when malformed.
  mutating func text() -> (start: Cursor, byteCount: Int, isEscaped: Bool)? {
    guard expect(0x22) else { return nil }
    let start = p
    var isEscaped = false
    while p < limit {
      let byte = p.pointee
      switch byte {
      case 0x22:
        let count = p - start
        p += 1
        return (start, count, isEscaped)
      case 0x5C:
        isEscaped = true
        guard escape() else { return nil }
      case 0x20..<0x80: p += 1
      case 0xC2...0xF4:
        guard multibyte(byte) else { return nil }
      default: return nil
      }
    }
    return nil
  }

  private mutating func escape() -> Bool {
    guard limit - p >= 2 else { return false }
    switch p[1] {
    case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74:
      p += 2
      return true
    case 0x75:
      guard limit - p >= 6 else { return false }
      var value: UInt32 = 0
      for index in 2..<6 {
        switch p[index] {
        case let digit where digit &- 0x30 < 10: value = value << 4 | UInt32(digit - 0x30)
        case let digit where (digit | 0x20) &- 0x61 < 6: value = value << 4 | UInt32((digit | 0x20) - 0x57)
        default: return false
        }
      }
      p += 6
      return !(0xD800...0xDFFF).contains(value)
    default: return false
    }
  }

  /// Well-formed UTF-8 as in table 3-7 of the Unicode standard.
  private mutating func multibyte(_ first: UInt8) -> Bool {
    let count = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
    guard limit - p >= count else { return false }
    let second = p[1]
    switch first {
    case 0xE0: guard (0xA0...0xBF).contains(second) else { return false }
    case 0xED: guard (0x80...0x9F).contains(second) else { return false }
    case 0xF0: guard (0x90...0xBF).contains(second) else { return false }
    case 0xF4: guard (0x80...0x8F).contains(second) else { return false }
    default: guard (0x80...0xBF).contains(second) else { return false }
    }
    for index in 2..<max(count, 2) where !(0x80...0xBF).contains(p[index]) { return false }
    p += count
    return true
  }

  /// A number by the JSON grammar; true when it is a whole number without sign, point or exponent.
  mutating func number() -> (isInteger: Bool, start: Cursor, byteCount: Int)? {
    let start = p
    var isInteger = true
    if p < limit, p.pointee == 0x2D {
      isInteger = false
      p += 1
    }
    let whole = p
    guard digits() else { return nil }
    if whole.pointee == 0x30, p - whole > 1 { return nil }
    if p < limit, p.pointee == 0x2E {
      isInteger = false
      p += 1
      guard digits() else { return nil }
    }
    if p < limit, p.pointee | 0x20 == 0x65 {
      isInteger = false
      p += 1
      if p < limit, p.pointee == 0x2B || p.pointee == 0x2D { p += 1 }
      guard digits() else { return nil }
    }
    return (isInteger, start, p - start)
  }

  private mutating func digits() -> Bool {
    let start = p
    while p < limit, p.pointee &- 0x30 < 10 { p += 1 }
    return p > start
  }

  mutating func literal(_ text: StaticString) -> Bool {
    guard limit - p >= text.utf8CodeUnitCount else { return false }
    for index in 0..<text.utf8CodeUnitCount where p[index] != text.utf8Start[index] { return false }
    p += text.utf8CodeUnitCount
    return true
  }

  /// Any value; says what it was and where. `depth` is that of the value itself.
  mutating func value(depth: Int, base: Cursor) throws(Failure) -> WireFields.Field {
    let first = next()
    var field = WireFields.Field()
    switch first {
    case 0x22:
      guard let text = text() else { throw .syntax }
      field.offset = UInt32(truncatingIfNeeded: text.start - base)
      field.byteCount = UInt32(truncatingIfNeeded: text.byteCount)
      field.kind = (text.isEscaped ? WireFields.Kind.escapedText : .text).rawValue
      return field
    case 0x2D, 0x30...0x39:
      guard let number = number() else { throw .syntax }
      field.offset = UInt32(truncatingIfNeeded: number.start - base)
      field.byteCount = UInt32(truncatingIfNeeded: number.byteCount)
      field.kind = (number.isInteger ? WireFields.Kind.integer : .number).rawValue
      return field
    case 0x74:
      guard literal("true") else { throw .syntax }
      field.kind = WireFields.Kind.yes.rawValue
      return field
    case 0x66:
      guard literal("false") else { throw .syntax }
      field.kind = WireFields.Kind.no.rawValue
      return field
    case 0x6E:
      guard literal("null") else { throw .syntax }
      field.kind = WireFields.Kind.null.rawValue
      return field
    case 0x7B, 0x5B:
      guard depth < MarketMessageScanner.depthMax else { throw .depth }
      try container(isObject: first == 0x7B, depth: depth, base: base)
      field.kind = WireFields.Kind.container.rawValue
      return field
    default: throw .syntax
    }
  }

  private mutating func container(isObject: Bool, depth: Int, base: Cursor) throws(Failure) {
    let close: UInt8 = isObject ? 0x7D : 0x5D
    p += 1
    if next() == close {
      p += 1
      return
    }
    while true {
      if isObject { guard text() != nil, expect(0x3A) else { throw .syntax } }
      _ = try value(depth: depth + 1, base: base)
      switch next() {
      case 0x2C: p += 1
      case close:
        p += 1
        return
      default: throw .syntax
      }
    }
  }
}
