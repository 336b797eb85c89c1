import Foundation
public import Market

/// One event of the user data stream.
public enum UserEvent: Sendable {
  case order(OrderUpdate)
  case account(AccountUpdate)
  /// The stream is silent from now on: make a new key, reconnect, reconcile.
  case listenKeyExpired(time: Instant)
  /// A conditional order changed.
  case algo(UserMessages.AlgoUpdate)
  /// The leverage of a symbol changed.
  case leverage(symbol: String, leverage: Int)
  /// A hint without fee or state: the ORDER_TRADE_UPDATE that follows counts.
  case tradeLite
  /// Recognised or not, nothing to do.
  case ignored(name: String)
}

/// What one ORDER_TRADE_UPDATE says.
public struct OrderUpdate: Sendable {
  /// Ready for the desk; `id` is `.none` for another's order. The fee is zero when paid in another asset.
  public var report: ExchangeReport
  public var owner: OrderOwner
  public var execution: ExecutionType
  public var status: OrderStatus
  public var quantity: Quantity
  public var reduceOnly: Bool
  /// nil when there was no commission.
  public var commissionAsset: String?
  /// In units of 1e-8 of that asset.
  public var commissionE8: Int64
  /// 0 none, 1 self-trade, 2 IOC rest, 4 knocked out, 5 liquidated, 6 position gone, 7 delisted, 9 MARKET
  /// rest.
  public var expiryReason: Int
}

/// What one ACCOUNT_UPDATE says. Only what changed is listed.
public struct AccountUpdate: Sendable {
  public var reason: String
  public var time: Instant
  public var balances: [AssetBalance]
  public var positions: [PositionSnapshot]

  /// As reports for the desk: the USDT wallet, then every one-way position.
  public var reports: [ExchangeReport] {
    balances.filter { $0.asset == "USDT" }.map {
      ExchangeReport(kind: .balance, instrument: .none, amount: $0.wallet, time: time)
    } + positions.compactMap(\.report)
  }
}

public struct AssetBalance: Sendable, Hashable {
  public var asset: String
  public var wallet: Quote
  /// What new positions may use; nil where the source does not say.
  public var available: Quote?
}

/// A position as the exchange has it.
public struct PositionSnapshot: Sendable, Hashable {
  public var instrument: InstrumentID
  /// Positive long, negative short.
  public var quantity: Quantity
  /// Average entry × 10^8; 0 when flat.
  public var entryPriceE8: Int64
  /// |quantity| × entry price, half away from zero.
  public var entryNotional: Quote
  public var unrealized: Quote
  /// `BOTH` in one-way mode.
  public var positionSide: String
  public var time: Instant

  /// For reconciliation; nil for a leg of hedge mode, which the engine does not trade.
  public var report: ExchangeReport? {
    guard positionSide == "BOTH" else { return nil }
    return ExchangeReport(
      kind: .position, side: quantity.steps >= 0 ? .buy : .sell, instrument: instrument, quantity: quantity,
      amount: entryNotional, time: time)
  }
}

/// Decodes the user data stream, raw or enveloped.
///
/// Unknown fields and events are skipped; a symbol outside the table makes the event `.ignored`, because
/// nothing of it can be expressed on a grid.
public struct OrderUpdates: Sendable {
  private let symbols: SymbolIndex

  public init(table: InstrumentTable) { symbols = SymbolIndex(table) }

  public func decode(_ bytes: [UInt8]) throws(WireError) -> UserEvent {
    let head = try JSONText.read(Head.self, "user event", bytes)
    guard let name = head.name else {
      throw .malformed("user event", detail: "neither an event name nor data")
    }
    func payload<Value: Decodable>(_ type: Value.Type) throws(WireError) -> Value {
      head.isEnveloped
        ? try JSONText.read(Envelope<Value>.self, name, bytes).data : try JSONText.read(type, name, bytes)
    }
    switch name {
    case "ORDER_TRADE_UPDATE":
      let order = try payload(UserMessages.OrderTradeUpdate.self).o
      guard symbols.contains(order.s) else { return .ignored(name: "\(name) of \(order.s)") }
      return .order(try update(order))
    case "ACCOUNT_UPDATE": return .account(try update(try payload(UserMessages.AccountUpdate.self)))
    case "listenKeyExpired":
      return .listenKeyExpired(
        time: Instant(milliseconds: try payload(UserMessages.ListenKeyExpired.self).E))
    case "ALGO_UPDATE": return .algo(try payload(UserMessages.AlgoUpdate.self))
    case "ACCOUNT_CONFIG_UPDATE":
      guard let change = try payload(UserMessages.AccountConfigUpdate.self).ac else {
        return .ignored(name: name)
      }
      return .leverage(symbol: change.s, leverage: change.l)
    case "TRADE_LITE": return .tradeLite
    default: return .ignored(name: name)
    }
  }

