/// Decimal text and arithmetic over integers scaled by 1e-8, shared by prices, quantities, amounts and rates.
public enum FixedPoint {
  /// 10^8: the number of units in one.
  public static let one: Int64 = 100_000_000

  /// `a × b / 10^8`, rounded half away from zero.
  /// - Precondition: the result fits in 64 bits.
  @inlinable public static func scaled(_ a: Int64, by b: Int64) -> Int64 {
    divided(Int128(a) * Int128(b), by: Int128(one))
  }

  /// `a / b` rounded half away from zero.
  /// - Precondition: `b > 0` and the result fits in 64 bits.
  @inlinable public static func divided(_ a: Int128, by b: Int128) -> Int64 {
    let half = b / 2
    return Int64((a >= 0 ? a + half : a - half) / b)
  }

  /// The exact value of a decimal text such as `-0.00012`, in units of 1e-8.
  ///
  /// - Returns: nil for anything that is not plain decimal text, has more than eight significant decimals, or
  ///   does not fit. No exponent, no leading `+`, no white space, no NaN.
  public static func parse(_ text: some StringProtocol) -> Int64? {
    var value: Int64 = 0
    var decimals = -1
    var digitCount = 0
    var isNegative = false
    for (position, character) in text.utf8.enumerated() {
      switch character {
      case 0x30...0x39:
        digitCount += 1
        if decimals >= 8 {
          guard character == 0x30 else { return nil }
          continue
        }
        let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
        let (sum, carry) = tenfold.addingReportingOverflow(Int64(character - 0x30))
        guard !overflow, !carry else { return nil }
        value = sum
        if decimals >= 0 { decimals += 1 }
      case 0x2E where decimals < 0 && digitCount > 0: decimals = 0
      case 0x2D where position == 0: isNegative = true
      default: return nil
      }
    }
    guard digitCount > 0, decimals != 0 else { return nil }
    for _ in max(decimals, 0)..<8 {
      let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
      guard !overflow else { return nil }
      value = tenfold
    }
    return isNegative ? -value : value
  }

  /// Decimal text with exactly `decimals` digits after the point.
  /// - Precondition: 0 ≤ decimals ≤ 8. Digits beyond `decimals` are cut, so choose enough for the value's grid.
  public static func text(_ e8: Int64, decimals: Int) -> String {
    precondition((0...8).contains(decimals), "text of 0 to 8 decimals")
    let magnitude = e8.magnitude
    let whole = magnitude / UInt64(one)
    var result = e8 < 0 ? "-\(whole)" : "\(whole)"
    guard decimals > 0 else { return result }
    let fraction = String(magnitude % UInt64(one))
    let padded = String(repeating: "0", count: 8 - fraction.count) + fraction
    result += "."
    result += padded.prefix(decimals)
    return result
  }

  /// How many decimals a grid unit needs: 0.10 → 1, 0.001 → 3, 5 → 0.
  public static func decimals(ofUnit e8: Int64) -> Int {
    precondition(e8 > 0, "a grid unit is positive")
    var remaining = e8
    var decimals = 8
    while decimals > 0, remaining % 10 == 0 {
      remaining /= 10
      decimals -= 1
    }
    return decimals
  }
}
