public import Market

/// How lots are made. Lots are never moved or resized after they open.
public struct LedgerSettings: Sendable, Codable, Hashable {
  /// Value of each lot. Quote currency, > 0.
  public var notionalQuote = 100.0
  /// Fee of each side × 10^8. 0…1,000,000.
  public var takerFeeE8: Int64 = 50_000
  /// Distances when a signal names none. Fractions of the entry price, 0 < x < 1.
  public var defaultStopFraction = 0.01
  public var defaultTargetFraction = 0.02
  public var bracketRounding = DeskSettings.BracketRounding.safe
  /// A lot older than this is closed at market. Nanoseconds, 1 s…1 day.
  public var holdingNanosecondsMax: Int64 = 7_200_000_000_000
  /// Open lots at most; when full the oldest is closed at market. 1…16,384.
  public var lotsMax = 16_384

  public init() {}

  /// The ledger that goes with a desk: same fee, defaults and time stop.
  public init(_ desk: DeskSettings) {
    takerFeeE8 = desk.takerFeeE8
    defaultStopFraction = desk.defaultStopFraction
    defaultTargetFraction = desk.defaultTargetFraction
    bracketRounding = desk.bracketRounding
    holdingNanosecondsMax = min(desk.holdingNanosecondsMax, 86_400_000_000_000)
  }
}

/// One independent lot per signal, also of those the desk refused: the virtual account and the source of outcomes.
/// [decision-thread]
///
/// Lots do not net, need no margin and never touch the desk. They open at the price a taker would have paid, close on
/// the extremes of every trade, quote or bar, and after the time stop. Profit is after both fees; funding is kept in
/// its own column.
public struct VirtualLedger: ~Copyable, Sendable {
  /// What the virtual account starts with.
  public static let openingBalance = Quote(e8: 10_000 * FixedPoint.one)

  public let settings: LedgerSettings
  /// Opening balance plus the profit of all closed lots, without funding.
  public private(set) var balance = VirtualLedger.openingBalance
  public private(set) var funding = Quote.zero
  public private(set) var nextLotID: Int64 = 1
  public private(set) var openCount = 0
  public private(set) var openedCount = 0
  public private(set) var closedCount = 0
  /// Lots closed early because the pool was full.
  public private(set) var evictedCount = 0
  /// Signals without a usable price or bracket: no lot, because its outcome would mean nothing.
  public private(set) var skippedCount = 0

  private let rules: [InstrumentRules]
  private let books: FixedBlock<Book>
  private let lots: FixedBlock<Lot>
  private var firstFree: Int32 = 0
  private var oldest: Int32 = -1
  private var newest: Int32 = -1

  /// One instrument's prices and its lots.
  struct Book: BitwiseCopyable {
    var bid: Int64 = 0
    var ask: Int64 = 0
    var last: Int64 = 0
    var firstLot: Int32 = -1
    /// No lot's extremes change, and so no lot closes, while prices stay inside this band: that of the youngest lot.
    var bandLow: Int64 = .min
    var bandHigh: Int64 = .max
    var fundingRateE8: Int64 = 0
    var nextFundingMilliseconds: Int64 = 0
  }

  struct Lot: BitwiseCopyable {
    var record: LotRecord
    /// The highest low and the lowest high of this lot and all older ones of the instrument, or a narrower band: the
    /// prints that stay inside concern none of them. A print therefore costs only the lots it concerns.
    var bandLow: Int64 = .min
    var bandHigh: Int64 = .max
    var next: Int32 = -1
    var previous: Int32 = -1
    var younger: Int32 = -1
    var older: Int32 = -1
  }

  /// - Precondition: `settings.lotsMax` is 1…16,384 and the notional is positive.
  public init(rules: [InstrumentRules], settings: LedgerSettings = LedgerSettings()) {
    precondition((1...16_384).contains(settings.lotsMax), "1 to 16,384 open lots")
    precondition(settings.notionalQuote > 0, "a lot has a positive value")
    self.rules = rules
    self.settings = settings
    books = FixedBlock(repeating: Book(), count: rules.count)
    let nothing = LotRecord(
      id: 0, instrument: .none, side: .buy, quantity: .zero, entry: .none, stop: .none, target: .none,
      opened: .never, entryFee: .zero, low: .none, high: .none, confidence: 0, plugin: 0, refusal: .none,
      tag: 0)
    lots = FixedBlock(repeating: Lot(record: nothing), count: settings.lotsMax)
    for index in 0..<settings.lotsMax {
      lots[index].next = index + 1 < settings.lotsMax ? Int32(index + 1) : -1
    }
  }

