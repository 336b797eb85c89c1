import Foundation
import PluginHost

/// One loaded plugin as the running engine tells it: an element of the body of `/plugins`.
public struct PluginRuntime: Codable, Sendable, Equatable {
  public struct Counters: Codable, Sendable, Equatable {
    /// Handed over and come back, since this generation was loaded.
    public var events: UInt64
    public var signals: UInt64
    /// Refused signals by the name of the broken rule.
    public var refused: [String: UInt64]
    /// Cost of one `process` call; nil before the first.
    public var processP50Nanoseconds: UInt64?
    public var processP99Nanoseconds: UInt64?

    public init(
      events: UInt64, signals: UInt64, refused: [String: UInt64], processP50Nanoseconds: UInt64? = nil,
      processP99Nanoseconds: UInt64? = nil
    ) {
      self.events = events
      self.signals = signals
      self.refused = refused
      self.processP50Nanoseconds = processP50Nanoseconds
      self.processP99Nanoseconds = processP99Nanoseconds
    }
  }

  public var id: String
  public var version: String
  /// Of the image that runs, 64 hexadecimal digits.
  public var sha256: String
  /// The file it was loaded from.
  public var file: String?
  /// Counts reloads of this plugin, from 1.
  public var generation: UInt64
  /// `inproc`, `isolated` or `isolated:GROUP`.
  public var placement: String
  /// `active`, `quarantined`, `shadow`, `probation`…
  public var state: String
  /// When the state began, nanoseconds since 1970 UTC.
  public var sinceNanoseconds: Int64
  /// Why, when the state needs one; else empty.
  public var reason: String
  public var counters: Counters

  public init(
    id: String, version: String, sha256: String, file: String? = nil, generation: UInt64, placement: String,
    state: String,
    sinceNanoseconds: Int64, reason: String, counters: Counters
  ) {
    self.id = id
    self.version = version
    self.sha256 = sha256
    self.file = file
    self.generation = generation
    self.placement = placement
    self.state = state
    self.sinceNanoseconds = sinceNanoseconds
    self.reason = reason
    self.counters = counters
  }
}

/// The body of `/plugins`.
public struct PluginsAnswer: Codable, Sendable, Equatable {
  public var plugins: [PluginRuntime]
  /// Images of former versions that stay mapped, over all plugins.
  public var retiredImages: Int

  public init(plugins: [PluginRuntime] = [], retiredImages: Int = 0) {
    self.plugins = plugins
    self.retiredImages = retiredImages
  }
}

/// What a command about plugins prints, and how it ends.
public struct PluginReport: Sendable {
  public var text: String
  /// For standard error.
  public var note: String?
  /// 0 ok, 1 failed check, 2 usage, 3 not found.
  public var exitCode: Int32 = 0

  static func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }
}

/// Why a command about plugins cannot do its work.
public enum PluginCommandError: Error, CustomStringConvertible {
  /// Nothing of that name.
  case notFound(String)
  case unusable(String)
  /// The command line asks for something that cannot be.
  case usage(String)

  public var description: String {
    switch self {
    case .notFound(let text), .unusable(let text), .usage(let text): text
    }
  }

  /// 3 not found, 2 usage, 1 anything else.
  public var exitCode: Int32 {
    switch self {
    case .notFound: 3
    case .usage: 2
    case .unusable: 1
    }
  }
}

/// Where plugin commands find things.
public struct PluginPlaces: Sendable {
  public let settings: Settings
  /// The folder that is looked at.
  public let folder: String

  /// - Parameter directory: nil takes the settings' one.
  public init(_ settings: Settings, directory: String? = nil) {
    self.settings = settings
    folder = directory ?? settings.plugins.directory ?? Settings.bundledPluginDirectory
  }

  /// The slim process beside this program.
  public static var host: String {
    Settings.pluginHostPath
  }

  /// Remembers what plugin files were: beside the data of an engine that has some, else in the user's cache.
  func cache() -> PluginScanCache? {
    var isFolder: ObjCBool = false
    let data = settings.dataDirectory
    if FileManager.default.fileExists(atPath: data, isDirectory: &isFolder), isFolder.boolValue,
      FileManager.default.isWritableFile(atPath: data)
    {
      return PluginScanCache(path: "\(data)/plugin-scans")
    }
    let folder = FileManager.default.homeDirectoryForCurrentUser.appending(path: ".cache/aegis")
    do {
      try FileManager.default.createDirectory(
        at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      return nil  // a list without memory only takes longer
    }
    return PluginScanCache(path: folder.appending(path: "plugin-scans").path)
  }

  /// What the files of the folder are, in name order.
  func reports(fresh: Bool = false, runsCode: Bool = true) throws(PluginError) -> [PluginScanReport] {
    try PluginScan.folder(folder, host: Self.host, cache: fresh ? nil : cache(), runsCode: runsCode)
  }

  /// The file a word means: a path, a name in the folder, or the id of a plugin in it.
  func find(_ word: String) throws -> (file: String, id: String?) {
    let manager = FileManager.default
    if word.contains("/") || manager.fileExists(atPath: word) && word.hasSuffix(".so") {
      guard manager.fileExists(atPath: word) else {
        throw PluginCommandError.notFound("\(word): no such file")
      }
      return (word, nil)
    }
    for name in [word, "\(word).so", "lib\(word).so"] where manager.fileExists(atPath: "\(folder)/\(name)") {
      return ("\(folder)/\(name)", nil)
    }
    let reports = try reports()
    if let found = reports.first(where: { $0.id == word }) { return (found.file, word) }
    let known = reports.map(\.id).filter { !$0.isEmpty }
    throw PluginCommandError.notFound(
      "no plugin \"\(word)\" in \(folder); it has \(known.isEmpty ? "none" : known.joined(separator: ", "))")
  }

  /// What the running engine says of its plugins; nil when none runs or it does not tell.
  func runtimes() async -> [PluginRuntime]? {
    do {
      let token = try settings.api.tokenFile.map { path throws(SettingsError) in
        try HealthAPI.token(file: path)
      }
      let data = try await HealthAPIClient.get("/plugins", addressPath: settings.apiAddressPath, token: token)
      return try JSONDecoder().decode(PluginsAnswer.self, from: data).plugins
    } catch {
      return nil
    }
  }
}

/// A span of time in two units: `2h14m`, `41s`.
enum Age {
  static func text(sinceNanoseconds: Int64, now: Date = Date()) -> String {
    let seconds = max(0, Int(now.timeIntervalSince1970 - Double(sinceNanoseconds) / 1e9))
    switch seconds {
    case ..<60: return "\(seconds)s"
    case ..<3600: return "\(seconds / 60)m\(seconds % 60)s"
    case ..<86_400: return "\(seconds / 3600)h\(seconds / 60 % 60)m"
    default: return "\(seconds / 86_400)d\(seconds / 3600 % 24)h"
    }
  }
}
