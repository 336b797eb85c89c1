internal import CPlatform
import Glibc

/// What the engine and an isolated plugin's process say to each other between events.
enum IsolatedMessageKind: UInt32 {
  /// Engine: confine yourself, load this file.
  case start = 1
  /// Plugin: loaded; its descriptor.
  case loaded
  /// Engine: these values, these instruments.
  case create
  /// Plugin: running; its subscriptions.
  case created
  case activate
  case deactivate
  /// Engine: answer `done` with the state; `load` carries one.
  case save
  case load
  /// Plugin: what was asked is done.
  case done
  /// Plugin: it cannot be done; the reason as text.
  case failed
  /// Engine: deactivate, destroy, leave.
  case end
}

/// A message as bytes: little-endian numbers and counted UTF-8.
struct MessageWriter {
  private(set) var bytes: [UInt8] = []

  mutating func number(_ value: UInt64) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }
  mutating func number(_ value: Int) { number(UInt64(bitPattern: Int64(value))) }
  mutating func number(_ value: Double) { number(value.bitPattern) }
  mutating func flag(_ value: Bool) { number(value ? 1 : 0 as UInt64) }
  mutating func text(_ value: String) { raw(Array(value.utf8)) }
  mutating func raw(_ value: [UInt8]) {
    number(value.count)
    bytes += value
  }
}

/// Reads what `MessageWriter` wrote. Believes nothing: what does not fit is an error, never a trap.
struct MessageReader {
  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  mutating func number() throws(IsolatedTrouble) -> UInt64 {
    guard bytes.count - position >= 8 else { throw .protocolBroken("its message ends too early") }
    var value: UInt64 = 0
    for offset in (0..<8).reversed() { value = value << 8 | UInt64(bytes[position + offset]) }
    position += 8
    return value
  }

  /// A count or size, at most `max`.
  mutating func count(max: Int) throws(IsolatedTrouble) -> Int {
    let value = try number()
    guard value <= UInt64(max) else {
      throw .protocolBroken("its message says \(value) where at most \(max) make sense")
    }
    return Int(value)
  }

  mutating func integer() throws(IsolatedTrouble) -> Int64 { Int64(bitPattern: try number()) }
  mutating func double() throws(IsolatedTrouble) -> Double { Double(bitPattern: try number()) }
  mutating func flag() throws(IsolatedTrouble) -> Bool { try number() != 0 }

  mutating func raw(max: Int) throws(IsolatedTrouble) -> [UInt8] {
    let count = try count(max: min(max, bytes.count))
    guard bytes.count - position >= count else { throw .protocolBroken("its message ends too early") }
    defer { position += count }
    return Array(bytes[position..<position + count])
  }

  mutating func text(max: Int = PluginTables.textByteCountMax) throws(IsolatedTrouble) -> String {
    guard let text = String(validating: try raw(max: max), as: UTF8.self) else {
      throw .protocolBroken("its message holds text that is not UTF-8")
    }
    return text
  }
}

/// The control channel: a pair of sockets that keep packets apart. Messages of any size travel in pieces.
///
/// Does not own its descriptor.   [control]
struct IsolatedChannel {
  struct Message {
    var kind: IsolatedMessageKind
    /// Events that must have been seen before this is done.
    var position: UInt64
    var body: [UInt8]
  }

  enum Failure: Error {
    /// The other side is gone.
    case closed
    case timedOut
    case trouble(IsolatedTrouble)
  }

  /// A descriptor with 4,096 features of three texts each is the largest message but a saved state.
  static let byteCountMax = 256 << 20
  private static let pieceByteCount = 32 << 10
  private static let headByteCount = 16

  var descriptor: Int32
  /// The plugin's process may use no system call that belongs to sockets alone; a peer that is gone ends it anyway.
  var isPluginSide: Bool

  /// - Parameter deadline: monotonic nanoseconds; nil waits for ever.
  func send(
    _ kind: IsolatedMessageKind, _ body: [UInt8] = [], position: UInt64 = 0, deadline: Int64? = nil
  ) throws(Failure) {
    var offset = 0
    repeat {
      let end = min(body.count, offset + Self.pieceByteCount)
      var head = MessageWriter()
      head.number(UInt64(kind.rawValue) | (end < body.count ? 1 << 32 : 0))
      head.number(position)
      let packet = head.bytes + body[offset..<end]
      while true {
        let count =
          isPluginSide
          ? write(descriptor, packet, packet.count)
          : Glibc.send(descriptor, packet, packet.count, Int32(MSG_NOSIGNAL))
        if count == packet.count { break }
        if count >= 0 { throw .trouble(.protocolBroken("a packet was cut")) }
        switch errno {
        case EINTR: continue
        case EAGAIN: try wait(for: POLLOUT, deadline)
        case EPIPE, ECONNRESET: throw .closed
        default: throw .trouble(.system("send a message", errno))
        }
      }
      offset = end
    } while offset < body.count
  }

  func receive(deadline: Int64? = nil, byteCountMax: Int = byteCountMax) throws(Failure) -> Message {
    var body: [UInt8] = []
    var packet = [UInt8](repeating: 0, count: Self.headByteCount + Self.pieceByteCount)
    while true {
      let count = read(descriptor, &packet, packet.count)
      if count == 0 { throw .closed }
      if count < 0 {
        switch errno {
        case EINTR: break
        case EAGAIN: try wait(for: POLLIN, deadline)
        case ECONNRESET: throw .closed
        default: throw .trouble(.system("receive a message", errno))
        }
        continue
      }
      var reader = MessageReader(Array(packet[..<count]))
      do throws(IsolatedTrouble) {
        let head = try reader.number()
        let position = try reader.number()
        guard let kind = IsolatedMessageKind(rawValue: UInt32(truncatingIfNeeded: head)) else {
          throw .protocolBroken("its message has the unknown kind \(UInt32(truncatingIfNeeded: head))")
        }
        body += packet[Self.headByteCount..<count]
        guard body.count <= byteCountMax else {
          throw .protocolBroken("its message is longer than \(byteCountMax) bytes")
        }
        if head >> 32 == 0 { return Message(kind: kind, position: position, body: body) }
      } catch {
        throw .trouble(error)
      }
    }
  }

  private func wait(for events: Int32, _ deadline: Int64?) throws(Failure) {
    var milliseconds: Int32 = -1
    if let deadline {
      let left = deadline - aegis_monotonic_nanoseconds()
      if left <= 0 { throw .timedOut }
      milliseconds = Int32(clamping: left / 1_000_000 + 1)
    }
    var ready = pollfd(fd: descriptor, events: Int16(events), revents: 0)
    _ = poll(&ready, 1, milliseconds)  // the caller tries again and sees what it was
  }
}
