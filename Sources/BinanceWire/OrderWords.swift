public import Market

/// Whose order a client id names.
public enum OrderOwner: Sendable, Hashable {
  case own(ClientOrderID)
  /// Another program's, a person's, or the venue's own (`autoclose-…`, `adl_autoclose`,
  /// `settlement_autoclose-…`).
  case foreign(String)

  public init(text: String) { self = ClientOrderID(text: text).map(OrderOwner.own) ?? .foreign(text) }

  /// `.none` for a foreign order.
  public var id: ClientOrderID {
    if case .own(let id) = self { return id }
    return .none
  }

  /// The venue closed something of ours: liquidation, deleveraging, settlement.
  public var isVenue: Bool {
    guard case .foreign(let text) = self else { return false }
    return text.hasPrefix("autoclose-") || text == "adl_autoclose" || text.hasPrefix("settlement_autoclose-")
  }
}

/// The exchange's order states; words we do not know are kept as `.other`.
public enum OrderStatus: String, Sendable, Hashable, Codable {
  case new = "NEW"
  case partiallyFilled = "PARTIALLY_FILLED"
  case filled = "FILLED"
  case cancelled = "CANCELED"
  case rejected = "REJECTED"
  case expired = "EXPIRED"
  case expiredInMatch = "EXPIRED_IN_MATCH"
  case other = ""

  public init(word: String) { self = OrderStatus(rawValue: word) ?? .other }

  /// Nothing more will happen to the order.
  public var isFinal: Bool {
    switch self {
    case .filled, .cancelled, .rejected, .expired, .expiredInMatch: true
    case .new, .partiallyFilled, .other: false
    }
  }
}

/// Why the exchange pushed an order event.
public enum ExecutionType: String, Sendable, Hashable, Codable {
  case new = "NEW"
  case cancelled = "CANCELED"
  case calculated = "CALCULATED"
  case expired = "EXPIRED"
  case trade = "TRADE"
  case amendment = "AMENDMENT"
  case rejected = "REJECTED"
  case other = ""
}

extension Side {
  /// From the exchange's word.
  public init?(name: some StringProtocol) {
    switch name {
    case "BUY": self = .buy
    case "SELL": self = .sell
    default: return nil
    }
  }
}
