/// The text of `plugins.entryFilter`, parsed: a condition over candle columns and typed functions.
///
/// ```
/// condition  = and { "||" and }            and  = not { "&&" not }         not = "!" not | comparison
/// comparison = sum [ ("<" | "<=" | ">" | ">=" | "==" | "!=") sum ]
/// sum        = product { ("+" | "-") product }        product = sign { ("*" | "/") sign }
/// sign       = "-" sign | primary
/// primary    = number | "true" | "false" | series | call | "(" condition ")"
/// series     = "open" | "high" | "low" | "close" | "volume"
/// call       = [ library "." ] name "(" [ argument { "," argument } ] ")" [ "." output ]
/// argument   = [ name "=" ] ( [ "-" ] number | "true" | "false" | text | series )
/// ```
struct EntryExpression: Sendable {
  /// Deeper nesting and more calls than this is no condition a person can check.
  static let depthMax = 64
  static let callCountMax = 32
  static let byteCountMax = 4096

  let text: String
  let root: Node

  struct Node: Sendable {
    indirect enum Form: Sendable {
      case number(Double)
      case flag(Bool)
      case series(String)
      case call(Call)
      case not(Node)
      case negative(Node)
      case binary(Operator, Node, Node)
    }

    var form: Form
    /// Where it begins in the text, from 1.
    var column: Int
  }

  enum Operator: String, Sendable {
    case or = "||"
    case and = "&&"
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case equal = "=="
    case notEqual = "!="
    case plus = "+"
    case minus = "-"
    case times = "*"
    case over = "/"
  }

  struct Call: Sendable {
    /// nil is the library the engine brings: `indicators`.
    var library: String?
    var name: String
    var arguments: [Argument]
    var output: String?
    /// Of the output's name.
    var outputColumn = 0
  }

  struct Argument: Sendable {
    enum Value: Sendable, Hashable {
      /// As it was written, sign included.
      case number(String)
      case flag(Bool)
      case text(String)
      case series(String)
    }

    var name: String?
    var value: Value
    var column: Int
  }

  /// What is wrong, and where.
  struct Problem: Error, Hashable, CustomStringConvertible {
    var text: String
    /// From 1.
    var column: Int
    var what: String

    /// Two more lines show the place.
    var description: String {
      "plugins.entryFilter: \(summary)\n  \(text)\n  \(String(repeating: " ", count: column - 1))^"
    }

    var summary: String { "column \(column): \(what)" }
  }

  init(parsing text: String) throws(Problem) {
    var parser = EntryExpressionParser(text)
    self.text = text
    root = try parser.whole()
  }

  /// What is wrong with a text on its own, without knowing the functions; nil when it can be parsed.
  static func problem(_ text: String) -> String? {
    do throws(Problem) {
      _ = try EntryExpression(parsing: text)
      return nil
    } catch {
      return error.summary
    }
  }
}
