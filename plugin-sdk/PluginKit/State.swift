import PluginABI

/// Collects what `Strategy.save` writes, field after field.
public struct StateWriter: ~Copyable {
  var bytes: [UInt8] = []

  /// Appends the value's bytes as they lie in memory. Use fixed-width types, so that another build reads the same.
  public mutating func write<Value: BitwiseCopyable>(_ value: Value) {
    withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
  }
}

/// Gives back the fields in the order they were written.
public struct StateReader: ~Copyable {
  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  public var remainingByteCount: Int { bytes.count - position }

  /// - Throws: `PluginFailure` with `AEGIS_E_STATE_CORRUPT` when the state ends early.
  public mutating func read<Value: BitwiseCopyable>(_ type: Value.Type) throws(PluginFailure) -> Value {
    let size = MemoryLayout<Value>.size
    guard remainingByteCount >= size else {
      throw PluginFailure("the saved state ends at byte \(bytes.count)", code: AEGIS_E_STATE_CORRUPT)
    }
    defer { position += size }
    return bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: position, as: type) }
  }

  /// - Throws: `PluginFailure` when bytes are left over.
  public func end() throws(PluginFailure) {
    guard remainingByteCount == 0 else {
      throw PluginFailure(
        "the saved state has \(remainingByteCount) extra bytes", code: AEGIS_E_STATE_CORRUPT)
    }
  }
}
