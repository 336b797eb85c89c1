/// Turns what an isolated plugin prints into a bounded number of clean lines.
///
/// Pure: bytes and times come in. What exceeds the limits of a second is cut, counted, and told once when the second
/// is over.
struct LogThrottle {
  struct Line: Hashable {
    var level: PluginLogLevel
    var text: String
  }

  private static let lineByteCountMax = 1024
  private static let frameCountMax = 32
  private let linesMax: Int
  private let bytesMax: Int
  private var partial: [UInt8] = []
  private var isCuttingLine = false
  private var windowStart: Int64 = .min
  private var linesLeft = 0
  private var bytesLeft = 0
  private var cutInWindow = 0
  /// Lines that were thrown away since the start.
  private(set) var cutCount: UInt64 = 0
  /// The stack of the thread that crashed, innermost first.
  private(set) var frames: [String] = []
  /// The newest line it printed itself: a trap or a failed assertion explains itself there.
  private(set) var lastPrinted = ""

  init(linesPerSecondMax: Int, byteCountPerSecondMax: Int) {
    linesMax = linesPerSecondMax
    bytesMax = byteCountPerSecondMax
  }

  /// - Parameter now: monotonic nanoseconds.
  mutating func take(_ bytes: some Sequence<UInt8>, now: Int64) -> [Line] {
    var lines: [Line] = tick(now: now)
    for byte in bytes {
      if byte == UInt8(ascii: "\n") {
        if !isCuttingLine || !partial.isEmpty { end(&lines) }
        isCuttingLine = false
      } else if partial.count < Self.lineByteCountMax {
        partial.append(byte)
      } else {
        isCuttingLine = true
      }
    }
    return lines
  }

  /// Says how much was cut when a second is over.
  mutating func tick(now: Int64) -> [Line] {
    guard windowStart == .min || now - windowStart >= 1_000_000_000 else { return [] }
    windowStart = now
    linesLeft = linesMax
    bytesLeft = bytesMax
    defer { cutInWindow = 0 }
    return cutInWindow == 0
      ? [] : [Line(level: .warning, text: "printed too much: \(cutInWindow) lines were cut")]
  }

  /// The rest of an unfinished line, when nothing more can come.
  mutating func finish() -> [Line] {
    var lines: [Line] = []
    if !partial.isEmpty { end(&lines) }
    if cutInWindow > 0 {
      lines.append(Line(level: .warning, text: "printed too much: \(cutInWindow) lines were cut"))
    }
    cutInWindow = 0
    return lines
  }

  private mutating func end(_ lines: inout [Line]) {
    defer { partial.removeAll(keepingCapacity: true) }
    if partial.first == 2 {
      if frames.count < Self.frameCountMax { frames.append(Self.clean(partial.dropFirst())) }
      return
    }
    var level = PluginLogLevel.info
    var text = partial[...]
    if text.first == 1 {
      level =
        text.dropFirst().first.flatMap { PluginLogLevel(rawValue: Int32($0) - Int32(UInt8(ascii: "0"))) }
        ?? .info
      text = text.dropFirst(2)
    } else if !text.isEmpty {
      lastPrinted = Self.clean(text)
    }
    guard linesLeft > 0, bytesLeft >= text.count else {
      cutCount += 1
      cutInWindow += 1
      return
    }
    linesLeft -= 1
    bytesLeft -= text.count
    lines.append(Line(level: level, text: Self.clean(text)))
  }

  /// Control bytes would let a plugin forge lines or drive a terminal.
  private static func clean(_ bytes: some Sequence<UInt8>) -> String {
    String(decoding: bytes.map { $0 < 0x20 || $0 == 0x7F ? 0x20 : $0 }, as: UTF8.self)
  }
}
