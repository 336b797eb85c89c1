import Foundation
import PluginHost

/// A library that knows nothing of us and the functions a person says it has: `<id>.bind.json` in the plugin folder.
struct BindManifest: Codable, Equatable {
  /// Of this layout.
  static let formatNewest = 1
  static let nameEnding = ".bind.json"

  var format = formatNewest
  var id: String
  /// Absolute.
  var library: String
  var sha256: String
  var functions: [Function]

  struct Function: Codable, Equatable {
    var name: String
    var signature: String
    /// Cell i of every output depends on cells 0…i of the inputs only; entry filters use no others.
    var causal: Bool
  }

  init(_ binding: FunctionBinding) {
    id = binding.id
    library = binding.path
    sha256 = binding.sha256
    functions = binding.functions.map {
      Function(name: $0.name, signature: $0.signature.text, causal: $0.isCausal)
    }
  }

  /// - Parameter file: where it was read, for messages.
  func binding(file: String) throws(FunctionError) -> FunctionBinding {
    guard format <= Self.formatNewest else {
      throw .child("\(file): format: \(format) is newer than this aegis; bind the library again")
    }
    var declared: [FunctionBinding.Declared] = []
    for function in functions {
      do throws(FunctionSignature.Problem) {
        declared.append(
          FunctionBinding.Declared(
            name: function.name, signature: try FunctionSignature(parsing: function.signature),
            isCausal: function.causal))
      } catch {
        throw .declaration(library: file, name: function.name, reason: "\(error)")
      }
    }
    return FunctionBinding(id: id, path: library, sha256: sha256, functions: declared)
  }

  /// - Throws: `.plugin` when others could have changed the file; `.child` when it cannot be understood.
  static func read(_ file: String) throws(FunctionError) -> FunctionBinding {
    do throws(PluginError) {
      try FunctionBinding.checkOwnership(of: file)
    } catch {
      throw .plugin(error)
    }
    let manifest: BindManifest
    do {
      manifest = try JSONDecoder().decode(BindManifest.self, from: Data(contentsOf: URL(filePath: file)))
    } catch {
      throw .child("\(file): cannot be understood; write it again: aegis plugins bind LIBRARY --fn …")
    }
    return try manifest.binding(file: file)
  }

  func write(to file: String) throws(FunctionError) {
    do {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      try encoder.encode(self).write(to: URL(filePath: file), options: .atomic)
    } catch {
      throw .child(
        "\(file): cannot be written (\(error.localizedDescription)); give a folder with --directory")
    }
    // A umask may allow more than we accept when reading.
    chmod(file, 0o644)
  }
}

/// `aegis plugins bind`: makes functions of an existing C library callable without code.
public struct PluginBind: Sendable {
  public var library: String
  /// Such as `ema: f64(f64*,i64,f64)`.
  public var declarations: [String]
  /// Names of functions that look at no later cell.
  public var causal: [String]
  /// nil derives it from the file: `libfoo.so.1` is `foo`.
  public var id: String?
  public var directory: String

  public init(library: String, declarations: [String], causal: [String], id: String?, directory: String) {
    self.library = library
    self.declarations = declarations
    self.causal = causal
    self.id = id
    self.directory = directory
  }

  /// Checks the symbols in a child process and writes the manifest.
  ///
  /// - Returns: what to print.
  public func run(json: Bool) throws(PluginCommandFailure) -> String {
    do {
      return try outcome(json: json)
    } catch {
      throw PluginCommandFailure(error)
    }
  }

  private func outcome(json: Bool) throws(FunctionError) -> String {
    let url = URL(filePath: library).resolvingSymlinksInPath().standardizedFileURL
    let id = self.id ?? Self.id(ofFile: URL(filePath: library).lastPathComponent)
    guard FunctionBinding.isName(id) else {
      throw .usage(
        "\(SettingsCheck.shown(id)) is no usable id; give one of letters, digits and '_' with --id")
    }
    var functions: [FunctionBinding.Declared] = []
    for text in declarations {
      do throws(FunctionSignature.Problem) {
        let (name, signature) = try FunctionSignature.declaration(text)
        functions.append(.init(name: name, signature: signature, isCausal: causal.contains(name)))
      } catch {
        throw .usage("--fn: \(error)")
      }
    }
    for name in functions.map(\.name) where functions.count(where: { $0.name == name }) > 1 {
      throw .usage("--fn: \(name) is declared twice; keep one of them")
    }
    if let unknown = causal.first(where: { name in !functions.contains { $0.name == name } }) {
      throw .usage("--causal \(unknown): is not declared; add --fn '\(unknown): …'")
    }
    let binding = try FunctionRequest.check(
      FunctionBinding(id: id, path: url.path, sha256: "", functions: functions), host: PluginCall.hostPath)
    let manifest = BindManifest(binding)
    let file = "\(directory)/\(id)\(BindManifest.nameEnding)"
    try manifest.write(to: file)
    if json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      return (try? encoder.encode(manifest)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
    let lines = binding.functions.map {
      "  \($0.name)  \($0.signature.text)\($0.isCausal ? "  causal" : "")"
    }
    return
      (["bound \(url.path) as \(id): \(file)"] + lines + [
        "a wrong signature is undefined behaviour; try it: aegis plugins call \(id) \(functions.first?.name ?? "")"
      ]).joined(separator: "\n")
  }

  /// `libfoo.so.1` → `foo`; other characters than letters, digits and `_` become `_`.
  static func id(ofFile name: String) -> String {
    let stem = name.prefix { $0 != "." }
    let bare = stem.hasPrefix("lib") && stem.count > 3 ? stem.dropFirst(3) : stem
    return String(bare.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
  }
}
