import PluginABI

/// The state of an instance as bytes.
public struct PluginState: Sendable, Hashable {
  public var bytes: [UInt8]
  /// The descriptor's `state_version` that wrote it.
  public var version: UInt32
  /// The newest event it knows; 0 = none.
  public var sequence: UInt64

  public init(bytes: [UInt8], version: UInt32, sequence: UInt64) {
    self.bytes = bytes
    self.version = version
    self.sequence = sequence
  }
}

/// `aegis.state/1` called with memory as sink and source.   [strategy]
enum IsolatedState {
  struct Failure: Error { var reason: String }

  private final class Sink {
    var bytes: [UInt8] = []
    let byteCountMax: Int
    init(byteCountMax: Int) { self.byteCountMax = byteCountMax }
  }

  private final class Source {
    let bytes: [UInt8]
    var position: Int
    init(bytes: [UInt8], position: Int) {
      self.bytes = bytes
      self.position = position
    }
  }

  static func save(
    _ instance: UnsafeMutablePointer<aegis_instance>, _ table: aegis_ext_state?, byteCountMax: Int
  ) -> Result<[UInt8], Failure> {
    guard let save = table?.save else {
      return .failure(Failure(reason: "it keeps no state (aegis.state/1)"))
    }
    let target = Sink(byteCountMax: byteCountMax)
    var sink = aegis_sink(
      ctx: Unmanaged.passUnretained(target).toOpaque(),
      write: { sink, bytes, count in
        guard let context = sink?.pointee.ctx else { return AEGIS_E_INVALID }
        let target = Unmanaged<Sink>.fromOpaque(context).takeUnretainedValue()
        guard count <= target.byteCountMax - target.bytes.count else { return AEGIS_E_OVERFLOW }
        target.bytes.append(contentsOf: UnsafeRawBufferPointer(start: bytes, count: count))
        return AEGIS_OK
      })
    let status = withExtendedLifetime(target) { save(instance, &sink) }
    guard status == AEGIS_OK else { return .failure(Failure(reason: "saving failed (\(status))")) }
    return .success(target.bytes)
  }

  /// - Parameter message: the version as a number, then the bytes.
  /// - Returns: why it failed; nil when it did not.
  static func load(
    _ instance: UnsafeMutablePointer<aegis_instance>, _ table: aegis_ext_state?, _ message: [UInt8]
  ) -> String? {
    guard let load = table?.load else { return "it keeps no state (aegis.state/1)" }
    var reader = MessageReader(message)
    guard let version = try? reader.count(max: Int(UInt32.max)) else { return "the message has no version" }
    let origin = Source(bytes: message, position: 8)
    var source = aegis_source(
      ctx: Unmanaged.passUnretained(origin).toOpaque(),
      read: { source, bytes, capacity in
        guard let context = source?.pointee.ctx, let bytes else { return Int64(AEGIS_E_INVALID) }
        let origin = Unmanaged<Source>.fromOpaque(context).takeUnretainedValue()
        let count = min(capacity, origin.bytes.count - origin.position)
        origin.bytes.withUnsafeBytes {
          bytes.copyMemory(from: UnsafeRawPointer($0.baseAddress!) + origin.position, byteCount: count)
        }
        origin.position += count
        return Int64(count)
      })
    var error = aegis_error()
    let status = withExtendedLifetime(origin) { load(instance, &source, UInt32(version), &error) }
    return status == AEGIS_OK ? nil : "loading failed (\(status)): \(errorMessage(error))"
  }
}
