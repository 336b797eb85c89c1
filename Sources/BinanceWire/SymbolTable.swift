import Market

/// Symbol bytes → grid and index, by a fixed hash table over 8-byte words. No string is made.
///
/// Symbols are up to 32 bytes of UTF-8. Built once; lookups neither allocate nor fail.
struct SymbolTable: ~Copyable {
  /// Longer names are not entered; the universe refuses them before.
  static let symbolBytesMax = 32

  /// What a message needs to know about its instrument.
  struct Entry {
    /// The symbol, zero-padded.
    var words: (UInt64, UInt64, UInt64, UInt64)
    var price: ExactDivisor
    var quantity: ExactDivisor
    var instrument: InstrumentID
    /// Of the symbol: a name that ends in zero bytes has the same words.
    var byteCount: UInt32
  }

  private let entries: UnsafeMutablePointer<Entry>
  private let slots: UnsafeMutablePointer<UInt16>
  private let slotMask: Int
  private let shift: UInt64
  private static let empty = UInt16.max

  init(_ table: InstrumentTable) {
    let count = table.count
    var bits = 6
    while 1 << bits < count * 4 { bits += 1 }
    slotMask = 1 << bits - 1
    shift = UInt64(64 - bits)
    entries = .allocate(capacity: max(count, 1))
    slots = .allocate(capacity: 1 << bits)
    slots.initialize(repeating: Self.empty, count: 1 << bits)
    for (index, instrument) in table.instruments.enumerated() {
      var padded = Array(instrument.symbol.utf8)
      let byteCount = padded.count
      padded += [UInt8](repeating: 0, count: max(Self.symbolBytesMax - byteCount, 0))
      let words = padded.withUnsafeBufferPointer { bytes in
        // A symbol has at least one byte and the array is padded to 32, so the base exists.
        let base = bytes.baseAddress!
        return (
          WireBytes.load8(base), WireBytes.load8(base + 8), WireBytes.load8(base + 16),
          WireBytes.load8(base + 24)
        )
      }
      (entries + index).initialize(
        to: Entry(
          words: words, price: ExactDivisor(instrument.rules.tickE8),
          quantity: ExactDivisor(instrument.rules.stepE8), instrument: InstrumentID(index),
          byteCount: UInt32(byteCount)))
      guard (1...Self.symbolBytesMax).contains(byteCount) else { continue }
      var slot = Self.hash(words, shift)
      while slots[slot] != Self.empty { slot = (slot + 1) & slotMask }
      slots[slot] = UInt16(index)
    }
  }

  deinit {
    entries.deallocate()
    slots.deallocate()
  }

  /// The instrument whose symbol starts at `p` and ends before the next quote; `p` moves behind that quote.
  /// - Returns: nil for an unknown symbol or one without end; then `p` has not moved.
  @inline(__always) func find(_ p: inout Cursor) -> UnsafePointer<Entry>? {
    var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    var count: Int
    words.0 = WireBytes.load8(p)
    var stop = WireBytes.quotes(words.0)
    if stop != 0 {
      count = stop.trailingZeroBitCount &>> 3
      words.0 &= Self.mask(count)
    } else {
      words.1 = WireBytes.load8(p + 8)
      stop = WireBytes.quotes(words.1)
      if stop != 0 {
        count = stop.trailingZeroBitCount &>> 3
        words.1 &= Self.mask(count)
        count &+= 8
      } else {
        words.2 = WireBytes.load8(p + 16)
        stop = WireBytes.quotes(words.2)
        if stop != 0 {
          count = stop.trailingZeroBitCount &>> 3
          words.2 &= Self.mask(count)
          count &+= 16
        } else {
          words.3 = WireBytes.load8(p + 24)
          stop = WireBytes.quotes(words.3)
          if stop != 0 {
            count = stop.trailingZeroBitCount &>> 3
            words.3 &= Self.mask(count)
            count &+= 24
          } else {
            guard p[32] == 0x22 else { return nil }
            count = 32
          }
        }
      }
    }
    var slot = Self.hash(words, shift)
    while true {
      let index = slots[slot]
      if index == Self.empty { return nil }
      let entry = UnsafePointer(entries + Int(index))
      if entry.pointee.words.0 == words.0, entry.pointee.words.1 == words.1, entry.pointee.words.2 == words.2,
        entry.pointee.words.3 == words.3, Int(entry.pointee.byteCount) == count
      {
        p += count &+ 1
        return entry
      }
      slot = (slot &+ 1) & slotMask
    }
  }

  @inline(__always) private static func mask(_ byteCount: Int) -> UInt64 {
    (1 &<< UInt64(truncatingIfNeeded: byteCount &* 8)) &- 1
  }

  @inline(__always) private static func hash(_ words: (UInt64, UInt64, UInt64, UInt64), _ shift: UInt64)
    -> Int
  {
    let low = words.0 ^ (words.1 &* 0x9E37_79B9_7F4A_7C15)
    let high = (words.2 &* 0xC2B2_AE3D_27D4_EB4F) ^ (words.3 &* 0x1656_67B1_9E37_79F9)
    return Int(truncatingIfNeeded: ((low ^ high) &* 0xFF51_AFD7_ED55_8CCD) &>> shift)
  }
}

/// Division without a divide, for values that should be multiples (Granlund and Montgomery, 1994, section 9).
struct ExactDivisor {
  private let inverse: UInt64
  private let limit: UInt64
  private let shift: UInt64

  /// - Precondition: `divisor > 0`.
  init(_ divisor: Int64) {
    precondition(divisor > 0, "a grid unit is positive")
    let twos = divisor.trailingZeroBitCount
    let odd = UInt64(divisor) >> UInt64(twos)
    var inverse = odd  // right in three bits; every step doubles them
    for _ in 0..<5 { inverse = inverse &* (2 &- odd &* inverse) }
    self.inverse = inverse
    limit = UInt64.max / UInt64(divisor)
    shift = UInt64(twos)
  }

  /// `value / divisor` when it is a multiple, else -1. `value` is not negative.
  @inline(__always) func quotient(_ value: Int64) -> Int64 {
    let product = UInt64(bitPattern: value) &* inverse
    let rotated = shift == 0 ? product : (product &>> shift) | (product &<< (64 &- shift))
    return rotated <= limit ? Int64(bitPattern: rotated) : -1
  }
}
