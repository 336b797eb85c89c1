import NIOCore

/// Writes the few frames a client sends: masked, unfragmented.
enum FrameWriter {
  static func text(_ text: String, maskingKey: UInt32, allocator: ByteBufferAllocator) -> ByteBuffer {
    frame(opcode: 0x1, Array(text.utf8), maskingKey: maskingKey, allocator: allocator)
  }

  /// - Precondition: at most 125 bytes of payload.
  static func control(
    _ control: FrameControl, _ payload: [UInt8], maskingKey: UInt32, allocator: ByteBufferAllocator
  ) -> ByteBuffer {
    precondition(payload.count <= 125, "a control frame is short")
    return frame(opcode: control.rawValue, payload, maskingKey: maskingKey, allocator: allocator)
  }

  private static func frame(
    opcode: UInt8, _ payload: [UInt8], maskingKey: UInt32, allocator: ByteBufferAllocator
  ) -> ByteBuffer {
    var buffer = allocator.buffer(capacity: payload.count + 14)
    buffer.writeInteger(0x80 | opcode)
    switch payload.count {
    case ..<126: buffer.writeInteger(0x80 | UInt8(payload.count))
    case ..<65_536:
      buffer.writeInteger(UInt8(0x80 | 126))
      buffer.writeInteger(UInt16(payload.count))
    default:
      buffer.writeInteger(UInt8(0x80 | 127))
      buffer.writeInteger(UInt64(payload.count))
    }
    buffer.writeInteger(maskingKey)
    for (index, byte) in payload.enumerated() {
      buffer.writeInteger(byte ^ UInt8(truncatingIfNeeded: maskingKey >> (24 - 8 * UInt32(index & 3))))
    }
    return buffer
  }
}
