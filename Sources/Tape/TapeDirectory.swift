internal import Glibc
internal import SharedMemory

/// The segment files of one tape: `name-000001.tape` and on, in one directory.   [any thread]
public struct TapeDirectory: Sendable {
  public let directory: String
  public let name: String

  /// - Parameter name: letters, digits, `.`, `_` and `-`; at most 100 bytes.
  public init(directory: String, name: String) throws(TapeError) {
    let isPlain =
      !name.isEmpty && name.utf8.count <= 100 && name.utf8.first != UInt8(ascii: ".")
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
          true
        default: false
        }
      }
    guard isPlain else {
      throw .setting(
        field: "name", found: "\"\(name)\"", expected: "1…100 letters, digits, '.', '_' or '-', not '.' first"
      )
    }
    self.directory = directory
    self.name = name
  }

  public func path(ofSegment segment: Int) -> String {
    let digits = String(segment)
    return "\(directory)/\(name)-\(String(repeating: "0", count: max(0, 6 - digits.count)))\(digits).tape"
  }

  /// Where the next segment is prepared, without being part of the tape yet.
  var preparedPath: String { "\(directory)/\(name).next" }
  var lockPath: String { "\(directory)/\(name).lock" }

  /// Numbers of the segments there are, ascending.
  public func segments() throws(TapeError) -> [Int] {
    var numbers: [Int] = []
    for file in try files() {
      if let number = number(ofFile: file) { numbers.append(number) }
    }
    return numbers.sorted()
  }

  private func number(ofFile file: String) -> Int? {
    let prefix = name + "-", suffix = ".tape"
    guard file.hasPrefix(prefix), file.hasSuffix(suffix),
      file.utf8.count == prefix.utf8.count + 6 + suffix.utf8.count
    else { return nil }
    let digits = file.utf8.dropFirst(prefix.utf8.count).prefix(6)
    guard digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
    return digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
  }

  /// The header of one segment.
  public func header(ofSegment segment: Int) throws(TapeError) -> TapeHeader {
    try TapeSegmentFile(path: path(ofSegment: segment)).header
  }

  /// Removes whole segments from the oldest on, and never the newest.
  ///
  /// - Parameters:
  ///   - beforeNanoseconds: remove segments that ended before this UTC time (their successor was begun before it);
  ///     nil removes none for age.
  ///   - keepingBytes: remove until the rest, in bytes on disk, is no more than this; nil removes none for size.
  /// - Returns: the numbers removed.
  @discardableResult
  public func removeSegments(
    olderThan beforeNanoseconds: Int64?, keepingBytes: Int?
  ) throws(TapeError) -> [Int] {
    let numbers = try segments()
    var byteCounts: [Int] = []
    for number in numbers { byteCounts.append(try byteCount(ofSegment: number)) }
    var total = byteCounts.reduce(0, +)
    var removed: [Int] = []
    for (position, number) in numbers.dropLast().enumerated() {
      var isOld = false
      if let beforeNanoseconds {
        isOld = try header(ofSegment: numbers[position + 1]).createdNanoseconds < beforeNanoseconds
      }
      let isTooMuch = keepingBytes.map { total > $0 } ?? false
      guard isOld || isTooMuch else { break }
      let path = path(ofSegment: number)
      guard unlink(path) == 0 else { throw .file(Self.failure(path, "unlink", errno)) }
      total -= byteCounts[position]
      removed.append(number)
    }
    return removed
  }

  private func byteCount(ofSegment segment: Int) throws(TapeError) -> Int {
    var status = stat()
    let path = path(ofSegment: segment)
    guard lstat(path, &status) == 0 else { throw .file(Self.failure(path, "lstat", errno)) }
    return Int(status.st_blocks) * 512
  }

  static func failure(_ path: String, _ operation: String, _ code: Int32) -> MapError {
    .system(
      path: path, operation: operation, code: code,
      fix: code == ENOENT
        ? "Create the directory, or correct the path." : "Check the directory's owner, mode and free space.")
  }
}

extension TapeDirectory {
  /// Removes segments that a killed writer had prepared and not begun. For the holder of the writer's claim.
  func removeLeftovers() throws(TapeError) {
    for file in try files() where file == "\(name).next" || file.hasPrefix("\(name).next.") {
      let path = "\(directory)/\(file)"
      guard unlink(path) == 0 || errno == ENOENT else { throw .file(Self.failure(path, "unlink", errno)) }
    }
  }

  private func files() throws(TapeError) -> [String] {
    guard let stream = opendir(directory) else { throw .file(Self.failure(directory, "opendir", errno)) }
    defer { closedir(stream) }
    var files: [String] = []
    while let entry = readdir(stream) {
      files.append(
        withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: $0.pointee)) {
            String(cString: $0)
          }
        })
    }
    return files
  }
}
