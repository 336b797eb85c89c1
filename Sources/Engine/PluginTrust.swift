import Foundation
import Glibc
public import PluginHost

/// The files of trust and quarantine of one data directory, and the commands that change them.
public enum PluginTrust {
  /// What ends a command, with its exit code: 1 failed, 2 wrong usage, 3 not found.
  public struct Failure: Error, CustomStringConvertible {
    public var description: String
    public var exitCode: Int32
  }

  public static func trustPath(_ settings: Settings) -> String { "\(settings.dataDirectory)/trust.json" }
  public static func quarantinePath(_ settings: Settings) -> String {
    "\(settings.dataDirectory)/quarantine.json"
  }

  /// The trust of this data directory together with what was built beside the engine.
  public static func load(_ settings: Settings) throws(StoreFileError) -> TrustStore {
    try TrustStore.load(path: trustPath(settings), bundledFolders: [Settings.bundledPluginDirectory])
  }

  // MARK: aegis plugins trust

  private struct Entry: Encodable {
    var kind: String
    var sha256: String?
    var id: String?
    var path: String?
    var how: String?
    var since: Date?
    var isTrusted = true
    /// Whether the command changed anything.
    var isChanged: Bool?
  }

  /// All that is trusted.
  public static func list(_ settings: Settings, json: Bool) throws(Failure) -> String {
    try attempt {
      let store = try load(settings)
      var entries = store.plugins.map {
        Entry(
          kind: "plugin", sha256: $0.sha256, id: $0.id, how: $0.how,
          since: Date(timeIntervalSince1970: TimeInterval($0.seconds)))
      }
      entries += store.bundled.sorted().map {
        Entry(kind: "plugin", sha256: $0, how: "built with this engine")
      }
      entries += store.folders.map {
        Entry(kind: "folder", path: $0.path, since: Date(timeIntervalSince1970: TimeInterval($0.seconds)))
      }
      if json { return try text(entries) }
      guard !entries.isEmpty else { return "nothing is trusted" }
      return entries.map { entry in
        entry.kind == "folder"
          ? "folder  \(entry.path ?? ""), in paper only"
          : "plugin  \(entry.sha256 ?? "")  \([entry.id, entry.how].compactMap { $0 }.joined(separator: "  "))"
      }.joined(separator: "\n")
    }
  }

  /// Trusts a content, or takes that back.
  ///
  /// - Parameter subject: a SHA-256, at least twelve digits of one that is known here, or a file.
  public static func change(
    _ settings: Settings, subject: String, isRevoked: Bool, json: Bool
  ) throws(Failure) -> String {
    let (sha256, file) = try content(subject, settings, isRevoked: isRevoked)
    return try attempt {
      let id = isRevoked ? "" : file.map { identifier(of: $0) } ?? ""
      try prepare(settings)
      let isChanged = try TrustStore.update(path: trustPath(settings)) { store throws(StoreFileError) in
        isRevoked
          ? store.revoke(sha256: sha256)
          : store.trust(sha256: sha256, id: id, seconds: now, how: file ?? "its hash")
      }
      guard isChanged || !isRevoked else {
        throw Failure(description: "\(sha256) is not trusted by its hash; nothing to revoke", exitCode: 3)
      }
      if json {
        return try text(
          Entry(
            kind: "plugin", sha256: sha256, id: id, path: file, isTrusted: !isRevoked, isChanged: isChanged))
      }
      let name = id.isEmpty ? sha256 : "\(id) \(sha256)"
      if isRevoked {
        return
          "\(name) is not trusted any more; it runs isolated, for the virtual ledger, from the next start"
      }
      return isChanged
        ? "\(name) is trusted: it may run inside the engine and its signals may be traded, from the next start or reload"
        : "\(name) was trusted already"
    }
  }

  /// Trusts a folder in paper, or takes that back.
  public static func change(
    _ settings: Settings, folder: String, isRevoked: Bool, json: Bool
  ) throws(Failure) -> String {
    try attempt {
      try prepare(settings)
      let path = try TrustStore.update(path: trustPath(settings)) { store throws(StoreFileError) -> String? in
        if isRevoked { return store.revoke(folder: folder) ? folder : nil }
        return try store.trust(folder: folder, seconds: now)
      }
      guard let path else {
        throw Failure(description: "\(folder) is not a trusted folder; nothing to revoke", exitCode: 3)
      }
      if json { return try text(Entry(kind: "folder", path: path, isTrusted: !isRevoked)) }
      return isRevoked
        ? "\(path) is not trusted any more"
        : "\(path) is trusted in paper: whatever plugin lies in it runs inside the engine, every new build too. Live trading asks for each hash."
    }
  }

