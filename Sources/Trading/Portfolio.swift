public import Market

/// Wallet and positions, exact to 1e-8 of the quote currency. [decision-thread]
///
/// Equity = wallet + Σ unrealised. The wallet moves by realised profit less fee at each fill; a balance the exchange
/// reports replaces it, and the difference is kept in `walletCorrections`.
public struct Portfolio: ~Copyable, Sendable {
  /// One instrument's position with its life so far, and the prices it is valued at.
  @frozen public struct Holding: Sendable, BitwiseCopyable {
    public var position = NetPosition()
    public var stop = Price.none
    public var target = Price.none
    /// Time of the first fill; `.never` when flat.
    public var opened = Instant.never
    public var plugin: UInt16 = 0
    public var side = Side.buy
    public var fees = Quote.zero
    public var entryCost = Quote.zero
    public var entrySteps: Int64 = 0
    public var exitValue = Quote.zero
    public var bid = Price.none
    public var ask = Price.none
    public var last = Price.none
    public var markE8: Int64 = 0
    /// Place in the list of open instruments; -1 when flat.
    var openIndex: Int32 = -1

    /// A new lifecycle starts.
    mutating func begin(_ side: Side, at time: Instant, plugin: UInt16) {
      self.side = side
      self.plugin = plugin
      opened = time
      stop = .none
      target = .none
      fees = .zero
      entryCost = .zero
      entrySteps = 0
      exitValue = .zero
    }
  }

  let holdings: FixedBlock<Holding>
  private let rules: FixedBlock<InstrumentRules>
  private let open: FixedBlock<Int32>
  public private(set) var openCount = 0
  public private(set) var wallet: Quote
  /// Sum of what balance reports changed: funding, transfers, and whatever was missed.
  public private(set) var walletCorrections = Quote.zero
  /// Round trips closed, their profit after fees, and all fees, of this run.
  public private(set) var tradeCount = 0
  public private(set) var realizedNet = Quote.zero
  public private(set) var fees = Quote.zero

  public init(rules: [InstrumentRules], wallet: Quote) {
    holdings = FixedBlock(repeating: Holding(), count: rules.count)
    open = FixedBlock(repeating: 0, count: rules.count)
    self.rules = FixedBlock(
      repeating: InstrumentRules(tickE8: 1, stepE8: 1), count: rules.count)
    for index in rules.indices { self.rules[index] = rules[index] }
    self.wallet = wallet
  }

  public var instrumentCount: Int { holdings.count }

  /// - Precondition: the instrument is in the table.
  public func holding(_ instrument: InstrumentID) -> Holding { holdings[Int(instrument.index)] }

  /// The open instruments, in no particular order.
  /// - Precondition: `0 ≤ position < openCount`.
  public func openInstrument(at position: Int) -> InstrumentID {
    precondition(position < openCount, "position below the count")
    return InstrumentID(Int(open[position]))
  }

  func rules(at index: Int) -> InstrumentRules { rules[index] }
  func setRules(_ new: InstrumentRules, at index: Int) { rules[index] = new }

  /// Profit of what is open at the mark price; without one at the middle of the quote, else at the last price.
  public func unrealized() -> Quote {
    var sum = Quote.zero
    for position in 0..<openCount {
      sum =
        sum + Self.unrealized(holdings.base[Int(open.base[position])], rules.base[Int(open.base[position])])
    }
    return sum
  }

  public func equity() -> Quote { wallet + unrealized() }

  private static func unrealized(_ holding: Holding, _ rules: InstrumentRules) -> Quote {
    if holding.markE8 > 0 { return holding.position.unrealized(atMarkE8: holding.markE8, rules: rules) }
    if holding.bid.ticks > 0, holding.ask.ticks > 0 {
      let (sum, overflow) = (holding.bid.ticks + holding.ask.ticks).multipliedReportingOverflow(
        by: rules.tickE8)
      if !overflow { return holding.position.unrealized(atMarkE8: sum / 2, rules: rules) }
    }
    guard holding.last.ticks > 0 else { return .zero }
    return holding.position.unrealized(at: holding.last, rules: rules)
  }

  /// What a fill did.
  struct Effect {
    /// Profit before fees.
    var realized: Quote
    /// The lifecycle that ended, if one did.
    var closed: PositionRecord?
  }

