import Foundation
import Glibc

/// A private folder outside the repository in which plugins are made for one test, removed with its owner.
final class Workbench {
  let folder: String
  var cache: String { "\(folder)/cache" }

  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
  static let sdk = "\(root)/plugin-sdk"
  /// The built products: beside this test program.
  static let products = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    .path
  static let searchPath = ProcessInfo.processInfo.environment["PATH"] ?? ""

  struct Failure: Error, CustomStringConvertible { var description: String }

  private let keepsFolder: Bool

  init(keepsFolder: Bool = false) throws {
    self.keepsFolder = keepsFolder
    var template = Array("\(FileManager.default.temporaryDirectory.path)/aegis-sdk-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Failure(description: "mkdtemp: \(errno)") }
    folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  // A left-over folder among the temporary ones harms nobody.
  deinit { if !keepsFolder { try? FileManager.default.removeItem(atPath: folder) } }

  /// Runs a program and returns what it printed, its messages included.
  /// - Throws: when it fails, with its messages.
  @discardableResult
  static func run(_ program: String, _ arguments: [String], in directory: String? = nil) throws -> String {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [program] + arguments
    process.standardOutput = output
    process.standardError = output
    if let directory { process.currentDirectoryURL = URL(filePath: directory) }
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Failure(description: "\(program) \(arguments.joined(separator: " ")): \(text)")
    }
    return text
  }

  /// Compiles C or C++ text to a plugin with one exported symbol.
  func compile(_ name: String, _ source: String, cpp: Bool = false, include: String = "include") throws
    -> String
  {
    let text = "\(folder)/\(name).\(cpp ? "cpp" : "c")"
    try source.write(toFile: text, atomically: true, encoding: .utf8)
    return try build(name, text, cpp: cpp, include: include)
  }

  func build(_ name: String, _ file: String, cpp: Bool = false, include: String = "include") throws -> String
  {
    let object = "\(folder)/\(name).so"
    let dialect =
      cpp
      ? ["-std=c++17", "-Wpedantic", "-fvisibility-inlines-hidden", "-I", "\(Self.sdk)/cpp"] : ["-std=c11"]
    try Self.run(
      cpp ? "c++" : "cc",
      dialect + [
        "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-fvisibility=hidden",
        "-Wl,--version-script=\(Self.sdk)/exports.map", "-Wl,-z,nodelete", "-Wl,-z,defs", "-I",
        "\(Self.sdk)/\(include)", "-o", object, file, "-lm",
      ])
    return object
  }

  /// Names of defined, exported symbols.
  static func exports(of path: String) throws -> [String] {
    try run("nm", ["-D", "--defined-only", "--extern-only", path]).split(separator: "\n").compactMap { line in
      line.split(separator: " ").last.map(String.init)
    }
  }
}
