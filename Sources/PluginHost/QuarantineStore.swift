import Glibc

/// Plugin contents that failed and may not run for now, or until a person says so.
///
/// By SHA-256, so a new build starts clean. The first three failures of a content cost 1, 5 and 30 minutes; the fourth
/// waits for `aegis plugins unquarantine`. A content that then ran for a day without failing starts over. Lists are
/// values and times come in; `load` and `update` alone touch files.
public struct QuarantineStore: Sendable, Hashable {
  public struct Record: Sendable, Hashable {
    public var sha256: String
    public var id: String
    public var file: String
    /// One line: what happened.
    public var reason: String
    public var phase: PluginPhase
    /// File with the stack of the crash; empty when there is none.
    public var backtracePath: String
    /// Failures in a row.
    public var count: Int
    /// The newest failure, seconds since 1970.
    public var since: Int64
    /// When it may run again; nil = when a person says so.
    public var until: Int64?
  }

  public enum Verdict: Sendable, Hashable {
    case free
    case quarantined(Record)
  }

  static let pausesSeconds: [Int64] = [60, 300, 1800]
  static let forgivenAfterSeconds: Int64 = 86_400

  public private(set) var records: [Record] = []
  /// Lines of the file that could not be read.
  public private(set) var damagedLines: [Int] = []

  public init() {}

  // MARK: Decisions

  public func verdict(sha256: String, seconds: Int64) -> Verdict {
    guard let record = records.first(where: { $0.sha256 == sha256 }) else { return .free }
    if let until = record.until, until <= seconds { return .free }
    return .quarantined(record)
  }

  /// Those that may not run now; for lists.
  public func active(seconds: Int64) -> [Record] {
    records.filter { $0.until.map { $0 > seconds } ?? true }
  }

  /// Takes in a failure.
  /// - Returns: the record it led to.
  @discardableResult
  public mutating func add(
    sha256: String, id: String, file: String, reason: String, phase: PluginPhase, backtracePath: String = "",
    seconds: Int64
  ) -> Record {
    var record =
      records.first { $0.sha256 == sha256 }
      ?? Record(
        sha256: sha256, id: id, file: file, reason: reason, phase: phase, backtracePath: backtracePath,
        count: 0,
        since: seconds, until: nil)
    if record.count > 0, seconds - max(record.since, record.until ?? .min) > Self.forgivenAfterSeconds,
      record.until != nil
    {
      record.count = 0
    }
    record.count += 1
    record.id = id
    record.file = file
    record.reason = reason
    record.phase = phase
    record.backtracePath = backtracePath
    record.since = seconds
    record.until =
      record.count <= Self.pausesSeconds.count ? seconds + Self.pausesSeconds[record.count - 1] : nil
    records.removeAll { $0.sha256 == sha256 }
    records.append(record)
    return record
  }

  /// - Returns: the record that was there.
  @discardableResult
  public mutating func release(sha256: String) -> Record? {
    guard let index = records.firstIndex(where: { $0.sha256 == sha256 }) else { return nil }
    return records.remove(at: index)
  }

  // MARK: The file

  public static func load(path: String) throws(StoreFileError) -> QuarantineStore {
    var store = QuarantineStore()
    let content = try StoreFile(path: path).read()
    store.damagedLines = content.damagedLines
    for (index, record) in content.records.enumerated() {
      guard let sha256 = record["sha256"], TrustStore.isHash(sha256), let reason = record["reason"],
        let phase = record["phase"].flatMap(PluginPhase.init(rawValue:)),
        let count = record["count"].flatMap({ Int($0) }), count > 0,
        let since = record["since"].flatMap({ Int64($0) }), let until = record["until"]
      else {
        store.damagedLines.append(index + 2)
        continue
      }
      store.records.append(
        Record(
          sha256: sha256, id: record["id"] ?? "", file: record["file"] ?? "", reason: reason, phase: phase,
          backtracePath: record["backtrace"] ?? "", count: count, since: since,
          until: until == "by hand" ? nil : Int64(until)))
    }
    return store
  }

  /// Reads, changes and writes the file while no other process does.
  @discardableResult
  public static func update<Value>(
    path: String, _ change: (inout QuarantineStore) throws(StoreFileError) -> Value
  ) throws(StoreFileError) -> Value {
    let file = StoreFile(path: path)
    return try file.locked { () throws(StoreFileError) -> Value in
      var store = try load(path: path)
      let value = try change(&store)
      try file.write(store.records.map(\.fields))
      return value
    }
  }
}

extension QuarantineStore {
  /// Quarantines a plugin for a failure: the stack, when there is one, into `crash-<12 digits>.txt` beside the file, the
  /// reason into the file.   [control]
  @discardableResult
  public static func add(
    _ failure: PluginFailure, of plugin: PluginDescriptor, path: String, seconds: Int64
  ) throws(StoreFileError) -> Record {
    var backtracePath = ""
    if !failure.backtrace.isEmpty {
      let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
      backtracePath = "\(folder)/crash-\(plugin.sha256.prefix(12)).txt"
      let text = ([failure.reason] + failure.backtrace).joined(separator: "\n") + "\n"
      try StoreFile(path: backtracePath).write(text: text)
    }
    return try update(path: path) { store in
      store.add(
        sha256: plugin.sha256, id: plugin.id, file: plugin.file, reason: failure.reason, phase: failure.phase,
        backtracePath: backtracePath, seconds: seconds)
    }
  }
}

extension QuarantineStore.Record {
  var fields: [(name: String, value: String)] {
    [
      ("sha256", sha256), ("id", id), ("file", file), ("reason", reason), ("phase", phase.rawValue),
      ("backtrace", backtracePath), ("count", "\(count)"), ("since", "\(since)"),
      ("until", until.map { "\($0)" } ?? "by hand"),
    ]
  }

  public var json: String { FlatJSON.text(fields) }

  /// "crashed …, 2nd time, retry in 4m12s".
  public func words(seconds: Int64) -> String {
    let times = count == 1 ? "" : ", \(count) times in a row"
    guard let until else { return "\(reason)\(times); until: aegis plugins unquarantine \(sha256)" }
    let left = max(0, until - seconds)
    return "\(reason)\(times); retry in \(left / 60)m\(left % 60)s"
  }
}
