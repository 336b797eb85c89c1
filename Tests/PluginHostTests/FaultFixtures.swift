import Foundation
import Glibc

/// The fault fixtures of `Tests/fixtures/faults`, compiled once for all tests.
struct FaultFixtures {
  /// Holds every fixture and nothing else.
  let folder: String

  private static let sources = "\(Fixture.root)/Tests/fixtures/faults"
  private static let include = "\(Fixture.root)/plugin-sdk/include"
  /// Its folder lives as long as the test program.
  private static let fixture = Result { try Fixture() }
  private static let built = Result { try FaultFixtures() }

  static let hasRust = (try? Fixture.run("rustc", ["--version"])) != nil

  static func shared() throws -> FaultFixtures { try built.get() }

  private init() throws {
    folder = try Self.fixture.get().folder + "/faults"
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o755])
    for name in try FileManager.default.contentsOfDirectory(atPath: Self.sources).sorted() {
      let source = "\(Self.sources)/\(name)"
      let stem = name.prefix { $0 != "." }
      let object = "\(folder)/\(stem).so"
      switch name.split(separator: ".").last {
      case "c" where stem != "misses_library":
        try Fixture.run("cc", ["-std=gnu11"] + Self.flags + ["-o", object, source, "-lpthread", "-lm"])
      case "cpp": try Fixture.run("c++", ["-std=c++17"] + Self.flags + ["-o", object, source])
      case "rs" where Self.hasRust:
        try Fixture.run("rustc", ["--edition", "2021", "-C", "panic=unwind", "-o", object, source])
      default: continue
      }
      chmod(object, 0o755)
    }
    let missing = "\(folder)/gone.so"
    try Fixture.run(
      "cc",
      ["-std=gnu11"] + Self.flags
        + ["-o", "\(folder)/misses_library.so", "\(Self.sources)/misses_library.c", missing])
    chmod("\(folder)/misses_library.so", 0o755)
    try FileManager.default.removeItem(atPath: missing)
  }

  private static let flags = [
    "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-fvisibility=hidden", "-I", include,
  ]

  func path(_ name: String) -> String { "\(folder)/\(name).so" }
}
