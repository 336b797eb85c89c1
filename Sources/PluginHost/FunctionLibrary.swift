import Glibc
import PluginABI

/// The typed functions of one file, mapped into this process for ever.
///
/// A plugin says itself what it offers (`aegis.functions/1`); of any other library someone else said it, in a binding.
public struct FunctionLibrary: Sendable {
  /// A wild count is caught; no library has so many.
  static let functionCountMax = 4096

  public let file: String
  public let sha256: String
  /// In the file's own order.
  public let functions: [TypedFunction]

  /// Maps a plugin and reads the functions of all plugins in it.   [control]
  ///
  /// - Parameters:
  ///   - cacheDirectory: private folder for the copy; nil maps the file itself, which only a short-lived child may do.
  ///   - keepsCopy: its copy stays there, as `<sha256>.so`.
  /// - Throws: `.plugin`, `.declaration`; `.noFunctions` when no plugin of the file offers any.
  public init(path: String, cacheDirectory: String?, keepsCopy: Bool = false) throws(FunctionError) {
    do throws(PluginError) {
      let image = try PluginImage(path: path, cacheDirectory: cacheDirectory, keepsCopy: keepsCopy)
      file = path
      sha256 = image.sha256
      functions = try Self.functions(of: image)
    } catch {
      throw .plugin(error)
    }
    guard !functions.isEmpty else { throw .noFunctions(library: path) }
  }

  /// Maps a library that knows nothing of us, whose functions a person declared.   [control]
  ///
  /// - Throws: `.changed` when the file is not the one that was bound, `.declaration` for a missing symbol.
  public init(
    _ binding: FunctionBinding, cacheDirectory: String?, keepsCopy: Bool = false
  ) throws(FunctionError) {
    let image = try BoundImage(binding, cacheDirectory: cacheDirectory, keepsCopy: keepsCopy)
    var functions: [TypedFunction] = []
    for declared in binding.functions {
      guard let code = image.symbol(declared.name) else {
        throw .declaration(
          library: binding.path, name: declared.name, reason: "the library does not export this symbol")
      }
      functions.append(
        TypedFunction(
          library: binding.id, name: declared.name, signature: declared.signature,
          flags: declared.isCausal ? AEGIS_FUNCTION_CAUSAL : 0, code: code))
    }
    file = binding.path
    sha256 = image.sha256
    self.functions = functions
  }

  /// - Parameter library: a plugin's id, when the file holds several; nil looks in all of them.
  /// - Throws: `.unknownFunction`.
  public func function(_ name: String, of library: String? = nil) throws(FunctionError) -> TypedFunction {
    let candidates = functions.filter { library == nil || $0.library == library }
    if let found = candidates.first(where: { $0.name == name }) { return found }
    throw .unknownFunction(library: library ?? file, name: name, known: candidates.map(\.name))
  }

  // MARK: Tables

  private static func functions(of image: PluginImage) throws(PluginError) -> [TypedFunction] {
    let tables = PluginTables(file: image.file)
    let entry = try tables.entry(image.entry)
    if let initialize = entry.`init` {
      let services = HostServices(name: "aegis", version: "1") { _, _ in }
      var error = aegis_error()
      let status = initialize(services.host, &error)
      guard status == AEGIS_OK else {
        throw .createFailed(plugin: image.file, code: status, message: errorMessage(error))
      }
      _ = consume services
    }
    var functions: [TypedFunction] = []
    for index in 0..<Int(entry.n_plugins) {
      guard let pointer = entry.plugins[index] else {
        throw tables.malformed("entry.plugins[\(index)]", "is NULL")
      }
      let raw = try tables.copy(pointer, zero: aegis_descriptor(), field: "entry.plugins[\(index)]")
      let descriptor = try tables.descriptor(raw, entry: entry, sha256: image.sha256)
      let strategy = try tables.copy(
        raw.strategy, zero: aegis_strategy(), field: "\(descriptor.id): strategy")
      guard let address = strategy.get_extension?(pointer, AEGIS_EXT_FUNCTIONS) else { continue }
      functions += try tables.functions(
        address.assumingMemoryBound(to: aegis_ext_functions.self), library: descriptor.id)
    }
    return functions
  }
}

