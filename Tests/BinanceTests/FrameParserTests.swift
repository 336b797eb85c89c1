import Market
import NIOCore
import NIOEmbedded
import NIOWebSocket
import Testing

@testable import Binance

@Suite("The frame parser")
struct FrameParserTests {
  /// What came out of a parser, in order.
  enum Heard: Equatable, CustomStringConvertible {
    case message([UInt8], isText: Bool)
    case control(FrameControl, [UInt8])

    var description: String {
      switch self {
      case .message(let bytes, let isText): "\(isText ? "text" : "binary") of \(bytes.count)"
      case .control(let control, let payload): "\(control) of \(payload.count)"
      }
    }
  }

  struct Recorder: FrameReceiver {
    var heard: [Heard] = []
    var paddingSum = 0
    mutating func message(_ bytes: UnsafeRawBufferPointer, isText: Bool) {
      heard.append(.message(Array(bytes), isText: isText))
      // Touch the padding: a page that is not there would end the test.
      guard let base = bytes.baseAddress else { return }
      let behind = UnsafeRawBufferPointer(start: base + bytes.count, count: FrameParser.paddingByteCount)
      paddingSum += behind.reduce(0) { $0 + Int($1) }
    }
    mutating func control(_ control: FrameControl, payload: UnsafeRawBufferPointer) {
      heard.append(.control(control, Array(payload)))
    }
  }

  /// Feeds bytes in given cuts, each cut in memory of its own with nothing readable behind it.
  static func parse(_ bytes: [UInt8], cuts: [Int] = [], limit: Int = 1 << 16) throws(FrameError) -> [Heard] {
    var parser = FrameParser(messageByteCountMax: limit)
    var recorder = Recorder()
    var start = 0
    for end in cuts + [bytes.count] {
      let part = Array(bytes[start..<end])
      start = end
      var failure: FrameError?
      part.withUnsafeBytes { raw in
        do throws(FrameError) { try parser.receive(raw, readablePast: 0, into: &recorder) } catch {
          failure = error
        }
      }
      if let failure { throw failure }
    }
    return recorder.heard
  }

  /// What NIO's own encoder makes of frames a server might send.
  static func encoded(_ frames: [WebSocketFrame]) throws -> [UInt8] {
    let channel = EmbeddedChannel(handler: WebSocketFrameEncoder())
    var bytes: [UInt8] = []
    for frame in frames {
      try channel.writeOutbound(frame)
      while var part = try channel.readOutbound(as: ByteBuffer.self) {
        bytes += part.readBytes(length: part.readableBytes) ?? []
      }
    }
    _ = try channel.finish()
    return bytes
  }

  /// What NIO's own decoder and aggregation by hand say about bytes.
  static func twin(_ bytes: [UInt8], cuts: [Int]) throws -> [Heard] {
    let channel = EmbeddedChannel(handler: ByteToMessageHandler(WebSocketFrameDecoder(maxFrameSize: 1 << 16)))
    var heard: [Heard] = []
    var open: (bytes: [UInt8], isText: Bool)?
    var start = 0
    for end in cuts + [bytes.count] {
      try channel.writeInbound(ByteBuffer(bytes: bytes[start..<end]))
      start = end
      while let frame = try channel.readInbound(as: WebSocketFrame.self) {
        let payload = Array(frame.unmaskedData.readableBytesView)
        switch frame.opcode {
        case .text, .binary:
          if frame.fin {
            heard.append(.message(payload, isText: frame.opcode == .text))
          } else {
            open = (payload, frame.opcode == .text)
          }
        case .continuation:
          guard let begun = open else { continue }
          open = (begun.bytes + payload, begun.isText)
          if frame.fin {
            heard.append(.message(begun.bytes + payload, isText: begun.isText))
            open = nil
          }
        case .ping: heard.append(.control(.ping, payload))
        case .pong: heard.append(.control(.pong, payload))
        case .connectionClose:
          heard.append(.control(.close, payload))
          return heard
        default: break
        }
      }
    }
    _ = try channel.finish(acceptAlreadyClosed: true)
    return heard
  }

