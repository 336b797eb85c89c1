import Glibc

/// What makes two looks at a path see the same content, as far as the file system tells.
struct FileIdentity: Hashable {
  var device: UInt64
  var inode: UInt64
  var byteCount: Int64
  var modifiedNanoseconds: Int64
  /// Changes with mode and owner, which decide whether a file is refused.
  var changedNanoseconds: Int64
  /// Who may replace the file decides as well.
  var folderMode: UInt32
  var folderOwner: UInt32

  init?(path: String) {
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
    byteCount = Int64(status.st_size)
    modifiedNanoseconds = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
    changedNanoseconds = Int64(status.st_ctim.tv_sec) * 1_000_000_000 + Int64(status.st_ctim.tv_nsec)
    let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    guard stat(folder, &status) == 0 else { return nil }
    folderMode = status.st_mode
    folderOwner = status.st_uid
  }

  var text: String {
    "\(device).\(inode).\(byteCount).\(modifiedNanoseconds).\(changedNanoseconds).\(folderMode).\(folderOwner)"
  }
}

/// Reports of earlier scans, by path and identity of the file. For lists only: nothing is ever loaded because of it.
///
/// A file of lines that is replaced as a whole by a rename; one that cannot be read or written costs time, not truth.
public final class PluginScanCache {
  private let path: String
  private var entries: [String: (identity: String, reports: [PluginScanReport])] = [:]
  private var isChanged = false

  /// Entries kept; older files of other folders make room.
  private static let entryCountMax = 4096

  /// Starts the file; another first line is another format.
  private static let heading = "aegis plugin scans 1"

  /// - Parameter path: of the file; its folder must exist or be makeable.
  public init(path: String) {
    self.path = path
    guard let text = try? ProcessFile.text(path) else { return }  // none yet
    let lines = text.split(separator: "\n")
    guard lines.first == Self.heading[...] else { return }
    for line in lines.dropFirst() {
      guard let fields = FlatJSON.parse(line), let identity = fields["identity"],
        let report = PluginScanReport(fields)
      else { continue }
      let known = entries[report.file].flatMap { $0.identity == identity ? $0.reports : nil } ?? []
      entries[report.file] = (identity, known + [report])
    }
  }

  func reports(of path: String, _ identity: FileIdentity) -> [PluginScanReport]? {
    guard let entry = entries[path], entry.identity == identity.text else { return nil }
    return entry.reports
  }

  /// Only what follows from the content is kept: a missing library may be there next time.
  func keep(_ reports: [PluginScanReport], of path: String, _ identity: FileIdentity) {
    guard reports.allSatisfy({ $0.state == .ok || $0.state == .failed }) else { return }
    entries[path] = (identity.text, reports)
    isChanged = true
  }

  /// Writes a new file and renames it over the old one; gives up quietly, because the next scan just takes longer.
  func save() {
    guard isChanged else { return }
    if entries.count > Self.entryCountMax {
      entries = entries.filter { access($0.key, F_OK) == 0 }
      if entries.count > Self.entryCountMax { entries = [:] }
    }
    var text = Self.heading + "\n"
    for path in entries.keys.sorted() {
      guard let entry = entries[path] else { continue }
      for report in entry.reports {
        // The report's own object with one more field in front.
        text += "{" + "\"identity\":" + FlatJSON.quoted(entry.identity) + "," + report.json.dropFirst() + "\n"
      }
    }
    let temporary = "\(path).\(getpid())"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { return }
    let isWritten = text.withUTF8 { bytes in
      var written = 0
      while written < bytes.count {
        let count = write(descriptor, bytes.baseAddress! + written, bytes.count - written)  // not empty
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return false }
        written += count
      }
      return true
    }
    close(descriptor)
    if !isWritten || rename(temporary, path) != 0 { unlink(temporary) }
  }
}