  // MARK: Inputs

  /// Takes a market event; lots whose stop or target it reaches are closed.
  /// - Complexity: O(lots whose extremes change, and those younger than they).
  public mutating func observe(_ event: MarketEvent, now: Instant, out: inout DeskOutput) {
    let index = Int(event.instrument.index)
    guard index < rules.count, !event.flags.contains(.quarantined) else { return }
    let book = books.base + index
    switch event.kind {
    case .quote:
      book.pointee.bid = event.word0
      book.pointee.ask = event.word2
      if isQuiet(book, low: min(event.word0, event.word2), high: max(event.word0, event.word2)) { return }
      scan(index, .quote(bid: event.word0, ask: event.word2), now, &out)
    case .trade:
      book.pointee.last = event.word0
      if isQuiet(book, low: event.word0, high: event.word0) { return }
      scan(index, .trade(event.word0), now, &out)
    case .bar:
      book.pointee.last = event.word3
      if isQuiet(book, low: event.word2, high: event.word1) { return }
      scan(index, .bar(open: event.word0, low: event.word2, high: event.word1), now, &out)
    case .mark: absorbMark(event, index)
    case .gap, .stream: return
    }
  }

  /// Opens the lot of a signal.
  ///
  /// - Returns: false when there is none: flat signals and observations have no lot, nor has a signal whose price was
  ///   missing, stale or doubtful.
  @discardableResult
  public mutating func open(
    _ signal: Signal, verdict: Verdict, now: Instant, out: inout DeskOutput
  ) -> Bool {
    let index = Int(signal.instrument.index)
    guard index < rules.count, signal.flags.isDisjoint(with: [.flat, .observation]) else { return false }
    switch verdict.refusal {
    case .noPrice, .staleData, .quarantinedPrice, .invalidSignal, .expired:
      skippedCount += 1
      return false
    default: break  // every other refusal is about the desk, not about the signal's outcome
    }
    let rules = rules[index]
    let book = books.base + index
    let touch = signal.side == .buy ? book.pointee.ask : book.pointee.bid
    let entry = Price(ticks: touch > 0 ? touch : book.pointee.last)
    let stop = signal.stopFraction.isNaN ? settings.defaultStopFraction : Double(signal.stopFraction)
    let target = signal.targetFraction.isNaN ? settings.defaultTargetFraction : Double(signal.targetFraction)
    guard entry.ticks > 0, signal.returnFraction.isFinite, signal.returnFraction != 0,
      let bracket = Bracket(
        entry: rules.double(entry), side: signal.side, stopFraction: stop, targetFraction: target,
        rules: rules, rounding: settings.bracketRounding)
    else {
      skippedCount += 1
      return false
    }
    if firstFree < 0 {
      evictedCount += 1
      close(oldest, at: marketPrice(of: oldest), .flatten, now, &out)
    }
    let quantity = quantity(at: entry, rules)
    let record = LotRecord(
      id: nextLotID, instrument: signal.instrument, side: signal.side, quantity: quantity, entry: entry,
      stop: bracket.stop, target: bracket.target, opened: now,
      entryFee: rules.notional(entry, quantity).times(rateE8: settings.takerFeeE8), low: entry, high: entry,
      confidence: signal.confidence, plugin: signal.plugin, refusal: verdict.refusal, tag: signal.tag)
    nextLotID += 1
    openedCount += 1
    insert(record)
    out.record(.lotOpened(record))
    return true
  }

  /// Closes lots whose time is over. Stops early when the output has no room; the next call goes on.
  public mutating func advance(to now: Instant, out: inout DeskOutput) {
    while oldest >= 0, out.freeEntryCount > 64 {
      let opened = lots.base[Int(oldest)].record.opened
      guard now.nanoseconds(since: opened) >= settings.holdingNanosecondsMax else { return }
      close(oldest, at: marketPrice(of: oldest), .time, now, &out)
    }
  }

  /// Takes over what an earlier run left. Lots come in the order of their ids. Other kinds change nothing.
  public mutating func restore(from entry: JournalEntry) {
    if let opening = entry.runOpening {
      balance = opening.ledgerBalance
      funding = opening.ledgerFunding
      nextLotID = opening.nextLotID
    } else if entry.kind == .openingLot, let record = entry.lotRecord, firstFree >= 0,
      Int(record.instrument.index) < rules.count
    {
      nextLotID = max(nextLotID, record.id + 1)
      insert(record)
    }
  }

