/// Why a typed function cannot be called, or its call failed.
public enum FunctionError: Error, Sendable, Hashable {
  /// The file itself.
  case plugin(PluginError)
  case unknownFunction(library: String, name: String, known: [String])
  case noFunctions(library: String)
  /// A declaration that does not follow the grammar, or a table that breaks the header's rules.
  case declaration(library: String, name: String, reason: String)
  /// A value that does not fit; `argument` names it for a person.
  case argument(function: String, argument: String, reason: String, signature: String)
  /// Another mistake of the person who asks, in a whole sentence.
  case usage(String)
  case crashed(function: String, signal: Int32)
  case timedOut(function: String, milliseconds: Int)
  /// The child could not do its work, in its own words.
  case child(String)
  case changed(library: String, expected: String, found: String, fix: String)

  /// The caller's mistake rather than the function's failure.
  public var isUsage: Bool {
    switch self {
    case .argument, .usage: true
    case .plugin, .unknownFunction, .noFunctions, .declaration, .crashed, .timedOut, .child, .changed: false
    }
  }

  /// What was asked for is not there.
  public var isNotFound: Bool {
    switch self {
    case .unknownFunction, .noFunctions, .plugin(.unreadable), .plugin(.unknownPlugin): true
    case .plugin, .argument, .declaration, .usage, .crashed, .timedOut, .child, .changed: false
    }
  }
}

extension FunctionError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .plugin(let error): error.description
    case .unknownFunction(let library, let name, let known):
      "\(library): no function \"\(name)\"; it has \(known.isEmpty ? "none" : known.joined(separator: ", "))"
    case .noFunctions(let library):
      "\(library): offers no typed functions (extension aegis.functions/1)"
    case .declaration(let library, let name, let reason):
      "\(library): function \(name): \(reason)"
    case .argument(let function, let argument, let reason, let signature):
      "\(argument) of \(function) \(reason)\nsignature: \(signature)"
    case .crashed(let function, let signal):
      "\(function): crashed in its own process (signal \(signal)\(Self.name(of: signal))); is its signature its real type?"
    case .timedOut(let function, let milliseconds):
      "\(function): took longer than \(milliseconds) ms; killed"
    case .child(let text), .usage(let text): text
    case .changed(let library, let expected, let found, let fix):
      "\(library): has the hash \(found.prefix(16))…, expected \(expected.prefix(16))…; \(fix)"
    }
  }

  private static func name(of signal: Int32) -> String {
    switch signal {
    case 4: ", illegal instruction"
    case 6: ", abort"
    case 7: ", bus error"
    case 8: ", arithmetic error"
    case 9: ", killed"
    case 11: ", segmentation fault"
    default: ""
    }
  }
}
