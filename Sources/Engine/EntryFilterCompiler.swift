import PluginHost

/// Turns a parsed expression into what the evaluation walks, checking every type and every function on the way.
struct EntryFilterCompiler {
  private let text: String
  private let find: (String) throws(EntryFilterError) -> EntryFilterLibrary
  private(set) var libraries: [EntryFilterLibrary] = []
  /// Equal calls are made once.
  private(set) var calls: [EntryFilterPlan] = []
  /// Functions with their constants that a child has confirmed.
  private var confirmed: [(target: FunctionRequest.Target, constants: [Int: FunctionValue])] = []

  init(text: String, find: @escaping (String) throws(EntryFilterError) -> EntryFilterLibrary) {
    self.text = text
    self.find = find
  }

  private func failure(_ column: Int, _ what: String) -> EntryFilterError {
    .expression(EntryExpression.Problem(text: text, column: column, what: what))
  }

  // MARK: Types: a node is a condition or a number

  mutating func condition(_ node: EntryExpression.Node) throws(EntryFilterError) -> EntryFilterCondition {
    switch node.form {
    case .flag(let flag): return .constant(flag)
    case .not(let inner): return .not(try condition(inner))
    case .binary(let mark, let a, let b):
      switch mark {
      case .and: return .and(try condition(a), try condition(b))
      case .or: return .or(try condition(a), try condition(b))
      case .less, .lessOrEqual, .greater, .greaterOrEqual, .equal, .notEqual:
        return .comparison(mark, try number(a), try number(b))
      case .plus, .minus, .times, .over:
        throw failure(node.column, "is a number where a condition is needed; compare it, such as … > 0")
      }
    case .call(let call):
      let (index, isCondition) = try plan(call, node.column)
      guard isCondition else {
        throw failure(node.column, "\(call.name) gives a number where a condition is needed; compare it")
      }
      return .call(index)
    case .number, .series, .negative:
      throw failure(node.column, "is a number where a condition is needed; compare it, such as … > 0")
    }
  }

  private mutating func number(_ node: EntryExpression.Node) throws(EntryFilterError) -> EntryFilterNumber {
    switch node.form {
    case .number(let number): return .constant(number)
    case .series(let name):
      guard let series = EntryFilterSeries(rawValue: name) else { throw failure(node.column, "is no series") }
      return .newest(series)
    case .negative(let inner): return .negative(try number(inner))
    case .binary(.plus, let a, let b): return .sum(try number(a), try number(b))
    case .binary(.minus, let a, let b): return .difference(try number(a), try number(b))
    case .binary(.times, let a, let b): return .product(try number(a), try number(b))
    case .binary(.over, let a, let b): return .quotient(try number(a), try number(b))
    case .call(let call):
      let (index, isCondition) = try plan(call, node.column)
      guard !isCondition else {
        throw failure(node.column, "\(call.name) gives true or false where a number is needed")
      }
      return .call(index)
    case .flag, .not, .binary:
      throw failure(node.column, "is a condition where a number is needed")
    }
  }

  // MARK: Functions

  private mutating func plan(
    _ call: EntryExpression.Call, _ column: Int
  ) throws(EntryFilterError) -> (index: Int, isCondition: Bool) {
    let name = call.library ?? EntryFilter.defaultLibrary
    let library: EntryFilterLibrary
    if let known = libraries.first(where: { $0.name == name }) {
      library = known
    } else {
      library = try find(name)
      libraries.append(library)
    }
    guard let target = library.targets.first(where: { $0.name == call.name }) else {
      throw failure(
        column,
        "\(name) has no function \"\(call.name)\"; it has \(library.targets.map(\.name).joined(separator: ", "))"
      )
    }
    guard target.isDeclaredCausal else {
      throw failure(
        column,
        "\(call.name) is not declared CAUSAL: it may look at later candles, so nothing that decides may call it"
      )
    }
    let plan = try bind(call, target, library: name, column)
    try confirm(plan, column)
    let isCondition = plan.column == nil && target.signature.result == .bool
    if let index = calls.firstIndex(of: plan) { return (index, isCondition) }
    calls.append(plan)
    return (calls.count - 1, isCondition)
  }

