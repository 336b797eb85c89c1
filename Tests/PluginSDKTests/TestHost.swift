import PluginABI

/// A host as a plugin sees it, with or without candle windows and annotations.
final class TestHost {
  let raw = UnsafeMutablePointer<aegis_host>.allocate(capacity: 1)
  private let candles = UnsafeMutablePointer<aegis_host_candles>.allocate(capacity: 1)
  private let annotate = UnsafeMutablePointer<aegis_host_annotate>.allocate(capacity: 1)
  private let closes = UnsafeMutablePointer<Double>.allocate(capacity: 2)
  private let hasServices: Bool
  private(set) var lines: [String] = []
  private(set) var annotations: [String] = []

  init(hasServices: Bool) {
    self.hasServices = hasServices
    closes.initialize(to: 0.25)
    (closes + 1).initialize(to: 0.75)
    candles.initialize(
      to: aegis_host_candles(
        size: UInt32(MemoryLayout<aegis_host_candles>.size), reserved: 0,
        window: { host, _, _, countMax, window in
          guard let host = TestHost.of(host), let window else { return AEGIS_E_INVALID }
          window.pointee.count = min(countMax, 2)
          window.pointee.close = UnsafePointer(host.closes)
          return AEGIS_OK
        }))
    annotate.initialize(
      to: aegis_host_annotate(
        size: UInt32(MemoryLayout<aegis_host_annotate>.size), reserved: 0,
        annotate: { host, annotation in
          guard let host = TestHost.of(host), let annotation = annotation?.pointee else {
            return AEGIS_E_INVALID
          }
          host.annotations.append(
            "\(String(cString: annotation.name)) at bar \(annotation.bar) of \(annotation.timeframe), "
              + "level \(annotation.level), cause \(annotation.cause_seq)")
          return AEGIS_OK
        }))
    raw.initialize(to: aegis_host())
    raw.pointee.size = UInt32(MemoryLayout<aegis_host>.size)
    raw.pointee.ctx = Unmanaged.passUnretained(self).toOpaque()
    raw.pointee.get_extension = { host, id in
      guard let host = TestHost.of(host), host.hasServices, let id else { return nil }
      switch String(cString: id) {
      case AEGIS_HOST_CANDLES: return UnsafeRawPointer(host.candles)
      case AEGIS_HOST_ANNOTATE: return UnsafeRawPointer(host.annotate)
      default: return nil
      }
    }
    raw.pointee.log = { host, level, text, count in
      guard let host = TestHost.of(host), let text else { return }
      let bytes = UnsafeRawBufferPointer(start: text, count: count)
      host.lines.append("\(level) \(String(decoding: bytes, as: UTF8.self))")
    }
  }

  deinit {
    raw.deallocate()
    candles.deallocate()
    annotate.deallocate()
    closes.deallocate()
  }

  private static func of(_ host: UnsafePointer<aegis_host>?) -> TestHost? {
    host?.pointee.ctx.map { Unmanaged<TestHost>.fromOpaque($0).takeUnretainedValue() }
  }
}

/// Bytes in memory behind the header's sink and source.
final class ByteStream {
  private(set) var bytes: [UInt8]
  private let piece: Int
  private var position = 0
  let sink = UnsafeMutablePointer<aegis_sink>.allocate(capacity: 1)
  let source = UnsafeMutablePointer<aegis_source>.allocate(capacity: 1)

  init(_ bytes: [UInt8] = [], piece: Int = 1) {
    self.bytes = bytes
    self.piece = piece
    let context = Unmanaged.passUnretained(self).toOpaque()
    sink.initialize(
      to: aegis_sink(
        ctx: context,
        write: { sink, bytes, count in
          guard let context = sink?.pointee.ctx else { return AEGIS_E_INVALID }
          Unmanaged<ByteStream>.fromOpaque(context).takeUnretainedValue().bytes += UnsafeRawBufferPointer(
            start: bytes, count: count)
          return AEGIS_OK
        }))
    source.initialize(
      to: aegis_source(
        ctx: context,
        read: { source, bytes, capacity in
          guard let context = source?.pointee.ctx, let bytes else { return -1 }
          let stream = Unmanaged<ByteStream>.fromOpaque(context).takeUnretainedValue()
          let count = min(capacity, stream.piece, stream.bytes.count - stream.position)
          stream.bytes.withUnsafeBytes { all in
            if count > 0 { bytes.copyMemory(from: all.baseAddress! + stream.position, byteCount: count) }
          }
          stream.position += count
          return Int64(count)
        }))
  }

  deinit {
    sink.deallocate()
    source.deallocate()
  }
}