  static func randomFrames(_ random: inout SeededRandom) -> [WebSocketFrame] {
    let sizes = [0, 1, 2, 60, 124, 125, 126, 127, 128, 193, 1000, 65_535]
    var frames: [WebSocketFrame] = []
    func payload(_ count: Int, _ random: inout SeededRandom) -> ByteBuffer {
      ByteBuffer(bytes: (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) })
    }
    for _ in 0..<(1 + Int(random.below(12))) {
      switch random.below(8) {
      case 0:
        frames.append(
          WebSocketFrame(fin: true, opcode: .ping, data: payload(Int(random.below(126)), &random)))
      case 1:
        frames.append(
          WebSocketFrame(fin: true, opcode: .pong, data: payload(Int(random.below(126)), &random)))
      case 2:
        let pieces = 2 + Int(random.below(4))
        for piece in 0..<pieces {
          let opcode: WebSocketOpcode = piece > 0 ? .continuation : random.below(2) == 0 ? .text : .binary
          let data = payload(Int(random.below(300)), &random)
          frames.append(WebSocketFrame(fin: piece == pieces - 1, opcode: opcode, data: data))
          if random.below(3) == 0 {  // control frames may come between fragments
            frames.append(WebSocketFrame(fin: true, opcode: .ping, data: payload(3, &random)))
          }
        }
      case 3:
        let data = payload(Int(random.below(200)), &random)
        frames.append(WebSocketFrame(fin: true, opcode: .binary, data: data))
      default:
        let count =
          random.below(2) == 0 ? sizes[Int(random.below(UInt64(sizes.count)))] : Int(random.below(400))
        frames.append(WebSocketFrame(fin: true, opcode: .text, data: payload(count, &random)))
      }
    }
    if random.below(4) == 0 {
      frames.append(WebSocketFrame(fin: true, opcode: .connectionClose, data: payload(2, &random)))
      // Noise behind the end.
      frames.append(WebSocketFrame(fin: true, opcode: .text, data: payload(9, &random)))
    }
    return frames
  }

  @Test("hears what NIO's decoder hears, however the bytes are cut", arguments: UInt64(0)..<150)
  func agreesWithNIO(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let bytes = try Self.encoded(Self.randomFrames(&random))
    var cuts: [Int] = []
    var at = 0
    let longest = [1, 3, 20, 300, 70_000][Int(random.below(5))]
    while bytes.count < 3_000 || longest > 3 {
      at += 1 + Int(random.below(UInt64(longest)))
      guard at < bytes.count else { break }
      cuts.append(at)
    }
    #expect(try Self.parse(bytes, cuts: cuts) == Self.twin(bytes, cuts: cuts), "seed \(seed)")
  }

  @Test("delivers in place while padding follows, and copies the last frame when none does")
  func deliversInPlace() throws {
    struct Places: FrameReceiver {
      var starts: [UnsafeRawPointer?] = []
      mutating func message(_ bytes: UnsafeRawBufferPointer, isText: Bool) {
        starts.append(bytes.baseAddress)
      }
      mutating func control(_ control: FrameControl, payload: UnsafeRawBufferPointer) {}
    }
    let frame: [UInt8] = [0x81, 100] + Array(repeating: 0x20, count: 100)
    var parser = FrameParser()
    var places = Places()
    try (frame + frame).withUnsafeBytes { raw in
      try parser.receive(raw, readablePast: 0, into: &places)
      let base = try #require(raw.baseAddress)
      let inside = base..<base + raw.count
      #expect(places.starts.count == 2)
      #expect(places.starts[0] == base + 2)
      #expect(places.starts[1].map { !inside.contains($0) } == true)
      places.starts = []
      try parser.receive(raw, readablePast: 64, into: &places)
      #expect(places.starts[1] == base + 104)
    }
  }

  @Test(
    "refuses what a server may not send",
    arguments: [
      ([0x81, 0x85, 1, 2, 3, 4, 0, 0, 0, 0, 0], FrameError.masked),
      ([0xC1, 0x01, 0x20], .reservedBits),
      ([0x91, 0x01, 0x20], .reservedBits),
      ([0x83, 0x00], .reservedOpcode(3)),
      ([0x8B, 0x00], .reservedOpcode(11)),
      ([0x09, 0x00], .badControl),
      ([0x89, 126, 0, 126] + Array(repeating: 0, count: 126), .badControl),
      ([0x80, 0x00], .badFragment),
      ([0x01, 0x01, 0x20, 0x81, 0x01, 0x20], .badFragment),
      ([0x81, 126, 0x10, 0x01], .tooLong(byteCount: 4097)),
      ([0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], .tooLong(byteCount: 1 << 63)),
      ([0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0], .tooLong(byteCount: 65_536)),
    ] as [([UInt8], FrameError)])
  func refuses(bytes: [UInt8], error: FrameError) {
    #expect(throws: error) { try Self.parse(bytes, limit: 4096) }
    let everyCut = Array(1..<bytes.count)
    #expect(throws: error) { try Self.parse(bytes, cuts: everyCut, limit: 4096) }
  }

  @Test("a message put together from fragments obeys the limit too")
  func limitsFragments() {
    let piece: [UInt8] = [126, 0x0B, 0xB8] + Array(repeating: 0x20, count: 3000)
    #expect(throws: FrameError.tooLong(byteCount: 6000)) {
      try Self.parse([0x01] + piece + [0x80] + piece, limit: 4096)
    }
  }

  @Test("never traps on noise", arguments: UInt64(0)..<300)
  func survivesNoise(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let bytes = (0..<Int(random.below(600))).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    let cuts = bytes.count > 2 ? [Int(random.below(UInt64(bytes.count)))] : []
    do throws(FrameError) { _ = try Self.parse(bytes, cuts: cuts, limit: 1024) } catch {
      _ = error  // any error is a good answer to noise; a trap is not
    }
  }

  @Test("client frames are masked and read back by NIO's decoder", arguments: [0, 5, 125, 126, 65_536])
  func clientFrames(count: Int) throws {
    let text = String(repeating: "x", count: count)
    let buffer = FrameWriter.text(text, maskingKey: 0xA1B2_C3D4, allocator: ByteBufferAllocator())
    let channel = EmbeddedChannel(handler: ByteToMessageHandler(WebSocketFrameDecoder(maxFrameSize: 1 << 17)))
    try channel.writeInbound(buffer)
    let frame = try #require(try channel.readInbound(as: WebSocketFrame.self))
    #expect(frame.maskKey != nil)
    #expect(String(buffer: frame.unmaskedData) == text)
    _ = try channel.finish()
  }
}