  private func update(_ order: UserMessages.Order) throws(WireError) -> OrderUpdate {
    let (id, instrument) = try symbols.find(order.s)
    guard let side = Side(name: order.S) else {
      throw .malformed("ORDER_TRADE_UPDATE", detail: "side \(order.S)")
    }
    let execution = ExecutionType(rawValue: order.x) ?? .other
    let status = OrderStatus(word: order.X)
    let owner = OrderOwner(text: order.c)
    let last = try WireDecimal.quantity(order.l ?? "0", "l", instrument)
    let filled = try WireDecimal.quantity(order.z ?? "0", "z", instrument)
    let commissionE8 = try WireDecimal.cut(order.n ?? "0", "n")
    var report = ExchangeReport(
      kind: .accepted, side: side, isMaker: order.m ?? false, isFinal: status.isFinal, instrument: id,
      id: owner.id,
      orderID: order.i, filledTotal: filled, time: Instant(milliseconds: order.T))
    switch execution {
    case .trade, .calculated:
      if last > .zero {
        report.kind = .filled
        report.tradeID = order.t ?? 0
        report.price = try WireDecimal.price(order.L ?? "0", "L", instrument)
        report.quantity = last
        report.amount = Quote(e8: try WireDecimal.cut(order.rp ?? "0", "rp"))
        if order.N ?? instrument.quoteAsset == instrument.quoteAsset { report.fee = Quote(e8: commissionE8) }
      }
    case .cancelled: report.kind = .cancelled
    case .expired: report.kind = .expired
    case .rejected: report.kind = .rejected
    case .new, .amendment: break
    case .other: report.kind = Self.kind(of: status)
    }
    if report.kind == .accepted, let text = order.p { report.price = try priceOrNone(text, instrument) }
    return OrderUpdate(
      report: report, owner: owner, execution: execution, status: status,
      quantity: try WireDecimal.quantity(order.q ?? "0", "q", instrument), reduceOnly: order.R ?? false,
      commissionAsset: order.N, commissionE8: commissionE8, expiryReason: Int(order.er ?? "0") ?? 0)
  }

  private func priceOrNone(_ text: String, _ instrument: Instrument) throws(WireError) -> Price {
    try WireDecimal.price(text, "p", instrument)
  }

  static func kind(of status: OrderStatus) -> ExchangeReport.Kind {
    switch status {
    case .new, .partiallyFilled, .filled, .other: .accepted
    case .cancelled: .cancelled
    case .rejected: .rejected
    case .expired, .expiredInMatch: .expired
    }
  }

  private func update(_ message: UserMessages.AccountUpdate) throws(WireError) -> AccountUpdate {
    let time = Instant(milliseconds: message.T)
    var balances: [AssetBalance] = []
    for balance in message.a.B ?? [] {
      balances.append(
        AssetBalance(asset: balance.a, wallet: Quote(e8: try WireDecimal.cut(balance.wb, "wb"))))
    }
    var positions: [PositionSnapshot] = []
    for position in message.a.P ?? [] where symbols.contains(position.s) {
      positions.append(
        try symbols.snapshot(
          position.s, amount: position.pa, entry: position.ep, unrealized: position.up, side: position.ps,
          time))
    }
    return AccountUpdate(reason: message.a.m, time: time, balances: balances, positions: positions)
  }
}

extension SymbolIndex {
  /// - Precondition: the table has the symbol, else `.symbol` is thrown.
  func snapshot(
    _ symbol: String, amount: String, entry: String, unrealized: String?, side: String?, _ time: Instant
  ) throws(WireError) -> PositionSnapshot {
    let (id, instrument) = try find(symbol)
    let quantity = try WireDecimal.quantity(amount, "position amount", instrument)
    let entryE8 = try WireDecimal.cut(entry, "entry price")
    return PositionSnapshot(
      instrument: id, quantity: quantity, entryPriceE8: entryE8,
      entryNotional: WireDecimal.notional(instrument.rules, quantity, averageE8: entryE8),
      unrealized: Quote(e8: try WireDecimal.cut(unrealized ?? "0", "unrealized profit")),
      positionSide: side ?? "BOTH", time: time)
  }
}

/// Only the names: which event, and whether it stands in an envelope.
private struct Head: Decodable {
  struct Inner: Decodable { var e: String? }

  var e: String?
  var data: Inner?

  var isEnveloped: Bool { data != nil }
  var name: String? { data?.e ?? e }
}

private struct Envelope<Value: Decodable>: Decodable { var data: Value }
