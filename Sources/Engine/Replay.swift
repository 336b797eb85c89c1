import Foundation
import Logging
import Market
import PluginHost
import Simulator
import Tape
import Trading

/// Computes a recorded run again from its inputs and compares every entry with what was journaled then.
///
/// Nothing in the data directory is changed. Plugins run from the copies kept when the run started.
public enum Replay {
  public enum Failure: Error, CustomStringConvertible, Equatable {
    case notADataDirectory(path: String)
    case noRun(path: String, run: UInt32?)
    case notARecord(path: String, reason: String)
    case settings(path: String, reason: String)
    case otherPlugin(id: String, expected: String, found: String, path: String)
    case noOpening(path: String)
    case tape(String)
    case plugin(String)
    case scratch(path: String, reason: String)

    public var description: String {
      switch self {
      case .notADataDirectory(let path):
        "\(path): holds no recorded run; give a data directory, or its folder <venue>-<mode>"
      case .noRun(let path, let run):
        run.map { "\(path): there is no run \($0); leave --run out for the newest" }
          ?? "\(path): no run has been recorded yet"
      case .notARecord(let path, let reason):
        "\(path): \(reason); without it the run cannot be computed again"
      case .settings(let path, let reason): "\(path): settings of the run: \(reason)"
      case .otherPlugin(let id, let expected, let found, let path):
        "\(path): plugin \(id) has the hash \(found.prefix(16))…, the run used \(expected.prefix(16))…; restore the file"
      case .noOpening(let path):
        "\(path): the run's journal does not begin with its opening; it was cut off too early"
      case .tape(let text), .plugin(let text): text
      case .scratch(let path, let reason): "\(path): \(reason); replay needs a folder for its copies (TMPDIR)"
      }
    }
  }

  /// - Parameters:
  ///   - path: a data directory (then its newest run), or its folder of one venue and mode.
  ///   - run: number of the run; nil for the newest.
  public static func run(path: String, run: UInt32? = nil) throws -> ReplayReport {
    var logger = Logger(label: "aegis.replay") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = .error  // what plugins have to say was said when the run ran
    let directory = try ReplaySource.directory(path)
    do {
      let source = try ReplaySource(directory, run: run)
      switch source.record.mode {
      case "live":
        return try compute(source, venue: ReplayVenue(), reportsAreInputs: true, logger: logger)
      default:
        var exchange = SimulatedExchange(instruments: source.table, settings: source.settings.paperExchange)
        exchange.restore(from: source.openings)
        return try compute(source, venue: exchange, reportsAreInputs: false, logger: logger)
      }
    } catch let error as TapeError {
      throw Failure.tape("\(error)")
    } catch let error as PluginError {
      throw Failure.plugin("\(error)")
    }
  }

  private static func compute<Venue: Exchange & ~Copyable>(
    _ source: ReplaySource, venue: consuming Venue, reportsAreInputs: Bool, logger: Logger
  ) throws -> ReplayReport {
    let started = Clock.monotonicNanoseconds()
    let scratch = try ReplayScratch()
    defer { scratch.remove() }
    let plan = try source.plan(scratch: scratch, logger: logger)
    let journal = ReplayJournal(
      try RecordedJournal(source.directory, run: source.run, firstSegment: source.firstSegment))
    let first = source.openings.first?.ringSequence ?? 0
    let market = try ReplayMarket(source.directory, session: source.record.marketSession, from: first)
    let words = ReplayWords(table: plan.table)
    let plugins = ReplayPlugins(
      loader: plan.pluginLoader(), directory: source.directory, plugins: source.record.plugins,
      cache: scratch.folder.appending(path: "images").path, symbols: plan.table.instruments.map(\.symbol))
    let loop = plan.makeLoop(
      venue: venue, journal: journal, reportsAreInputs: reportsAreInputs, ringSequence: first)
    var pass = ReplayPass(
      loop: loop, market: market, inputs: try ReplayInputs(source, reportsAreInputs: reportsAreInputs),
      plugins: plugins, first: first)
    try pass.run()
    return pass.report(source, words, seconds: Double(Clock.monotonicNanoseconds() - started) / 1e9)
  }
}

/// One run on disk, with everything it was made with.
struct ReplaySource {
  let directory: DataDirectory
  let run: UInt32
  let firstSegment: Int
  let record: RunRecord
  let settings: Settings
  let table: InstrumentTable
  /// The first entries of the run, `runReady` included.
  let openings: [JournalEntry]

  init(_ directory: DataDirectory, run wanted: UInt32?) throws {
    self.directory = directory
    let runs = try EngineTapes.runs(directory)
    guard let found = wanted.map({ wanted in runs.last { $0.run == wanted } }) ?? runs.last else {
      throw Replay.Failure.noRun(path: directory.base.path, run: wanted)
    }
    run = found.run
    firstSegment = found.firstSegment
    let recordURL = directory.runRecord(found.run)
    do {
      record = try RunRecord.read(from: recordURL)
    } catch {
      throw Replay.Failure.notARecord(path: recordURL.path, reason: Self.reason(error))
    }
    let tableURL = directory.instruments.appending(path: record.instrumentTable)
    do {
      table = try JSONDecoder().decode(InstrumentTable.self, from: Data(contentsOf: tableURL))
    } catch {
      throw Replay.Failure.notARecord(path: tableURL.path, reason: Self.reason(error))
    }
    settings = try Self.settings(record, path: recordURL.path)
    openings = try Self.openings(directory, found.run, found.firstSegment)
  }