  private func bind(
    _ call: EntryExpression.Call, _ target: FunctionRequest.Target, library: String, _ column: Int
  ) throws(EntryFilterError) -> EntryFilterPlan {
    let arguments = target.signature.arguments
    // Candles fill themselves, columns come back: neither is written.
    let writable = arguments.indices.filter {
      arguments[$0].kind != .candles && arguments[$0].kind != .column
    }
    var given: [Int: EntryExpression.Argument] = [:]
    for argument in call.arguments {
      let index: Int
      if let name = argument.name {
        guard let found = writable.first(where: { arguments[$0].name == name }) else {
          throw failure(argument.column, "\(call.name) has no argument \"\(name)\": \(target.signature.text)")
        }
        index = found
      } else {
        guard let next = writable.first(where: { given[$0] == nil }) else {
          throw failure(argument.column, "is one argument too many: \(target.signature.text)")
        }
        index = next
      }
      guard given[index] == nil else { throw failure(argument.column, "is given twice") }
      given[index] = argument
    }
    var constants: [Int: FunctionValue] = [:]
    var lists: [Int: EntryFilterSeries] = [:]
    for index in writable {
      let expected = FunctionValue.expectation(of: arguments[index].kind)
      guard let argument = given[index] else {
        guard let value = arguments[index].defaultValue else {
          throw failure(
            column,
            "\(call.name): argument \(shown(arguments[index], index)) is missing: \(target.signature.text)")
        }
        constants[index] = value
        continue
      }
      if arguments[index].kind == .list {
        guard case .series(let name) = argument.value, let series = EntryFilterSeries(rawValue: name) else {
          throw failure(
            argument.column,
            "argument \(shown(arguments[index], index)) must be one of \(EntryFilterSeries.names.joined(separator: ", "))"
          )
        }
        lists[index] = series
        continue
      }
      guard let value = value(argument.value, arguments[index].kind) else {
        throw failure(argument.column, "argument \(shown(arguments[index], index)) must be \(expected)")
      }
      constants[index] = value
    }
    return EntryFilterPlan(
      library: library, target: target, constants: constants, lists: lists,
      column: try outputColumn(call, target, column))
  }

  private func shown(_ argument: FunctionSignature.Argument, _ index: Int) -> String {
    argument.name.isEmpty ? "\(index + 1)" : argument.name
  }

  private func value(_ written: EntryExpression.Argument.Value, _ kind: FunctionSignature.Kind)
    -> FunctionValue?
  {
    switch written {
    case .number(let text): kind == .str || kind == .bool ? nil : FunctionValue(kind, parsing: text)
    case .flag(let flag): kind == .bool ? .flag(flag) : nil
    case .text(let text): kind == .str ? .text(text) : nil
    case .series: nil
    }
  }

  /// Which column is meant: the one named, else the one called like the function, else the only one.
  private func outputColumn(
    _ call: EntryExpression.Call, _ target: FunctionRequest.Target, _ column: Int
  ) throws(EntryFilterError) -> Int? {
    let names = target.signature.columnNames
    if let output = call.output {
      let exact = names.firstIndex(of: output)
      guard let index = exact ?? names.firstIndex(where: { $0.lowercased() == output.lowercased() }) else {
        throw failure(
          call.outputColumn,
          "\(call.name) has no output \"\(output)\"; it has \(names.isEmpty ? "none" : names.joined(separator: ", "))"
        )
      }
      return index
    }
    if target.signature.result != .void { return nil }
    if let own = names.firstIndex(where: { $0.lowercased() == call.name.lowercased() }) { return own }
    if names.count == 1 { return 0 }
    throw failure(
      column,
      names.isEmpty
        ? "\(call.name) gives nothing back"
        : "\(call.name) gives \(names.joined(separator: ", ")); say which, such as \(call.name)(…).\(names[0])"
    )
  }

  /// Has the function tested with the very constants it will be called with.
  private mutating func confirm(_ plan: EntryFilterPlan, _ column: Int) throws(EntryFilterError) {
    if confirmed.contains(where: { $0.target == plan.target && $0.constants == plan.constants }) { return }
    let values = plan.constants.sorted { $0.key < $1.key }.map(\.value)
    let answer: FunctionAnswer
    do throws(FunctionError) {
      answer = try FunctionRequest(plan.target, purpose: .causality, values: values).answer(
        host: PluginCall.hostPath)
    } catch {
      throw failure(column, "\(error)")
    }
    switch answer {
    case .causal(violation: nil): confirmed.append((plan.target, plan.constants))
    case .causal(let violation?):
      throw failure(column, "\(plan.target.name) is declared CAUSAL and \(violation)")
    case .failed(let reason): throw failure(column, reason)
    case .outcome: throw failure(column, "\(PluginCall.hostPath) answered another question")
    }
  }
}
