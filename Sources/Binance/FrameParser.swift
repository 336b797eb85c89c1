import Glibc

/// What a frame parser hands out. Called in the order of the wire.   [the parser's thread]
protocol FrameReceiver: ~Copyable {
  /// One whole message. Valid during the call only; at least `FrameParser.paddingByteCount` bytes behind it are
  /// readable (their content is anything), so that a decoder may load whole words.
  mutating func message(_ bytes: UnsafeRawBufferPointer, isText: Bool)
  /// One control frame; payload at most 125 bytes, valid during the call only.
  mutating func control(_ control: FrameControl, payload: UnsafeRawBufferPointer)
}

enum FrameControl: UInt8, Equatable {
  case close = 0x8
  case ping = 0x9
  case pong = 0xA
}

/// The other side broke RFC 6455. Nothing after it can be trusted: close the connection.
enum FrameError: Error, Equatable {
  /// A server must not mask.
  case masked
  /// Reserved bits without an extension that would use them.
  case reservedBits
  case reservedOpcode(UInt8)
  /// A frame, or a message put together from fragments, is over the limit.
  case tooLong(byteCount: UInt64)
  /// A control frame of more than 125 bytes, or in fragments.
  case badControl
  /// A continuation without a beginning, or a beginning inside a message.
  case badFragment
}

/// Takes WebSocket frames (the client's side, RFC 6455) apart in the buffer they were received in.
///
/// A frame is copied only when it straddles two reads, is a fragment, or ends too close to the end of the
/// memory to be followed by padding. Nothing is allocated per frame: the two spare buffers are reserved once, and
/// their pages are touched only when needed.   [one thread]
struct FrameParser: ~Copyable {
  /// Readable bytes behind every message.
  static let paddingByteCount = 64
  /// A frame header is 2, 4 or 10 bytes long (a server sends no mask).
  private static let headerByteCountMax = 10
  private static let controlByteCountMax = 125

  private let messageByteCountMax: Int
  /// The beginning of a frame whose rest has not been read yet.
  private let carry: UnsafeMutableRawPointer
  private var carryCount = 0
  /// The fragments of a message so far.
  private let assembly: UnsafeMutableRawPointer
  private var assemblyCount = 0
  private var assemblyIsText = false
  private var isAssembling = false
  /// After a close frame the rest is noise.
  private(set) var isClosed = false

  /// - Parameter messageByteCountMax: longer frames and messages are an error; the exchange sends some kilobytes.
  init(messageByteCountMax: Int = 1 << 20) {
    precondition(messageByteCountMax >= Self.controlByteCountMax, "control frames must fit")
    self.messageByteCountMax = messageByteCountMax
    let capacity = messageByteCountMax + Self.headerByteCountMax + Self.paddingByteCount
    carry = .allocate(byteCount: capacity, alignment: 64)
    assembly = .allocate(byteCount: capacity, alignment: 64)
  }

  deinit {
    carry.deallocate()
    assembly.deallocate()
  }

  /// Takes in what one read brought.
  ///
  /// - Parameters:
  ///   - bytes: as received, any cut.
  ///   - readablePast: how many bytes behind `bytes` may be read.
  mutating func receive<Receiver: FrameReceiver & ~Copyable>(
    _ bytes: UnsafeRawBufferPointer, readablePast: Int, into receiver: inout Receiver
  ) throws(FrameError) {
    guard let base = bytes.baseAddress, !isClosed else { return }
    var offset = 0
    if carryCount > 0 {
      offset = try completeCarry(base, bytes.count, into: &receiver)
    }
    while !isClosed {
      let available = bytes.count - offset
      guard available >= 2 else { break }
      let start = base + offset
      let (headerCount, payloadCount) = try measure(start, available: available)
      guard headerCount > 0, available - headerCount >= payloadCount else { break }
      let payload = start + headerCount
      offset += headerCount + payloadCount
      let head = start.load(as: UInt8.self)
      if head == 0x81, !isAssembling {
        if bytes.count - offset + readablePast >= Self.paddingByteCount {
          receiver.message(UnsafeRawBufferPointer(start: payload, count: payloadCount), isText: true)
        } else {
          memcpy(carry, payload, payloadCount)
          receiver.message(UnsafeRawBufferPointer(start: carry, count: payloadCount), isText: true)
        }
      } else {
        try deliver(head, payload, payloadCount, isPadded: false, into: &receiver)
      }
    }
    let rest = bytes.count - offset
    if rest > 0, !isClosed {
      memcpy(carry, base + offset, rest)
      carryCount = rest
    }
  }

