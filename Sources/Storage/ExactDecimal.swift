public import Market

/// An amount of quote currency that travels as decimal text of eight decimals, in JSON as in the store.
public struct ExactAmount: Sendable, Hashable, Comparable, Codable, CustomStringConvertible {
  public var quote: Quote

  public init(_ quote: Quote) { self.quote = quote }
  public init(e8: Int64) { quote = Quote(e8: e8) }

  /// Reads back what `description` wrote.
  public init?(text: some StringProtocol) {
    guard let e8 = FixedPoint.parse(text) else { return nil }
    quote = Quote(e8: e8)
  }

  public var e8: Int64 { quote.e8 }
  public var description: String { quote.description }

  public static func < (a: ExactAmount, b: ExactAmount) -> Bool { a.quote < b.quote }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let amount = ExactAmount(text: text) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a decimal amount: \(text)")
    }
    self = amount
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

/// Decimal text of integers of 1e-8 that may not fit 64 bits: a day's volume in a coin of tiny price does not.
enum ExactText {
  /// - Precondition: 0 ≤ decimals ≤ 8; digits beyond are cut.
  static func text(_ e8: Int128, decimals: Int) -> String {
    let one = UInt128(FixedPoint.one)
    let (whole, rest) = e8.magnitude.quotientAndRemainder(dividingBy: one)
    let sign = e8 < 0 ? "-" : ""
    guard decimals > 0 else { return sign + String(whole) }
    let fraction = String(rest)
    return sign + String(whole) + "."
      + (String(repeating: "0", count: 8 - fraction.count) + fraction).prefix(decimals)
  }

  /// nil for anything but plain decimal text of at most 28 digits before and 8 after the point.
  static func e8(_ text: some StringProtocol) -> Int128? {
    let isNegative = text.first == "-"
    let digits = isNegative ? text.dropFirst() : text[...]
    let parts = digits.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    let fraction = parts.count == 2 ? parts[1] : ""
    guard let whole = parts.first, !whole.isEmpty, whole.utf8.count <= 28, fraction.utf8.count <= 8,
      parts.count == 1 || !fraction.isEmpty,
      whole.utf8.allSatisfy(isDigit), fraction.utf8.allSatisfy(isDigit),
      let high = Int128(whole),
      let low = Int128(fraction + String(repeating: "0", count: 8 - fraction.utf8.count))
    else { return nil }
    let e8 = high * Int128(FixedPoint.one) + low
    return isNegative ? -e8 : e8
  }

  static func decimals(_ text: some StringProtocol) -> Int {
    guard let point = text.firstIndex(of: ".") else { return 0 }
    return text.distance(from: text.index(after: point), to: text.endIndex)
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}

/// Decimal text of counts on an instrument's grid, exact at any size.
public enum GridText {
  /// `count × unitE8 × 1e-8` with as many decimals as the unit has.
  /// - Precondition: `unitE8 > 0`.
  public static func text(_ count: Int64, unitE8: Int64) -> String {
    ExactText.text(Int128(count) * Int128(unitE8), decimals: FixedPoint.decimals(ofUnit: unitE8))
  }

  /// The count of units in a decimal text; nil when it is no plain decimal, not on the grid, or does not fit.
  public static func count(_ text: some StringProtocol, unitE8: Int64) -> Int64? {
    guard let e8 = ExactText.e8(text) else { return nil }
    let (count, remainder) = e8.quotientAndRemainder(dividingBy: Int128(unitE8))
    return remainder == 0 ? Int64(exactly: count) : nil
  }
}