  /// Profit of the open lots if closed now, before exit fees. O(lots): for reports.
  public func unrealized() -> Quote {
    var sum = Quote.zero
    var lot = oldest
    while lot >= 0 {
      let record = lots[Int(lot)].record
      let rules = rules[Int(record.instrument.index)]
      let value = rules.notional(marketPrice(of: lot), record.quantity)
      let cost = rules.notional(record.entry, record.quantity)
      sum = sum + (record.side == .buy ? value - cost : cost - value)
      lot = lots[Int(lot)].younger
    }
    return sum
  }

  /// The open lots, oldest first. Allocates: for reports and recovery.
  public func openLots() -> [LotRecord] {
    var records: [LotRecord] = []
    var lot = oldest
    while lot >= 0 {
      records.append(lots[Int(lot)].record)
      lot = lots[Int(lot)].younger
    }
    return records
  }

  // MARK: Watching

  private enum Print {
    case quote(bid: Int64, ask: Int64)
    case trade(Int64)
    case bar(open: Int64, low: Int64, high: Int64)

    /// The lowest and the highest price in it.
    var reach: (low: Int64, high: Int64) {
      switch self {
      case .quote(let bid, let ask): (min(bid, ask), max(bid, ask))
      case .trade(let price): (price, price)
      case .bar(_, let low, let high): (low, high)
      }
    }
  }

  @inline(__always)
  private func isQuiet(_ book: UnsafeMutablePointer<Book>, low: Int64, high: Int64) -> Bool {
    low >= book.pointee.bandLow && high <= book.pointee.bandHigh
  }

  private mutating func scan(_ index: Int, _ print: Print, _ now: Instant, _ out: inout DeskOutput) {
    let reach = print.reach
    var number = books.base[index].firstLot
    var oldestKept: Int32 = -1
    while number >= 0 {
      let lot = lots.base + Int(number)
      if reach.low >= lot.pointee.bandLow, reach.high <= lot.pointee.bandHigh { break }
      let current = number
      number = lot.pointee.next
      let isLong = lot.pointee.record.side == .buy
      let low: Int64
      let high: Int64
      switch print {
      case .quote(let bid, let ask):
        low = isLong ? bid : ask
        high = low
      case .trade(let price):
        low = price
        high = price
      case .bar(_, let barLow, let barHigh):
        low = barLow
        high = barHigh
      }
      if low > 0, low < lot.pointee.record.low.ticks { lot.pointee.record.low.ticks = low }
      if high > lot.pointee.record.high.ticks { lot.pointee.record.high.ticks = high }
      let plan = ExitPlan(
        side: lot.pointee.record.side, stop: lot.pointee.record.stop, target: lot.pointee.record.target,
        expiry: .never)
      if let trigger = plan.check(low: Price(ticks: low), high: Price(ticks: high)) {
        close(current, at: exitPrice(trigger, print, plan.side, low), trigger.purpose, now, &out)
      } else {
        oldestKept = current
      }
    }
    // From the oldest that was looked at to the youngest: each band follows from the one before.
    var bandLow = number >= 0 ? lots.base[Int(number)].bandLow : .min
    var bandHigh = number >= 0 ? lots.base[Int(number)].bandHigh : .max
    number = oldestKept
    while number >= 0 {
      let lot = lots.base + Int(number)
      bandLow = max(bandLow, lot.pointee.record.low.ticks)
      bandHigh = min(bandHigh, lot.pointee.record.high.ticks)
      lot.pointee.bandLow = bandLow
      lot.pointee.bandHigh = bandHigh
      number = lot.pointee.previous
    }
    books.base[index].bandLow = bandLow
    books.base[index].bandHigh = bandHigh
  }

  /// Ticks close where they print. A bar closes at the level, or at its open when that had jumped over the level.
  private func exitPrice(_ trigger: ExitPlan.Trigger, _ print: Print, _ side: Side, _ price: Int64) -> Price {
    guard case .bar(let open, _, _) = print else { return Price(ticks: price) }
    let isFalling = (side == .buy) == (trigger.purpose == .stop)
    let jumped = isFalling ? open < trigger.level.ticks : open > trigger.level.ticks
    return jumped ? Price(ticks: open) : trigger.level
  }

