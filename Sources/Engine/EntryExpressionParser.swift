/// A recursive descent over the words of one expression.
struct EntryExpressionParser {
  private enum Word: Equatable {
    case number(String)
    case name(String)
    case text(String)
    case mark(String)
    case end
  }

  private let text: String
  private var words: [(word: Word, column: Int)] = []
  private var position = 0
  private var depth = 0
  private var callCount = 0
  private var lexicalProblem: EntryExpression.Problem?

  init(_ text: String) {
    self.text = text
    let characters = Array(text)
    var index = 0
    func column() -> Int { index + 1 }
    scan: while index < characters.count {
      let start = index
      let character = characters[index]
      if character == " " || character == "\t" {
        index += 1
        continue
      }
      if character.isASCII, character.isNumber {
        words.append((.number(Self.number(characters, &index)), start + 1))
        continue
      }
      if Self.isNameCharacter(character) {
        while index < characters.count,
          Self.isNameCharacter(characters[index]) || characters[index].isASCII && characters[index].isNumber
        {
          index += 1
        }
        words.append((.name(String(characters[start..<index])), start + 1))
        continue
      }
      if character == "\"" {
        guard let end = characters[(index + 1)...].firstIndex(of: "\""),
          !characters[index..<end].contains(where: { $0.unicodeScalars.contains { $0.value < 0x20 } })
        else {
          lexicalProblem = EntryExpression.Problem(
            text: text, column: start + 1, what: "the closing '\"' is missing on this line")
          break scan
        }
        words.append((.text(String(characters[(index + 1)..<end])), start + 1))
        index = end + 1
        continue
      }
      let pair = String(characters[index..<min(index + 2, characters.count)])
      if ["&&", "||", "<=", ">=", "==", "!="].contains(pair) {
        words.append((.mark(pair), start + 1))
        index += 2
      } else if "()<>+-*/!,.=".contains(character) {
        words.append((.mark(String(character)), start + 1))
        index += 1
      } else {
        lexicalProblem = EntryExpression.Problem(
          text: text, column: start + 1,
          what: "\(SettingsCheck.shown(String(character))) means nothing here"
            + (character == "&" || character == "|" ? "; write \(character)\(character)" : ""))
        break scan
      }
    }
    words.append((.end, characters.count + 1))
  }

  /// Digits, a point with digits, an exponent.
  private static func number(_ characters: [Character], _ index: inout Int) -> String {
    let start = index
    func digits() {
      while index < characters.count, characters[index].isASCII, characters[index].isNumber { index += 1 }
    }
    digits()
    if index + 1 < characters.count, characters[index] == ".", characters[index + 1].isNumber {
      index += 1
      digits()
    }
    if index < characters.count, characters[index] == "e" || characters[index] == "E" {
      let mark = index
      index += 1
      if index < characters.count, characters[index] == "-" || characters[index] == "+" { index += 1 }
      let first = index
      digits()
      if index == first { index = mark }
    }
    return String(characters[start..<index])
  }

  private static func isNameCharacter(_ character: Character) -> Bool {
    character.isASCII && character.isLetter || character == "_"
  }

  // MARK: Grammar

  mutating func whole() throws(EntryExpression.Problem) -> EntryExpression.Node {
    guard text.utf8.count <= EntryExpression.byteCountMax else {
      throw EntryExpression.Problem(
        text: String(text.prefix(80)), column: 1, what: "is longer than \(EntryExpression.byteCountMax) bytes"
      )
    }
    if let lexicalProblem { throw lexicalProblem }
    let node = try condition()
    guard current == .end else { throw problem("expected an operator or the end") }
    return node
  }

  private var current: Word { words[position].word }
  private var column: Int { words[position].column }

  private mutating func take(_ mark: String) -> Bool {
    guard current == .mark(mark) else { return false }
    position += 1
    return true
  }

  private func problem(_ what: String) -> EntryExpression.Problem {
    EntryExpression.Problem(text: text, column: column, what: what)
  }

  private mutating func condition() throws(EntryExpression.Problem) -> EntryExpression.Node {
    depth += 1
    defer { depth -= 1 }
    guard depth <= EntryExpression.depthMax else { throw problem("is nested too deeply") }
    var left = try conjunction()
    while take("||") { left = node(.binary(.or, left, try conjunction()), left.column) }
    return left
  }

  private mutating func conjunction() throws(EntryExpression.Problem) -> EntryExpression.Node {
    var left = try negation()
    while take("&&") { left = node(.binary(.and, left, try negation()), left.column) }
    return left
  }

  private mutating func negation() throws(EntryExpression.Problem) -> EntryExpression.Node {
    let start = column
    guard take("!") else { return try comparison() }
    depth += 1
    defer { depth -= 1 }
    guard depth <= EntryExpression.depthMax else { throw problem("is nested too deeply") }
    return node(.not(try negation()), start)
  }

