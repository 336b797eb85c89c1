import PluginABI

/// Calls typed functions as nobody would on purpose, to see whether they keep what their flags promise. For a child
/// process: a wrong signature ends it.
enum FunctionTrial {
  /// Lengths of lists and candles; empty ones included.
  private static let counts = [0, 1, 2, 3, 40]

  /// - Parameter note: told what is about to be called, so that a crash has a name.
  /// - Returns: one line per function that misbehaves.
  static func problems(
    _ functions: [aegis_function], seed: UInt64, note: (String) -> Void
  ) throws -> [String] {
    var problems: [String] = []
    for raw in functions {
      guard let name = raw.name.map({ String(cString: $0) }), let text = raw.signature, let code = raw.fn
      else {
        continue  // the table's own checks say so
      }
      note(name)
      let function = TypedFunction(
        library: "", name: name, signature: try FunctionSignature(parsing: String(cString: text)),
        flags: raw.flags, code: code)
      if let problem = problem(of: function, seed: seed) { problems.append("\(name) \(problem)") }
    }
    return problems
  }

  /// The first thing wrong, as the rest of a sentence; nil when nothing is.
  static func problem(of function: TypedFunction, seed: UInt64) -> String? {
    let constants = typicalConstants(function.signature)
    for count in counts {
      for (what, history) in edges(count: count, seed: seed) {
        let values = FunctionCausality.values(function, constants, history)
        let outcome = FunctionCall(function).run(values)
        if function.isPure, !isSame(FunctionCall(function).run(values), outcome) {
          return "is declared PURE and gave something else the second time, on \(count) \(what)"
        }
      }
    }
    guard function.isDeclaredCausal else { return nil }
    return FunctionCausality.violation(of: function, constants: constants, seed: seed).map {
      "is declared CAUSAL and \($0)"
    }
  }

  /// A value for every input that is neither list nor candles: its default, else something small.
  static func typicalConstants(_ signature: FunctionSignature) -> [FunctionValue] {
    signature.inputs.compactMap { input in
      if let value = input.defaultValue { return value }
      switch input.kind {
      case .f64: return .number(1)
      case .i32, .i64: return .integer(3)
      case .bool: return .flag(false)
      case .str: return .text("")
      case .list, .candles, .column: return nil
      }
    }
  }

  private static func edges(
    count: Int, seed: UInt64
  ) -> [(what: String, history: FunctionValue.CandleColumns)] {
    let usual = FunctionCausality.history(seed: seed, barCount: count)
    func with(_ value: Double) -> FunctionValue.CandleColumns {
      var history = usual
      let column = Array(repeating: value, count: count)
      (history.open, history.high, history.low) = (column, column, column)
      (history.close, history.volume) = (column, column)
      return history
    }
    return [
      ("bars", usual), ("bars of NaN", with(.nan)), ("bars of 0", with(0)),
      ("bars of infinity", with(.infinity)), ("bars of 1e300", with(1e300)),
    ]
  }

  /// By bits, so that NaN equals NaN.
  private static func isSame(_ a: FunctionOutcome, _ b: FunctionOutcome) -> Bool {
    func bits(_ result: FunctionOutcome.Result) -> FunctionOutcome.Result {
      if case .number(let number) = result { .integer(Int64(bitPattern: number.bitPattern)) } else { result }
    }
    return bits(a.result) == bits(b.result)
      && zip(a.columns, b.columns).allSatisfy { x, y in
        x.values.map(\.bitPattern) == y.values.map(\.bitPattern)
      }
  }
}
