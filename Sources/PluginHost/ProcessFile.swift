import Glibc

/// Small reads of `/proc` and of temporary folders, with the C library alone.
enum ProcessFile {
  struct Failure: Error, CustomStringConvertible { var description: String }

  static func text(_ path: String) throws(Failure) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Failure(description: "\(path): \(errorText(errno))") }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      bytes += buffer[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Entries of a folder without `.` and `..`, unordered; the folder's own descriptor is not among those of `/proc/self/fd`.
  static func names(_ folder: String) throws(Failure) -> [String] {
    guard let directory = opendir(folder) else {
      throw Failure(description: "\(folder): \(errorText(errno))")
    }
    defer { closedir(directory) }
    let own = String(dirfd(directory))
    let isDescriptors = folder == "/proc/self/fd"
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != ".", name != "..", !(isDescriptors && name == own) { names.append(name) }
    }
    return names
  }

  static func link(_ path: String) -> String? {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = buffer.withUnsafeMutableBytes {
      readlink(path, $0.assumingMemoryBound(to: CChar.self).baseAddress!, $0.count)  // not empty
    }
    return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
  }

  /// Removes a folder with everything in it, never through a link.
  static func removeFolder(_ path: String) {
    for name in (try? names(path)) ?? [] {
      let child = "\(path)/\(name)"
      if unlink(child) != 0 { removeFolder(child) }
    }
    rmdir(path)
  }
}