  private mutating func comparison() throws(EntryExpression.Problem) -> EntryExpression.Node {
    let left = try sum()
    let marks: [EntryExpression.Operator] = [
      .less, .lessOrEqual, .greater, .greaterOrEqual, .equal, .notEqual,
    ]
    for mark in marks where take(mark.rawValue) {
      let result = node(.binary(mark, left, try sum()), left.column)
      if marks.contains(where: { current == .mark($0.rawValue) }) {
        throw problem("comparisons do not chain; join two of them with &&")
      }
      return result
    }
    return left
  }

  private mutating func sum() throws(EntryExpression.Problem) -> EntryExpression.Node {
    var left = try product()
    while true {
      if take("+") {
        left = node(.binary(.plus, left, try product()), left.column)
      } else if take("-") {
        left = node(.binary(.minus, left, try product()), left.column)
      } else {
        return left
      }
    }
  }

  private mutating func product() throws(EntryExpression.Problem) -> EntryExpression.Node {
    var left = try sign()
    while true {
      if take("*") {
        left = node(.binary(.times, left, try sign()), left.column)
      } else if take("/") {
        left = node(.binary(.over, left, try sign()), left.column)
      } else {
        return left
      }
    }
  }

  private mutating func sign() throws(EntryExpression.Problem) -> EntryExpression.Node {
    let start = column
    guard take("-") else { return try primary() }
    depth += 1
    defer { depth -= 1 }
    guard depth <= EntryExpression.depthMax else { throw problem("is nested too deeply") }
    return node(.negative(try sign()), start)
  }

  private mutating func primary() throws(EntryExpression.Problem) -> EntryExpression.Node {
    let start = column
    switch current {
    case .number(let digits):
      position += 1
      return node(.number(Double(digits) ?? .nan), start)
    case .name(let name):
      position += 1
      if name == "true" || name == "false" { return node(.flag(name == "true"), start) }
      if take(".") {
        let function = try self.name("a function's name after '.'")
        return try call(library: name, function, start)
      }
      if current == .mark("(") { return try call(library: nil, name, start) }
      guard EntryFilterSeries.names.contains(name) else {
        position -= 1
        throw problem(
          "\"\(name)\" is no series; use \(EntryFilterSeries.names.joined(separator: ", ")), or a function with (…)"
        )
      }
      return node(.series(name), start)
    case .mark("("):
      position += 1
      let inner = try condition()
      guard take(")") else { throw problem("expected ')'") }
      return inner
    case .text: throw problem("a text is an argument of a function only")
    case .mark, .end: throw problem("expected a number, a series, a function or '('")
    }
  }

  private mutating func name(_ what: String) throws(EntryExpression.Problem) -> String {
    guard case .name(let name) = current else { throw problem("expected \(what)") }
    position += 1
    return name
  }

  private mutating func call(
    library: String?, _ name: String, _ start: Int
  ) throws(EntryExpression.Problem) -> EntryExpression.Node {
    guard take("(") else { throw problem("expected '(' after a function's name") }
    callCount += 1
    guard callCount <= EntryExpression.callCountMax else {
      throw problem("more than \(EntryExpression.callCountMax) functions")
    }
    var call = EntryExpression.Call(library: library, name: name, arguments: [])
    if !take(")") {
      repeat { call.arguments.append(try argument()) } while take(",")
      guard take(")") else { throw problem("expected ',' or ')'") }
    }
    if take(".") {
      call.outputColumn = column
      call.output = try self.name("an output's name after '.'")
    }
    return node(.call(call), start)
  }

  private mutating func argument() throws(EntryExpression.Problem) -> EntryExpression.Argument {
    var argument = EntryExpression.Argument(name: nil, value: .flag(false), column: column)
    if case .name(let name) = current, words[position + 1].word == .mark("=") {
      argument.name = name
      position += 2
    }
    argument.column = column
    let isNegative = take("-")
    switch current {
    case .number(let digits): argument.value = .number((isNegative ? "-" : "") + digits)
    case .text(let text) where !isNegative: argument.value = .text(text)
    case .name(let name) where !isNegative && (name == "true" || name == "false"):
      argument.value = .flag(name == "true")
    case .name(let name) where !isNegative && EntryFilterSeries.names.contains(name):
      argument.value = .series(name)
    case .name(let name) where !isNegative:
      throw problem("\"\(name)\" is no series; use \(EntryFilterSeries.names.joined(separator: ", "))")
    case .text, .name, .mark, .end:
      throw problem(
        "an argument is a number, true, false, a text or one of \(EntryFilterSeries.names.joined(separator: ", "))"
      )
    }
    position += 1
    return argument
  }

  private func node(_ form: EntryExpression.Node.Form, _ column: Int) -> EntryExpression.Node {
    EntryExpression.Node(form: form, column: column)
  }
}