extension PluginTables {
  fileprivate func functions(
    _ address: UnsafePointer<aegis_ext_functions>, library: String
  ) throws(PluginError) -> [TypedFunction] {
    let field = "\(library): \(AEGIS_EXT_FUNCTIONS)"
    let table = try copy(address, zero: aegis_ext_functions(), field: field)
    let raw = try copyArray(
      table.functions, count: table.count, countMax: FunctionLibrary.functionCountMax, zero: aegis_function(),
      field: field)
    var result: [TypedFunction] = []
    for (index, function) in raw.enumerated() {
      let name = try text(function.name, field: "\(field)[\(index)].name")
      guard Self.isFunctionName(name) else {
        throw malformed(
          "\(field)[\(index)].name", "is \"\(name)\", expected 1–64 letters, digits and '_', no digit first")
      }
      guard !result.contains(where: { $0.name == name }) else {
        throw malformed("\(field)[\(index)].name", "\"\(name)\" stands twice")
      }
      guard let code = function.fn else { throw malformed("\(field): \(name).fn", "is NULL") }
      let written = try text(function.signature, field: "\(field): \(name).signature")
      let signature: FunctionSignature
      do throws(FunctionSignature.Problem) {
        signature = try FunctionSignature(parsing: written)
      } catch {
        throw malformed("\(field): \(name)", "\(error)")
      }
      result.append(
        TypedFunction(
          library: library, name: name, signature: signature, flags: function.flags,
          help: try text(function.help, field: "\(field): \(name).help"), code: code))
    }
    return result
  }

  /// A word of the expression grammar and of the command line.
  static func isFunctionName(_ name: String) -> Bool {
    guard (1...64).contains(name.utf8.count), let first = name.utf8.first, !(0x30...0x39).contains(first)
    else { return false }
    return name.utf8.allSatisfy { byte in
      (0x61...0x7A).contains(byte) || (0x41...0x5A).contains(byte) || (0x30...0x39).contains(byte)
        || byte == UInt8(ascii: "_")
    }
  }
}

/// Functions of a library that is no plugin, as a person declared them.
public struct FunctionBinding: Sendable, Hashable {
  public struct Declared: Sendable, Hashable {
    /// The symbol.
    public var name: String
    public var signature: FunctionSignature
    public var isCausal: Bool

    public init(name: String, signature: FunctionSignature, isCausal: Bool) {
      self.name = name
      self.signature = signature
      self.isCausal = isCausal
    }
  }

  public var id: String
  public var path: String
  /// Of the file that was bound; empty while it is being bound.
  public var sha256: String
  public var functions: [Declared]

  public init(id: String, path: String, sha256: String, functions: [Declared]) {
    self.id = id
    self.path = path
    self.sha256 = sha256
    self.functions = functions
  }

  /// Whether an expression and the command line can say it.
  public static func isName(_ name: String) -> Bool { PluginTables.isFunctionName(name) }

  /// - Throws: when someone else could change the file or its folder under us.
  public static func checkOwnership(of path: String) throws(PluginError) { _ = try PluginFile(path: path) }
}

/// A mapped library without our entry.
private struct BoundImage {
  let sha256: String
  private let handle: UnsafeMutableRawPointer

  init(_ binding: FunctionBinding, cacheDirectory: String?, keepsCopy: Bool) throws(FunctionError) {
    do throws(PluginError) {
      let source = try PluginFile(path: binding.path)
      sha256 = source.sha256()
      // Before any of its code runs.
      if binding.sha256.isEmpty || binding.sha256 == sha256 {
        handle = try Self.map(
          source, path: binding.path, sha256: sha256, cacheDirectory: cacheDirectory, keepsCopy: keepsCopy)
        return
      }
    } catch {
      throw .plugin(error)
    }
    throw .changed(
      library: binding.path, expected: binding.sha256, found: sha256,
      fix: "restore it, or look at it and bind it again: aegis plugins bind \(binding.path) --fn …")
  }

  private static func map(
    _ source: borrowing PluginFile, path: String, sha256: String, cacheDirectory: String?, keepsCopy: Bool
  ) throws(PluginError) -> UnsafeMutableRawPointer {
    var mapped = path.contains("/") ? path : "./\(path)"
    if let cacheDirectory { mapped = try PluginImage.copy(source, sha256: sha256, into: cacheDirectory) }
    defer { if cacheDirectory != nil { unlink(mapped) } }
    guard let handle = dlopen(mapped, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) else {
      throw PluginImage.linkerError(path, mapped)
    }
    if keepsCopy, let cacheDirectory {
      let kept = "\(cacheDirectory)/\(sha256).so"
      guard rename(mapped, kept) == 0 else { throw .cacheUnusable(path: kept, reason: errorText(errno)) }
    }
    return handle
  }

  /// Looks in the library and in what it is linked to.
  func symbol(_ name: String) -> TypedFunction.Code? {
    guard let address = dlsym(handle, name) else { return nil }
    return unsafeBitCast(address, to: TypedFunction.Code.self)
  }
}
