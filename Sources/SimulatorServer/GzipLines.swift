import CZlib

/// The lines of a text file, plain or gzip-packed, read one after the other with bounded memory.   [one thread]
struct GzipLines: ~Copyable {
  /// A longer line ends the reading with an error: recorded book snapshots stay well below.
  static let lineBytesMax = 16 << 20

  let path: String
  private(set) var number = 0
  private let file: gzFile
  private var buffer: UnsafeMutableBufferPointer<UInt8>
  private var start = 0
  private var end = 0
  private var isAtEnd = false

  init(path: String) throws(SimulatorError) {
    guard let file = gzopen(path, "rb") else {
      throw .tape(path: path, line: nil, reason: "cannot be opened; check that it exists and may be read")
    }
    self.path = path
    self.file = file
    buffer = .allocate(capacity: 1 << 20)
  }

  deinit {
    gzclose(file)
    buffer.deallocate()
  }

  /// The next line without its line ending, valid until the next call; nil at the end.
  mutating func next() throws(SimulatorError) -> UnsafeBufferPointer<UInt8>? {
    var scanned = start
    while true {
      if let newline = buffer[scanned..<end].firstIndex(of: 0x0A) {
        let line = trimmed(start, newline)
        start = newline + 1
        number += 1
        return line
      }
      scanned = end
      if isAtEnd {
        guard start < end else { return nil }
        let line = trimmed(start, end)
        start = end
        number += 1
        return line
      }
      scanned -= start
      try fill()
    }
  }

  private func trimmed(_ from: Int, _ to: Int) -> UnsafeBufferPointer<UInt8> {
    let last = to > from && buffer[to - 1] == 0x0D ? to - 1 : to
    return UnsafeBufferPointer(rebasing: buffer[from..<last])
  }

  /// Moves the unfinished line to the front and reads on.
  private mutating func fill() throws(SimulatorError) {
    let length = end - start
    if length == buffer.count {
      guard buffer.count * 2 <= Self.lineBytesMax else {
        throw .tape(
          path: path, line: number + 1,
          reason: "line longer than \(Self.lineBytesMax) bytes; is this a recorded stream?")
      }
      let larger = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: buffer.count * 2)
      _ = larger.update(fromContentsOf: buffer[start..<end])
      buffer.deallocate()
      buffer = larger
    } else if start > 0 {
      for index in 0..<length { buffer[index] = buffer[start + index] }
    }
    start = 0
    end = length
    let room = UInt32(buffer.count - end)
    let count = gzread(file, buffer.baseAddress.map { $0 + end }, room)
    guard count >= 0 else {
      throw .tape(path: path, line: number + 1, reason: "damaged gzip data; fetch the file again")
    }
    if count == 0 { isAtEnd = true }
    end += Int(count)
  }
}
