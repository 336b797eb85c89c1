/// The type of a typed function as its author wrote it: `void(candles, i64 period=14, f64*out RSI)`.
///
/// Grammar: `ret '(' [arg {',' arg}] ')'`, as documented at `aegis_function` in the plugin header.
public struct FunctionSignature: Sendable, Hashable {
  public enum Result: String, Sendable, Hashable, CaseIterable { case f64, i32, i64, bool, void }

  public enum Kind: String, Sendable, Hashable, CaseIterable {
    case f64, i32, i64, bool, str
    /// Numbers and, as a second word, how many.
    case list = "f64*"
    /// Room for one number per candle, or per element of the first list.
    case column = "f64*out"
    case candles

    /// How many words of the call it takes.
    var wordCount: Int { self == .list ? 2 : 1 }
  }

  public struct Argument: Sendable, Hashable {
    public var kind: Kind
    /// Empty when the author gave none.
    public var name: String
    public var defaultValue: FunctionValue?
  }

  /// libffi passes the first six in registers; more than this is a table that wants to be a structure.
  public static let wordCountMax = 20
  static let byteCountMax = 4096

  public var result: Result
  public var arguments: [Argument]
  /// As it was written.
  public var text: String

  /// What a caller gives: everything but the columns.
  public var inputs: [Argument] { arguments.filter { $0.kind != .column } }
  /// What comes back beside the result.
  public var columns: [Argument] { arguments.filter { $0.kind == .column } }
  public var takesCandles: Bool { arguments.contains { $0.kind == .candles } }

  /// Where a text stops being a signature.
  public struct Problem: Error, Sendable, Hashable, CustomStringConvertible {
    public var text: String
    /// Counted from 1.
    public var column: Int
    public var what: String

    public var description: String {
      let rest = text.dropFirst(column - 1)
      let near = rest.isEmpty ? "its end" : "\"\(rest.prefix(24))\(rest.count > 24 ? "…" : "")\""
      return "signature \"\(text)\": column \(column), at \(near): \(what)"
    }
  }
}

extension FunctionSignature {
  public init(parsing text: String) throws(Problem) {
    var parser = SignatureParser(text)
    self = try parser.signature()
  }

  /// Reads `ema: f64(f64*,i64,f64)`: a name and the type of what has that name.
  public static func declaration(_ text: String) throws(Problem) -> (name: String, signature: Self) {
    var parser = SignatureParser(text)
    let name = try parser.declaredName()
    var signature = try parser.signature()
    // What was declared, without the name, is a signature of its own.
    signature.text = String(
      text[text.index(after: text.firstIndex(of: ":") ?? text.startIndex)...].drop { $0 == " " })
    return (name, signature)
  }
}

/// A recursive descent over the characters of one signature.
struct SignatureParser {
  private let text: String
  private let characters: [Character]
  private var position = 0

  init(_ text: String) {
    self.text = text
    characters = Array(text)
  }

  mutating func declaredName() throws(FunctionSignature.Problem) -> String {
    skipSpace()
    guard let name = identifier() else {
      throw problem("expected a function name, such as ema: f64(f64*,i64)")
    }
    skipSpace()
    guard take(":") else { throw problem("expected ':' between the name and its type") }
    return name
  }

  mutating func signature() throws(FunctionSignature.Problem) -> FunctionSignature {
    guard text.utf8.count <= FunctionSignature.byteCountMax else {
      throw problem("is longer than \(FunctionSignature.byteCountMax) bytes")
    }
    skipSpace()
    let start = position
    let word = identifier() ?? ""
    guard let result = FunctionSignature.Result(rawValue: word) else {
      position = start
      throw problem("expected a result type: f64, i32, i64, bool or void")
    }
    skipSpace()
    guard take("(") else { throw problem("expected '('") }
    var arguments: [FunctionSignature.Argument] = []
    var wordCount = 0
    skipSpace()
    if !take(")") {
      while true {
        skipSpace()
        let start = position
        let argument = try argument()
        wordCount += argument.kind.wordCount
        if wordCount > FunctionSignature.wordCountMax {
          position = start
          throw problem("more than \(FunctionSignature.wordCountMax) words; a list counts as two")
        }
        if argument.kind == .candles, arguments.contains(where: { $0.kind == .candles }) {
          position = start
          throw problem("a second candles argument; one is all there are")
        }
        if !argument.name.isEmpty, arguments.contains(where: { $0.name == argument.name }) {
          position = start
          throw problem("the name \"\(argument.name)\" is used twice")
        }
        arguments.append(argument)
        skipSpace()
        if take(")") { break }
        guard take(",") else { throw problem("expected ',' or ')'") }
      }
    }
    skipSpace()
    guard position == characters.count else { throw problem("nothing may follow the ')'") }
    if arguments.contains(where: { $0.kind == .column }),
      !arguments.contains(where: { $0.kind == .candles || $0.kind == .list })
    {
      throw problem("f64*out needs candles or a list (f64*, i64) that says how long it is")
    }
    return FunctionSignature(result: result, arguments: arguments, text: text)
  }