  /// Books one fill: position, wallet, and the lifecycle's sums.
  mutating func apply(
    _ side: Side, _ price: Price, _ quantity: Quantity, fee: Quote, at time: Instant, plugin: UInt16,
    purpose: OrderPurpose, index: Int
  ) -> Effect {
    let holding = holdings.base + index
    let rules = rules[index]
    let before = holding.pointee.position.steps
    let closing = before != 0 && (before > 0) != (side == .buy) ? min(abs(before), quantity.steps) : 0
    let opening = quantity.steps - closing
    // A fill that crosses zero belongs to two lifecycles; its fee is shared by quantity.
    let closingFee =
      opening == 0
      ? fee
      : closing == 0
        ? .zero : Quote(e8: FixedPoint.divided(Int128(fee.e8) * Int128(closing), by: Int128(quantity.steps)))
    if before == 0 { holding.pointee.begin(side, at: time, plugin: plugin) }
    var realized = Quote.zero
    var closed: PositionRecord?
    wallet = wallet - fee
    fees = fees + fee
    if closing > 0 {
      let part = Quantity(steps: closing)
      realized = holding.pointee.position.apply(side, price, part, rules: rules)
      wallet = wallet + realized
      holding.pointee.exitValue = holding.pointee.exitValue + rules.notional(price, part)
      holding.pointee.fees = holding.pointee.fees + closingFee
      if holding.pointee.position.isFlat {
        let record = record(index, purpose: purpose)
        closed = record
        tradeCount += 1
        realizedNet = realizedNet + TradeRecord(closing: record, at: time).net
        removeOpen(index)
        if opening > 0 { holding.pointee.begin(side, at: time, plugin: plugin) }
      }
    }
    if opening > 0 {
      let part = Quantity(steps: opening)
      _ = holding.pointee.position.apply(side, price, part, rules: rules)  // adding realises nothing
      holding.pointee.entryCost = holding.pointee.entryCost + rules.notional(price, part)
      holding.pointee.entrySteps += opening
      holding.pointee.fees = holding.pointee.fees + (fee - closingFee)
      addOpen(index)
    }
    return Effect(realized: realized, closed: closed)
  }

  /// Replaces the wallet by what the exchange says.
  mutating func correct(wallet new: Quote) {
    walletCorrections = walletCorrections + (new - wallet)
    wallet = new
  }

  /// Replaces a position by what the exchange says; the difference is not booked as profit.
  mutating func adopt(steps: Int64, cost: Quote, at time: Instant, index: Int) {
    let holding = holdings.base + index
    let side: Side = steps >= 0 ? .buy : .sell
    if steps != 0, holding.pointee.position.isFlat || holding.pointee.side != side {
      holding.pointee.begin(side, at: time, plugin: 0)
    }
    holding.pointee.position = NetPosition(steps: steps, cost: cost)
    if steps == 0 {
      removeOpen(index)
    } else {
      holding.pointee.entryCost = cost
      holding.pointee.entrySteps = abs(steps)
      holding.pointee.exitValue = .zero
      addOpen(index)
    }
  }

  /// Takes over what an earlier run left.
  mutating func restore(_ record: PositionRecord, index: Int) {
    let holding = holdings.base + index
    holding.pointee.begin(record.side, at: record.opened, plugin: record.plugin)
    holding.pointee.position = NetPosition(steps: record.steps, cost: record.cost)
    holding.pointee.stop = record.stop
    holding.pointee.target = record.target
    holding.pointee.fees = record.fees
    holding.pointee.entryCost = record.entryCost
    holding.pointee.entrySteps = record.entrySteps
    holding.pointee.exitValue = record.exitValue
    if record.steps == 0 { removeOpen(index) } else { addOpen(index) }
  }

  mutating func restore(wallet: Quote) { self.wallet = wallet }

  /// The position as the journal keeps it.
  func record(_ index: Int, purpose: OrderPurpose) -> PositionRecord {
    let holding = holdings[index]
    return PositionRecord(
      instrument: InstrumentID(index), steps: holding.position.steps, cost: holding.position.cost,
      stop: holding.stop, target: holding.target, opened: holding.opened, fees: holding.fees, wallet: wallet,
      entryCost: holding.entryCost, entrySteps: holding.entrySteps, exitValue: holding.exitValue,
      plugin: holding.plugin, side: holding.side, purpose: purpose)
  }

  private mutating func addOpen(_ index: Int) {
    guard holdings.base[index].openIndex < 0 else { return }
    holdings.base[index].openIndex = Int32(openCount)
    open[openCount] = Int32(index)
    openCount += 1
  }

  private mutating func removeOpen(_ index: Int) {
    let place = Int(holdings.base[index].openIndex)
    guard place >= 0 else { return }
    openCount -= 1
    let moved = open[openCount]
    open[place] = moved
    holdings[Int(moved)].openIndex = Int32(place)
    holdings.base[index].openIndex = -1
  }
}
