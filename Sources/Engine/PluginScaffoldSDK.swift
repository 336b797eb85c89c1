import Foundation

/// The plugin SDK that came with this program.
struct PluginScaffoldSDK {
  let folder: URL
  /// Such as `1.0.0`.
  let version: String
  /// Such as `1.0`, from the header.
  let abi: String

  /// Where it lies beside an executable: in a build folder, in an installation, and in a source tree's `.build`.
  static let places = ["plugin-sdk", "../plugin-sdk", "../share/aegis/plugin-sdk", "../../../plugin-sdk"]

  /// - Parameter path: the folder to take; nil looks beside the executable.
  init(path: String?, executable: String) throws(PluginScaffoldError) {
    let beside = URL(filePath: executable).deletingLastPathComponent()
    let looked =
      path.map { [URL(filePath: $0)] } ?? Self.places.map { beside.appending(path: $0).standardizedFileURL }
    guard
      let found = looked.first(where: {
        FileManager.default.fileExists(atPath: $0.appending(path: "include/aegis_plugin.h").path)
      })
    else { throw .sdkMissing(looked: looked.map(\.path)) }
    folder = found
    let header = try Self.text(found.appending(path: "include/aegis_plugin.h"))
    guard let major = Self.number("AEGIS_ABI_MAJOR", in: header),
      let minor = Self.number("AEGIS_ABI_MINOR", in: header)
    else { throw .sdkDamaged(path: found.path, reason: "has a header without AEGIS_ABI_MAJOR and _MINOR") }
    abi = "\(major).\(minor)"
    version = try Self.text(found.appending(path: "VERSION")).trimmingCharacters(in: .whitespacesAndNewlines)
    guard version.hasPrefix("\(abi).") else {
      throw .sdkDamaged(path: found.path, reason: "has version \(version) but a header of ABI \(abi)")
    }
  }

  private static func text(_ file: URL) throws(PluginScaffoldError) -> String {
    do {
      return try String(contentsOf: file, encoding: .utf8)
    } catch {
      throw .sdkDamaged(
        path: file.deletingLastPathComponent().path, reason: "lacks \(file.lastPathComponent)")
    }
  }

  /// The number of `#define NAME ((uint16_t)N)`.
  private static func number(_ name: String, in header: String) -> Int? {
    let line = header.split(separator: "\n").first { $0.hasPrefix("#define \(name) ") }
    let digits = line?.split(separator: ")").last { $0.allSatisfy(\.isNumber) }
    return digits.flatMap { Int($0) }
  }
}
