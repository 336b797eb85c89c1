import Glibc
import PluginABI

/// Finds out what plugin files are, without letting their code run in this process.
public enum PluginScan {
  /// More candidates than this in one folder is a mistake of path.
  public static let fileCountMax = 1024
  /// Children at the same time: a scan must not take a machine.
  private static let childCountMax = 2
  /// Files one child looks at. A child that ends early costs only the file at hand: the others are looked at again.
  private static let filesPerChildMax = 32

  /// Looks at every `*.so` of a folder, in name order, in child processes.   [control]
  ///
  /// - Parameters:
  ///   - host: path of `aegis-plugin-host`.
  ///   - cache: what earlier scans found; nil looks at every file.
  ///   - runsCode: false tells only what stands in the files: not even a child loads one.
  ///   - timeoutMilliseconds: per file; the child is killed after it.
  /// - Throws: `.unreadable` for the folder, `.limit`, `.scannerFailed` when a child cannot be started.
  public static func folder(
    _ folder: String, host: String, cache: PluginScanCache? = nil, runsCode: Bool = true,
    timeoutMilliseconds: Int = 10_000
  ) throws(PluginError) -> [PluginScanReport] {
    let names: [String]
    do throws(ProcessFile.Failure) {
      names = try ProcessFile.names(folder).filter { $0.hasSuffix(".so") && !$0.hasPrefix(".") }
    } catch {
      throw .unreadable(file: folder, reason: errorText(errno))
    }
    guard names.count <= fileCountMax else {
      throw .limit(what: "files in \(folder)", found: names.count, max: fileCountMax)
    }
    let paths = names.sorted().map { "\(folder)/\($0)" }
    guard runsCode else { return paths.map { portrait(of: $0) } }
    return try files(paths, host: host, cache: cache, timeoutMilliseconds: timeoutMilliseconds)
  }

  /// Looks at one file in a child process; one report per plugin in it, at least one.   [control]
  public static func file(
    _ path: String, host: String, timeoutMilliseconds: Int = 10_000
  ) throws(PluginError) -> [PluginScanReport] {
    try files([path], host: host, cache: nil, timeoutMilliseconds: timeoutMilliseconds)
  }

  private static func files(
    _ paths: [String], host: String, cache: PluginScanCache?, timeoutMilliseconds: Int
  ) throws(PluginError) -> [PluginScanReport] {
    var found: [String: [PluginScanReport]] = [:]
    var open: [String] = []
    var identities: [String: FileIdentity] = [:]
    for path in paths {
      let identity = FileIdentity(path: path)
      identities[path] = identity
      if let identity, let known = cache?.reports(of: path, identity) {
        found[path] = known
        continue
      }
      // What can be known without running code is settled here: such a file needs no child.
      do throws(PluginError) {
        _ = try PluginFile(path: path).elf()
        open.append(path)
      } catch {
        found[path] = [PluginScanReport(file: path, error)]
      }
    }
    var crew = ScanCrew(
      open, filesPerChild: min(filesPerChildMax, (open.count + childCountMax - 1) / childCountMax))
    try crew.run(host, atOnce: childCountMax, timeoutMilliseconds: timeoutMilliseconds)
    for (path, reports) in crew.reports {
      found[path] = reports.map { $0.state == .ok ? $0 : completed($0) }
    }
    if let cache, !open.isEmpty {
      for path in open {
        // A file that changed while it was looked at is looked at again next time.
        guard let identity = identities[path] ?? nil, FileIdentity(path: path) == identity,
          let reports = found[path]
        else { continue }
        cache.keep(reports, of: path, identity)
      }
      cache.save()
    }
    return paths.flatMap { found[$0] ?? [] }
  }

  /// What stands in a file: its record in `.aegis.info` and its hash.
  private static func portrait(of path: String) -> PluginScanReport {
    do throws(PluginError) {
      let file = try PluginFile(path: path)
      var report = PluginScanReport(file: path, state: .notScanned)
      report.sha256 = file.sha256()
      if let info = try file.elf().info {
        report.abi = "\(info.abiMajor).\(info.abiMinor)"
        report.language = languageName(info.language)
      } else {
        report.reason = "no record in section .aegis.info"
      }
      return report
    } catch {
      return PluginScanReport(file: path, error)
    }
  }

