import NIOCore

/// One client on the stream port: what it subscribed to, and the bytes that wait for it.   [event loop]
///
/// Messages of one turn of the loop are joined and written at once. What the socket has not taken yet is bounded:
/// a client that falls further behind is closed, so that it never holds up the exchange.
final class StreamConnection {
  static let streamsMax = 1_024

  let entry: StreamEntry
  var isCombined: Bool
  /// Names in the order they were subscribed.
  var streams: [String] = []
  /// Allow lists of private streams; a key without one gets every event.
  var allowedEvents: [String: Set<String>] = [:]
  private(set) var isClosed = false
  private(set) var wasTooSlow = false

  private let context: ChannelHandlerContext
  private let outstandingBytesMax: Int
  private var pending = ByteBuffer()
  private var outstandingBytes = 0
  private var lastBatchBytes = 4_096

  init(
    entry: StreamEntry, isCombined: Bool, context: ChannelHandlerContext,
    outstandingBytesMax: Int
  ) {
    self.entry = entry
    self.isCombined = isCombined
    self.context = context
    self.outstandingBytesMax = outstandingBytesMax
  }

  var hasPending: Bool { pending.readableBytes > 0 }

  enum Opcode: UInt8 { case text = 0x81, close = 0x88, ping = 0x89, pong = 0x8A }

  /// Adds one unmasked frame made of up to three pieces.
  @inline(__always)
  func append(
    _ opcode: Opcode = .text, _ head: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer = .empty,
    _ tail: UnsafeRawBufferPointer = .empty
  ) {
    guard !isClosed else { return }
    let length = head.count + body.count + tail.count
    if pending.capacity == 0 { pending = context.channel.allocator.buffer(capacity: lastBatchBytes) }
    pending.writeWithUnsafeMutableBytes(minimumWritableBytes: length + 10) { space in
      var place = 2
      space[0] = opcode.rawValue
      switch length {
      case ..<126: space[1] = UInt8(length)
      case ..<65_536:
        space[1] = 126
        space[2] = UInt8(length >> 8)
        space[3] = UInt8(length & 0xFF)
        place = 4
      default:
        space[1] = 127
        for index in 0..<8 { space[2 + index] = UInt8(truncatingIfNeeded: length >> (56 - 8 * index)) }
        place = 10
      }
      place = Self.copy(head, into: space, at: place)
      place = Self.copy(body, into: space, at: place)
      return Self.copy(tail, into: space, at: place)
    }
  }

  @inline(__always)
  private static func copy(
    _ piece: UnsafeRawBufferPointer, into space: UnsafeMutableRawBufferPointer, at place: Int
  ) -> Int {
    guard piece.count > 0 else { return place }
    UnsafeMutableRawBufferPointer(rebasing: space[place...]).copyMemory(from: piece)
    return place + piece.count
  }

  func append(_ opcode: Opcode = .text, bytes: [UInt8]) {
    bytes.withUnsafeBytes { append(opcode, $0) }
  }

  /// Hands the turn's bytes to the socket.
  func flush() {
    guard !isClosed, pending.readableBytes > 0 else { return }
    let batch = pending
    pending = ByteBuffer()
    let count = batch.readableBytes
    lastBatchBytes = max(4_096, min(count + count / 4, 1 << 20))
    outstandingBytes += count
    guard outstandingBytes <= outstandingBytesMax else {
      wasTooSlow = true
      close()
      return
    }
    let promise = context.eventLoop.makePromise(of: Void.self)
    let loopBound = NIOLoopBound(self, eventLoop: context.eventLoop)
    promise.futureResult.whenComplete { _ in loopBound.value.outstandingBytes -= count }
    context.writeAndFlush(NIOAny(batch), promise: promise)
  }

  func close() {
    guard !isClosed else { return }
    isClosed = true
    context.close(promise: nil)
  }

  /// The channel is gone.
  func ended() { isClosed = true }
}

extension UnsafeRawBufferPointer {
  static var empty: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }
}
