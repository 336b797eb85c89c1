import CFFI
public import PluginABI

/// The memory of calls to one function: words, columns and texts, used again from call to call.
///
/// Lists and candles are borrowed: their memory must live until `run` returned. [one thread at a time]
public final class FunctionCall {
  public let function: TypedFunction
  /// One 8-byte word per libffi argument, and libffi's list of their addresses.
  private let words: UnsafeMutablePointer<UInt64>
  private let addresses: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  /// libffi widens small results to a whole word.
  private let result: UnsafeMutablePointer<UInt64>
  private let candles: UnsafeMutablePointer<aegis_candles>
  /// The first word of every argument.
  private let firstWords: [Int]
  /// Argument indices of the columns, and their memory one after the other.
  private let columnArguments: [Int]
  private var columnMemory: UnsafeMutablePointer<Double>
  private var columnCapacity: Int
  private var texts: [Int: UnsafeMutablePointer<CChar>] = [:]
  private var firstListCount = 0
  private let firstList: Int?

  public init(_ function: TypedFunction) {
    self.function = function
    let count = max(function.wordCount, 1)
    words = .allocate(capacity: count)
    words.initialize(repeating: 0, count: count)
    addresses = .allocate(capacity: count)
    for word in 0..<count { (addresses + word).initialize(to: UnsafeMutableRawPointer(words + word)) }
    result = .allocate(capacity: 2)
    result.initialize(repeating: 0, count: 2)
    candles = .allocate(capacity: 1)
    candles.initialize(to: aegis_candles())
    candles.pointee.size = UInt32(MemoryLayout<aegis_candles>.size)
    var firsts: [Int] = []
    var word = 0
    for argument in function.signature.arguments {
      firsts.append(word)
      word += argument.kind.wordCount
    }
    firstWords = firsts
    columnArguments = function.signature.arguments.indices.filter {
      function.signature.arguments[$0].kind == .column
    }
    firstList = function.signature.arguments.firstIndex { $0.kind == .list }
    columnCapacity = 1
    columnMemory = .allocate(capacity: max(columnArguments.count, 1))
  }

  deinit {
    words.deallocate()
    addresses.deallocate()
    result.deallocate()
    candles.deallocate()
    columnMemory.deallocate()
    for text in texts.values { text.deallocate() }
  }

  /// Cells of every column of the next call.
  public var cellCount: Int { function.signature.takesCandles ? Int(candles.pointee.count) : firstListCount }

  // MARK: Arguments. The index counts all arguments of the signature; kinds must fit, which the caller has checked.

  public func set(_ argument: Int, _ value: Double) {
    precondition(function.signature.arguments[argument].kind == .f64, "a number")
    words[firstWords[argument]] = value.bitPattern
  }

  public func set(_ argument: Int, _ value: Int64) {
    words[firstWords[argument]] = UInt64(bitPattern: value)
  }

  public func set(_ argument: Int, _ value: Bool) { words[firstWords[argument]] = value ? 1 : 0 }

  /// Takes a copy of the text.
  public func set(_ argument: Int, _ value: String) {
    texts[argument]?.deallocate()
    let copy = copyCString(value)
    texts[argument] = copy
    words[firstWords[argument]] = UInt64(UInt(bitPattern: copy))
  }

  /// - Precondition: the memory lives until the call returned.
  public func set(_ argument: Int, list: UnsafePointer<Double>, count: Int) {
    precondition(function.signature.arguments[argument].kind == .list, "a list")
    words[firstWords[argument]] = UInt64(UInt(bitPattern: list))
    words[firstWords[argument] + 1] = UInt64(count)
    if argument == firstList { firstListCount = count }
  }

  /// Whatever the candles argument, if there is one. `size` is filled in here.
  /// - Precondition: the columns live until the call returned.
  public func set(candles columns: aegis_candles) {
    candles.pointee = columns
    candles.pointee.size = UInt32(MemoryLayout<aegis_candles>.size)
  }

  // MARK: The call

  /// Fills the columns with NaN and calls the function. Allocates only when columns grow.
  public func run() -> FunctionOutcome.Result {
    let cells = cellCount
    if cells > columnCapacity, !columnArguments.isEmpty {
      columnMemory.deallocate()
      columnCapacity = cells + cells / 4
      columnMemory = .allocate(capacity: columnCapacity * columnArguments.count)
    }
    for (number, argument) in columnArguments.enumerated() {
      let column = columnMemory + number * columnCapacity
      column.update(repeating: .nan, count: cells)
      words[firstWords[argument]] = UInt64(UInt(bitPattern: column))
    }
    for (argument, first) in zip(function.signature.arguments, firstWords) where argument.kind == .candles {
      words[first] = UInt64(UInt(bitPattern: candles))
    }
    result[0] = 0
    ffi_call(function.interface, function.code, result, addresses)
    switch function.signature.result {
    case .void: return .none
    case .f64: return .number(Double(bitPattern: result[0]))
    case .i32: return .integer(Int64(Int32(truncatingIfNeeded: result[0])))
    case .i64: return .integer(Int64(bitPattern: result[0]))
    case .bool: return .flag(Int32(truncatingIfNeeded: result[0]) != 0)
    }
  }

  /// The column with this number among the columns. Valid until the next call of `run`.
  public func column(_ number: Int) -> UnsafeBufferPointer<Double> {
    precondition(number < columnArguments.count, "a column of the signature")
    return UnsafeBufferPointer(start: columnMemory + number * columnCapacity, count: cellCount)
  }

  /// One call with values that `FunctionArguments` has bound: one per argument that is no column, in order.
  public func run(_ values: [FunctionValue]) -> FunctionOutcome {
    var lists: [UnsafeMutableBufferPointer<Double>] = []
    defer { for list in lists { list.deallocate() } }
    /// Never empty, so that a list of none still has an address.
    func keep(_ numbers: [Double]) -> UnsafePointer<Double> {
      let memory = UnsafeMutableBufferPointer<Double>.allocate(capacity: max(numbers.count, 1))
      memory.initialize(repeating: .nan)
      _ = memory.update(from: numbers)
      lists.append(memory)
      return UnsafePointer(memory.baseAddress!)  // not empty
    }
    var openTimes: [Int64] = []
    var next = 0
    for (index, argument) in function.signature.arguments.enumerated() where argument.kind != .column {
      switch values[next] {
      case .number(let number): set(index, number)
      case .integer(let number): set(index, number)
      case .flag(let flag): set(index, flag)
      case .text(let text): set(index, text)
      case .list(let numbers): set(index, list: keep(numbers), count: numbers.count)
      case .candles(let table):
        var columns = aegis_candles()
        columns.count = UInt32(table.count)
        columns.open = keep(table.open)
        columns.high = keep(table.high)
        columns.low = keep(table.low)
        columns.close = keep(table.close)
        columns.volume = keep(table.volume)
        openTimes = table.openTimes.isEmpty ? [0] : table.openTimes
        set(candles: columns)
      }
      next += 1
    }
    let outcome = openTimes.withUnsafeBufferPointer { times in
      candles.pointee.open_time_ns = times.baseAddress
      return run()
    }
    let names = function.signature.columnNames
    return FunctionOutcome(
      result: outcome,
      columns: names.indices.map { FunctionOutcome.Column(name: names[$0], values: Array(column($0))) })
  }
}

extension FunctionSignature {
  /// The columns' names; one without a name is called by its number, from 1.
  public var columnNames: [String] {
    columns.enumerated().map { $1.name.isEmpty ? "column\($0 + 1)" : $1.name }
  }
}
