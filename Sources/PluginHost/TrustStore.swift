import Glibc

/// Which plugin contents the user of this engine has decided to trust.
///
/// Trust is in a content, by its SHA-256: a plugin that changes by one byte is another. Contents are trusted because
/// the user said so, because they were built together with the engine (`trusted.sha256` beside the bundled plugins),
/// or, in paper only, because they lie in a folder the user trusts as an author's own. Lists are values; `load` and
/// `update` alone touch files.
public struct TrustStore: Sendable, Hashable {
  public struct Plugin: Sendable, Hashable {
    public var sha256: String
    /// What it called itself then; empty when not known.
    public var id: String
    public var seconds: Int64
    /// The file or words it was trusted by.
    public var how: String
  }

  public struct Folder: Sendable, Hashable {
    /// Without links.
    public var path: String
    public var seconds: Int64
  }

  /// Why a content is trusted.
  public enum Basis: Sendable, Hashable {
    case command
    case bundled
    /// In paper only.
    case folder(String)
  }

  public private(set) var plugins: [Plugin] = []
  public private(set) var folders: [Folder] = []
  /// Hashes of what was built together with the engine.
  public var bundled: Set<String> = []
  /// Lines of the file that could not be read; their trust is lost.
  public private(set) var damagedLines: [Int] = []

  public init() {}

  // MARK: Asking

  /// - Parameters:
  ///   - file: the plugin's path; its folder counts in paper.
  /// - Returns: nil when it is not trusted.
  public func basis(sha256: String, file: String, isPaper: Bool) -> Basis? {
    if plugins.contains(where: { $0.sha256 == sha256 }) { return .command }
    if bundled.contains(sha256) { return .bundled }
    guard isPaper, let path = Self.canonical(file) else { return nil }
    return folders.first { path.hasPrefix($0.path == "/" ? "/" : "\($0.path)/") }.map { .folder($0.path) }
  }

  /// Where a plugin runs and whether its signals may be traded.
  ///
  /// - Throws: `.inprocUntrusted` when the setting wants it in this process and it is not trusted.
  public func placement(
    sha256: String, id: String, file: String, isPaper: Bool, setting: PlacementSetting
  ) throws(TrustRefusal) -> PluginPlacement {
    let basis = basis(sha256: sha256, file: file, isPaper: isPaper)
    switch (setting, basis) {
    case (.auto, .some(let basis)), (.inproc, .some(let basis)):
      return PluginPlacement(isIsolated: false, feedsLedgerOnly: false, reason: Self.words(basis))
    case (.isolated, .some(let basis)):
      return PluginPlacement(isIsolated: true, feedsLedgerOnly: false, reason: Self.words(basis))
    case (.auto, nil), (.isolated, nil):
      return PluginPlacement(
        isIsolated: true, feedsLedgerOnly: true,
        reason: "not trusted, so its signals feed the virtual ledger only; \(Self.command(sha256))")
    case (.inproc, nil): throw .inprocUntrusted(id: id, file: file, sha256: sha256)
    }
  }

  /// Whether a new content may take the place of a running one.
  ///
  /// - Throws: `.changed` when the running one is trusted and the new one is not: a quiet step down to the virtual ledger
  ///   would end its trading, a quiet step up would trade what nobody looked at.
  public func admitReload(
    id: String, file: String, from old: String, to new: String, isPaper: Bool
  ) throws(TrustRefusal) {
    guard basis(sha256: old, file: file, isPaper: isPaper) != nil,
      basis(sha256: new, file: file, isPaper: isPaper) == nil
    else { return }
    throw .changed(id: id, file: file, sha256: new)
  }

  static func command(_ sha256: String) -> String { "to trust it, run: aegis plugins trust \(sha256)" }

  private static func words(_ basis: Basis) -> String {
    switch basis {
    case .command: "trusted by its hash"
    case .bundled: "built together with this engine"
    case .folder(let path): "in the trusted folder \(path), in paper only"
    }
  }

  // MARK: Changing

  /// - Parameter sha256: 64 hexadecimal digits.
  /// - Returns: false when it was trusted already.
  @discardableResult
  public mutating func trust(sha256: String, id: String, seconds: Int64, how: String) -> Bool {
    precondition(Self.isHash(sha256), "checked by the caller")
    guard !plugins.contains(where: { $0.sha256 == sha256 }) else { return false }
    plugins.append(Plugin(sha256: sha256, id: id, seconds: seconds, how: how))
    return true
  }

  /// - Returns: false when it was not trusted by hash.
  @discardableResult
  public mutating func revoke(sha256: String) -> Bool {
    let count = plugins.count
    plugins.removeAll { $0.sha256 == sha256 }
    return plugins.count < count
  }

