import Glibc
import PluginABI

/// What a file in a plugin folder turned out to be.
public struct PluginScanReport: Sendable, Hashable {
  public enum State: String, Sendable {
    case ok
    /// Not a plugin: no `aegis_plugin_v1`, or not a shared object at all.
    case ignored
    /// A library it needs is missing.
    case unresolved
    /// Made for another ABI.
    case incompatible
    /// The file or its folder can be changed by others.
    case refused
    /// It breaks the header's rules, crashed the scanner or took too long.
    case failed
  }

  public var file: String
  public var state: State
  /// Empty when not known.
  public var id = ""
  public var version = ""
  public var kind = ""
  public var abi = ""
  public var language = ""
  public var toolchain = ""
  public var sha256 = ""
  /// Why, when the state is not ok.
  public var reason = ""

  init(file: String, state: State, reason: String = "") {
    self.file = file
    self.state = state
    self.reason = reason
  }

  init(file: String, _ error: PluginError) {
    let state: State =
      switch error {
      case .missingSymbol, .notLoadable, .tooLarge: .ignored
      case .missingLibrary: .unresolved
      case .wrongVersion: .incompatible
      case .writableByOthers, .wrongOwner, .unreadable: .refused
      case .linkerRefused, .malformed, .unknownPlugin, .alreadyLoaded, .unknownParameter, .badParameter,
        .createFailed, .cacheUnusable, .limit, .stateRefused, .unfit, .scannerFailed, .isolated:
        .failed
      }
    self.init(file: file, state: state, reason: error.description)
  }

  /// One line of JSON, all values strings.
  public var json: String {
    FlatJSON.text([
      ("file", file), ("state", state.rawValue), ("id", id), ("version", version), ("kind", kind),
      ("abi", abi),
      ("language", language), ("toolchain", toolchain), ("sha256", sha256), ("reason", reason),
    ])
  }

  init?(json line: some StringProtocol) {
    guard let fields = FlatJSON.parse(line), let file = fields["file"],
      let state = fields["state"].flatMap(State.init(rawValue:))
    else { return nil }
    self.init(file: file, state: state, reason: fields["reason"] ?? "")
    id = fields["id"] ?? ""
    version = fields["version"] ?? ""
    kind = fields["kind"] ?? ""
    abi = fields["abi"] ?? ""
    language = fields["language"] ?? ""
    toolchain = fields["toolchain"] ?? ""
    sha256 = fields["sha256"] ?? ""
  }
}

/// Finds out what plugin files are, without letting their code run in this process.
public enum PluginScan {
  /// More candidates than this in one folder is a mistake of path.
  public static let fileCountMax = 1024
  /// A report is a few hundred bytes; a child that says more is not ours.
  private static let outputByteCountMax = 256 << 10

  /// Looks at every `*.so` of a folder, in name order, each in a child process of its own.   [control]
  ///
  /// - Parameters:
  ///   - host: path of `aegis-plugin-host`.
  ///   - timeoutMilliseconds: per file; the child is killed after it.
  /// - Throws: `.unreadable` for the folder, `.limit`, `.scannerFailed` when the child cannot be started.
  public static func folder(
    _ folder: String, host: String, timeoutMilliseconds: Int = 10_000
  ) throws(PluginError) -> [PluginScanReport] {
    guard let directory = opendir(folder) else { throw .unreadable(file: folder, reason: errorText(errno)) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name.hasSuffix(".so"), !name.hasPrefix(".") { names.append(name) }
    }
    closedir(directory)
    guard names.count <= fileCountMax else {
      throw .limit(what: "files in \(folder)", found: names.count, max: fileCountMax)
    }
    var reports: [PluginScanReport] = []
    for name in names.sorted() {
      reports += try file("\(folder)/\(name)", host: host, timeoutMilliseconds: timeoutMilliseconds)
    }
    return reports
  }

  /// Looks at one file in a child process; one report per plugin in it, at least one.   [control]
  public static func file(
    _ path: String, host: String, timeoutMilliseconds: Int = 10_000
  ) throws(PluginError) -> [PluginScanReport] {
    // What can be known without running code is settled here: most files need no child.
    do throws(PluginError) {
      _ = try PluginFile(path: path).elf()
    } catch {
      return [PluginScanReport(file: path, error)]
    }
    let child = try ChildProcess.run(
      host, arguments: ["scan", path], timeoutMilliseconds: timeoutMilliseconds,
      outputByteCountMax: outputByteCountMax)
    let reports = child.output.split(separator: "\n").compactMap { PluginScanReport(json: $0) }
    switch child.ending {
    case .exited where !reports.isEmpty: return reports
    case .exited(let code):
      return [
        PluginScanReport(
          file: path, state: .failed, reason: "the scanner left with status \(code) and no report")
      ]
    case .killed(let signal):
      return [
        PluginScanReport(file: path, state: .failed, reason: "crashed while loading (signal \(signal))")
      ]
    case .timedOut:
      return [
        PluginScanReport(
          file: path, state: .failed, reason: "took longer than \(timeoutMilliseconds) ms to load; killed")
      ]
    }
  }

  /// Loads the file here and reads its tables: the work of the child. Runs the plugin's constructors.
  public static func inspect(_ path: String) -> [PluginScanReport] {
    do throws(PluginError) {
      let image = try PluginImage(path: path, cacheDirectory: nil)
      let tables = PluginTables(file: path)
      let entry = try tables.entry(image.entry)
      var reports: [PluginScanReport] = []
      for index in 0..<Int(entry.n_plugins) {
        let raw = try tables.copy(
          entry.plugins[index], zero: aegis_descriptor(), field: "entry.plugins[\(index)]")
        let descriptor = try tables.descriptor(raw, entry: entry, sha256: image.sha256)
        var report = PluginScanReport(file: path, state: .ok)
        report.id = descriptor.id
        report.version = descriptor.version
        report.kind = "\(descriptor.kind)"
        report.abi = "\(descriptor.abiMajor).\(descriptor.abiMinor)"
        report.language = image.elf.info.map { languageName($0.language) } ?? ""
        report.toolchain = descriptor.toolchain
        report.sha256 = descriptor.sha256
        reports.append(report)
      }
      return reports
    } catch {
      return [PluginScanReport(file: path, error)]
    }
  }

  private static func languageName(_ language: UInt32) -> String {
    switch language {
    case AEGIS_LANGUAGE_C: "c"
    case AEGIS_LANGUAGE_CXX: "c++"
    case AEGIS_LANGUAGE_SWIFT: "swift"
    case AEGIS_LANGUAGE_RUST: "rust"
    default: "other"
    }
  }
}
