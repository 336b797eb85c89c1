import Market
import PluginABI
import PluginHost
import Trading

/// The condition of `plugins.entryFilter`, ready to be asked: no entry of an instrument whose closed candles do not
/// fulfil it.
///
/// Asked when a signal comes and computed at most once per closed candle and instrument; nothing is allocated once
/// the columns have grown. What is not valid yet (NaN) fulfils no condition. [decision-thread]
public final class EntryFilter {
  /// Closed candles the functions see at most: a day of minutes. Averages without end depend on where they begin.
  static let windowBars = 1500

  let timeframe: Timeframe
  /// What the run's record keeps of the libraries.
  let files: [RunRecord.FunctionFile]
  private let condition: EntryFilterCondition
  private var calls: [EntryFilterCall]
  private var values: [Double]
  private var cells: [Cell]

  /// The answer for one instrument and the candle it is about.
  private struct Cell {
    var openTime = Int64.min
    var answer = Answer(passes: false, measured: 0, limit: 0)
  }

  struct Answer: Equatable {
    var passes: Bool
    /// The two numbers of the comparison that decided; 0 when one was not valid.
    var measured: Double
    var limit: Double
  }

  init(
    timeframe: Timeframe, condition: EntryFilterCondition, calls: [EntryFilterCall],
    files: [RunRecord.FunctionFile], instrumentCount: Int
  ) {
    self.timeframe = timeframe
    self.condition = condition
    self.calls = calls
    self.files = files
    values = Array(repeating: .nan, count: calls.count)
    cells = Array(repeating: Cell(), count: instrumentCount)
  }

  /// - Parameter window: the instrument's closed candles of `timeframe`.
  func answer(_ instrument: InstrumentID, window: CandleWindow) -> Answer {
    guard window.count > 0 else { return Answer(passes: false, measured: 0, limit: 0) }
    let index = Int(instrument.index)
    let openTime = window.openTimes[window.count - 1]
    if cells[index].openTime == openTime { return cells[index].answer }
    let answer = compute(window)
    cells[index] = Cell(openTime: openTime, answer: answer)
    return answer
  }

  /// Candles of the instrument were repaired or came from history.
  func forget(_ instrument: InstrumentID) {
    let index = Int(instrument.index)
    if index < cells.count { cells[index] = Cell() }
  }

  private func compute(_ window: CandleWindow) -> Answer {
    let skipped = max(0, window.count - Self.windowBars)
    var candles = aegis_candles()
    candles.count = UInt32(window.count - skipped)
    candles.open = window.open + skipped
    candles.high = window.high + skipped
    candles.low = window.low + skipped
    candles.close = window.close + skipped
    candles.volume = window.volume + skipped
    candles.open_time_ns = window.openTimes + skipped
    candles.flags = window.flags + skipped
    for index in calls.indices { values[index] = calls[index].last(candles) }
    var evaluation = EntryFilterEvaluation(values: values, candles: candles)
    let passes = evaluation.truth(condition) ?? false
    func shown(_ value: Double) -> Double { value.isFinite ? value : 0 }
    return Answer(passes: passes, measured: shown(evaluation.left), limit: shown(evaluation.right))
  }
}

/// A candle column by its word in an expression.
enum EntryFilterSeries: String, CaseIterable, Sendable {
  case open, high, low, close, volume

  static let names = allCases.map(\.rawValue)

  func start(_ candles: aegis_candles) -> UnsafePointer<Double> {
    switch self {
    case .open: candles.open
    case .high: candles.high
    case .low: candles.low
    case .close: candles.close
    case .volume: candles.volume
    }
  }
}

/// One function of the expression with its constants set, and which of its values is meant.
struct EntryFilterCall {
  let call: FunctionCall
  /// List arguments by their index in the signature.
  let lists: [(argument: Int, series: EntryFilterSeries)]
  /// The column meant; nil is the result.
  let column: Int?

  /// The value at the newest candle; NaN while there is none.
  func last(_ candles: aegis_candles) -> Double {
    let count = Int(candles.count)
    for list in lists { call.set(list.argument, list: list.series.start(candles), count: count) }
    call.set(candles: candles)
    let result = call.run()
    if let column { return call.column(column).last ?? .nan }
    switch result {
    case .none: return .nan
    case .number(let number): return number
    case .integer(let number): return Double(number)
    case .flag(let flag): return flag ? 1 : 0
    }
  }
}

/// A number as the evaluation sees it.
indirect enum EntryFilterNumber {
  case constant(Double)
  case newest(EntryFilterSeries)
  case call(Int)
  case negative(EntryFilterNumber)
  case sum(EntryFilterNumber, EntryFilterNumber)
  case difference(EntryFilterNumber, EntryFilterNumber)
  case product(EntryFilterNumber, EntryFilterNumber)
  case quotient(EntryFilterNumber, EntryFilterNumber)
}

/// A condition as the evaluation sees it.
indirect enum EntryFilterCondition {
  case constant(Bool)
  /// A function whose result is a bool.
  case call(Int)
  case not(EntryFilterCondition)
  case and(EntryFilterCondition, EntryFilterCondition)
  case or(EntryFilterCondition, EntryFilterCondition)
  case comparison(EntryExpression.Operator, EntryFilterNumber, EntryFilterNumber)
}

/// One walk over the condition, with the third truth: not known.
struct EntryFilterEvaluation {
  let values: [Double]
  let candles: aegis_candles
  /// Of the comparison looked at last, which is the one that decided.
  private(set) var left = 0.0
  private(set) var right = 0.0

  init(values: [Double], candles: aegis_candles) {
    self.values = values
    self.candles = candles
  }

  /// nil when it rests on a number that is not valid.
  mutating func truth(_ condition: EntryFilterCondition) -> Bool? {
    switch condition {
    case .constant(let flag): return flag
    case .call(let index): return values[index].isNaN ? nil : values[index] != 0
    case .not(let inner): return truth(inner).map { !$0 }
    case .and(let a, let b):
      guard let first = truth(a) else { return truth(b) == false ? false : nil }
      return first ? truth(b) : false
    case .or(let a, let b):
      guard let first = truth(a) else { return truth(b) == true ? true : nil }
      return first ? true : truth(b)
    case .comparison(let mark, let a, let b):
      left = number(a)
      right = number(b)
      guard !left.isNaN, !right.isNaN else { return nil }
      switch mark {
      case .less: return left < right
      case .lessOrEqual: return left <= right
      case .greater: return left > right
      case .greaterOrEqual: return left >= right
      case .equal: return left == right
      case .notEqual: return left != right
      case .or, .and, .plus, .minus, .times, .over: preconditionFailure("the compiler makes comparisons only")
      }
    }
  }

  private func number(_ node: EntryFilterNumber) -> Double {
    switch node {
    case .constant(let number): number
    case .newest(let series): series.start(candles)[Int(candles.count) - 1]
    case .call(let index): values[index]
    case .negative(let inner): -number(inner)
    case .sum(let a, let b): number(a) + number(b)
    case .difference(let a, let b): number(a) - number(b)
    case .product(let a, let b): number(a) * number(b)
    case .quotient(let a, let b): number(a) / number(b)
    }
  }
}
