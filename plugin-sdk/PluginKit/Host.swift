public import PluginABI

/// What the engine offers an instance. Valid until the instance ends; copy it in `Strategy.init`.
///
/// Every member works with a host that lacks the service: an older one, or the bare one of a unit test.
public struct Host {
  /// `AEGIS_LOG_*`.
  public enum LogLevel: Int32, Sendable { case debug = 0, info, warning, error }

  /// The header's table; nil in a bare test.
  public let raw: UnsafePointer<aegis_host>?
  private let candleTable: UnsafePointer<aegis_host_candles>?
  private let annotationTable: UnsafePointer<aegis_host_annotate>?

  /// - Parameter raw: what `create` was given.
  public init(_ raw: UnsafePointer<aegis_host>?) {
    self.raw = raw
    candleTable = Self.table(raw, AEGIS_HOST_CANDLES)
    annotationTable = Self.table(raw, AEGIS_HOST_ANNOTATE)
  }

  /// Whether `candles` can answer. A strategy that lives on windows refuses to start without.
  public var hasCandles: Bool { candleTable != nil }
  public var hasAnnotations: Bool { annotationTable != nil }

  /// Writes one line to the engine's log. Not from `process`: it may allocate.   [any]
  public func log(_ level: LogLevel, _ text: String) {
    guard let raw, Self.covers(raw, MemoryLayout<aegis_host>.offset(of: \aegis_host.log)),
      let log = raw.pointee.log
    else { return }
    var text = text
    text.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) { log(raw, level.rawValue, $0.baseAddress, $0.count) }
    }
  }

  /// The newest candles that were closed at the event being processed, at most `countMax`; fewer when history is
  /// short, none when there is no such service. Valid until `process` returns.   [strategy]
  public func candles(_ instrument: UInt32, _ timeframe: Timeframe, countMax: Int) -> CandleWindow {
    var window = aegis_candles()
    window.size = UInt32(MemoryLayout<aegis_candles>.size)
    if let raw, let table = candleTable?.pointee, let function = table.window {
      let status = function(raw, instrument, timeframe.rawValue, UInt32(clamping: countMax), &window)
      if status != AEGIS_OK { window.count = 0 }
    }
    return CandleWindow(window)
  }

  /// Shows people what the plugin saw; it decides nothing.   [strategy]
  ///
  /// - Parameter name: what it is: `a`–`z`, `0`–`9`, `_`, `-` and `.`, at most 47 bytes.
  /// - Returns: `AEGIS_OK`; `AEGIS_E_UNSUPPORTED` from a host that shows nothing; the host's refusal. None is fatal.
  @discardableResult
  public func annotate(_ name: StaticString, _ annotation: Annotation) -> aegis_status {
    guard let raw, let annotate = annotationTable?.pointee.annotate else { return AEGIS_E_UNSUPPORTED }
    var copy = annotation.raw
    copy.name = chars(name)
    return annotate(raw, &copy)
  }

  private static func table<Table>(
    _ host: UnsafePointer<aegis_host>?, _ id: String
  ) -> UnsafePointer<Table>? {
    guard let host, covers(host, MemoryLayout<aegis_host>.offset(of: \aegis_host.get_extension)),
      let table = host.pointee.get_extension?(host, id)
    else { return nil }
    // Tables grow at their end; one that is shorter than ours comes from no released host.
    guard table.load(as: UInt32.self) >= UInt32(MemoryLayout<Table>.size) else { return nil }
    return table.assumingMemoryBound(to: Table.self)
  }

  /// Whether the host's table is long enough to hold a pointer at `offset`.
  private static func covers(_ host: UnsafePointer<aegis_host>, _ offset: Int?) -> Bool {
    guard let offset else { return false }
    return Int(host.pointee.size) >= offset + MemoryLayout<UnsafeRawPointer>.size
  }
}

/// Closed candles as columns, oldest first: element `count - 1` is the newest. Ends with the call of `process`.
public struct CandleWindow {
  private let raw: aegis_candles

  init(_ raw: aegis_candles) { self.raw = raw }

  public var count: Int { Int(raw.count) }
  public var open: UnsafeBufferPointer<Double> { column(raw.open) }
  public var high: UnsafeBufferPointer<Double> { column(raw.high) }
  public var low: UnsafeBufferPointer<Double> { column(raw.low) }
  public var close: UnsafeBufferPointer<Double> { column(raw.close) }
  public var volume: UnsafeBufferPointer<Double> { column(raw.volume) }
  public var openTimeNanoseconds: UnsafeBufferPointer<Int64> { column(raw.open_time_ns) }
  /// `AEGIS_EVENT_COMPLETE`, `_SYNTHETIC`, `_BACKFILLED`.
  public var flags: UnsafeBufferPointer<UInt16> { column(raw.flags) }

  private func column<Element>(_ start: UnsafePointer<Element>?) -> UnsafeBufferPointer<Element> {
    UnsafeBufferPointer(start: start, count: start == nil ? 0 : count)
  }
}

/// Something a plugin saw at a bar.
public struct Annotation {
  fileprivate(set) var raw = aegis_annotation()

  /// - Parameters:
  ///   - event: what showed it; of the batch being processed.
  ///   - direction: 1 up, -1 down, 0 neither.
  ///   - bar: the bar it was seen at, counted from 0 since the instance began, warm-up included; -1 = none.
  ///   - origin: the bar it began at, not after `bar`; -1 = none.
  ///   - level, top, bottom: prices; NaN = none.
  ///   - value: a number of the plugin's own; NaN = none.
  public init(
    at event: aegis_event, timeframe: Timeframe, direction: Int32 = 0, bar: Int64 = -1, origin: Int64 = -1,
    level: Double = .nan, top: Double = .nan, bottom: Double = .nan, value: Double = .nan
  ) {
    raw.size = UInt32(MemoryLayout<aegis_annotation>.size)
    raw.instrument = event.instrument
    raw.timeframe = timeframe.rawValue
    raw.direction = direction
    raw.cause_seq = event.seq
    raw.bar = bar
    raw.origin = origin
    raw.level = level
    raw.top = top
    raw.bottom = bottom
    raw.value = value
  }
}