  private static func reason(_ error: any Error) -> String {
    error is DecodingError ? "cannot be understood" : "cannot be read"
  }

  private static func settings(_ record: RunRecord, path: String) throws -> Settings {
    let scratch = try ReplayScratch()
    defer { scratch.remove() }
    let file = scratch.folder.appending(path: "settings.json")
    do {
      try Data(record.settings.utf8).write(to: file)
      return try Settings.load(Settings.Sources(file: file.path, defaultFile: nil))
    } catch {
      throw Replay.Failure.settings(path: path, reason: "\(error)")
    }
  }

  private static func openings(
    _ directory: DataDirectory, _ run: UInt32, _ firstSegment: Int
  ) throws -> [JournalEntry] {
    var journal = try RecordedJournal(directory, run: run, firstSegment: firstSegment)
    var entries: [JournalEntry] = []
    while let entry = try journal.next() {
      guard !entries.isEmpty || entry.kind == .runStarted else { break }
      entries.append(entry)
      if entry.kind == .runReady { break }
    }
    guard !entries.isEmpty else { throw Replay.Failure.noOpening(path: directory.journal.path) }
    return entries
  }

  /// The plan of the run, its plugins loaded from the kept copies and checked against their hashes.
  func plan(scratch: ReplayScratch, logger: Logger) throws -> BrainPlan {
    var settings = settings
    guard settings.plugins.load.count == record.plugins.count else {
      throw Replay.Failure.notARecord(
        path: directory.runRecord(run).path,
        reason: "names \(record.plugins.count) plugins, its settings \(settings.plugins.load.count)")
    }
    for (index, plugin) in record.plugins.enumerated() {
      settings.plugins.load[index].path = directory.plugins.appending(path: plugin.file).path
    }
    let assignment = ChildAssignment(
      settingsFile: "", dataRoot: scratch.folder.path, venueKey: record.venue, mode: record.mode,
      regionsFolder: "",
      address: .binance, instrumentTableFile: record.instrumentTable, speed: 1)
    try scratch.make(assignment.directory.plugins)
    let plan = try BrainPlan(
      assignment: assignment, settings: settings, table: table, run: run, logger: logger,
      recorded: record.plugins,
      functions: record.functions ?? [], functionFolder: directory.plugins.path)
    for (found, wanted) in zip(plan.record().plugins, record.plugins) where found.sha256 != wanted.sha256 {
      throw Replay.Failure.otherPlugin(
        id: wanted.id, expected: wanted.sha256, found: found.sha256,
        path: directory.plugins.appending(path: wanted.file).path)
    }
    return plan
  }

  /// The folder of one venue and mode: the path itself, or the one of its folders with the newest run.
  static func directory(_ path: String) throws(Replay.Failure) -> DataDirectory {
    let url = URL(filePath: path, directoryHint: .isDirectory).standardizedFileURL
    if let directory = oneVenue(url) { return directory }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
    let newest = names.sorted().compactMap { name -> (Int64, DataDirectory)? in
      guard let directory = oneVenue(url.appending(path: name)), let time = newestRun(directory) else {
        return nil
      }
      return (time, directory)
    }.max { $0.0 < $1.0 }
    guard let newest else { throw .notADataDirectory(path: path) }
    return newest.1
  }

  private static func oneVenue(_ url: URL) -> DataDirectory? {
    let name = url.lastPathComponent
    guard let dash = name.lastIndex(of: "-") else { return nil }
    let directory = DataDirectory(
      root: url.deletingLastPathComponent().path, venue: String(name[..<dash]),
      mode: String(name[name.index(after: dash)...]))
    let exists = [directory.journal, directory.runs].allSatisfy {
      FileManager.default.fileExists(atPath: $0.path)
    }
    return exists ? directory : nil
  }

  private static func newestRun(_ directory: DataDirectory) -> Int64? {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.runs.path)) ?? []
    guard let newest = names.filter({ $0.hasPrefix("run-") && $0.hasSuffix(".json") }).max() else {
      return nil
    }
    let record = try? RunRecord.read(from: directory.runs.appending(path: newest))
    return record?.startedMilliseconds ?? 0
  }
}

/// A private folder that is removed at the end.
struct ReplayScratch {
  let folder: URL

  init() throws(Replay.Failure) {
    folder = FileManager.default.temporaryDirectory.appending(path: "aegis-replay-\(UUID().uuidString)")
    try make(folder)
  }

  func make(_ url: URL) throws(Replay.Failure) {
    do {
      try FileManager.default.createDirectory(
        at: url, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw .scratch(path: url.path, reason: error.localizedDescription)
    }
  }

  func remove() {
    do {
      try FileManager.default.removeItem(at: folder)
    } catch {
      // Only its own copies are left behind, where temporary files are cleaned anyway.
    }
  }
}
