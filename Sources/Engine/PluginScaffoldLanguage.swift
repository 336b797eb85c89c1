import Glibc

/// A language a plugin can be written in, and what its template needs.
public enum PluginScaffoldLanguage: String, CaseIterable, Sendable {
  case swift
  case c
  case cpp
  case rust

  /// A program that must be on PATH, and where it comes from.
  struct Tool: Hashable {
    var name: String
    var hint: String
  }

  private static let make = Tool(name: "make", hint: "install the Debian package make")

  var tools: [Tool] {
    switch self {
    case .swift:
      [Tool(name: "swift", hint: "install Swift 6.3 or newer from https://www.swift.org/install"), Self.make]
    case .c: [Tool(name: "cc", hint: "install the Debian package gcc"), Self.make]
    case .cpp: [Tool(name: "c++", hint: "install the Debian package g++"), Self.make]
    case .rust:
      [
        Tool(name: "cargo", hint: "install Rust 1.77 or newer from https://rustup.rs"),
        Tool(name: "cc", hint: "install the Debian package gcc, which cargo links with"), Self.make,
      ]
    }
  }

  /// What of the SDK a plugin in this language is built from, beside the parts that all take.
  var sdkParts: [String] {
    switch self {
    case .swift: ["Package.swift", "PluginKit"]
    case .c: []
    case .cpp: ["cpp"]
    case .rust: ["rust", "abi"]
    }
  }

  /// The file an author edits first.
  func source(_ names: PluginScaffoldNames) -> String {
    switch self {
    case .swift: "Sources/\(names.type)/\(names.type).swift"
    case .c: "strategy.c"
    case .cpp: "strategy.cpp"
    case .rust: "src/lib.rs"
    }
  }

  /// The first tool that is not on `searchPath`, a list of folders with colons between.
  func missingTool(searchPath: String) -> Tool? {
    let folders = searchPath.split(separator: ":")
    return tools.first { tool in !folders.contains { access("\($0)/\(tool.name)", X_OK) == 0 } }
  }
}

/// One name in the forms that build files and languages want.
struct PluginScaffoldNames: Hashable {
  /// `my-strategy`: the plugin's id and the folder.
  var id: String
  /// `my_strategy`: the library and the crate.
  var snake: String
  /// `MyStrategy`: the class and the Swift module.
  var type: String

  /// Words that would clash with a language's keywords, its standard library or the SDK; they get a `my` before them.
  private static let reserved: Set<String> = [
    "about", "abi", "aegis", "aegis_plugin", "alloc", "annotation", "any", "array", "as", "async", "await",
    "bool",
    "box", "break", "candle_window", "candles", "capabilities", "character", "class", "column", "config",
    "const",
    "continue", "core", "crate", "default", "description", "dictionary", "do", "double", "dyn", "else",
    "entry", "enum",
    "error", "event", "events", "extern", "false", "feature", "final", "float", "fn", "for", "foundation",
    "function_library", "gen", "glibc", "host", "if", "impl", "in", "info", "int", "let", "loop", "macro",
    "market",
    "match", "memory", "mod", "move", "mut", "never", "none", "option", "optional", "override", "parameter",
    "parameter_change", "plugin", "plugin_abi", "plugin_failure", "plugin_kit", "priv", "proc_macro",
    "protocol", "pub",
    "range", "ref", "result", "return", "running", "sdk", "self", "send", "sequence", "set", "signal",
    "signal_writer",
    "state_reader", "state_writer", "static", "std", "strategy", "string", "struct", "subscription",
    "substring",
    "super", "swift", "sync", "test", "testing", "timeframe", "trait", "true", "try", "type",
    "typed_function",
    "typeof", "uint", "union", "unsafe", "use", "value", "vec", "virtual", "void", "where", "while", "yield",
  ]

  init(_ name: String) throws(PluginScaffoldError) {
    let isAllowed = name.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
      case UInt8(ascii: "-"), UInt8(ascii: "_"): true
      default: false
      }
    }
    guard (1...64).contains(name.utf8.count), isAllowed, let first = name.first, first != "-", first != "_"
    else {
      throw .name(name)
    }
    id = name
    var words = name.split { $0 == "-" || $0 == "_" }.map(String.init)
    if first.isNumber || Self.reserved.contains(words.joined(separator: "_")) { words.insert("my", at: 0) }
    snake = words.joined(separator: "_")
    type = words.map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
  }
}
