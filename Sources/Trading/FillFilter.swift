public import Market

/// Remembers which trades were applied, so that each (instrument, trade id) counts once. [decision-thread]
///
/// Trade ids of an instrument rise. The newest 64 are kept one by one; ids at or below a restored floor, or below all
/// of a full memory, count as seen.
public struct FillFilter: ~Copyable, Sendable {
  /// Fills in flight at one time on one instrument are far fewer.
  public static let memoryCount = 64

  private let ids: FixedBlock<Int64>
  private let cursors: FixedBlock<Int32>
  private let floors: FixedBlock<Int64>
  public private(set) var duplicateCount = 0

  public init(instrumentCount: Int) {
    ids = FixedBlock(repeating: 0, count: instrumentCount * Self.memoryCount)
    cursors = FixedBlock(repeating: 0, count: instrumentCount)
    floors = FixedBlock(repeating: 0, count: instrumentCount)
  }

  /// Everything up to and including this id was applied by an earlier run.
  public func raiseFloor(_ instrument: InstrumentID, to tradeID: Int64) {
    let index = Int(instrument.index)
    floors[index] = max(floors[index], tradeID)
  }

  /// Whether this trade is new; a new one is remembered. Id 0 means the source has none, and always counts as new.
  public mutating func isNew(_ instrument: InstrumentID, _ tradeID: Int64) -> Bool {
    guard tradeID != 0 else { return true }
    let index = Int(instrument.index)
    if tradeID <= floors[index] {
      duplicateCount += 1
      return false
    }
    let first = ids.base + index * Self.memoryCount
    var lowest = Int64.max
    for position in 0..<Self.memoryCount {
      if first[position] == tradeID {
        duplicateCount += 1
        return false
      }
      lowest = min(lowest, first[position])
    }
    if tradeID < lowest {
      duplicateCount += 1
      return false
    }
    let cursor = Int(cursors[index])
    first[cursor] = tradeID
    cursors[index] = Int32((cursor + 1) % Self.memoryCount)
    return true
  }
}
