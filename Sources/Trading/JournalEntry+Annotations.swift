public import Market

/// What a plugin said it saw, as the journal keeps it: bars as 32-bit numbers.
public struct AnnotationRecord: Sendable, Hashable {
  /// Index of the plugin; at most 63.
  public var plugin: UInt16
  public var timeframe: Timeframe
  /// 1 up, -1 down, 0 neither.
  public var direction: Int
  /// At most 48 bytes of ASCII.
  public var name: String
  /// Bars since the plugin was created; -1 = none.
  public var bar: Int64
  public var origin: Int64
  /// NaN = none.
  public var level: Double
  public var top: Double
  public var bottom: Double
  public var value: Double

  public init(
    plugin: UInt16, timeframe: Timeframe, direction: Int, name: String, bar: Int64, origin: Int64,
    level: Double,
    top: Double, bottom: Double, value: Double
  ) {
    self.plugin = plugin
    self.timeframe = timeframe
    self.direction = direction
    self.name = name
    self.bar = bar
    self.origin = origin
    self.level = level
    self.top = top
    self.bottom = bottom
    self.value = value
  }
}

extension JournalEntry {
  /// `detail` packs plugin (6 bits), timeframe (3) and direction + 1 (2); words 0-5 are the name, 6 the bars, 7-10 level,
  /// top, bottom and value.
  ///
  /// - Parameters:
  ///   - name: 48 bytes, the rest of a shorter name 0. Taken as bytes because this is called on the decision thread.
  public static func annotation(
    plugin: UInt16, timeframe: UInt8, direction: Int32, name: InlineArray<48, UInt8>, bar: Int64,
    origin: Int64,
    level: Double, top: Double, bottom: Double, value: Double, instrument: InstrumentID, time: Instant
  ) -> JournalEntry {
    var entry = JournalEntry(
      .annotation,
      detail: (plugin & 0x3F) | UInt16(timeframe & 7) << 6 | UInt16(truncatingIfNeeded: direction + 1) << 9,
      instrument: instrument, time: time)
    withUnsafeBytes(of: name) { bytes in
      entry.words.0 = bytes.loadUnaligned(fromByteOffset: 0, as: Int64.self)
      entry.words.1 = bytes.loadUnaligned(fromByteOffset: 8, as: Int64.self)
      entry.words.2 = bytes.loadUnaligned(fromByteOffset: 16, as: Int64.self)
      entry.words.3 = bytes.loadUnaligned(fromByteOffset: 24, as: Int64.self)
      entry.words.4 = bytes.loadUnaligned(fromByteOffset: 32, as: Int64.self)
      entry.words.5 = bytes.loadUnaligned(fromByteOffset: 40, as: Int64.self)
    }
    entry.words.6 = Int64(Int32(clamping: bar)) << 32 | Int64(UInt32(bitPattern: Int32(clamping: origin)))
    entry.words.7 = Int64(bitPattern: level.bitPattern)
    entry.words.8 = Int64(bitPattern: top.bitPattern)
    entry.words.9 = Int64(bitPattern: bottom.bitPattern)
    entry.words.10 = Int64(bitPattern: value.bitPattern)
    return entry
  }

  /// The content of an `.annotation` entry; nil for other kinds or an unreadable one.
  public var annotationRecord: AnnotationRecord? {
    guard kind == .annotation, let timeframe = Timeframe(rawValue: UInt8(detail >> 6 & 7)) else { return nil }
    let name = [words.0, words.1, words.2, words.3, words.4, words.5].flatMap { word in
      withUnsafeBytes(of: word) { Array($0) }
    }
    func number(_ word: Int64) -> Double { Double(bitPattern: UInt64(bitPattern: word)) }
    return AnnotationRecord(
      plugin: detail & 0x3F, timeframe: timeframe, direction: Int(detail >> 9 & 3) - 1,
      name: String(decoding: name.prefix { $0 != 0 }, as: UTF8.self), bar: words.6 >> 32,
      origin: Int64(Int32(truncatingIfNeeded: words.6)), level: number(words.7), top: number(words.8),
      bottom: number(words.9), value: number(words.10))
  }
}
