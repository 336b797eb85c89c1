/// Numbers as the shortest decimal that reads back as the same number, without an exponent.
public enum ShortDecimal {
  /// Empty for NaN, which stands for "none".
  public static func text(_ value: Double) -> String {
    if value.isNaN { return "" }
    return plain(value.description)
  }

  /// The shortest for a number of single precision: `0.65`, not `0.6499999761581421`.
  public static func text(_ value: Float) -> String {
    if value.isNaN { return "" }
    return plain(value.description)
  }

  /// `1.5e-07` as `0.00000015`, `100.0` as `100`.
  private static func plain(_ text: String) -> String {
    let parts = text.split(separator: "e")
    guard parts.count == 2, let exponent = Int(parts[1]) else {
      return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }
    var mantissa = parts[0]
    let sign = mantissa.hasPrefix("-") ? "-" : ""
    if !sign.isEmpty { mantissa = mantissa.dropFirst() }
    let halves = mantissa.split(separator: ".")
    let fraction = halves.count > 1 && halves[1] != "0" ? String(halves[1]) : ""
    let digits = String(halves[0]) + fraction
    let point = halves[0].count + exponent
    if point <= 0 { return sign + "0." + String(repeating: "0", count: -point) + digits }
    if point >= digits.count { return sign + digits + String(repeating: "0", count: point - digits.count) }
    return sign + digits.prefix(point) + "." + digits.dropFirst(point)
  }
}
