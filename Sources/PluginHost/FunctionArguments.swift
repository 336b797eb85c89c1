/// Binds what a person wrote to the inputs of a signature: `name=value`, or values in order.
public struct FunctionArguments {
  public var function: String
  public var signature: FunctionSignature
  /// Fills the candles argument, and lists that are named by a column of it.
  public var candles: FunctionValue.CandleColumns?
  /// Reads `@file.csv:column`; throws what is wrong, as the rest of a sentence.
  public var readColumn: (_ file: String, _ column: String) throws(Refusal) -> [Double]

  public struct Refusal: Error {
    public var reason: String
    public init(_ reason: String) { self.reason = reason }
  }

  public init(
    function: String, signature: FunctionSignature, candles: FunctionValue.CandleColumns? = nil,
    readColumn: @escaping (_ file: String, _ column: String) throws(Refusal) -> [Double] = {
      (_, _) throws(Refusal) in throw Refusal("cannot be read here")
    }
  ) {
    self.function = function
    self.signature = signature
    self.candles = candles
    self.readColumn = readColumn
  }

  /// - Returns: one value per input, in the order of the signature.
  /// - Throws: `.argument` naming the argument, what it must be and what was given.
  public func bind(_ words: [String]) throws(FunctionError) -> [FunctionValue] {
    let inputs = signature.inputs
    var given = [String?](repeating: nil, count: inputs.count)
    var next = 0
    for word in words {
      if let (index, value) = try named(word, inputs) {
        guard given[index] == nil else { throw failure(index, "is given twice") }
        given[index] = value
        continue
      }
      while next < inputs.count, given[next] != nil || inputs[next].kind == .candles { next += 1 }
      guard next < inputs.count else {
        let room = inputs.filter { $0.kind != .candles }.count
        throw .argument(
          function: function, argument: "argument \"\(word)\"",
          reason: "is one too many: it takes \(room) beside candles", signature: signature.text)
      }
      given[next] = word
      next += 1
    }
    var values: [FunctionValue] = []
    for (index, input) in inputs.enumerated() { values.append(try value(index, input, given[index])) }
    return values
  }

  /// `name=value` for an input with that name; nil for a value by position.
  private func named(
    _ word: String, _ inputs: [FunctionSignature.Argument]
  ) throws(FunctionError) -> (index: Int, value: String)? {
    guard let equals = word.firstIndex(of: "=") else { return nil }
    let name = String(word[..<equals])
    if let index = inputs.firstIndex(where: { !$0.name.isEmpty && $0.name == name }) {
      return (index, String(word[word.index(after: equals)...]))
    }
    // A text by position may hold '='; for everything else it can only be a misspelt name.
    guard !inputs.contains(where: { $0.kind == .str }) else { return nil }
    let names = inputs.map(\.name).filter { !$0.isEmpty }
    throw .argument(
      function: function, argument: "argument \"\(name)\"",
      reason:
        "is not known; \(names.isEmpty ? "its arguments have no names" : "it has \(names.joined(separator: ", "))")",
      signature: signature.text)
  }

  private func value(
    _ index: Int, _ input: FunctionSignature.Argument, _ text: String?
  ) throws(FunctionError) -> FunctionValue {
    if input.kind == .candles {
      guard text == nil else { throw failure(index, "comes from --candles FILE.csv") }
      guard let candles else { throw failure(index, "needs candles: give --candles FILE.csv") }
      return .candles(candles)
    }
    guard let text else {
      if let value = input.defaultValue { return value }
      throw failure(index, "is missing; it must be \(FunctionValue.expectation(of: input.kind))")
    }
    if input.kind == .list {
      if let list = candles?.column(text) { return .list(list) }
      if FunctionValue.CandleColumns.columnNames.contains(text) {
        throw failure(index, "is the candle column \"\(text)\": give --candles FILE.csv")
      }
      if text.hasPrefix("@") { return .list(try column(index, text)) }
    }
    guard let value = FunctionValue(input.kind, parsing: text) else {
      throw failure(index, "must be \(FunctionValue.expectation(of: input.kind)), got \"\(text)\"")
    }
    return value
  }

  private func column(_ index: Int, _ text: String) throws(FunctionError) -> [Double] {
    guard let colon = text.lastIndex(of: ":"), colon > text.index(after: text.startIndex),
      text.index(after: colon) < text.endIndex
    else { throw failure(index, "must be @FILE.csv:COLUMN, got \"\(text)\"") }
    do throws(Refusal) {
      return try readColumn(
        String(text[text.index(after: text.startIndex)..<colon]), String(text[text.index(after: colon)...]))
    } catch {
      throw failure(index, "\"\(text)\": \(error.reason)")
    }
  }

  private func failure(_ index: Int, _ reason: String) -> FunctionError {
    let name = signature.inputs[index].name
    return .argument(
      function: function, argument: "argument \(index + 1)\(name.isEmpty ? "" : " (\(name))")",
      reason: reason, signature: signature.text)
  }
}
