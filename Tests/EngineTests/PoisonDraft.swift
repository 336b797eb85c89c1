import BinanceWire
import Market

/// A message as its fields: raw JSON on both sides of the colon, so that a shape can break any of it.
struct Draft {
  var fields: [(key: String, raw: String)]
  /// The combined stream's envelope around it; nil for none.
  var stream: String?

  /// The raw value of the first field of this name; nil removes it.
  subscript(key: String) -> String? {
    get { fields.first { $0.key == key }?.raw }
    set {
      guard let index = fields.firstIndex(where: { $0.key == key }) else {
        if let newValue { fields.append((key, newValue)) }
        return
      }
      if let newValue { fields[index].raw = newValue } else { fields.remove(at: index) }
    }
  }

  mutating func rename(_ key: String, to name: String) {
    if let index = fields.firstIndex(where: { $0.key == key }) { fields[index].key = name }
  }

  var payload: String { "{" + fields.map { "\"\($0.key)\":\($0.raw)" }.joined(separator: ",") + "}" }
  var text: String { stream.map { "{\"stream\":\"\($0)\",\"data\":\(payload)}" } ?? payload }
}

/// Where the market stands when a message is written: what the last good messages were, and what comes next.
struct MarketMoment {
  /// The venue's clock.
  var milliseconds: Int64
  var updateID: Int64
  var aggregateID: Int64
  /// The last good messages as they were sent, and an older trade.
  var lastTrade = ""
  var lastQuote = ""
  var lastMark = ""
  var olderTrade = ""

  /// 28155.1, in ticks of 0.1; quantities in steps of 0.001.
  static let priceTicks: Int64 = 281_551

  var quote: Draft {
    Draft(fields: [
      ("e", "\"bookTicker\""), ("u", "\(updateID)"), ("s", "\"BTCUSDT\""), ("b", "\"28155.10\""),
      ("B", "\"0.060\""), ("a", "\"28155.20\""), ("A", "\"3.793\""), ("T", "\(milliseconds)"),
      ("E", "\(milliseconds + 2)"),
    ])
  }

  var trade: Draft {
    Draft(fields: [
      ("e", "\"aggTrade\""), ("E", "\(milliseconds + 2)"), ("a", "\(aggregateID)"), ("s", "\"BTCUSDT\""),
      ("p", "\"28155.10\""), ("q", "\"0.060\""), ("f", "\(aggregateID * 2)"), ("l", "\(aggregateID * 2 + 1)"),
      ("T", "\(milliseconds)"), ("m", "true"),
    ])
  }

  var single: Draft {
    Draft(fields: [
      ("e", "\"trade\""), ("E", "\(milliseconds + 2)"), ("T", "\(milliseconds)"), ("s", "\"BTCUSDT\""),
      ("t", "\(aggregateID * 2)"), ("p", "\"28155.10\""), ("q", "\"0.060\""), ("X", "\"MARKET\""),
      ("m", "false"),
    ])
  }

  var mark: Draft {
    Draft(fields: [
      ("e", "\"markPriceUpdate\""), ("E", "\(milliseconds)"), ("s", "\"BTCUSDT\""),
      ("p", "\"28155.12345678\""),
      ("P", "\"28160.1\""), ("i", "\"28150.1\""), ("r", "\"0.0001\""),
      ("T", "\(milliseconds / 28_800_000 * 28_800_000 + 28_800_000)"),
    ])
  }
}

/// One kind of message a feed may carry, and what must become of it.
struct PoisonShape: Sendable, CustomStringConvertible {
  enum Outcome: Sendable, Equatable {
    /// Refused by the scanner.
    case malformed(MarketMessageScanner.Malformed)
    /// Well-formed and not ours.
    case ignored, control, batch
    /// Refused by the firewall.
    case rejected(FirewallRejection)
    /// Let through with the flag: shown, never traded on, in no candle.
    case quarantined
    /// Accepted behind a gap event that counts what is missing.
    case gap(Int64)
    /// Legal, however odd: the same event as the plain message.
    case accepted
  }

  enum Base: Sendable { case quote, trade, single, mark }

  let name: String
  let outcome: Outcome
  let base: Base
  let bytes: @Sendable (MarketMoment) -> [UInt8]
  /// For accepted and gap shapes: the plain message of the same meaning.
  let plain: @Sendable (MarketMoment) -> String

  var description: String { name }

  private static func draft(_ base: Base, _ moment: MarketMoment) -> Draft {
    switch base {
    case .quote: moment.quote
    case .trade: moment.trade
    case .single: moment.single
    case .mark: moment.mark
    }
  }

  /// A plain message with some fields changed; `canonical` is the plain message's own change, for legal shapes that
  /// carry another value.
  static func edit(
    _ name: String, _ outcome: Outcome, _ base: Base,
    canonical: @escaping @Sendable (inout Draft, MarketMoment) -> Void = { _, _ in },
    _ change: @escaping @Sendable (inout Draft, MarketMoment) -> Void
  ) -> PoisonShape {
    PoisonShape(
      name: name, outcome: outcome, base: base,
      bytes: { moment in
        var draft = draft(base, moment)
        change(&draft, moment)
        return Array(draft.text.utf8)
      },
      plain: { moment in
        var draft = draft(base, moment)
        canonical(&draft, moment)
        return draft.text
      })
  }

  /// One field's raw value replaced.
  static func field(_ name: String, _ outcome: Outcome, _ base: Base, _ key: String, _ raw: String)
    -> PoisonShape
  {
    edit("\(name): \(base) \(key) = \(String(reflecting: String(raw.prefix(40))))", outcome, base) {
      draft, _ in draft[key] = raw
    }
  }

  /// One field's raw value replaced by a legal one, in the plain message too.
  static func legal(_ name: String, _ outcome: Outcome, _ base: Base, _ key: String, _ raw: String)
    -> PoisonShape
  {
    edit(
      "\(name): \(base) \(key) = \(String(reflecting: String(raw.prefix(40))))", outcome, base,
      canonical: { draft, _ in draft[key] = raw }
    ) { draft, _ in draft[key] = raw }
  }

  /// The plain message's text made into something else.
  static func text(
    _ name: String, _ outcome: Outcome, _ base: Base = .trade,
    _ change: @escaping @Sendable (String) -> String
  ) -> PoisonShape {
    bytes(name, outcome, base) { Array(change(draft(base, $0).text).utf8) }
  }

  /// Any bytes.
  static func bytes(
    _ name: String, _ outcome: Outcome, _ base: Base = .trade,
    _ make: @escaping @Sendable (MarketMoment) -> [UInt8]
  ) -> PoisonShape {
    PoisonShape(
      name: name, outcome: outcome, base: base, bytes: make, plain: { draft(base, $0).text })
  }
}
