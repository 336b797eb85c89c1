/// The one-letter fields of one message as the general path found them: where each stands and what it is.
struct WireFields {
  enum Kind: UInt8 {
    case text, escapedText, integer, number, yes, no, null, container
  }

  /// Offset from the message's start, byte count, kind. Texts without their quotes.
  struct Field: BitwiseCopyable {
    var offset: UInt32 = 0
    var byteCount: UInt32 = 0
    var kind: UInt8 = 0
  }

  /// By the low six bits of the letter: unique for A…Z and a…z.
  private var fields = InlineArray<64, Field>(repeating: Field())
  private(set) var seen: UInt64 = 0
  /// A letter came twice.
  private(set) var isDoubled = false
  /// `st`: 1 this market, 2 the coin-margined one, 0 absent, -1 not a number.
  var market: Int64 = 0
  var hasMarket = false

  /// - Precondition: the letter is in A…Z or a…z.
  mutating func set(_ letter: UInt8, _ field: Field) {
    let bit = UInt64(1) << UInt64(letter & 63)
    if seen & bit != 0 { isDoubled = true }
    seen |= bit
    fields[Int(letter & 63)] = field
  }

  func has(_ letter: UInt8) -> Bool { seen & (1 << UInt64(letter & 63)) != 0 }

  func field(_ letter: UInt8, _ kind: Kind) -> Field? {
    let field = fields[Int(letter & 63)]
    return has(letter) && field.kind == kind.rawValue ? field : nil
  }

  /// A whole number, not negative.
  func integer(_ letter: UInt8, _ base: Cursor) -> Int64? {
    guard let field = field(letter, .integer) else { return nil }
    return Self.integer(base + Int(field.offset), Int(field.byteCount))
  }

  /// Digits without sign; nil when negative or out of range. The tokeniser refused leading zeros.
  static func integer(_ start: Cursor, _ byteCount: Int) -> Int64? {
    var value: Int64 = 0
    for index in 0..<byteCount {
      let digit = start[index] &- 0x30
      guard digit < 10 else { return nil }
      let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tenfold.addingReportingOverflow(Int64(digit))
      guard !overflow, !carry else { return nil }
      value = sum
    }
    return value
  }

  func flag(_ letter: UInt8) -> Bool? {
    if field(letter, .yes) != nil { return true }
    if field(letter, .no) != nil { return false }
    return nil
  }

  /// A decimal text × 10^8: no sign unless allowed, no leading zeros, digits on both sides of a point, and
  /// nothing but zeros beyond the eighth decimal.
  func decimal(_ letter: UInt8, _ base: Cursor, signed: Bool = false) -> Int64? {
    guard let field = field(letter, .text) else { return nil }
    var p = base + Int(field.offset)
    let end = p + Int(field.byteCount)
    var isNegative = false
    if signed, p < end, p.pointee == 0x2D {
      isNegative = true
      p += 1
    }
    let start = p
    var value: Int64 = 0
    var decimals = -1
    while p < end {
      let digit = p.pointee &- 0x30
      if digit < 10 {
        if decimals >= 8 {
          guard digit == 0 else { return nil }
        } else {
          let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
          let (sum, carry) = tenfold.addingReportingOverflow(Int64(digit))
          guard !overflow, !carry else { return nil }
          value = sum
          if decimals >= 0 { decimals += 1 }
        }
      } else {
        guard p.pointee == 0x2E, decimals < 0, p > start else { return nil }
        decimals = 0
      }
      p += 1
    }
    guard end > start, decimals != 0 else { return nil }
    if start.pointee == 0x30, end - start > 1, start[1] != 0x2E { return nil }
    for _ in max(decimals, 0)..<8 {
      let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
      guard !overflow else { return nil }
      value = tenfold
    }
    return isNegative ? -value : value
  }
}
