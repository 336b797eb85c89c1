import Foundation
import Testing

/// The architecture's rules about the tree itself, checked against the sources.
@Suite("The tree keeps the architecture's table")
struct ImportTableTests {
  /// What each target may import of our own, and which libraries. Docs: architecture, section 2.
  static let allowed: [String: Set<String>] = [
    "Market": [],
    "SharedMemory": ["CPlatform", "Synchronization", "Glibc"],
    "Tape": ["SharedMemory", "CPlatform", "Synchronization", "Glibc"],
    "Trading": ["Market", "HeapModule", "DequeModule"],
    "Simulator": ["Market", "HeapModule", "DequeModule"],
    "BinanceWire": ["Market", "Crypto", "Foundation", "FoundationEssentials"],
    "PluginHost": [
      "Market", "SharedMemory", "PluginABI", "CFFI", "CPlatform", "Glibc", "Synchronization", "Foundation",
    ],
    "Binance": [
      "Market", "SharedMemory", "BinanceWire", "CCurl", "CPlatform", "NIOCore", "NIOPosix", "NIOHTTP1",
      "NIOWebSocket",
      "NIOSSL", "NIOConcurrencyHelpers", "Logging", "Glibc", "Synchronization", "Foundation",
    ],
    "SimulatorServer": [
      "Market", "BinanceWire", "Simulator", "CZlib", "Hummingbird", "HTTPTypes", "NIOCore", "NIOPosix",
      "NIOHTTP1",
      "NIOWebSocket", "NIOConcurrencyHelpers", "Logging", "Glibc", "Synchronization", "Foundation",
      "ServiceLifecycle",
      "Dispatch",
    ],
    "Storage": [
      "Market", "Trading", "CPostgres", "CHiredis", "GRDB", "Foundation", "Glibc", "Synchronization",
      "Dispatch",
    ],
    "aegis-plugin-host": ["PluginHost", "PluginABI", "Market", "CPluginProbe", "Glibc"],
  ]

  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  static func swiftFiles(in folder: URL) -> [URL] {
    let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
    return (files?.compactMap { $0 as? URL } ?? []).filter { $0.pathExtension == "swift" }
      .sorted { $0.path < $1.path }
  }

  /// Module names imported by a file, whatever the access level or attribute before `import`.
  static func imports(of file: URL) throws -> [String] {
    try String(contentsOf: file, encoding: .utf8).split(separator: "\n").compactMap { line in
      var words = line.split(separator: " ")
      while let first = words.first,
        first.hasPrefix("@") || ["public", "internal", "private", "package"].contains(first)
      {
        words.removeFirst()
      }
      guard words.first == "import", words.count >= 2 else { return nil }
      let kinds: Set<Substring> = ["struct", "class", "enum", "func", "protocol", "typealias", "var", "let"]
      let name = kinds.contains(words[1]) && words.count > 2 ? words[2] : words[1]
      return String(name.split(separator: ".")[0])
    }
  }

  @Test("no target imports what the table does not give it", arguments: allowed.keys.sorted())
  func importsFollowTheTable(target: String) throws {
    let files = Self.swiftFiles(in: Self.root.appending(path: "Sources/\(target)"))
    #expect(!files.isEmpty, "Sources/\(target) has no Swift file")
    let permitted = Self.allowed[target, default: []]
    for file in files {
      for module in try Self.imports(of: file) where !permitted.contains(module) {
        Issue.record("\(target)/\(file.lastPathComponent) imports \(module)")
      }
    }
  }

  @Test("plugins import the ABI and the kit only")
  func pluginsImportTheABIOnly() throws {
    for file in Self.swiftFiles(in: Self.root.appending(path: "Plugins")) {
      for module in try Self.imports(of: file) {
        #expect(["PluginABI", "PluginKit"].contains(module), "\(file.lastPathComponent) imports \(module)")
      }
    }
  }

  @Test(
    "pure targets read no clock, no environment and no system randomness",
    arguments: ["Market", "Trading", "Simulator", "BinanceWire"])
  func pureTargetsStayPure(target: String) throws {
    let banned = [
      "Date()", "Date.now", "ContinuousClock", "SuspendingClock", "clock_gettime", "ProcessInfo", "getenv",
      "SystemRandomNumberGenerator", ".random(in:", ".shuffled()", ".randomElement()", "Task.sleep", "usleep",
      "DispatchQueue", "Thread(", "UUID()",
    ]
    for file in Self.swiftFiles(in: Self.root.appending(path: "Sources/\(target)")) {
      let text = try String(contentsOf: file, encoding: .utf8)
      for word in banned where text.contains(word) {
        Issue.record("\(target)/\(file.lastPathComponent) uses \(word)")
      }
    }
  }

  @Test("the table in docs/architecture.md names every target folder")
  func tableNamesEveryTarget() throws {
    let document = try String(
      contentsOf: Self.root.appending(path: "docs/architecture.md"), encoding: .utf8)
    let folders = try FileManager.default.contentsOfDirectory(
      atPath: Self.root.appending(path: "Sources").path)
    for folder in folders where !folder.hasPrefix(".") {
      #expect(document.contains("`\(folder)`"), "docs/architecture.md does not name \(folder)")
    }
  }
}
