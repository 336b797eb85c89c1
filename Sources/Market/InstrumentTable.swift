/// Every instrument the engine knows, in one fixed order: the order defines `InstrumentID`.
///
/// The Orchestrator writes a new file per version; the others load it once and keep it. Tapes carry a copy, so a
/// recorded day can be read without the exchange.
public struct InstrumentTable: Sendable, Codable, Hashable {
  /// Raised by one with every change, so that stale ids are recognised.
  public var version: UInt32
  /// Whose instruments these are: `binance`, `simulator`, or the URL of another venue. Stored rows are keyed by it.
  public var venue: String
  public private(set) var instruments: [Instrument]

  /// - Precondition: symbols are unique; at most 4096 instruments.
  public init(version: UInt32 = 1, venue: String, instruments: [Instrument]) {
    precondition(instruments.count <= Self.countMax, "at most \(Self.countMax) instruments")
    precondition(Set(instruments.map(\.symbol)).count == instruments.count, "symbols are unique")
    self.version = version
    self.venue = venue
    self.instruments = instruments
  }

  /// A bound for every table indexed by instrument; the venue lists well under a thousand.
  public static let countMax = 4096

  public var count: Int { instruments.count }
  public var ids: some Sequence<InstrumentID> { instruments.indices.lazy.map { InstrumentID($0) } }
  public var rules: [InstrumentRules] { instruments.map(\.rules) }
  public subscript(id: InstrumentID) -> Instrument { instruments[Int(id.index)] }

  /// The id of a symbol, by linear search: for edges and tests, not for ticks.
  public func id(ofSymbol symbol: String) -> InstrumentID? {
    instruments.firstIndex { $0.symbol == symbol }.map { InstrumentID($0) }
  }
}
