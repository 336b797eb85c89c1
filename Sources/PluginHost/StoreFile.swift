import Glibc

/// A small file of records: a JSON array, one flat object of texts per line, readable by its owner only.
///
/// Replaced as a whole by renaming, so a reader sees the old content or the new. A line that cannot be read is left out
/// and named; the rest counts.   [control]
struct StoreFile {
  static let lineCountMax = 10_000
  private static let byteCountMax = 16 << 20

  let path: String

  struct Content {
    var records: [[String: String]] = []
    /// Numbers of the lines that could not be read, from 1.
    var damagedLines: [Int] = []
  }

  /// - Returns: nothing when there is no file yet.
  /// - Throws: when it cannot be read, or others could have written it.
  func read() throws(StoreFileError) -> Content {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else {
      if errno == ENOENT { return Content() }
      throw StoreFileError(path: path, reason: errorText(errno))
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw StoreFileError(path: path, reason: errorText(errno)) }
    guard status.st_uid == geteuid() || status.st_uid == 0, status.st_mode & 0o022 == 0 else {
      throw StoreFileError(path: path, reason: "can be written by others; run: chmod go-w \(path)")
    }
    guard status.st_size <= Self.byteCountMax else {
      throw StoreFileError(path: path, reason: "has more than \(Self.byteCountMax) bytes")
    }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = Glibc.read(descriptor, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw StoreFileError(path: path, reason: errorText(errno)) }
      if count == 0 { break }
      bytes += buffer[..<count]
    }
    return Self.parse(String(decoding: bytes, as: UTF8.self))
  }

  static func parse(_ text: String) -> Content {
    var content = Content()
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      var line = line
      while let last = line.last, last == "," || last == " " || last == "\r" { line.removeLast() }
      while line.first == " " { line.removeFirst() }
      if line.isEmpty || line == "[" || line == "]" || line == "[]" { continue }
      if let record = FlatJSON.parse(line) {
        content.records.append(record)
      } else {
        content.damagedLines.append(index + 1)
      }
    }
    return content
  }

  func write(_ records: [[(name: String, value: String)]]) throws(StoreFileError) {
    try write(text: "[\n" + records.map { FlatJSON.text($0) }.joined(separator: ",\n") + "\n]\n")
  }

  /// Replaces the whole content, by renaming.
  func write(text: String) throws(StoreFileError) {
    let draft = "\(path).\(getpid()).new"
    unlink(draft)
    let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw StoreFileError(path: draft, reason: errorText(errno)) }
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      if count <= 0 { break }
      bytes = bytes.dropFirst(count)
    }
    // The name must not point at content that a loss of power would take away.
    let isSafe = bytes.isEmpty && fsync(descriptor) == 0
    let code = errno
    close(descriptor)
    guard isSafe, rename(draft, path) == 0 else {
      let reason = errorText(isSafe ? errno : code)
      unlink(draft)
      throw StoreFileError(path: path, reason: reason)
    }
  }

  /// Runs `body` while no other process changes the file through this call.
  func locked<Value>(
    _ body: () throws(StoreFileError) -> Value
  ) throws(StoreFileError) -> Value {
    let name = "\(path).lock"
    let descriptor = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw StoreFileError(path: name, reason: errorText(errno)) }
    defer { close(descriptor) }
    while flock(descriptor, LOCK_EX) != 0 {
      guard errno == EINTR else { throw StoreFileError(path: name, reason: errorText(errno)) }
    }
    return try body()
  }
}

/// A file of trust or quarantine that cannot be used.
public struct StoreFileError: Error, Hashable, Sendable, CustomStringConvertible {
  public var path: String
  public var reason: String
  public var description: String { "\(path): \(reason)" }
}
