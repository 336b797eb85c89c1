import Market

/// Commands on their way to the exchange, earliest arrival first; equal arrivals keep their order of sending.
struct CommandsInFlight: ~Copyable {
  /// Internal rather than private: 6.3 emits a broken module for a private type inside a generic buffer of another file.
  struct Entry: BitwiseCopyable {
    var command: OrderCommand
    var dueNanoseconds: Int64
  }

  /// Latest arrival first, so that taking the next one moves nothing.
  private let entries: FixedBuffer<Entry>
  private var count = 0

  init(capacity: Int) { entries = FixedBuffer(count: capacity) }

  var isFull: Bool { count == entries.count }
  /// When the next one arrives; the largest number when none is under way.
  var nextDueNanoseconds: Int64 { count > 0 ? entries[count - 1].dueNanoseconds : .max }

  /// - Precondition: not full.
  mutating func insert(_ command: OrderCommand, dueNanoseconds: Int64) {
    precondition(!isFull, "room for a command")
    var place = count
    while place > 0, entries[place - 1].dueNanoseconds <= dueNanoseconds { place -= 1 }
    for index in stride(from: count, to: place, by: -1) { entries[index] = entries[index - 1] }
    entries[place] = Entry(command: command, dueNanoseconds: dueNanoseconds)
    count += 1
  }

  mutating func popFirst() -> OrderCommand? {
    guard count > 0 else { return nil }
    count -= 1
    return entries[count].command
  }
}
