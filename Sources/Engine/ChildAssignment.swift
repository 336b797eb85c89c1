public import Foundation
public import Market

/// What the Orchestrator tells a child process: a file, named on its command line. Holds no secret.
public struct ChildAssignment: Sendable, Codable {
  /// The effective settings, as a settings file.
  public var settingsFile: String
  public var dataRoot: String
  public var venueKey: String
  public var mode: String
  public var regionsFolder: String
  public var address: VenueAddress
  public var instrumentTableFile: String
  /// Venue seconds per real second: not 1 only at a simulator.
  public var speed: Double

  public init(
    settingsFile: String, dataRoot: String, venueKey: String, mode: String, regionsFolder: String,
    address: VenueAddress, instrumentTableFile: String, speed: Double
  ) {
    self.settingsFile = settingsFile
    self.dataRoot = dataRoot
    self.venueKey = venueKey
    self.mode = mode
    self.regionsFolder = regionsFolder
    self.address = address
    self.instrumentTableFile = instrumentTableFile
    self.speed = speed
  }

  public func write(to url: URL) throws { try JSONEncoder().encode(self).write(to: url, options: .atomic) }

  public static func read(from path: String) throws -> ChildAssignment {
    try JSONDecoder().decode(ChildAssignment.self, from: Data(contentsOf: URL(filePath: path)))
  }

  public var directory: DataDirectory { DataDirectory(root: dataRoot, venue: venueKey, mode: mode) }
  public var regions: SharedRegions { SharedRegions(folder: regionsFolder) }

  public func loadSettings() throws -> Settings {
    try Settings.load(Settings.Sources(file: settingsFile, defaultFile: nil))
  }

  public func loadInstrumentTable() throws -> InstrumentTable {
    try JSONDecoder().decode(InstrumentTable.self, from: Data(contentsOf: URL(filePath: instrumentTableFile)))
  }
}
