public import Market

/// A change of the plugins at work, as an input: a replay makes the same change at the same position.
@frozen public enum PluginChange: Sendable, Hashable, BitwiseCopyable {
  /// A candidate runs beside the active instance from here on.
  case shadowBegan(PluginImageID, isFresh: Bool)
  /// The candidate is shown the history of an instrument.
  case historyShown(InstrumentID)
  /// The candidate is active now, the former instance follows in its shadow.
  case promoted
  /// The former instance is active again.
  case rolledBack
  /// The shadow left: a candidate that was not wanted, or a former instance after probation.
  case shadowEnded
  /// A runtime parameter has a new value: its id, its type as `AEGIS_T_*`, and the value's 64 bits.
  case parameter(id: UInt32, type: UInt32, bits: UInt64)
  /// The seat's signals are recorded but not considered any more, or again.
  case suspended(Bool)
}

/// The content of a plugin's file: its SHA-256 as four big-endian words.
@frozen public struct PluginImageID: Sendable, Hashable, BitwiseCopyable {
  public var word0, word1, word2, word3: UInt64

  /// - Parameter sha256: 64 hexadecimal digits; nil when it is anything else.
  public init?(_ sha256: String) {
    guard sha256.utf8.count == 64 else { return nil }
    var words: [UInt64] = []
    var rest = sha256[...]
    while !rest.isEmpty {
      guard let word = UInt64(rest.prefix(16), radix: 16) else { return nil }
      words.append(word)
      rest = rest.dropFirst(16)
    }
    (word0, word1, word2, word3) = (words[0], words[1], words[2], words[3])
  }

  @usableFromInline init(_ a: Int64, _ b: Int64, _ c: Int64, _ d: Int64) {
    (word0, word1) = (UInt64(bitPattern: a), UInt64(bitPattern: b))
    (word2, word3) = (UInt64(bitPattern: c), UInt64(bitPattern: d))
  }

  /// 64 hexadecimal digits.
  public var text: String {
    [word0, word1, word2, word3].map { word in
      let digits = String(word, radix: 16)
      return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }.joined()
  }
}

extension JournalEntry {
  /// A change of one seat. `detail` is the action, word 0 the seat.
  public static func plugin(seat: Int, _ change: PluginChange, time: Instant) -> JournalEntry {
    var entry = JournalEntry(.plugin, time: time)
    entry.words.0 = Int64(seat)
    switch change {
    case .shadowBegan(let image, let isFresh):
      entry.detail = 1
      entry.words.1 = isFresh ? 1 : 0
      entry.words.2 = Int64(bitPattern: image.word0)
      entry.words.3 = Int64(bitPattern: image.word1)
      entry.words.4 = Int64(bitPattern: image.word2)
      entry.words.5 = Int64(bitPattern: image.word3)
    case .historyShown(let instrument):
      entry.detail = 2
      entry.instrument = instrument
    case .promoted: entry.detail = 3
    case .rolledBack: entry.detail = 4
    case .shadowEnded: entry.detail = 5
    case .parameter(let id, let type, let bits):
      entry.detail = 6
      entry.words.1 = Int64(id)
      entry.words.2 = Int64(type)
      entry.words.3 = Int64(bitPattern: bits)
    case .suspended(let isSuspended):
      entry.detail = 7
      entry.words.1 = isSuspended ? 1 : 0
    }
    return entry
  }

  /// The change of a `.plugin` entry; nil for other kinds or an unreadable one.
  public var pluginChange: (seat: Int, change: PluginChange)? {
    guard kind == .plugin else { return nil }
    let change: PluginChange
    switch detail {
    case 1:
      change = .shadowBegan(PluginImageID(words.2, words.3, words.4, words.5), isFresh: words.1 != 0)
    case 2: change = .historyShown(instrument)
    case 3: change = .promoted
    case 4: change = .rolledBack
    case 5: change = .shadowEnded
    case 6:
      change = .parameter(
        id: UInt32(truncatingIfNeeded: words.1), type: UInt32(truncatingIfNeeded: words.2),
        bits: UInt64(bitPattern: words.3))
    case 7: change = .suspended(words.1 != 0)
    default: return nil
    }
    return (Int(words.0), change)
  }
}
