import PluginHost

/// The words of the command line.
struct HostArguments {
  private(set) var verb = ""
  private(set) var files: [String] = []
  private(set) var id: String?
  private(set) var options = ValidationOptions()
  private(set) var output = "."

  init(_ words: [String]) {
    guard let first = words.first else { usage("no command") }
    verb = first
    var rest = words.dropFirst()
    func value(_ name: String) -> String {
      guard let value = rest.popFirst() else { usage("\(name) needs a value") }
      return value
    }
    while let word = rest.popFirst() {
      switch word {
      case "--id": id = value(word)
      case "--history": options.historyPath = value(word)
      case "--output": output = value(word)
      case "--only": options.only.insert(value(word))
      case "--in-process": options.isInProcess = true
      case "--seed":
        guard let seed = UInt64(value(word)) else { usage("--seed must be a whole number") }
        options.seed = seed
      case "--budget-us":
        guard let budget = Double(value(word)), budget > 0 else { usage("--budget-us must be above 0") }
        options.budgetMicroseconds = budget
      case "--timeout-ms":
        guard let timeout = Int(value(word)), timeout > 0 else { usage("--timeout-ms must be above 0") }
        options.timeoutMilliseconds = timeout
      default:
        if word.hasPrefix("--") { usage("unknown option \(word)") }
        if verb == "validate" || verb == "check" || verb == "trace", isParameter(word) {
          let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
          options.parameters[String(parts[0])] = String(parts[1])
        } else {
          files.append(word)
        }
      }
    }
    if files.isEmpty { usage("\(verb) needs a file") }
  }

  /// `name=value`; paths with a `=` have a slash before it.
  private func isParameter(_ word: String) -> Bool {
    guard let mark = word.firstIndex(of: "=") else { return false }
    return !word[..<mark].contains("/") && !files.isEmpty
  }

  /// The one file of most verbs.
  var file: String {
    guard files.count == 1 else { usage("\(verb) takes one file") }
    return files[0]
  }
}
