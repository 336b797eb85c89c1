public import Market

/// The account as margin sees it, at the current mark prices.
public struct MarginSummary: Sendable, BitwiseCopyable, Hashable {
  public var wallet: Quote
  /// Σ over positions of profit at the mark price.
  public var unrealized: Quote
  /// Σ |amount| × mark ÷ leverage.
  public var positionInitialMargin: Quote
  /// What open orders ask for beyond the positions.
  public var orderInitialMargin: Quote
  public var maintenanceMargin: Quote

  public var initialMargin: Quote { positionInitialMargin + orderInitialMargin }
  /// Wallet and unrealised profit: the equity.
  public var marginBalance: Quote { wallet + unrealized }
  /// What new orders may use; falls below zero when marks move against full use.
  public var headroom: Quote { marginBalance - initialMargin }
  /// `headroom` as the exchange shows it: never below zero.
  public var available: Quote { max(headroom, .zero) }
}

/// Where the wallet's changes came from: wallet = opening + realized − fees − funding + insurance, exactly.
public struct AccountTotals: Sendable, BitwiseCopyable, Hashable {
  public var opening: Quote
  public var realized: Quote = .zero
  public var fees: Quote = .zero
  /// Paid; negative was received.
  public var funding: Quote = .zero
  /// Loss beyond the wallet, taken over at a liquidation.
  public var insurance: Quote = .zero

  public var wallet: Quote { opening + realized - fees - funding + insurance }
}
