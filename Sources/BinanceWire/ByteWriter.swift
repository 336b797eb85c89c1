/// Writes text into memory that is known to be large enough, with a few bytes to spare behind the text: numbers are
/// stored eight digits at a time.
struct ByteWriter {
  private let start: UnsafeMutablePointer<UInt8>
  private var p: UnsafeMutablePointer<UInt8>

  init(_ start: UnsafeMutablePointer<UInt8>) {
    self.start = start
    p = start
  }

  var count: Int { p - start }

  @inline(__always) mutating func raw(_ text: StaticString) {
    let count = text.utf8CodeUnitCount
    UnsafeMutableRawPointer(p).copyMemory(from: text.utf8Start, byteCount: count)
    p += count
  }

  @inline(__always) mutating func bytes(_ bytes: [UInt8]) {
    bytes.withUnsafeBufferPointer { source in
      guard let base = source.baseAddress else { return }
      p.update(from: base, count: source.count)
      p += source.count
    }
  }

  @inline(__always) mutating func flag(_ value: Bool) { value ? raw("true") : raw("false") }

  @inline(__always) mutating func integer(_ value: Int64) { digits(value.magnitude) }

  mutating func signed(_ value: Int64) {
    if value < 0 { raw("-") }
    digits(value.magnitude)
  }

  /// `count × unitE8` as decimal text with this many digits behind the point.
  @inline(__always) mutating func decimal(_ count: Int64, _ unitE8: UInt64, _ decimals: Int) {
    let e8 = count.magnitude &* unitE8
    let (whole, fraction) = e8.quotientAndRemainder(dividingBy: 100_000_000)
    digits(whole)
    guard decimals > 0 else { return }
    p.pointee = 0x2E
    store(Self.eightDigits(fraction) &+ Self.asciiZeros, at: p + 1)
    p += 1 + decimals
  }

  /// A number without leading zeros. Up to seven bytes behind it are overwritten.
  @inline(__always) private mutating func digits(_ value: UInt64) {
    guard value >= 100_000_000 else { return fewDigits(value) }
    guard value < 10_000_000_000_000_000 else { return manyDigits(value) }
    let (high, low) = value.quotientAndRemainder(dividingBy: 100_000_000)
    fewDigits(high)
    store(Self.eightDigits(low) &+ Self.asciiZeros, at: p)
    p += 8
  }

  /// A number of at most eight digits.
  @inline(__always) private mutating func fewDigits(_ value: UInt64) {
    let word = Self.eightDigits(value)
    let leadingZeros = min(word.trailingZeroBitCount &>> 3, 7)  // 0 itself keeps one
    store((word &+ Self.asciiZeros) &>> UInt64(leadingZeros &* 8), at: p)
    p += 8 &- leadingZeros
  }

  /// A number of more than sixteen digits.
  @inline(never) private mutating func manyDigits(_ value: UInt64) {
    let (high, low) = value.quotientAndRemainder(dividingBy: 10_000_000_000_000_000)
    fewDigits(high)  // at most 1844
    let (middle, last) = low.quotientAndRemainder(dividingBy: 100_000_000)
    store(Self.eightDigits(middle) &+ Self.asciiZeros, at: p)
    store(Self.eightDigits(last) &+ Self.asciiZeros, at: p + 8)
    p += 16
  }

  private static var asciiZeros: UInt64 { 0x3030_3030_3030_3030 }

  /// The eight decimal digits of a value below 10^8, one a byte, the first one lowest: halves, then quarters, then
  /// digits are split off in all lanes of the word at once.
  @inline(__always) private static func eightDigits(_ value: UInt64) -> UInt64 {
    let halves = (value / 10_000) | ((value % 10_000) &<< 32)
    let hundreds = ((halves &* 10_486) &>> 20) & 0x0000_007F_0000_007F
    let pairs = hundreds | ((halves &- hundreds &* 100) &<< 16)
    let tens = ((pairs &* 103) &>> 10) & 0x000F_000F_000F_000F
    return tens | ((pairs &- tens &* 10) &<< 8)
  }

  @inline(__always) private func store(_ word: UInt64, at target: UnsafeMutablePointer<UInt8>) {
    UnsafeMutableRawPointer(target).storeBytes(of: word.littleEndian, as: UInt64.self)
  }

  /// The start of the combined envelope.
  @inline(__always) mutating func open(_ symbol: [UInt8], _ stream: StaticString, _ isCombined: Bool) {
    guard isCombined else { return }
    raw("{\"stream\":\"")
    bytes(symbol)
    raw(stream)
    raw("\",\"data\":")
  }

  /// Where the message comes from, if asked for, and the closing braces.
  @inline(__always) mutating func close(_ symbol: [UInt8], _ hasSource: Bool, _ isCombined: Bool) {
    if hasSource {
      raw(",\"st\":1,\"ps\":\"")
      bytes(symbol)
      raw("\"")
    }
    isCombined ? raw("}}") : raw("}")
  }
}
