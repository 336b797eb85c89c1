import BinanceWire
import Market

/// One order as the gateway knows it, until it is over and every fill of it is known. Only moves forward.
///
/// Pure: what it is told comes with the monotonic time of the telling.   [order-thread]
struct TrackedOrder {
  enum Phase: Equatable {
    /// On the wire, no answer yet.
    case sent
    /// Nobody knows whether the venue has it.
    case unknown
    /// The venue has it, or had it.
    case known
    /// Over, and all fills reported.
    case settled
  }

  /// When an unknown order is asked for, after it became unknown; later every `queryPauseNanoseconds`.
  static let queryDelaysNanoseconds: [Int64] = [
    200_000_000, 500_000_000, 1_000_000_000, 2_000_000_000, 5_000_000_000,
  ]
  static let queryPauseNanoseconds: Int64 = 5_000_000_000
  /// The stream must tell of a fill so soon after REST did; then it is fetched.
  static let fillPatienceNanoseconds: Int64 = 2_000_000_000

  let command: OrderCommand
  var phase = Phase.sent
  var orderID: Int64 = 0
  /// The sum of the fills reported.
  var filled = Quantity.zero
  /// What the venue says was filled.
  var filledAtVenue = Quantity.zero
  /// How it ended, if not by being filled; held back until the fills are complete.
  var ending: ExchangeReport?
  var wasAccepted = false
  /// The account stream has spoken of it.
  var wasStreamed = false
  /// Of an earlier run: its fills so far were booked then, or come with the first reconciliation.
  var isAdopted = false
  /// The engine wants it gone.
  var isCancelling = false
  var cancelCount = 0
  var unknownSince: Int64 = 0
  var queryCount = 0
  var isAsking = false
  /// When to ask for it next; nil when there is nothing to ask.
  var askAt: Int64?
  /// When to fetch its trades, or to doubt the stream.
  var doubtAt: Int64?

  init(_ command: OrderCommand) { self.command = command }

  /// The outcome is not known (any more).
  mutating func becomeUnknown(now: Int64) {
    guard phase == .sent || phase == .unknown else { return }
    if phase == .sent {
      phase = .unknown
      unknownSince = now
      queryCount = 0
    }
    scheduleQuery()
  }

  mutating func scheduleQuery() {
    let delays = Self.queryDelaysNanoseconds
    let after =
      queryCount < delays.count
      ? delays[queryCount]
      : delays[delays.count - 1] + Int64(queryCount - delays.count + 1) * Self.queryPauseNanoseconds
    askAt = unknownSince + after
    queryCount += 1
  }

  /// The first proof from any channel that the venue has it. Cancels every timer of doubt about that.
  /// - Returns: whether the engine should hear `.accepted`.
  mutating func becomeKnown(orderID: Int64) -> Bool {
    if orderID != 0 { self.orderID = orderID }
    guard phase != .settled else { return false }
    phase = .known
    askAt = nil
    let isNews = !wasAccepted
    wasAccepted = true
    return isNews
  }

  /// One fill, seen for the first time.
  mutating func add(fill quantity: Quantity) {
    filled = Quantity(steps: filled.steps + quantity.steps)
    if filledAtVenue < filled { filledAtVenue = filled }
  }

  var isFilled: Bool { command.quantity > .zero && filled >= command.quantity }
  var missesFills: Bool { filled < filledAtVenue }
}

/// Which trades of one instrument were reported: recent ids exactly, older ones by being older.
struct SeenTrades {
  /// Ids kept exactly. The venue numbers trades of a symbol upward; late ones are late by seconds, not by thousands.
  static let exactMax = 2_048

  private var ids: Set<Int64> = []
  private var order: [Int64] = []
  /// Everything up to here counts as seen.
  private(set) var floor: Int64
  private(set) var highest: Int64

  /// - Parameter known: the newest trade applied before this run; 0 when there is none.
  init(known: Int64 = 0) {
    floor = known
    highest = known
  }

  /// - Returns: whether the trade is new.
  mutating func insert(_ id: Int64) -> Bool {
    guard id > floor, ids.insert(id).inserted else { return false }
    order.append(id)
    highest = max(highest, id)
    if order.count >= 2 * Self.exactMax {
      order.sort()
      let old = order.prefix(Self.exactMax)
      floor = old.last ?? floor
      ids.subtract(old)
      order.removeFirst(Self.exactMax)
    }
    return true
  }
}
