import Glibc
import NIOCore

/// One upgraded market socket: bytes in, messages into the ingest, control frames answered.   [feed-loop only]
final class MarketSession: ChannelInboundHandler, @unchecked Sendable {  // confined to the feed loop
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  /// So many bad frames within the window end the connection.
  private static let badFramesMax = 20
  private static let badFrameWindowNanoseconds: Int64 = 10_000_000_000

  /// What a session tells its connection.
  protocol Owner: AnyObject {
    func sessionOpened(_ session: MarketSession)
    /// An answer to a subscription, or an error about one.
    func session(_ session: MarketSession, control text: String)
    func sessionEnded(_ session: MarketSession, reason: String)
  }

  private let ingest: UnsafeMutablePointer<MarketIngest>
  private weak var owner: (any Owner)?
  private var parser = FrameParser()
  private var context: ChannelHandlerContext?
  private var badFrameCount = 0
  private var badFrameWindowStart: Int64 = 0
  private var endReason: String?
  private var hasEnded = false
  private(set) var openedAt: Int64 = 0
  /// Monotonic moment of the newest bytes of any kind, pongs included.
  private(set) var lastBytesAt: Int64 = 0
  /// Messages this session brought; 0 means that no stream has proven itself yet.
  private(set) var dataCount = 0

  init(ingest: UnsafeMutablePointer<MarketIngest>, owner: any Owner) {
    self.ingest = ingest
    self.owner = owner
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    openedAt = monotonicNanoseconds()
    lastBytesAt = openedAt
    owner?.sessionOpened(self)
  }

  func handlerRemoved(context: ChannelHandlerContext) { end() }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let buffer = unwrapInboundIn(data)
    let now = monotonicNanoseconds()
    lastBytesAt = now
    var receiver = Receiver(ingest: ingest, now: now)
    var failure: FrameError?
    let readableCount = buffer.readableBytes
    let start = buffer.readerIndex
    // The whole allocation, not only what was read: what lies behind the last message may be looked at.
    buffer.withVeryUnsafeBytes { storage in
      let bytes = UnsafeRawBufferPointer(rebasing: storage[start..<start + readableCount])
      do throws(FrameError) {
        try parser.receive(bytes, readablePast: storage.count - start - readableCount, into: &receiver)
      } catch {
        failure = error
      }
    }
    dataCount += receiver.dataCount
    if let failure { return close(reason: "broken framing: \(failure)", status: 1002) }
    if receiver.badCount > 0 { noteBadFrames(receiver.badCount, now: now) }
    for control in receiver.controls { answer(control) }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    ingest.pointee.flush()
    context.fireChannelReadComplete()
  }

  func channelInactive(context: ChannelHandlerContext) { end() }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    endReason = endReason ?? "\(error)"
    context.close(promise: nil)
  }

  func send(text: String) {
    guard let context, context.channel.isActive else { return }
    let frame = FrameWriter.text(
      text, maskingKey: .random(in: .min ... .max), allocator: context.channel.allocator)
    context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
  }

  func ping() { send(.ping, [0x61, 0x65, 0x67, 0x69, 0x73]) }

  /// Ends the session from our side, politely.
  func close(reason: String, status: UInt16 = 1000) {
    guard let context, endReason == nil else { return }
    endReason = reason
    send(.close, [UInt8(status >> 8), UInt8(status & 0xFF)])
    context.close(promise: nil)
  }

  private func send(_ control: FrameControl, _ payload: [UInt8]) {
    guard let context, context.channel.isActive else { return }
    let frame = FrameWriter.control(
      control, payload, maskingKey: .random(in: .min ... .max), allocator: context.channel.allocator)
    context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
  }

  private func answer(_ control: Receiver.Control) {
    switch control {
    case .frame(.ping, let payload): send(.pong, payload)
    case .frame(.pong, _): break
    case .frame(.close, let payload):
      let status = payload.count >= 2 ? " \(UInt16(payload[0]) << 8 | UInt16(payload[1]))" : ""
      endReason = endReason ?? "closed by the venue\(status)"
      send(.close, Array(payload.prefix(2)))
      context?.close(promise: nil)
    case .text(let text): owner?.session(self, control: text)
    }
  }

  private func noteBadFrames(_ count: Int, now: Int64) {
    if now - badFrameWindowStart > Self.badFrameWindowNanoseconds {
      badFrameWindowStart = now
      badFrameCount = 0
    }
    badFrameCount += count
    if badFrameCount >= Self.badFramesMax {
      close(reason: "\(badFrameCount) bad frames within 10 s", status: 1008)
    }
  }

  private func end() {
    guard !hasEnded else { return }
    hasEnded = true
    context = nil
    owner?.sessionEnded(self, reason: endReason ?? "connection lost")
    owner = nil
  }

  /// Messages go straight to the ingest; what is rare is collected and handled after the read.
  private struct Receiver: FrameReceiver {
    enum Control {
      case frame(FrameControl, [UInt8])
      case text(String)
    }

    /// More control messages than this in one read are noise.
    private static let controlsMax = 64

    let ingest: UnsafeMutablePointer<MarketIngest>
    let now: Int64
    var dataCount = 0
    var badCount = 0
    var controls: [Control] = []

    init(ingest: UnsafeMutablePointer<MarketIngest>, now: Int64) {
      self.ingest = ingest
      self.now = now
    }

    mutating func message(_ bytes: UnsafeRawBufferPointer, isText: Bool) {
      guard isText else {
        badCount += 1
        return
      }
      switch ingest.pointee.message(bytes, receivedNanoseconds: now) {
      case .data: dataCount += 1
      case .bad: badCount += 1
      case .control: keep(.text(String(decoding: bytes.prefix(1024), as: UTF8.self)))
      }
    }

    mutating func control(_ control: FrameControl, payload: UnsafeRawBufferPointer) {
      keep(.frame(control, Array(payload)))
    }

    private mutating func keep(_ control: Control) {
      if controls.count < Self.controlsMax { controls.append(control) } else { badCount += 1 }
    }
  }
}
