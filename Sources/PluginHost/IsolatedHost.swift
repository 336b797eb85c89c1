import Glibc
import PluginABI

/// The host as an isolated plugin sees it: candles, annotations and log lines, all served inside its own process.
///
/// Used by the thread that runs the plugin, but for `log`, which any thread may call.
final class IsolatedHost: @unchecked Sendable {
  let host: UnsafeMutablePointer<aegis_host>
  private let candleTable: UnsafeMutablePointer<aegis_host_candles>
  private let annotateTable: UnsafeMutablePointer<aegis_host_annotate>
  private let name: UnsafeMutablePointer<CChar>
  private let version: UnsafeMutablePointer<CChar>

  /// Set before the plugin is created.
  var instrumentCount: UInt32 = 0
  var candles = CandleColumns(instrumentCount: 0, candlesMax: 1)
  var output: IsolatedOutput?
  /// The sequences of the batch in `process`; nil between batches: nothing is annotated then.
  var batch: ClosedRange<UInt64>?
  private var annotationsLeft = 0

  /// More in one batch are refused: what a plugin sees must not push out what it signals.
  static let annotationsPerBatchMax = 256
  private static let logByteCountMax = 1024

  init(name: String, version: String) {
    self.name = copyCString(name)
    self.version = copyCString(version)
    host = .allocate(capacity: 1)
    candleTable = .allocate(capacity: 1)
    annotateTable = .allocate(capacity: 1)
    candleTable.initialize(
      to: aegis_host_candles(
        size: UInt32(MemoryLayout<aegis_host_candles>.size), reserved: 0,
        window: { host, instrument, timeframe, countMax, out in
          guard let out else { return AEGIS_E_INVALID }
          let size = out.pointee.size
          out.pointee = aegis_candles()
          out.pointee.size = size
          guard size >= MemoryLayout<aegis_candles>.size, let services = IsolatedHost.of(host) else {
            return AEGIS_E_INVALID
          }
          return services.candles.window(
            instrument: instrument, timeframe: timeframe, countMax: countMax, into: out)
        }))
    annotateTable.initialize(
      to: aegis_host_annotate(
        size: UInt32(MemoryLayout<aegis_host_annotate>.size), reserved: 0,
        annotate: { host, annotation in
          guard let annotation, let services = IsolatedHost.of(host) else { return AEGIS_E_INVALID }
          return services.annotate(annotation)
        }))
    host.initialize(to: aegis_host())
    host.pointee.size = UInt32(MemoryLayout<aegis_host>.size)
    host.pointee.abi_minor = UInt32(AEGIS_ABI_MINOR)
    host.pointee.ctx = Unmanaged.passUnretained(self).toOpaque()  // freed with the table
    host.pointee.name = UnsafePointer(self.name)
    host.pointee.version = UnsafePointer(self.version)
    host.pointee.get_extension = { host, id in
      guard let id, let services = IsolatedHost.of(host) else { return nil }
      switch String(cString: id) {
      case AEGIS_HOST_CANDLES: return UnsafeRawPointer(services.candleTable)
      case AEGIS_HOST_ANNOTATE: return UnsafeRawPointer(services.annotateTable)
      default: return nil
      }
    }
    host.pointee.log = { _, level, text, byteCount in
      guard let text else { return }
      IsolatedHost.log(
        PluginLogLevel(rawValue: min(max(level, 0), 3)) ?? .error,
        UnsafeRawBufferPointer(start: text, count: min(byteCount, IsolatedHost.logByteCountMax)))
    }
  }

  deinit {
    host.deallocate()
    candleTable.deallocate()
    annotateTable.deallocate()
    name.deallocate()
    version.deallocate()
  }

  func beginBatch(_ sequences: ClosedRange<UInt64>) {
    batch = sequences
    annotationsLeft = Self.annotationsPerBatchMax
  }

  /// One line for the engine: the byte 1, the level, the text. In one write, so that lines of threads do not mix.
  static func log(_ level: PluginLogLevel, _ text: UnsafeRawBufferPointer) {
    var line: [UInt8] = [1, UInt8(ascii: "0") + UInt8(level.rawValue)]
    line += text.lazy.map { $0 == UInt8(ascii: "\n") || $0 == 0 ? 0x20 : $0 }
    line.append(UInt8(ascii: "\n"))
    _ = Glibc.write(1, line, line.count)  // nobody to tell when it fails
  }

  private func annotate(_ pointer: UnsafePointer<aegis_annotation>) -> aegis_status {
    guard pointer.pointee.size >= MemoryLayout<aegis_annotation>.size, let batch,
      batch.contains(pointer.pointee.cause_seq), pointer.pointee.instrument < instrumentCount,
      pointer.pointee.timeframe <= AEGIS_TIMEFRAME_1D, (-1...1).contains(pointer.pointee.direction),
      pointer.pointee.bar >= 0, pointer.pointee.origin >= -1,
      pointer.pointee.origin <= pointer.pointee.bar, let name = pointer.pointee.name
    else { return AEGIS_E_INVALID }
    let byteCount = strnlen(name, OutputSlot.nameByteCountMax + 1)
    let bytes = UnsafeRawBufferPointer(start: name, count: byteCount)
    guard (1...OutputSlot.nameByteCountMax).contains(byteCount),
      bytes.allSatisfy(PluginTables.isIdentifierByte)
    else { return AEGIS_E_INVALID }
    guard annotationsLeft > 0, output?.add(pointer.pointee, name: bytes) == true else {
      return AEGIS_E_OVERFLOW
    }
    annotationsLeft -= 1
    return AEGIS_OK
  }

  private static func of(_ host: UnsafePointer<aegis_host>?) -> IsolatedHost? {
    host?.pointee.ctx.map { Unmanaged<IsolatedHost>.fromOpaque($0).takeUnretainedValue() }
  }
}