  private mutating func argument() throws(FunctionSignature.Problem) -> FunctionSignature.Argument {
    let start = position
    let kind = try kind()
    var argument = FunctionSignature.Argument(kind: kind, name: try name(), defaultValue: nil)
    skipSpace()
    switch kind {
    case .f64, .i32, .i64, .bool, .str:
      if take("=") { argument.defaultValue = try defaultValue(kind) }
    case .list, .column, .candles:
      if next == "=" { throw problem("\(kind.rawValue) has no default") }
    }
    guard kind == .list else { return argument }
    guard take(",") else {
      position = start
      throw problem("f64* must be followed by its length: f64*, i64")
    }
    skipSpace()
    let second = position
    guard identifier() == "i64" else {
      position = second
      throw problem("f64* must be followed by its length, i64")
    }
    _ = try name()  // the length is counted, never given
    skipSpace()
    if next == "=" { throw problem("the length of a list has no default: it is counted") }
    return argument
  }

  private mutating func kind() throws(FunctionSignature.Problem) -> FunctionSignature.Kind {
    let start = position
    let expected = "expected a type: f64, i32, i64, bool, str, f64*, f64*out or candles"
    guard var word = identifier() else { throw problem(expected) }
    if word == "f64", take("*") {
      word = "f64*"
      let afterStar = position
      // `f64*out` is one word; `f64* out` is a list named out.
      if identifier() == "out" { word = "f64*out" } else { position = afterStar }
    }
    guard let kind = FunctionSignature.Kind(rawValue: word) else {
      position = start
      throw problem(expected)
    }
    return kind
  }

  /// An identifier, a text in double quotes, or nothing.
  private mutating func name() throws(FunctionSignature.Problem) -> String {
    skipSpace()
    let start = position
    if let name = identifier() { return name }
    guard position < characters.count, characters[position] == "\"" else { return "" }
    let name = try quoted()
    guard (1...64).contains(name.utf8.count), !name.unicodeScalars.contains(where: { $0.value < 0x20 }) else {
      position = start
      throw problem("a name has 1 to 64 bytes and no control characters")
    }
    return name
  }

  private mutating func quoted() throws(FunctionSignature.Problem) -> String {
    let start = position
    position += 1
    guard let end = characters[position...].firstIndex(of: "\"") else {
      position = start
      throw problem("the closing '\"' is missing")
    }
    defer { position = end + 1 }
    return String(characters[position..<end])
  }

  private mutating func defaultValue(
    _ kind: FunctionSignature.Kind
  ) throws(FunctionSignature.Problem) -> FunctionValue {
    skipSpace()
    let start = position
    if kind == .str {
      guard position < characters.count, characters[position] == "\"" else {
        throw problem("the default of a str stands in double quotes")
      }
      return .text(try quoted())
    }
    while position < characters.count, !",) \t".contains(characters[position]) { position += 1 }
    let word = String(characters[start..<position])
    guard let value = FunctionValue(kind, parsing: word) else {
      position = start
      throw problem("the default must be \(FunctionValue.expectation(of: kind))")
    }
    return value
  }

  // MARK: Characters

  private mutating func skipSpace() {
    while position < characters.count, characters[position] == " " || characters[position] == "\t" {
      position += 1
    }
  }

  private var next: Character? { position < characters.count ? characters[position] : nil }

  private mutating func take(_ character: Character) -> Bool {
    guard next == character else { return false }
    position += 1
    return true
  }

  /// A letter or `_`, then letters, digits and `_`; ASCII.
  private mutating func identifier() -> String? {
    let start = position
    while position < characters.count, let byte = characters[position].asciiValue,
      characters[position].isLetter || byte == UInt8(ascii: "_")
        || (position > start && characters[position].isNumber)
    {
      position += 1
    }
    return position > start ? String(characters[start..<position]) : nil
  }

  private func problem(_ what: String) -> FunctionSignature.Problem {
    FunctionSignature.Problem(text: text, column: position + 1, what: what)
  }
}
