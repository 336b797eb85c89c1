import Market
import PluginABI

/// Whether a function keeps the promise of `AEGIS_FUNCTION_CAUSAL`: tested, not believed.
///
/// The function is called on a made-up history and on that history cut after every bar. What it said about a bar
/// must not change when later bars come, and must not depend on what lies in memory behind the end.
public enum FunctionCausality {
  /// Bars of the made-up history: long enough for the usual periods to become valid and change many times. Longer
  /// when a whole number among the constants says that a longer period is wanted.
  static let barCountMin = 320
  static let barCountMax = 4096
  /// Histories it is cut to; all there are when the history is a short one.
  static let cutCountMax = 320
  /// Differences up to this share are rounding: a function may sum in another order.
  static let toleranceFraction = 1e-9

  /// - Parameter constants: the values of all inputs that are neither lists nor candles, in their order.
  /// - Returns: nil when the promise is kept, else which cell changed, as the rest of a sentence.
  public static func violation(
    of function: TypedFunction, constants: [FunctionValue], seed: UInt64 = 1
  ) -> String? {
    var barCount = barCountMin
    for case .integer(let number) in constants where number > 0 {
      barCount = max(barCount, Int(clamping: min(number, Int64(barCountMax)) * 2 + 64))
    }
    barCount = min(barCount, barCountMax)
    let history = history(seed: seed, barCount: barCount)
    let call = FunctionCall(function)
    let whole = call.run(values(function, constants, history))
    if !whole.columns.isEmpty, whole.columns.allSatisfy({ $0.values.allSatisfy(\.isNaN) }) {
      return "is never valid within \(barCount) bars, so nothing can be confirmed"
    }
    for count in stride(from: 1, to: barCount, by: (barCount + cutCountMax - 1) / cutCountMax) {
      let cut = call.run(values(function, constants, history.prefix(count)))
      for (number, column) in cut.columns.enumerated() {
        for bar in 0..<count where !isEqual(column.values[bar], whole.columns[number].values[bar]) {
          return
            "looks ahead: cell \(bar) of \(column.name) was \(text(column.values[bar])) after \(count) bars and "
            + "\(text(whole.columns[number].values[bar])) after \(barCount)"
        }
      }
      if let difference = readsBehind(function, constants, history, count, call, cut) { return difference }
    }
    return nil
  }

  /// Calls it on the first bars inside the memory of all of them, where the later ones can be seen.
  private static func readsBehind(
    _ function: TypedFunction, _ constants: [FunctionValue], _ history: FunctionValue.CandleColumns,
    _ count: Int, _ call: FunctionCall, _ expected: FunctionOutcome
  ) -> String? {
    var lists: [[Double]] = []
    var next = 0
    for (index, argument) in function.signature.arguments.enumerated() {
      switch argument.kind {
      case .column, .candles: break
      case .list: lists.append(series(history, lists.count))
      case .f64, .i32, .i64, .bool, .str:
        switch constants[next] {
        case .number(let number): call.set(index, number)
        case .integer(let number): call.set(index, number)
        case .flag(let flag): call.set(index, flag)
        case .text(let text): call.set(index, text)
        case .list, .candles: preconditionFailure("constants are neither lists nor candles")
        }
        next += 1
      }
    }
    let flat = lists.flatMap { $0 }
    let result = flat.withUnsafeBufferPointer { memory in
      withCandles(history, count: count) { candles in
        call.set(candles: candles)
        var list = 0
        for (index, argument) in function.signature.arguments.enumerated() where argument.kind == .list {
          // Not empty: there is a list here, and a history has bars.
          call.set(index, list: memory.baseAddress! + list * history.count, count: count)
          list += 1
        }
        return call.run()
      }
    }
    let names = function.signature.columnNames
    for number in names.indices {
      let column = call.column(number)
      for bar in 0..<count where !isEqual(column[bar], expected.columns[number].values[bar]) {
        return
          "reads behind the end: cell \(bar) of \(names[number]) depends on what follows bar \(count - 1)"
      }
    }
    if !isEqual(result, expected.result) {
      return "reads behind the end: its result depends on what follows bar \(count - 1)"
    }
    return nil
  }

  private static func withCandles<Result>(
    _ table: FunctionValue.CandleColumns, count: Int, _ body: (aegis_candles) -> Result
  ) -> Result {
    table.openTimes.withUnsafeBufferPointer { times in
      table.open.withUnsafeBufferPointer { open in
        table.high.withUnsafeBufferPointer { high in
          table.low.withUnsafeBufferPointer { low in
            table.close.withUnsafeBufferPointer { close in
              table.volume.withUnsafeBufferPointer { volume in
                var candles = aegis_candles()
                candles.count = UInt32(count)
                candles.open = open.baseAddress
                candles.high = high.baseAddress
                candles.low = low.baseAddress
                candles.close = close.baseAddress
                candles.volume = volume.baseAddress
                candles.open_time_ns = times.baseAddress
                return body(candles)
              }
            }
          }
        }
      }
    }
  }

  /// One value per input: the constants, and for the rest columns of a history.
  static func values(
    _ function: TypedFunction, _ constants: [FunctionValue], _ history: FunctionValue.CandleColumns
  ) -> [FunctionValue] {
    var list = 0
    var next = 0
    return function.signature.inputs.map { input in
      switch input.kind {
      case .candles: return .candles(history)
      case .list:
        defer { list += 1 }
        return .list(series(history, list))
      case .f64, .i32, .i64, .bool, .str, .column:
        defer { next += 1 }
        return constants[next]
      }
    }
  }

  /// Several lists of one function get different series.
  private static func series(_ history: FunctionValue.CandleColumns, _ number: Int) -> [Double] {
    [history.close, history.high, history.low, history.volume, history.open][number % 5]
  }

  /// Eight-minute bars on a grid of 0.01 with ties, flat bars, bars without volume and two midnights.
  static func history(seed: UInt64, barCount: Int) -> FunctionValue.CandleColumns {
    var random = SeededRandom(seed: seed)
    var candles = FunctionValue.CandleColumns()
    var close = 100.0
    let start: Int64 = 1_735_686_000_000_000_000 - 3_600_000_000_000
    for bar in 0..<barCount {
      let open = close
      let isFlat = random.below(20) == 0
      func grid(_ value: Double) -> Double { (value * 100).rounded() / 100 }
      if !isFlat { close = grid(max(1, open * (1 + 0.004 * random.normal()))) }
      let high = isFlat ? open : grid(max(open, close) + Double(random.below(20)) / 100)
      let low = isFlat ? open : grid(min(open, close) - Double(random.below(20)) / 100)
      candles.append(
        openTime: start + Int64(bar) * 480_000_000_000, open: open, high: high, low: max(low, 0.01),
        close: close,
        volume: random.below(15) == 0 ? 0 : Double(random.below(10_000)) / 8)
    }
    return candles
  }

  private static func isEqual(_ a: Double, _ b: Double) -> Bool {
    if a == b || (a.isNaN && b.isNaN) { return true }
    return abs(a - b) <= toleranceFraction * max(abs(a), abs(b), 1e-3)
  }

  private static func isEqual(_ a: FunctionOutcome.Result, _ b: FunctionOutcome.Result) -> Bool {
    if case .number(let x) = a, case .number(let y) = b { return isEqual(x, y) }
    return a == b
  }

  private static func text(_ value: Double) -> String { value.isNaN ? "empty" : "\(value)" }
}
