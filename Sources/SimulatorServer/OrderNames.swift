import Market

/// Client order ids as clients write them, and the handles the exchange knows them by.
///
/// Every id gets a handle of its own, our engine's ids too, so that a text may be used again once its order is over,
/// as on the real exchange.   [event loop]
struct OrderNames {
  struct Entry {
    var text: String
    var instrument: InstrumentID
    /// Σ price × quantity of its fills so far.
    var filledNotional: Quote = .zero
  }

  /// Orders remembered by name: more than the exchange keeps closed and open ones together.
  let countMax: Int
  private var entries: [UInt64: Entry] = [:]
  private var newest: [Key: UInt64] = [:]
  private var last: UInt64 = 0

  private struct Key: Hashable {
    var text: String
    var instrument: InstrumentID
  }

  /// Handles live in a run of their own, far from an engine's.
  private static let run = UInt32.max

  init(countMax: Int) { self.countMax = countMax }

  /// The text of an id the exchange made up, when a client gives none.
  func invented(orderNumber: Int64) -> String { "sim-\(String(orderNumber, radix: 36))" }

  /// A fresh handle for a text.
  mutating func add(_ text: String, _ instrument: InstrumentID) -> ClientOrderID {
    last += 1
    entries[last] = Entry(text: text, instrument: instrument)
    newest[Key(text: text, instrument: instrument)] = last
    if last > UInt64(countMax), let old = entries.removeValue(forKey: last - UInt64(countMax)) {
      let key = Key(text: old.text, instrument: old.instrument)
      if newest[key] == last - UInt64(countMax) { newest[key] = nil }
    }
    return ClientOrderID(run: Self.run, sequence: last)
  }

  /// The newest order of that name on the instrument.
  func handle(_ text: String, _ instrument: InstrumentID) -> ClientOrderID? {
    newest[Key(text: text, instrument: instrument)].map { ClientOrderID(run: Self.run, sequence: $0) }
  }

  /// What clients know an order by; the exchange's own orders (liquidation) carry its reserved name.
  func text(_ id: ClientOrderID, orderID: Int64) -> String {
    entries[id.sequence]?.text ?? "autoclose-\(orderID)"
  }

  /// Adds a fill; the sum so far.
  mutating func book(_ id: ClientOrderID, fill: Quote) -> Quote {
    guard var entry = entries[id.sequence] else { return fill }
    entry.filledNotional = entry.filledNotional + fill
    entries[id.sequence] = entry
    return entry.filledNotional
  }

  /// `^[\.A-Z\:/a-z0-9_-]{1,36}$`
  static func isValid(_ text: String) -> Bool {
    (1...36).contains(text.utf8.count)
      && text.utf8.allSatisfy {
        switch $0 {
        case 0x2D...0x3A, 0x41...0x5A, 0x5F, 0x61...0x7A: true
        default: false
        }
      }
  }
}
