import Market

/// One line of a recorded raw stream: local receive time, a space, the exchange's JSON.
struct TapeLine {
  enum Kind { case quote, trade, mark }

  /// Receive time as nanoseconds since the epoch, whatever unit the file uses.
  var receivedNanoseconds: Int64
  var kind: Kind
  var symbol: String
  /// Bid, bid quantity, ask, ask quantity · price, quantity · mark, index, funding rate; all × 10^8.
  var values: (Int64, Int64, Int64, Int64)
  var buyerIsMaker = false

  enum Failure: Error { case noReceiveTime(String), notEpoch(String), malformed(String) }

  /// Reads a line.
  ///
  /// - Returns: nil for what a market is not made of here: book changes and snapshots, klines, ids spent without a
  ///   fill. Never nil for a trade, quote or mark price.
  init?(_ bytes: UnsafeBufferPointer<UInt8>) throws(Failure) {
    var position = 0
    var stamp: Int64 = 0
    while position < bytes.count, position < 19, case 0x30...0x39 = bytes[position] {
      stamp = stamp * 10 + Int64(bytes[position] - 0x30)
      position += 1
    }
    guard position > 0, position < bytes.count, bytes[position] == 0x20 else {
      throw .noReceiveTime(String(decoding: bytes.prefix(40), as: UTF8.self))
    }
    // Thirteen digits are milliseconds, sixteen microseconds, nineteen nanoseconds of the years 2001 to 2286.
    switch position {
    case 13: receivedNanoseconds = stamp * 1_000_000
    case 16: receivedNanoseconds = stamp * 1_000
    case 19: receivedNanoseconds = stamp
    default: throw .notEpoch(String(stamp))
    }
    let json = UnsafeBufferPointer(rebasing: bytes[(position + 1)...])
    guard let name = Self.text("e", in: json) else { return nil }
    switch name {
    case "bookTicker": kind = .quote
    case "trade": kind = .trade
    case "markPriceUpdate": kind = .mark
    default: return nil
    }
    guard let symbol = Self.text("s", in: json) else { throw .malformed("s") }
    self.symbol = symbol
    switch kind {
    case .quote:
      values = (
        try Self.decimal("b", in: json), try Self.decimal("B", in: json), try Self.decimal("a", in: json),
        try Self.decimal("A", in: json)
      )
    case .trade:
      if let type = Self.text("X", in: json), type != "MARKET" { return nil }
      values = (try Self.decimal("p", in: json), try Self.decimal("q", in: json), 0, 0)
      guard values.0 > 0, values.1 > 0 else { return nil }
      guard let maker = Self.value("m", in: json) else { throw .malformed("m") }
      buyerIsMaker = maker.first == 0x74
    case .mark:
      values = (
        try Self.decimal("p", in: json), try Self.decimal("i", in: json), try Self.decimal("r", in: json), 0
      )
    }
  }

  private static func decimal(_ key: Unicode.Scalar, in json: UnsafeBufferPointer<UInt8>) throws(Failure)
    -> Int64
  {
    guard let bytes = value(key, in: json), let value = e8(bytes)
    else { throw .malformed(String(key)) }
    return value
  }

  /// As `FixedPoint.parse`, straight from the bytes: a tape has a million of them, and texts cost ten times as much.
  static func e8(_ bytes: UnsafeBufferPointer<UInt8>) -> Int64? {
    let isNegative = bytes.first == 0x2D
    var value: Int64 = 0
    var decimals = -1
    var digitCount = 0
    for byte in bytes.dropFirst(isNegative ? 1 : 0) {
      if byte == 0x2E, decimals < 0, digitCount > 0 {
        decimals = 0
        continue
      }
      guard case 0x30...0x39 = byte else { return nil }
      digitCount += 1
      if decimals == 8 {
        guard byte == 0x30 else { return nil }
        continue
      }
      let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tenfold.addingReportingOverflow(Int64(byte - 0x30))
      guard !overflow, !carry else { return nil }
      value = sum
      if decimals >= 0 { decimals += 1 }
    }
    guard digitCount > 0, decimals != 0 else { return nil }
    for _ in max(decimals, 0)..<8 {
      let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
      guard !overflow else { return nil }
      value = tenfold
    }
    return isNegative ? -value : value
  }

  private static func text(_ key: Unicode.Scalar, in json: UnsafeBufferPointer<UInt8>) -> String? {
    value(key, in: json).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The bytes of a one-letter member's value, without quotation marks. These messages are flat and nest nothing
  /// with the same names, so the first match inside `data` is the one.
  private static func value(
    _ key: Unicode.Scalar, in json: UnsafeBufferPointer<UInt8>
  ) -> UnsafeBufferPointer<UInt8>? {
    let letter = UInt8(truncatingIfNeeded: key.value)
    var index = 0
    let last = json.count - 4
    while index < last {
      guard json[index] == 0x22, json[index + 1] == letter, json[index + 2] == 0x22, json[index + 3] == 0x3A
      else {
        index += 1
        continue
      }
      var start = index + 4
      while start < json.count, json[start] == 0x20 { start += 1 }
      let isText = start < json.count && json[start] == 0x22
      if isText { start += 1 }
      var end = start
      while end < json.count {
        let byte = json[end]
        if isText ? byte == 0x22 : (byte == 0x2C || byte == 0x7D) { break }
        end += 1
      }
      guard end < json.count else { return nil }
      return UnsafeBufferPointer(rebasing: json[start..<end])
    }
    return nil
  }
}