  /// Funding is due when the announced moment has passed: its rate and mark are the last ones heard before.
  private mutating func absorbMark(_ event: MarketEvent, _ index: Int) {
    let book = books.base + index
    let due = book.pointee.nextFundingMilliseconds
    if due > 0, event.word3 > due, event.time.milliseconds >= due {
      var number = book.pointee.firstLot
      while number >= 0 {
        let lot = lots.base + Int(number)
        let value = Quote(
          e8: FixedPoint.divided(
            Int128(event.markE8) * Int128(lot.pointee.record.quantity.steps) * Int128(rules[index].stepE8),
            by: Int128(FixedPoint.one)))
        let payment = value.times(rateE8: book.pointee.fundingRateE8)
        let change = lot.pointee.record.side == .buy ? -payment : payment
        lot.pointee.record.funding = lot.pointee.record.funding + change
        funding = funding + change
        number = lot.pointee.next
      }
    }
    book.pointee.fundingRateE8 = event.fundingRateE8
    book.pointee.nextFundingMilliseconds = event.word3
  }

  // MARK: Lots

  /// The fixed notional in whole steps, at least one.
  private func quantity(at entry: Price, _ rules: InstrumentRules) -> Quantity {
    let unit = Int128(entry.ticks) * Int128(rules.tickE8) * Int128(rules.stepE8)
    let steps = Int128(Quote(settings.notionalQuote).e8) * Int128(FixedPoint.one) / unit
    return Quantity(steps: max(1, Int64(clamping: steps)))
  }

  private func marketPrice(of number: Int32) -> Price {
    let record = lots[Int(number)].record
    let book = books[Int(record.instrument.index)]
    let touch = record.side == .buy ? book.bid : book.ask
    if touch > 0 { return Price(ticks: touch) }
    return book.last > 0 ? Price(ticks: book.last) : record.entry
  }

  private mutating func insert(_ record: LotRecord) {
    let number = firstFree
    let lot = lots.base + Int(number)
    firstFree = lot.pointee.next
    let book = books.base + Int(record.instrument.index)
    lot.pointee = Lot(record: record, next: book.pointee.firstLot, older: newest)
    if book.pointee.firstLot >= 0 { lots[Int(book.pointee.firstLot)].previous = number }
    book.pointee.firstLot = number
    book.pointee.bandLow = max(book.pointee.bandLow, record.low.ticks)
    book.pointee.bandHigh = min(book.pointee.bandHigh, record.high.ticks)
    lot.pointee.bandLow = book.pointee.bandLow
    lot.pointee.bandHigh = book.pointee.bandHigh
    if newest >= 0 { lots[Int(newest)].younger = number } else { oldest = number }
    newest = number
    openCount += 1
  }

  private mutating func close(
    _ number: Int32, at exit: Price, _ purpose: OrderPurpose, _ now: Instant, _ out: inout DeskOutput
  ) {
    let lot = lots.base + Int(number)
    var record = lot.pointee.record
    record.low = min(record.low, exit)
    record.high = max(record.high, exit)
    let rules = rules[Int(record.instrument.index)]
    let cost = rules.notional(record.entry, record.quantity)
    let value = rules.notional(exit, record.quantity)
    let fees = record.entryFee + value.times(rateE8: settings.takerFeeE8)
    let net = (record.side == .buy ? value - cost : cost - value) - fees
    balance = balance + net
    closedCount += 1
    out.record(
      .lotClosed(
        ClosedLotRecord(
          id: record.id, instrument: record.instrument, side: record.side, quantity: record.quantity,
          entry: record.entry, exit: exit, stop: record.stop, target: record.target, opened: record.opened,
          closed: now, low: record.low, high: record.high, net: net, fees: fees, funding: record.funding,
          purpose: purpose, plugin: record.plugin)))
    remove(number)
  }

  private mutating func remove(_ number: Int32) {
    let lot = lots.base + Int(number)
    let book = books.base + Int(lot.pointee.record.instrument.index)
    if lot.pointee.previous >= 0 {
      lots[Int(lot.pointee.previous)].next = lot.pointee.next
    } else {
      book.pointee.firstLot = lot.pointee.next
      if lot.pointee.next < 0 {
        book.pointee.bandLow = .min
        book.pointee.bandHigh = .max
      }
    }
    if lot.pointee.next >= 0 { lots[Int(lot.pointee.next)].previous = lot.pointee.previous }
    if lot.pointee.older >= 0 {
      lots[Int(lot.pointee.older)].younger = lot.pointee.younger
    } else {
      oldest = lot.pointee.younger
    }
    if lot.pointee.younger >= 0 {
      lots[Int(lot.pointee.younger)].older = lot.pointee.older
    } else {
      newest = lot.pointee.older
    }
    lot.pointee.next = firstFree
    firstFree = number
    openCount -= 1
  }
}
