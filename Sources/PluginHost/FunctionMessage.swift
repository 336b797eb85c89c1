/// What the child that calls functions is asked and what it answers: little-endian bytes over inherited descriptors.
struct FunctionMessage {
  static let requestMagic: UInt64 = 0x3151_4E46_5347_4541  // "AEGSFNQ1"
  static let answerMagic: UInt64 = 0x3141_4E46_5347_4541  // "AEGSFNA1"
  /// Candles of seven years of minutes, with room.
  static let byteCountMax = 1 << 29

  private(set) var bytes: [UInt8] = []
  private var position = 0

  init() {}
  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The other side ended early or speaks another language.
  struct Damaged: Error {}

  // MARK: Writing

  mutating func put(_ value: UInt64) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }
  mutating func put(_ value: Int) { put(UInt64(bitPattern: Int64(value))) }
  mutating func put(_ value: Bool) { put(value ? 1 as UInt64 : 0) }

  mutating func put(_ text: String) {
    put(text.utf8.count)
    bytes.append(contentsOf: text.utf8)
  }

  mutating func put(_ numbers: [Double]) {
    put(numbers.count)
    numbers.withUnsafeBytes { bytes.append(contentsOf: $0) }
  }

  mutating func put(_ numbers: [Int64]) {
    put(numbers.count)
    numbers.withUnsafeBytes { bytes.append(contentsOf: $0) }
  }

  mutating func put(_ value: FunctionValue) {
    switch value {
    case .number(let number):
      put(0 as UInt64)
      put(number.bitPattern)
    case .integer(let number):
      put(1 as UInt64)
      put(UInt64(bitPattern: number))
    case .flag(let flag):
      put(2 as UInt64)
      put(flag)
    case .text(let text):
      put(3 as UInt64)
      put(text)
    case .list(let list):
      put(4 as UInt64)
      put(list)
    case .candles(let candles):
      put(5 as UInt64)
      put(candles.openTimes)
      for column in [candles.open, candles.high, candles.low, candles.close, candles.volume] { put(column) }
    }
  }

  mutating func put(_ outcome: FunctionOutcome) {
    switch outcome.result {
    case .none: put(FunctionValue.flag(false))
    case .number(let number): put(FunctionValue.number(number))
    case .integer(let number): put(FunctionValue.integer(number))
    case .flag(let flag): put(FunctionValue.flag(flag))
    }
    put(outcome.columns.count)
    for column in outcome.columns {
      put(column.name)
      put(column.values)
    }
  }

  // MARK: Reading

  mutating func word() throws(Damaged) -> UInt64 {
    guard bytes.count - position >= 8 else { throw Damaged() }
    defer { position += 8 }
    return UInt64(
      littleEndian: bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: position, as: UInt64.self) })
  }

  /// - Parameter byteCount: of one element; the announced elements must be there.
  mutating func count(of byteCount: Int) throws(Damaged) -> Int {
    let count = try word()
    guard count <= UInt64((bytes.count - position) / byteCount) else { throw Damaged() }
    return Int(count)
  }

  mutating func text() throws(Damaged) -> String {
    let count = try count(of: 1)
    defer { position += count }
    guard let text = String(validating: bytes[position..<(position + count)], as: UTF8.self) else {
      throw Damaged()
    }
    return text
  }

  private mutating func elements<Element: BitwiseCopyable>(_ zero: Element) throws(Damaged) -> [Element] {
    let count = try count(of: 8)
    var result = [Element](repeating: zero, count: count)
    let start = position
    result.withUnsafeMutableBytes { target in
      bytes.withUnsafeBytes {
        target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<(start + 8 * count)]))
      }
    }
    position += 8 * count
    return result
  }

  mutating func numbers() throws(Damaged) -> [Double] { try elements(0.0) }

  mutating func value() throws(Damaged) -> FunctionValue {
    switch try word() {
    case 0: return .number(Double(bitPattern: try word()))
    case 1: return .integer(Int64(bitPattern: try word()))
    case 2: return .flag(try word() != 0)
    case 3: return .text(try text())
    case 4: return .list(try numbers())
    case 5:
      var candles = FunctionValue.CandleColumns()
      candles.openTimes = try elements(Int64(0))
      candles.open = try numbers()
      candles.high = try numbers()
      candles.low = try numbers()
      candles.close = try numbers()
      candles.volume = try numbers()
      let columns = [candles.open, candles.high, candles.low, candles.close, candles.volume]
      guard columns.allSatisfy({ $0.count == candles.count }) else { throw Damaged() }
      return .candles(candles)
    default: throw Damaged()
    }
  }

  /// - Parameter result: what the signature says the result is.
  mutating func outcome(_ result: FunctionSignature.Result) throws(Damaged) -> FunctionOutcome {
    let outcome: FunctionOutcome.Result
    switch (try value(), result) {
    case (_, .void): outcome = .none
    case (.number(let number), .f64): outcome = .number(number)
    case (.integer(let number), .i32), (.integer(let number), .i64): outcome = .integer(number)
    case (.flag(let flag), .bool): outcome = .flag(flag)
    default: throw Damaged()
    }
    var columns: [FunctionOutcome.Column] = []
    for _ in 0..<(try count(of: 16)) {
      columns.append(FunctionOutcome.Column(name: try text(), values: try numbers()))
    }
    return FunctionOutcome(result: outcome, columns: columns)
  }

  /// Everything was read.
  func end() throws(Damaged) {
    guard position == bytes.count else { throw Damaged() }
  }
}
