import PluginABI

/// Something a plugin saw, as it told the host through `aegis.host.annotate/1`. It decides nothing.
public struct PluginAnnotation: Sendable, BitwiseCopyable {
  /// A name is at most 47 bytes; the rest of its room is 0.
  public static let nameByteCountMax = 47

  /// Index into the instruments the plugin was created with.
  public var instrument: UInt32
  /// `AEGIS_TIMEFRAME_*`: whose bars `bar` and `origin` count.
  public var timeframe: UInt32
  /// 1 up, -1 down, 0 neither.
  public var direction: Int32
  /// Sequence of the event that showed it.
  public var causeSequence: UInt64
  /// Where it was seen and where it began, in bars since create or reset; -1 = none.
  public var bar: Int64
  public var origin: Int64
  /// Prices and a number of the plugin's own; NaN = none.
  public var level: Double
  public var top: Double
  public var bottom: Double
  public var value: Double
  /// Of the host; set with the annotation.
  public var plugin: UInt16 = 0
  /// The name, then zeros.
  public var nameBytes: InlineArray<48, UInt8>

  public var name: String {
    var bytes: [UInt8] = []
    for index in 0..<Self.nameByteCountMax where nameBytes[index] != 0 { bytes.append(nameBytes[index]) }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// A copy of the header's record; nil when it breaks a rule of the header.
  ///
  /// - Parameter isCause: whether a sequence belongs to the batch being processed.
  @inline(__always)
  init?(
    _ raw: UnsafePointer<aegis_annotation>, instrumentCount: UInt32, isCause: (UInt64) -> Bool
  ) {
    let record = raw.pointee
    guard record.size >= MemoryLayout<aegis_annotation>.size, record.instrument < instrumentCount,
      record.timeframe <= AEGIS_TIMEFRAME_1D, (-1...1).contains(record.direction), record.bar >= -1,
      record.origin >= -1, record.origin <= record.bar || record.bar == -1,
      !record.level.isInfinite, !record.top.isInfinite, !record.bottom.isInfinite, !record.value.isInfinite,
      let text = record.name, isCause(record.cause_seq)
    else { return nil }
    nameBytes = InlineArray(repeating: 0)
    var count = 0
    while text[count] != 0 {
      let byte = UInt8(bitPattern: text[count])
      guard count < Self.nameByteCountMax, Self.isNameByte(byte) else { return nil }
      nameBytes[count] = byte
      count += 1
    }
    guard count > 0 else { return nil }
    instrument = record.instrument
    timeframe = record.timeframe
    direction = record.direction
    causeSequence = record.cause_seq
    bar = record.bar
    origin = record.origin
    level = record.level
    top = record.top
    bottom = record.bottom
    value = record.value
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x61...0x7A, 0x30...0x39, 0x5F, 0x2D, 0x2E: true  // a–z 0–9 _ - .
    default: false
    }
  }

  /// Equality by bits, so that NaN equals NaN.
  func isSame(as other: PluginAnnotation) -> Bool {
    withUnsafeBytes(of: nameBytes) { a in withUnsafeBytes(of: other.nameBytes) { b in a.elementsEqual(b) } }
      && instrument == other.instrument && timeframe == other.timeframe && direction == other.direction
      && causeSequence == other.causeSequence && bar == other.bar && origin == other.origin
      && level.bitPattern == other.level.bitPattern && top.bitPattern == other.top.bitPattern
      && bottom.bitPattern == other.bottom.bitPattern && value.bitPattern == other.value.bitPattern
  }
}