  /// A file that could not tell of itself is still known by its record and its hash.
  private static func completed(_ report: PluginScanReport) -> PluginScanReport {
    let known = portrait(of: report.file)
    var report = report
    if report.abi.isEmpty { report.abi = known.abi }
    if report.language.isEmpty { report.language = known.language }
    if report.sha256.isEmpty { report.sha256 = known.sha256 }
    return report
  }

  /// Loads the file here and reads its tables: the work of the child. Runs the plugin's constructors.
  public static func inspect(_ path: String) -> [PluginScanReport] {
    do throws(PluginError) {
      let image = try PluginImage(path: path, cacheDirectory: nil)
      return try TrialPlugin.all(image).map { plugin in
        let descriptor = plugin.descriptor
        var report = PluginScanReport(file: path, state: .ok)
        report.id = descriptor.id
        report.version = descriptor.version
        report.kind = "\(descriptor.kind)"
        report.abi = "\(descriptor.abiMajor).\(descriptor.abiMinor)"
        report.language = image.elf.info.map { languageName($0.language) } ?? ""
        report.toolchain = descriptor.toolchain
        report.sha256 = descriptor.sha256
        return report
      }
    } catch {
      return [PluginScanReport(file: path, error)]
    }
  }

  static func languageName(_ language: UInt32) -> String {
    switch language {
    case AEGIS_LANGUAGE_C: "c"
    case AEGIS_LANGUAGE_CXX: "c++"
    case AEGIS_LANGUAGE_SWIFT: "swift"
    case AEGIS_LANGUAGE_RUST: "rust"
    default: "other"
    }
  }

  /// The answer that ends the reports of one file.
  public static func end(of path: String) -> String { FlatJSON.text([("done", path)]) }
}

/// Hands files to children in groups and finds the culprit when a child ends early.
private struct ScanCrew {
  private(set) var reports: [String: [PluginScanReport]] = [:]
  private var groups: [[String]]

  init(_ paths: [String], filesPerChild: Int) {
    groups = stride(from: 0, to: paths.count, by: max(filesPerChild, 1)).map {
      Array(paths[$0..<min($0 + filesPerChild, paths.count)])
    }
  }

  mutating func run(_ host: String, atOnce: Int, timeoutMilliseconds: Int) throws(PluginError) {
    var waiting = groups
    var handed: [[String]] = []
    var found: [String: [PluginScanReport]] = [:]
    try ChildCrew.run(host, atOnce: atOnce) {
      guard !waiting.isEmpty else { return nil }
      let group = waiting.removeFirst()
      handed.append(group)
      return ChildCrew.Job(
        arguments: ["scan"] + group, timeoutMilliseconds: timeoutMilliseconds, mark: handed.count - 1)
    } done: { job, outcome in
      let group = handed[job.mark]
      let answered = Self.answers(outcome.answers)
      let missing = group.filter { answered[$0] == nil }
      guard let culprit = missing.first else {
        found.merge(answered) { $1 }
        return
      }
      if group.count == 1 {
        found[culprit] = [Self.explained(culprit, outcome, timeoutMilliseconds)]
      } else {
        // The file at hand may be innocent: what an earlier one left behind may have ended the child. Alone it is
        // clear, and the earlier ones answered before; those after it are looked at by another child.
        found.merge(answered) { $1 }
        waiting.insert([culprit], at: 0)
        if missing.count > 1 { waiting.append(Array(missing.dropFirst())) }
      }
    }
    reports = found
  }

  /// Reports of the files a child finished.
  private static func answers(_ lines: [Substring]) -> [String: [PluginScanReport]] {
    var reports: [String: [PluginScanReport]] = [:]
    var open: [PluginScanReport] = []
    for line in lines {
      if let report = PluginScanReport(json: line) {
        open.append(report)
      } else if let path = FlatJSON.parse(line)?["done"] {
        if !open.isEmpty { reports[path] = open }
        open = []
      }
    }
    return reports
  }

  private static func explained(
    _ path: String, _ outcome: ChildCrew.Outcome, _ timeoutMilliseconds: Int
  ) -> PluginScanReport {
    let reason =
      switch outcome.ending {
      case .exited(let code): "ended the scanner with status \(code) while loading"
      case .timedOut: "took longer than \(timeoutMilliseconds) ms to load; killed"
      case .killed, .flooded: "\(outcome.ending.explanation ?? "") while loading"
      }
    return PluginScanReport(file: path, state: .failed, reason: reason)
  }
}
