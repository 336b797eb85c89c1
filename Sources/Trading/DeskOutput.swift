public import Market

/// What one input led to: orders for the exchange and entries for the journal, in the order they were decided.
///
/// The caller sets `position` and `ringSequence` before each input and empties it after handing everything on:
/// entries to the journal first, then commands to the exchange. [decision-thread]
public struct DeskOutput: ~Copyable, Sendable {
  /// Orders from one input at most; what does not fit waits for the next input. Client order ids are
  /// `position × commandsPerInputMax + number`, so it never changes.
  public static let commandsPerInputMax = 256
  /// Journal entries between two calls of `removeAll`: every order with its verdicts and every lot that can close.
  public static let entriesMax = 32_768

  private let entries: FixedBlock<JournalEntry>
  private let commands: FixedBlock<OrderCommand>
  public private(set) var entryCount = 0
  public private(set) var commandCount = 0
  /// Orders decided at `position`, handed on or not.
  private var ordersAtPosition = 0

  /// Number of inputs taken before the one at work.
  public var position: UInt64 = 0 {
    didSet { if position != oldValue { ordersAtPosition = 0 } }
  }
  /// The next market sequence not taken yet.
  public var ringSequence: UInt64 = 0

  public init() {
    entries = FixedBlock(repeating: JournalEntry(.clock, time: .never), count: Self.entriesMax)
    let nothing = OrderCommand(
      id: .none, instrument: .none, side: .buy, reduceOnly: true, purpose: .entry, quantity: .zero,
      time: .never)
    commands = FixedBlock(repeating: nothing, count: Self.commandsPerInputMax)
  }

  /// - Precondition: `0 ≤ index < entryCount`.
  public func entry(at index: Int) -> JournalEntry {
    precondition(index < entryCount, "index below the count")
    return entries[index]
  }

  /// - Precondition: `0 ≤ index < commandCount`.
  public func command(at index: Int) -> OrderCommand {
    precondition(index < commandCount, "index below the count")
    return commands[index]
  }

  /// Forgets what was handed on. Numbers of orders at this position go on.
  public mutating func removeAll() {
    entryCount = 0
    commandCount = 0
  }

  /// Adds an entry, stamped with position and ring sequence.
  /// - Precondition: fewer than `entriesMax` are waiting.
  public mutating func record(_ entry: JournalEntry) {
    precondition(entryCount < Self.entriesMax, "one input writes fewer than \(Self.entriesMax) entries")
    let slot = entries.base + entryCount
    slot.pointee = entry
    slot.pointee.position = position
    slot.pointee.ringSequence = ringSequence
    entryCount += 1
  }

  var freeEntryCount: Int { Self.entriesMax - entryCount }

  /// Room for another order at this position.
  var hasCommandRoom: Bool {
    commandCount < Self.commandsPerInputMax && ordersAtPosition < Self.commandsPerInputMax
  }

  /// The id of the next order decided at this position.
  mutating func nextID(run: UInt32) -> ClientOrderID {
    precondition(ordersAtPosition < Self.commandsPerInputMax, "asked for room first")
    let id = ClientOrderID(
      run: run, sequence: position * UInt64(Self.commandsPerInputMax) + UInt64(ordersAtPosition))
    ordersAtPosition += 1
    return id
  }

  mutating func send(_ command: OrderCommand) {
    precondition(commandCount < Self.commandsPerInputMax, "asked for room first")
    commands[commandCount] = command
    commandCount += 1
  }
}
