import BinanceWire
public import Market

/// Which instruments are traded: every `TRADING` USDT perpetual of the venue.
public enum Universe {
  public enum Failure: Error, CustomStringConvertible {
    case notOffered([String], venue: String)
    case empty(venue: String)

    public var description: String {
      switch self {
      case .notOffered(let symbols, let venue):
        "symbols: \(symbols.joined(separator: ", ")) \(symbols.count == 1 ? "is" : "are") not traded at \(venue); "
          + "remove them from the list, or leave it empty for all"
      case .empty(let venue): "\(venue) offers no USDT perpetual in TRADING; there is nothing to trade"
      }
    }
  }

  /// Keeps the asked-for symbols (all when empty), at most `countMax` of them, in the table's order.
  public static func selected(
    from table: InstrumentTable, symbols: [String], countMax: Int?
  ) throws(Failure) -> InstrumentTable {
    guard table.count > 0 else { throw .empty(venue: table.venue) }
    let known = Set(table.instruments.map(\.symbol))
    let missing = symbols.filter { !known.contains($0) }
    guard missing.isEmpty else { throw .notOffered(missing, venue: table.venue) }
    let wanted = Set(symbols)
    let kept = table.instruments.filter { symbols.isEmpty || wanted.contains($0.symbol) }
    return InstrumentTable(
      version: table.version, venue: table.venue, instruments: Array(kept.prefix(countMax ?? kept.count)))
  }
}
