import PluginABI

/// The bytes of an instance's state on their way from one instance to another.
///
/// Memory is kept from use to use, so that a hand-over in the middle of trading allocates at most once.
final class PluginStateBuffer {
  private(set) var byteCount = 0
  private var bytes: UnsafeMutableRawPointer
  private var capacity: Int
  private var readCount = 0
  private let sink: UnsafeMutablePointer<aegis_sink>
  private let source: UnsafeMutablePointer<aegis_source>

  /// A state beyond this is a mistake: everything a strategy may look back on fits many times.
  static let byteCountMax = 256 << 20

  init(capacity: Int = 64 << 10) {
    self.capacity = capacity
    bytes = .allocate(byteCount: capacity, alignment: 16)
    sink = .allocate(capacity: 1)
    source = .allocate(capacity: 1)
    let context = Unmanaged.passUnretained(self).toOpaque()  // both tables end with the buffer
    sink.initialize(
      to: aegis_sink(
        ctx: context,
        write: { sink, bytes, count in
          guard let context = sink?.pointee.ctx else { return AEGIS_E_INVALID }
          return Unmanaged<PluginStateBuffer>.fromOpaque(context)._withUnsafeGuaranteedRef {
            $0.append(bytes, count)
          }
        }))
    source.initialize(
      to: aegis_source(
        ctx: context,
        read: { source, bytes, capacity in
          guard let context = source?.pointee.ctx, let bytes else { return Int64(AEGIS_E_INVALID) }
          return Unmanaged<PluginStateBuffer>.fromOpaque(context)._withUnsafeGuaranteedRef {
            $0.give(bytes, capacity)
          }
        }))
  }

  deinit {
    bytes.deallocate()
    sink.deallocate()
    source.deallocate()
  }

  private func append(_ more: UnsafeRawPointer?, _ count: Int) -> aegis_status {
    guard count > 0 else { return AEGIS_OK }
    guard let more, count <= Self.byteCountMax - byteCount else { return AEGIS_E_NO_MEMORY }
    if byteCount + count > capacity {
      capacity = max(capacity * 2, byteCount + count)
      let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
      larger.copyMemory(from: bytes, byteCount: byteCount)
      bytes.deallocate()
      bytes = larger
    }
    (bytes + byteCount).copyMemory(from: more, byteCount: count)
    byteCount += count
    return AEGIS_OK
  }

  private func give(_ target: UnsafeMutableRawPointer, _ room: Int) -> Int64 {
    let count = min(room, byteCount - readCount)
    if count > 0 { target.copyMemory(from: bytes + readCount, byteCount: count) }
    readCount += count
    return Int64(count)
  }

  /// Fills the buffer from a running instance.   [strategy]
  func save(_ instance: UnsafeMutablePointer<aegis_instance>, with table: aegis_ext_state) -> aegis_status {
    byteCount = 0
    return table.save(instance, sink)
  }

  /// Hands the content to an instance.   [strategy]
  func load(
    into instance: UnsafeMutablePointer<aegis_instance>, with table: aegis_ext_state, version: UInt32,
    _ error: inout aegis_error
  ) -> aegis_status {
    readCount = 0
    return table.load(instance, source, version, &error)
  }

  /// Replaces the content.
  func fill(_ content: UnsafeRawBufferPointer) -> Bool {
    byteCount = 0
    return append(content.baseAddress, content.count) == AEGIS_OK
  }

  func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    body(UnsafeRawBufferPointer(start: bytes, count: byteCount))
  }
}