  /// Fills up the frame begun in an earlier read, and delivers it when it is whole.
  /// - Returns: how many of the new bytes were used.
  private mutating func completeCarry<Receiver: FrameReceiver & ~Copyable>(
    _ base: UnsafeRawPointer, _ count: Int, into receiver: inout Receiver
  ) throws(FrameError) -> Int {
    var used = 0
    while true {
      var wanted = 2
      if carryCount >= 2 {
        let (headerCount, payloadCount) = try measure(carry, available: carryCount)
        if headerCount == 0 {
          wanted = Self.extendedHeaderCount(carry)
        } else {
          wanted = headerCount + payloadCount
          if carryCount == wanted {
            carryCount = 0
            let head = carry.load(as: UInt8.self)
            try deliver(head, carry + headerCount, payloadCount, isPadded: true, into: &receiver)
            return used
          }
        }
      }
      let taken = min(wanted - carryCount, count - used)
      guard taken > 0 else { return used }
      memcpy(carry + carryCount, base + used, taken)
      carryCount += taken
      used += taken
    }
  }

  /// 4 or 10, from the second byte.
  private static func extendedHeaderCount(_ start: UnsafeRawPointer) -> Int {
    start.load(fromByteOffset: 1, as: UInt8.self) & 0x7F == 126 ? 4 : 10
  }

  /// Reads a frame header and checks what it promises.
  /// - Returns: header count 0 when more bytes are needed to know.
  /// - Precondition: at least 2 bytes are available.
  @inline(__always)
  private func measure(_ start: UnsafeRawPointer, available: Int) throws(FrameError) -> (Int, Int) {
    let second = start.load(fromByteOffset: 1, as: UInt8.self)
    guard second < 126 else { return try measureLong(start, available: available) }
    return (2, Int(second))
  }

  private func measureLong(_ start: UnsafeRawPointer, available: Int) throws(FrameError) -> (Int, Int) {
    let second = start.load(fromByteOffset: 1, as: UInt8.self)
    guard second & 0x80 == 0 else { throw .masked }
    guard start.load(as: UInt8.self) & 0x8 == 0 else { throw .badControl }
    let payloadCount: UInt64
    let headerCount: Int
    if second == 126 {
      guard available >= 4 else { return (0, 0) }
      payloadCount = UInt64(UInt16(bigEndian: start.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
      headerCount = 4
    } else {
      guard available >= 10 else { return (0, 0) }
      payloadCount = UInt64(bigEndian: start.loadUnaligned(fromByteOffset: 2, as: UInt64.self))
      headerCount = 10
    }
    guard payloadCount <= UInt64(messageByteCountMax) else { throw .tooLong(byteCount: payloadCount) }
    return (headerCount, Int(payloadCount))
  }

  /// Everything but a whole text message read in place.
  private mutating func deliver<Receiver: FrameReceiver & ~Copyable>(
    _ head: UInt8, _ payload: UnsafeRawPointer, _ count: Int, isPadded: Bool, into receiver: inout Receiver
  ) throws(FrameError) {
    guard head & 0x70 == 0 else { throw .reservedBits }
    let isLast = head & 0x80 != 0
    let opcode = head & 0x0F
    switch opcode {
    case 0x0:
      guard isAssembling else { throw .badFragment }
      try append(payload, count)
      guard isLast else { return }
      isAssembling = false
      receiver.message(
        UnsafeRawBufferPointer(start: assembly, count: assemblyCount), isText: assemblyIsText)
    case 0x1, 0x2:
      guard !isAssembling else { throw .badFragment }
      guard isLast else {
        isAssembling = true
        assemblyIsText = opcode == 0x1
        assemblyCount = 0
        try append(payload, count)
        return
      }
      if isPadded {
        receiver.message(UnsafeRawBufferPointer(start: payload, count: count), isText: opcode == 0x1)
      } else {
        memcpy(carry, payload, count)
        receiver.message(UnsafeRawBufferPointer(start: carry, count: count), isText: opcode == 0x1)
      }
    default:
      guard let control = FrameControl(rawValue: opcode) else { throw .reservedOpcode(opcode) }
      guard isLast, count <= Self.controlByteCountMax else { throw .badControl }
      if control == .close { isClosed = true }
      receiver.control(control, payload: UnsafeRawBufferPointer(start: payload, count: count))
    }
  }

  private mutating func append(_ payload: UnsafeRawPointer, _ count: Int) throws(FrameError) {
    guard assemblyCount + count <= messageByteCountMax else {
      throw .tooLong(byteCount: UInt64(assemblyCount + count))
    }
    memcpy(assembly + assemblyCount, payload, count)
    assemblyCount += count
  }
}
