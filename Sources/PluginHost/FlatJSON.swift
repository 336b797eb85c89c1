/// One JSON object of names and strings on one line: all that crosses the pipe from the scanner child.
///
/// Written here so that the child links nothing but the C library and the Swift runtime.
enum FlatJSON {
  static func text(_ fields: [(name: String, value: String)]) -> String {
    "{" + fields.map { "\(quoted($0.name)):\(quoted($0.value))" }.joined(separator: ",") + "}"
  }

  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case "\r": result += "\\r"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }

  /// - Returns: nil for anything but one flat object of string values; later duplicates win.
  static func parse(_ line: some StringProtocol) -> [String: String]? {
    var rest = Substring(line).unicodeScalars[...]
    var result: [String: String] = [:]
    guard rest.popFirst() == "{" else { return nil }
    if rest.first == "}" { return rest.count == 1 ? [:] : nil }
    while true {
      guard let name = string(&rest), rest.popFirst() == ":", let value = string(&rest) else { return nil }
      result[name] = value
      switch rest.popFirst() {
      case ",": continue
      case "}": return rest.isEmpty ? result : nil
      default: return nil
      }
    }
  }

  private static func string(_ rest: inout Substring.UnicodeScalarView) -> String? {
    guard rest.popFirst() == "\"" else { return nil }
    var result = String.UnicodeScalarView()
    while let scalar = rest.popFirst() {
      if scalar == "\"" { return String(result) }
      guard scalar == "\\" else {
        result.append(scalar)
        continue
      }
      switch rest.popFirst() {
      case "\"": result.append("\"")
      case "\\": result.append("\\")
      case "n": result.append("\n")
      case "t": result.append("\t")
      case "r": result.append("\r")
      case "u":
        let digits = String(String.UnicodeScalarView(rest.prefix(4)))
        rest = rest.dropFirst(4)
        guard digits.utf8.count == 4, let value = UInt32(digits, radix: 16),
          let scalar = Unicode.Scalar(value)
        else {
          return nil
        }
        result.append(scalar)
      default: return nil
      }
    }
    return nil
  }
}
