public import CPlatform

/// CRC-32C (Castagnoli), the checksum of everything that reaches a disk.   [any thread]
public enum Checksum {
  /// - Parameter seed: the checksum of the bytes before these; 0 to begin.
  /// - Complexity: O(n), about 0.4 ns per byte with the processor's instruction; no allocation.
  @inlinable public static func crc32c(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = 0) -> UInt32 {
    aegis_crc32c(seed, bytes.baseAddress, bytes.count)
  }
}