  /// Trusts what lies in a folder or below it, in paper only.
  ///
  /// - Throws: when it is no folder, or others can write to it.
  public mutating func trust(folder: String, seconds: Int64) throws(StoreFileError) -> String {
    guard let path = Self.canonical(folder) else {
      throw StoreFileError(path: folder, reason: errorText(errno))
    }
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw StoreFileError(path: path, reason: "is not a folder")
    }
    guard status.st_mode & 0o022 == 0 else {
      throw StoreFileError(path: path, reason: "can be written by group or others; run: chmod go-w \(path)")
    }
    guard status.st_uid == 0 || status.st_uid == geteuid() else {
      throw StoreFileError(path: path, reason: "belongs to another user")
    }
    if !folders.contains(where: { $0.path == path }) { folders.append(Folder(path: path, seconds: seconds)) }
    return path
  }

  /// - Returns: false when the folder was not trusted.
  @discardableResult
  public mutating func revoke(folder: String) -> Bool {
    // A folder that is gone is named as it was.
    let path = Self.canonical(folder) ?? folder
    let count = folders.count
    folders.removeAll { $0.path == path }
    return folders.count < count
  }

  /// Whether a text is a whole SHA-256.
  public static func isHash(_ text: String) -> Bool { text.utf8.count == 64 && isPrefix(text) }

  /// Whether a text can name a hash by its beginning: at least 12 hexadecimal digits.
  public static func isPrefix(_ text: String) -> Bool {
    (12...64).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
          || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
      }
  }

  private static func canonical(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  // MARK: The file

  /// - Parameter bundledFolders: folders whose `trusted.sha256` counts, when there is one.
  /// - Throws: when the file exists and cannot be used: nothing is trusted by a guess.
  public static func load(path: String, bundledFolders: [String] = []) throws(StoreFileError) -> TrustStore {
    var store = TrustStore()
    let content = try StoreFile(path: path).read()
    store.damagedLines = content.damagedLines
    for (index, record) in content.records.enumerated() {
      let seconds = record["seconds"].flatMap { Int64($0) } ?? 0
      if record["kind"] == "plugin", let sha256 = record["sha256"], isHash(sha256) {
        store.plugins.append(
          Plugin(sha256: sha256, id: record["id"] ?? "", seconds: seconds, how: record["how"] ?? ""))
      } else if record["kind"] == "folder", let folder = record["path"], folder.hasPrefix("/") {
        store.folders.append(Folder(path: folder, seconds: seconds))
      } else {
        store.damagedLines.append(index + 2)
      }
    }
    for folder in bundledFolders { store.bundled.formUnion(try bundledHashes(in: folder)) }
    return store
  }

  /// Reads, changes and writes the file while no other process does.
  @discardableResult
  public static func update<Value>(
    path: String, _ change: (inout TrustStore) throws(StoreFileError) -> Value
  ) throws(StoreFileError) -> Value {
    let file = StoreFile(path: path)
    return try file.locked { () throws(StoreFileError) -> Value in
      var store = try load(path: path)
      let value = try change(&store)
      try file.write(
        store.plugins.map {
          [
            ("kind", "plugin"), ("sha256", $0.sha256), ("id", $0.id), ("seconds", "\($0.seconds)"),
            ("how", $0.how),
          ]
        } + store.folders.map { [("kind", "folder"), ("path", $0.path), ("seconds", "\($0.seconds)")] })
      return value
    }
  }

  /// The hashes a build wrote beside its plugins, in the format of `sha256sum`.
  ///
  /// - Returns: none when there is no such file.
  /// - Throws: when the file or its folder can be written by others.
  static func bundledHashes(in folder: String) throws(StoreFileError) -> Set<String> {
    let path = "\(folder)/trusted.sha256"
    guard access(path, F_OK) == 0 else { return [] }
    let text: String
    do throws(PluginError) {
      text = try PluginFile(path: path).text()
    } catch {
      throw StoreFileError(path: path, reason: error.description)
    }
    return Set(
      text.split(separator: "\n").compactMap { line in
        line.split(separator: " ").first.map(String.init).flatMap { isHash($0) ? $0 : nil }
      })
  }
}

/// What a setting says about where a plugin runs.
public enum PlacementSetting: String, Sendable, CaseIterable {
  /// Trusted ones in this process, others in one of their own.
  case auto
  case inproc
  case isolated
}

/// Where a plugin runs.
public struct PluginPlacement: Sendable, Hashable {
  public var isIsolated: Bool
  /// Its signals open virtual lots and no orders.
  public var feedsLedgerOnly: Bool
  /// For people: why.
  public var reason: String
}

/// A plugin that may not run where, or take the place, it was meant to.
public enum TrustRefusal: Error, Hashable, Sendable, CustomStringConvertible {
  case inprocUntrusted(id: String, file: String, sha256: String)
  case changed(id: String, file: String, sha256: String)

  public var description: String {
    switch self {
    case .inprocUntrusted(let id, let file, let sha256):
      "plugin \(id) (\(file)): placement inproc is for trusted plugins, and this content is not trusted; \(TrustStore.command(sha256)), or set its placement to isolated"
    case .changed(let id, let file, let sha256):
      "plugin \(id) (\(file)): the running version is trusted, the new content is not, so the running one goes on; \(TrustStore.command(sha256))"
    }
  }
}
