/// Writes text byte by byte into memory that is known to be large enough.
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

  @inline(__always) mutating func integer(_ value: Int64) { digits(value.magnitude, atLeast: 1) }

  mutating func signed(_ value: Int64) {
    if value < 0 { raw("-") }
    digits(value.magnitude, atLeast: 1)
  }

  /// `count × unitE8` as decimal text with this many digits behind the point.
  @inline(__always) mutating func decimal(_ count: Int64, _ unitE8: UInt64, _ decimals: Int) {
    let e8 = count.magnitude &* unitE8
    let (whole, fraction) = e8.quotientAndRemainder(dividingBy: 100_000_000)
    digits(whole, atLeast: 1)
    guard decimals > 0 else { return }
    p.pointee = 0x2E
    p += 1
    digits(fraction, atLeast: 8)
    p -= 8 - decimals
  }

  @inline(__always) private mutating func digits(_ value: UInt64, atLeast: Int) {
    var count = atLeast
    var bound: UInt64 = atLeast == 8 ? 100_000_000 : 10
    while value >= bound, count < 20 {
      count += 1
      let (next, overflow) = bound.multipliedReportingOverflow(by: 10)
      if overflow {
        count = 20
        break
      }
      bound = next
    }
    var rest = value
    var end = p + count
    while end - p >= 2 {
      let (quotient, pair) = rest.quotientAndRemainder(dividingBy: 100)
      rest = quotient
      end -= 2
      end[0] = 0x30 &+ UInt8(truncatingIfNeeded: pair / 10)
      end[1] = 0x30 &+ UInt8(truncatingIfNeeded: pair % 10)
    }
    if end > p { p.pointee = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10) }
    p += count
  }

  /// The start of the combined envelope.
  @inline(__always) mutating func open(_ symbol: [UInt8], _ stream: StaticString, _ isCombined: Bool) {
    guard isCombined else { return }
    raw("{\"stream\":\"")
    bytes(symbol)
    raw(stream)
    raw("\",\"data\":")
  }

  /// The newer fields and the closing braces.
  @inline(__always) mutating func close(_ symbol: [UInt8], _ hasNewerFields: Bool, _ isCombined: Bool) {
    if hasNewerFields {
      raw(",\"st\":1,\"ps\":\"")
      bytes(symbol)
      raw("\"")
    }
    isCombined ? raw("}}") : raw("}")
  }
}
