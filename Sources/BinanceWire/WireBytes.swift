/// A position inside a message. Everything here may read up to 64 bytes past the end; nothing is taken from
/// there.
typealias Cursor = UnsafePointer<UInt8>

/// Reading eight bytes at a time. All loads are little-endian.
enum WireBytes {
  @inline(__always) static func load8(_ p: Cursor) -> UInt64 {
    UInt64(littleEndian: UnsafeRawPointer(p).loadUnaligned(as: UInt64.self))
  }

  @inline(__always) static func load4(_ p: Cursor) -> UInt32 {
    UInt32(littleEndian: UnsafeRawPointer(p).loadUnaligned(as: UInt32.self))
  }

  @inline(__always) static func load2(_ p: Cursor) -> UInt16 {
    UInt16(littleEndian: UnsafeRawPointer(p).loadUnaligned(as: UInt16.self))
  }

  /// The first eight bytes of a text as they are loaded; folded to a constant.
  @inline(__always) static func word(_ text: StaticString) -> UInt64 {
    var result: UInt64 = 0
    for index in 0..<8 { result |= UInt64(text.utf8Start[index]) &<< UInt64(index &* 8) }
    return result
  }

  /// The high bit of the lowest byte that is a quote, and garbage above it; 0 when there is none.
  @inline(__always) static func quotes(_ word: UInt64) -> UInt64 {
    let difference = word ^ 0x2222_2222_2222_2222
    return (difference &- 0x0101_0101_0101_0101) & ~difference & 0x8080_8080_8080_8080
  }

  /// High bits of bytes that are no digit; exact up to and including the lowest one.
  @inline(__always) static func nonDigits(_ word: UInt64) -> UInt64 {
    ((word &+ 0x4646_4646_4646_4646) | (word &- 0x3030_3030_3030_3030)) & 0x8080_8080_8080_8080
  }

  /// The number eight digit values (0…9 a byte, first digit lowest) stand for.
  @inline(__always) static func number(_ digits: UInt64) -> UInt64 {
    let pairs = (digits &* 10) &+ (digits &>> 8)
    let low = (pairs & 0x0000_00FF_0000_00FF) &* 0x000F_4240_0000_0064
    let high = ((pairs &>> 16) & 0x0000_00FF_0000_00FF) &* 0x0000_2710_0000_0001
    return (low &+ high) &>> 32
  }

  /// A whole number of 1 to 18 digits without leading zero; -1 for anything else. Ends behind the last digit.
  @inline(__always) static func integer(_ p: inout Cursor) -> Int64 {
    let start = p
    var value: UInt64 = 0
    var word = load8(p)
    if nonDigits(word) == 0 {
      value = number(word &- 0x3030_3030_3030_3030)
      p += 8
      word = load8(p)
      let stop = nonDigits(word)
      if stop == 0 {
        value = value &* 100_000_000 &+ number(word &- 0x3030_3030_3030_3030)
        p += 8
      } else if stop.trailingZeroBitCount == 47 {  // five more: the 13 digits of every time
        guard start.pointee != 0x30 else { return -1 }
        p += 5
        return Int64(bitPattern: value &* 100_000 &+ number((word & 0x0F0F_0F0F_0F0F_0F0F) &<< 24))
      }
    }
    var digit = p.pointee &- 0x30
    while digit < 10 {
      value = value &* 10 &+ UInt64(digit)
      p += 1
      if p - start > 18 { return -1 }
      digit = p.pointee &- 0x30
    }
    let count = p - start
    if count == 0 || (start.pointee == 0x30 && count > 1) { return -1 }
    return Int64(bitPattern: value)
  }

  /// Moves over a time whose value nobody needs: a whole number of 8 to 13 digits that begins with 1…8, so below
  /// 9 × 10^12.
  /// - Returns: false for anything else; then `p` has not moved.
  @inline(__always) static func skipTime(_ p: inout Cursor) -> Bool {
    let stop = nonDigits(load8(p + 8))
    guard p.pointee &- 0x31 < 8, nonDigits(load8(p)) == 0, stop & 0x0000_8080_8080_8080 != 0 else {
      return false
    }
    p += 8 &+ (stop.trailingZeroBitCount &>> 3)
    return true
  }

  /// A decimal text × 10^8, from behind the opening quote to behind the closing one; -1 for anything but 1 to
  /// 10 digits without leading zero and at most eight decimals.
  @inline(__always) static func decimal(_ p: inout Cursor) -> Int64 {
    let start = p
    var value: UInt64 = 0
    var digit = p.pointee &- 0x30
    while digit < 10 {
      value = value &* 10 &+ UInt64(digit)
      p += 1
      if p - start > 10 { return -1 }
      digit = p.pointee &- 0x30
    }
    let wholeCount = p - start
    if wholeCount == 0 || (start.pointee == 0x30 && wholeCount > 1) { return -1 }
    value = value &* 100_000_000
    if p.pointee == 0x2E {
      p += 1
      let word = load8(p)
      let stop = nonDigits(word)
      if stop == 0 {
        value = value &+ number(word &- 0x3030_3030_3030_3030)
        p += 8
      } else {
        let count = stop.trailingZeroBitCount &>> 3
        if count == 0 { return -1 }
        let shift = UInt64(truncatingIfNeeded: (8 &- count) &* 8)
        let digits = word & 0x0F0F_0F0F_0F0F_0F0F  // bytes behind the digits are shifted out
        value = value &+ number((digits &<< shift) &>> shift)
        p += count
      }
    }
    if p.pointee != 0x22 { return -1 }
    p += 1
    return Int64(bitPattern: value)
  }
}