  /// The hash a text names, and the file when it names or is one.
  private static func content(
    _ subject: String, _ settings: Settings, isRevoked: Bool
  ) throws(Failure) -> (String, String?) {
    let digits = subject.lowercased()
    let isFile = access(subject, F_OK) == 0
    if TrustStore.isPrefix(digits), !isFile || TrustStore.isHash(digits) {
      if TrustStore.isHash(digits) { return (digits, nil) }
      var known = Dictionary(files(settings)) { first, _ in first }
      let trusted = try attempt { try load(settings).plugins }
      for plugin in trusted where known[plugin.sha256] == nil { known[plugin.sha256] = "" }
      let matches = known.filter { $0.key.hasPrefix(digits) }
      guard let match = matches.first else {
        throw Failure(
          description: "no plugin here begins with \(digits); give its file, or all 64 digits", exitCode: 3)
      }
      guard matches.count == 1 else {
        throw Failure(
          description: "\(digits) is ambiguous: \(matches.keys.sorted().joined(separator: ", "))", exitCode: 2
        )
      }
      return (match.key, match.value.isEmpty ? nil : match.value)
    }
    guard isFile else {
      throw Failure(
        description:
          "\(subject): no such file, and not a SHA-256; give a file, 64 hexadecimal digits or at least 12 of them",
        exitCode: 3)
    }
    do throws(PluginError) {
      return (try PluginContent.sha256(of: subject), subject)
    } catch {
      throw Failure(description: error.description, exitCode: 1)
    }
  }

  /// Every plugin file the settings know, by hash. Files that are no plugins are nobody's business here.
  private static func files(_ settings: Settings) -> [(String, String)] {
    let folder = settings.plugins.directory ?? Settings.bundledPluginDirectory
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let paths = names.filter { $0.hasSuffix(".so") }.map { "\(folder)/\($0)" }
    return (paths + settings.plugins.load.map { settings.pluginPath($0.path) }).compactMap { path in
      (try? PluginContent.sha256(of: path)).map { ($0, path) }
    }
  }

  /// What a file calls itself, asked in a child process; empty when it does not say.
  private static func identifier(of file: String) -> String {
    let host = Settings.pluginHostPath
    let reports = (try? PluginScan.file(file, host: host)) ?? []
    return reports.map(\.id).filter { !$0.isEmpty }.joined(separator: ",")
  }

  // MARK: aegis plugins unquarantine

  private struct Released: Encodable {
    var sha256: String
    var id: String
    var reason: String
    var count: Int
  }

  /// Lets quarantined contents run again.
  ///
  /// - Parameter subject: a SHA-256, at least twelve digits of one, or `all`.
  public static func unquarantine(
    _ settings: Settings, subject: String, json: Bool
  ) throws(Failure) -> String {
    let digits = subject.lowercased()
    guard subject == "all" || TrustStore.isPrefix(digits) else {
      throw Failure(
        description: "\(subject): give `all`, or at least 12 hexadecimal digits of a SHA-256", exitCode: 2)
    }
    return try attempt {
      let path = quarantinePath(settings)
      let known = try QuarantineStore.load(path: path).records
      let matches = known.filter { subject == "all" || $0.sha256.hasPrefix(digits) }
      guard !matches.isEmpty || subject == "all" else {
        throw Failure(description: "no quarantined plugin begins with \(digits)", exitCode: 3)
      }
      guard matches.count <= 1 || subject == "all" else {
        throw Failure(
          description: "\(digits) is ambiguous: \(matches.map(\.sha256).joined(separator: ", "))", exitCode: 2
        )
      }
      if !matches.isEmpty {
        try QuarantineStore.update(path: path) { store in
          for record in matches { store.release(sha256: record.sha256) }
        }
      }
      if json {
        return try text(
          matches.map { Released(sha256: $0.sha256, id: $0.id, reason: $0.reason, count: $0.count) })
      }
      guard !matches.isEmpty else { return "nothing is quarantined" }
      return matches.map { "\($0.id) \($0.sha256) may run again; it was held for: \($0.reason)" }
        .joined(separator: "\n")
    }
  }

  // MARK: Common

  private static var now: Int64 { Int64(Date().timeIntervalSince1970) }

  private static func prepare(_ settings: Settings) throws {
    try FileManager.default.createDirectory(
      atPath: settings.dataDirectory, withIntermediateDirectories: true,
      attributes: [.posixPermissions: 0o700])
  }

  private static func text(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    encoder.dateEncodingStrategy = .iso8601
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  private static func attempt<Value>(_ body: () throws -> Value) throws(Failure) -> Value {
    do {
      return try body()
    } catch let failure as Failure {
      throw failure
    } catch {
      throw Failure(description: "\(error)", exitCode: 1)
    }
  }
}
