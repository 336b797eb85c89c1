/// The grammar of `aegis_function.signature`, as far as its words go.
enum SignatureText {
  private static let wordCountMax = 20

  /// What is wrong, as the rest of a sentence; nil when it is well-formed.
  static func problem(_ text: String) -> String? {
    guard let open = text.firstIndex(of: "("), text.last == ")" else { return "has no (arguments)" }
    let result = trimmed(text[..<open])
    guard ["f64", "i32", "i64", "bool", "void"].contains(result) else { return "returns \"\(result)\"" }
    let inside = text[text.index(after: open)..<text.index(before: text.endIndex)]
    guard let parts = split(inside) else { return "has an open quote" }
    var words = 0
    var isLengthDue = false
    for part in parts {
      let kind = part.split(separator: " ", maxSplits: 1).first.map(String.init) ?? ""
      if isLengthDue {
        guard kind == "i64" else { return "has a list without an i64 behind it" }
        isLengthDue = false
      } else {
        switch kind {
        case "f64", "i32", "i64", "bool", "str", "f64*out", "candles": break
        case "f64*": isLengthDue = true
        default: return "has the unknown argument \"\(part)\""
        }
      }
      words += 1
    }
    if isLengthDue { return "has a list without an i64 behind it" }
    return words > wordCountMax ? "has \(words) words, at most \(wordCountMax)" : nil
  }

  private static func trimmed(_ text: Substring) -> String {
    String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
  }

  /// The arguments between commas outside quotes.
  private static func split(_ text: Substring) -> [String]? {
    var parts: [String] = []
    var part = ""
    var isQuoted = false
    for character in text {
      if character == "\"" { isQuoted.toggle() }
      if character == ",", !isQuoted {
        parts.append(part)
        part = ""
      } else {
        part.append(character)
      }
    }
    guard !isQuoted else { return nil }
    parts.append(part)
    let words = parts.map { trimmed(Substring($0)) }
    return words == [""] ? [] : words
  }
}
