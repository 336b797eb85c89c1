public import Market

/// Where one order stands. Reports may arrive in any order and more than once; it only moves forward.
///
/// Fills must be deduplicated by (instrument, trade id) before they get here (`FillFilter`).
@frozen public struct OrderLifecycle: Sendable, BitwiseCopyable, Hashable {
  /// Raw values go to journals: never renumber.
  @frozen public enum State: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    case decided = 0
    case sent = 1
    case resting = 2
    case partlyFilled = 3
    case filled = 4
    case cancelled = 5
    case rejected = 6
    case expired = 7
    /// Nobody knows. Settled by asking, never by sending again.
    case unknown = 8

    /// The exchange will not execute more of it.
    @inlinable public var isTerminal: Bool {
      switch self {
      case .filled, .cancelled, .rejected, .expired: true
      case .decided, .sent, .resting, .partlyFilled, .unknown: false
      }
    }
  }

  public private(set) var state: State
  public let quantity: Quantity
  /// Sum of the fills applied.
  public private(set) var filled: Quantity
  /// The largest total the exchange spoke of; more than `filled` while fills are still on their way.
  public private(set) var reported: Quantity

  public init(quantity: Quantity, state: State = .decided, filled: Quantity = .zero) {
    self.quantity = quantity
    self.state = state
    self.filled = filled
    reported = filled
  }

  /// Terminal, and every fill the exchange spoke of is applied.
  @inlinable public var isSettled: Bool { state.isTerminal && filled >= reported }

  /// What may still be executed.
  @inlinable public var remaining: Quantity {
    state.isTerminal
      ? Quantity(steps: max(reported.steps - filled.steps, 0))
      : Quantity(steps: max(quantity.steps - filled.steps, 0))
  }

  public mutating func markSent() {
    if state == .decided { state = .sent }
  }

  /// Silence lasted too long.
  public mutating func markUnknown() {
    if state == .decided || state == .sent { state = .unknown }
  }

  /// Absorbs one report about this order.
  /// - Returns: true when something changed; late and repeated reports change nothing.
  @discardableResult
  public mutating func receive(_ report: ExchangeReport) -> Bool {
    let before = self
    if report.filledTotal > reported { reported = min(report.filledTotal, quantity) }
    switch report.kind {
    case .accepted:
      switch state {
      case .decided, .sent, .unknown: state = filled.steps > 0 ? .partlyFilled : .resting
      case .resting, .partlyFilled, .filled, .cancelled, .rejected, .expired: break
      }
    case .filled:
      filled = Quantity(steps: min(filled.steps + report.quantity.steps, quantity.steps))
      reported = max(reported, filled)
      switch state {
      case .decided, .sent, .resting, .partlyFilled, .unknown, .rejected:
        // Executed after all: a refusal that a fill contradicts was about something else.
        state = filled >= quantity || report.isFinal ? .filled : .partlyFilled
        if report.isFinal, report.filledTotal == .zero { reported = filled }
      case .cancelled, .expired: if filled >= quantity { state = .filled }
      case .filled: break
      }
    case .cancelled: end(as: .cancelled)
    case .expired: end(as: .expired)
    case .rejected:
      switch state {
      case .decided, .sent, .unknown: end(as: filled.steps > 0 ? .expired : .rejected)
      case .resting, .partlyFilled, .filled, .cancelled, .rejected, .expired: break
      }
    case .missing: end(as: filled.steps > 0 || state == .resting ? .expired : .rejected)
    case .unknown:
      switch state {
      case .decided, .sent: state = .unknown
      case .resting, .partlyFilled, .filled, .cancelled, .rejected, .expired, .unknown: break
      }
    case .balance, .position: break
    }
    return self != before
  }

  private mutating func end(as final: State) {
    if !state.isTerminal { state = filled >= quantity ? .filled : final }
  }
}

/// What an order's fills need to know, kept with it in the journal.
@frozen public struct OrderContext: Sendable, BitwiseCopyable, Hashable {
  /// Distances the position's bracket is computed with. Fractions; 0 on exits.
  public var stopFraction: Double
  public var targetFraction: Double
  public var filledSteps: Int64
  public var state: OrderLifecycle.State
  /// Whose idea it was.
  public var plugin: UInt16

  public init(
    stopFraction: Double, targetFraction: Double, filledSteps: Int64 = 0,
    state: OrderLifecycle.State = .decided, plugin: UInt16
  ) {
    self.stopFraction = stopFraction
    self.targetFraction = targetFraction
    self.filledSteps = filledSteps
    self.state = state
    self.plugin = plugin
  }
}
