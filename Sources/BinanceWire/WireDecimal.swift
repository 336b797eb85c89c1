import Market

/// Decimal texts of account and order messages.
public enum WireDecimal {
  /// The exact value × 10^8.
  static func exact(_ text: String, _ field: String) throws(WireError) -> Int64 {
    guard let value = FixedPoint.parse(text) else { throw .number(field: field, text: text) }
    return value
  }

  /// The value × 10^8, cut behind the eighth decimal: averages have more digits than any grid.
  static func cut(_ text: String, _ field: String) throws(WireError) -> Int64 {
    if let value = FixedPoint.parse(text) { return value }
    if let point = text.firstIndex(of: "."), text.utf8.allSatisfy({ $0 != 0x65 && $0 != 0x45 }) {
      let tail = text[point...].dropFirst()
      if tail.count > 8, tail.utf8.allSatisfy({ $0 &- 0x30 < 10 }),
        let value = FixedPoint.parse(text[..<point] + "." + tail.prefix(8))
      {
        return value
      }
    }
    throw .number(field: field, text: text)
  }

  static func price(_ text: String, _ field: String, _ instrument: Instrument) throws(WireError) -> Price {
    let e8 = try exact(text, field)
    guard let price = instrument.rules.price(e8: e8) else {
      throw .offGrid(field: field, text: text, symbol: instrument.symbol)
    }
    return price
  }

  static func quantity(_ text: String, _ field: String, _ instrument: Instrument) throws(WireError)
    -> Quantity
  {
    let e8 = try exact(text, field)
    guard let quantity = instrument.rules.quantity(e8: e8) else {
      throw .offGrid(field: field, text: text, symbol: instrument.symbol)
    }
    return quantity
  }

  /// Quantity × average price, half away from zero.
  static func notional(_ rules: InstrumentRules, _ quantity: Quantity, averageE8: Int64) -> Quote {
    Quote(
      e8: FixedPoint.divided(
        Int128(averageE8) * Int128(abs(quantity.steps)) * Int128(rules.stepE8), by: Int128(FixedPoint.one)))
  }

  /// Without trailing zeros: `0.1`, `5`, `0.00012`.
  public static func short(_ e8: Int64) -> String {
    e8 == 0 ? "0" : FixedPoint.text(e8, decimals: FixedPoint.decimals(ofUnit: Int64(clamping: e8.magnitude)))
  }
}

/// Where symbols lead, for everything that is not a tick.
struct SymbolIndex: Sendable {
  let table: InstrumentTable
  private let indices: [String: Int]

  init(_ table: InstrumentTable) {
    self.table = table
    indices = Dictionary(uniqueKeysWithValues: table.instruments.enumerated().map { ($1.symbol, $0) })
  }

  func find(_ symbol: String) throws(WireError) -> (InstrumentID, Instrument) {
    guard let index = indices[symbol] else { throw .symbol(symbol) }
    return (InstrumentID(index), table.instruments[index])
  }

  func contains(_ symbol: String) -> Bool { indices[symbol] != nil }
}
