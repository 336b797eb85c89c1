import PluginABI

/// State bytes in memory behind the header's sink and source.
final class StateStream {
  private(set) var bytes: [UInt8]
  private var position = 0
  private var piece = 1
  let sink: UnsafeMutablePointer<aegis_sink>
  private let reader: UnsafeMutablePointer<aegis_source>

  /// A state larger than this is a runaway.
  private static let byteCountMax = 256 << 20

  init(_ bytes: [UInt8] = []) {
    self.bytes = bytes
    sink = .allocate(capacity: 1)
    reader = .allocate(capacity: 1)
    let context = Unmanaged.passUnretained(self).toOpaque()  // both tables end with the stream
    sink.initialize(
      to: aegis_sink(
        ctx: context,
        write: { sink, bytes, count in
          guard let context = sink?.pointee.ctx else { return AEGIS_E_INVALID }
          let stream = Unmanaged<StateStream>.fromOpaque(context).takeUnretainedValue()
          guard stream.bytes.count + count <= StateStream.byteCountMax else { return AEGIS_E_OVERFLOW }
          stream.bytes += UnsafeRawBufferPointer(start: bytes, count: count)
          return AEGIS_OK
        }))
    reader.initialize(
      to: aegis_source(
        ctx: context,
        read: { source, bytes, capacity in
          guard let context = source?.pointee.ctx, let bytes else { return -1 }
          let stream = Unmanaged<StateStream>.fromOpaque(context).takeUnretainedValue()
          let count = min(capacity, stream.piece, stream.bytes.count - stream.position)
          stream.bytes.withUnsafeBytes { all in
            if count > 0, let base = all.baseAddress {
              bytes.copyMemory(from: base + stream.position, byteCount: count)
            }
          }
          stream.position += count
          return Int64(count)
        }))
  }

  deinit {
    sink.deallocate()
    reader.deallocate()
  }

  /// A source over all bytes from the start, giving at most `piece` at a time.
  func source(piece: Int) -> UnsafeMutablePointer<aegis_source> {
    self.piece = piece
    position = 0
    return reader
  }
}
