import Glibc

/// A file that stands while a plugin is being loaded into the engine's own process. If the engine dies meanwhile, the
/// file is what the next start finds, and it names the content to quarantine.   [control]
public struct LoadSentinel: Sendable {
  private static let prefix = "loading-"
  private let path: String

  /// Writes the file, and its folder's entry, before the load may begin.
  ///
  /// - Parameter folder: one that others cannot write to.
  public init(folder: String, sha256: String) throws(StoreFileError) {
    precondition(TrustStore.isHash(sha256), "the name of a content")
    path = "\(folder)/\(Self.prefix)\(sha256)"
    let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw StoreFileError(path: path, reason: errorText(errno)) }
    fsync(descriptor)
    close(descriptor)
  }

  /// The load is over, well or not.
  public func remove() { unlink(path) }

  /// Hashes whose load the engine did not survive, in order; their files are removed.
  public static func takeLeftovers(in folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var hashes: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard name.hasPrefix(prefix) else { continue }
      let hash = String(name.dropFirst(prefix.count))
      if TrustStore.isHash(hash) { hashes.append(hash) }
    }
    for hash in hashes { unlink("\(folder)/\(prefix)\(hash)") }
    return hashes.sorted()
  }
}
