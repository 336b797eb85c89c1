import PluginABI

/// Checks of `aegis.functions/1`.
///
/// What can be said of the table itself is checked here. Calling the functions needs libffi: `call` is where that check
/// plugs in.
enum FunctionChecks {
  /// Calls every function with edge lists, twice (PURE), and on beginnings of its inputs (CAUSAL).
  ///
  /// - Returns: one line per function that misbehaves.
  typealias Calls = (_ functions: [aegis_function], _ seed: UInt64, _ note: (String) -> Void) throws ->
    [String]

  static var call: Calls? { { try FunctionTrial.problems($0, seed: $1, note: $2) } }

  static func check(_ plugin: TrialPlugin, seed: UInt64, note: (String) -> Void) throws -> PluginCheck {
    note("functions")
    let functions = try plugin.functions()
    guard !functions.isEmpty else {
      return plugin.descriptor.kind == .functions
        ? PluginCheck("functions", .failed, "kind FUNCTIONS without a function")
        : PluginCheck("functions", .ok, "none")
    }
    var problems: [String] = []
    var names: [String] = []
    for function in functions {
      let name = try plugin.tables.text(function.name, field: "function.name")
      let signature = try plugin.tables.text(function.signature, field: "\(name).signature")
      if !Self.isName(name) { problems.append("\"\(name)\" is not a name of letters, digits and _") }
      if names.contains(name) { problems.append("\(name) is there twice") }
      names.append(name)
      if function.fn == nil { problems.append("\(name) is NULL") }
      if let problem = SignatureText.problem(signature) {
        problems.append("\(name): \"\(signature)\" \(problem)")
      }
    }
    if problems.isEmpty, let call { problems += try call(functions, seed, note) }
    guard problems.isEmpty else { return PluginCheck("functions", .failed, problems.joined(separator: "; ")) }
    let shown = names.prefix(5).joined(separator: ", ") + (names.count > 5 ? ", …" : "")
    return call == nil
      ? PluginCheck("functions", .ok, "\(names.count) signatures well-formed: \(shown)")
      : PluginCheck("functions", .ok, "\(shown): edge lists, twice")
  }

  private static func isName(_ text: String) -> Bool {
    guard let first = text.utf8.first, (1...64).contains(text.utf8.count), !(0x30...0x39).contains(first)
    else {
      return false
    }
    return text.utf8.allSatisfy {
      switch $0 {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F: true
      default: false
      }
    }
  }
}
