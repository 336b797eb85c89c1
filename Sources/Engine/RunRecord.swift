public import Foundation

/// What a run of the Brain was made with, so that anyone can compute it again: written beside the journal at its start.
public struct RunRecord: Sendable, Codable, Equatable {
  public var run: UInt32
  public var venue: String
  public var mode: String
  /// Effective settings, the text of a settings file; secrets are not among them.
  public var settings: String
  public var plugins: [Plugin]
  /// Libraries whose functions the entry filter calls; nil without a filter and in records of older versions.
  public var functions: [FunctionFile]?
  /// File name in the instruments folder.
  public var instrumentTable: String
  /// The session of the market tape this run read from, as its segments name it; 0 when there was no tape.
  public var marketSession: UInt64
  /// Closed candles the plugins asked for before their first live one, by timeframe name.
  public var warmUpBars: [String: Int]
  public var startedMilliseconds: Int64
  public var engineVersion: String

  public struct Plugin: Sendable, Codable, Equatable {
    public var id: String
    public var version: String
    public var sha256: String
    /// The copy kept in the plugins folder: the name is its hash, so it is never used for other content.
    public var file: String
    public var parameters: [String: String]
    /// It ran in a process of its own; its signals are in the journal. nil in records of older versions: it did not.
    public var isIsolated: Bool?
    /// Its signals opened virtual lots only.
    public var isLedgerOnly: Bool?
    /// It was in quarantine and did not run.
    public var isAbsent: Bool?

    public init(id: String, version: String, sha256: String, file: String, parameters: [String: String]) {
      self.id = id
      self.version = version
      self.sha256 = sha256
      self.file = file
      self.parameters = parameters
    }
  }

  public struct FunctionFile: Sendable, Codable, Equatable {
    /// The word the filter has for it.
    public var library: String
    public var sha256: String
    /// The kept copy, as of a plugin.
    public var file: String
    /// Declarations of a library that is no plugin; nil for a plugin.
    public var bound: [Bound]?

    public struct Bound: Sendable, Codable, Equatable {
      public var name: String
      public var signature: String
    }
  }

  public init(
    run: UInt32, venue: String, mode: String, settings: String, plugins: [Plugin], instrumentTable: String,
    marketSession: UInt64, warmUpBars: [String: Int], startedMilliseconds: Int64, engineVersion: String,
    functions: [FunctionFile]? = nil
  ) {
    self.run = run
    self.venue = venue
    self.mode = mode
    self.settings = settings
    self.plugins = plugins
    self.instrumentTable = instrumentTable
    self.marketSession = marketSession
    self.warmUpBars = warmUpBars
    self.startedMilliseconds = startedMilliseconds
    self.engineVersion = engineVersion
    self.functions = functions
  }

  public func write(to url: URL) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    try encoder.encode(self).write(to: url, options: .atomic)
  }

  public static func read(from url: URL) throws -> RunRecord {
    try JSONDecoder().decode(RunRecord.self, from: Data(contentsOf: url))
  }
}
