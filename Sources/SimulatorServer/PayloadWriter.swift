import Market

/// Writes the bytes of one stream payload into a fixed buffer: no allocation, no text objects.   [event loop]
struct PayloadWriter: ~Copyable {
  /// The longest single payload is a kline with every number at its widest, under 700 bytes.
  static let capacity = 2_048

  private let base: UnsafeMutablePointer<UInt8>
  private(set) var count = 0

  init() { base = .allocate(capacity: Self.capacity) }
  deinit { base.deallocate() }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

  mutating func clear() { count = 0 }

  @inline(__always)
  mutating func literal(_ text: StaticString) {
    let length = text.utf8CodeUnitCount
    precondition(count + length <= Self.capacity, "a payload fits its buffer")
    (base + count).update(from: text.utf8Start, count: length)
    count += length
  }

  @inline(__always)
  mutating func text(_ bytes: [UInt8]) {
    precondition(count + bytes.count <= Self.capacity, "a payload fits its buffer")
    bytes.withUnsafeBufferPointer { source in
      if let start = source.baseAddress { (base + count).update(from: start, count: source.count) }
    }
    count += bytes.count
  }

  mutating func integer(_ value: Int64) {
    precondition(count + 20 <= Self.capacity, "a payload fits its buffer")
    var magnitude = value.magnitude
    if value < 0 {
      base[count] = 0x2D
      count += 1
    }
    var length = 1
    var bound: UInt64 = 10
    while length < 19, magnitude >= bound {
      length += 1
      bound *= 10
    }
    var place = count + length
    count = place
    repeat {
      place -= 1
      let (quotient, remainder) = magnitude.quotientAndRemainder(dividingBy: 10)
      base[place] = 0x30 + UInt8(truncatingIfNeeded: remainder)
      magnitude = quotient
    } while place > count - length
  }

  /// `units` of 10^-decimals.
  mutating func decimal(_ units: Int64, _ grid: DecimalGrid) {
    guard grid.decimals > 0 else {
      integer(units)
      return
    }
    if units < 0 {
      literal("-")
    }
    let magnitude = units.magnitude
    let (whole, rest) = magnitude.quotientAndRemainder(dividingBy: grid.power)
    integer(Int64(whole))
    base[count] = 0x2E
    var place = count + 1 + grid.decimals
    precondition(place <= Self.capacity, "a payload fits its buffer")
    count = place
    var remaining = rest
    for _ in 0..<grid.decimals {
      place -= 1
      let (quotient, remainder) = remaining.quotientAndRemainder(dividingBy: 10)
      base[place] = 0x30 + UInt8(truncatingIfNeeded: remainder)
      remaining = quotient
    }
  }
}

/// How a grid unit's multiples are written: so many decimals, so many last digits per unit.
struct DecimalGrid: Sendable {
  let decimals: Int
  let power: UInt64
  /// Last digits per tick or step: 5 for a tick of 0.05.
  let unitsPerStep: Int64

  init(unitE8: Int64) {
    decimals = FixedPoint.decimals(ofUnit: unitE8)
    var power: UInt64 = 1
    for _ in 0..<decimals { power *= 10 }
    self.power = power
    unitsPerStep = unitE8 / (FixedPoint.one / Int64(power))
  }

  static let e8 = DecimalGrid(unitE8: 1)
}

/// What the payloads of one instrument share.
struct InstrumentText: Sendable {
  let symbol: [UInt8]
  /// In stream names.
  let lowercased: String
  let price: DecimalGrid
  let quantity: DecimalGrid
  let rules: InstrumentRules

  init(_ instrument: Instrument) {
    symbol = Array(instrument.symbol.utf8)
    lowercased = instrument.symbol.lowercased()
    price = DecimalGrid(unitE8: instrument.rules.tickE8)
    quantity = DecimalGrid(unitE8: instrument.rules.stepE8)
    rules = instrument.rules
  }
}
