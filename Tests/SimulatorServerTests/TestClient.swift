import Dispatch
import Foundation
import Glibc

/// A plain socket client for the tests: blocking, so that nothing of the server's libraries is on this side.
enum TestClient {
  struct Failure: Error, CustomStringConvertible { var description: String }

  struct Answer {
    var status: Int
    var headers: [String: String]
    var body: Data

    func object() throws -> [String: Any] {
      guard let object = try JSONSerialization.jsonObject(with: body) as? [String: Any] else {
        throw Failure(description: "no object: \(String(decoding: body, as: UTF8.self))")
      }
      return object
    }

    func array() throws -> [Any] {
      guard let array = try JSONSerialization.jsonObject(with: body) as? [Any] else {
        throw Failure(description: "no array: \(String(decoding: body, as: UTF8.self))")
      }
      return array
    }

    var code: Int? { (try? object())?["code"] as? Int }  // nil stands for "no error code in it"
  }

  /// Runs blocking work away from the server's cooperative threads.
  static func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value
  {
    try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
    }
  }

  /// A connected socket whose reads give up after a minute.
  static func connect(port: Int) throws -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw Failure(description: "no socket") }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(UInt16(port).bigEndian)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let result = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard result == 0 else {
      Glibc.close(descriptor)
      throw Failure(description: "cannot connect to port \(port): \(errno)")
    }
    var limit = timeval(tv_sec: 60, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    return descriptor
  }

  static func write(_ descriptor: Int32, _ bytes: [UInt8]) throws {
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes {
        send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw Failure(description: "write failed: \(errno)") }
      sent += count
    }
  }

  static func read(_ descriptor: Int32) throws -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    guard count >= 0 else { throw Failure(description: "nothing to read within a minute") }
    return Array(buffer[..<count])
  }

  /// One request on a connection of its own.
  static func request(
    port: Int, _ method: String, _ target: String, body: String = "", headers: [String: String] = [:]
  ) async throws -> Answer {
    try await blocking {
      let descriptor = try connect(port: port)
      defer { Glibc.close(descriptor) }
      var text = "\(method) \(target) HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
      for (name, value) in headers { text += "\(name): \(value)\r\n" }
      if !body.isEmpty { text += "Content-Type: application/x-www-form-urlencoded\r\n" }
      text += "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
      try write(descriptor, Array(text.utf8))
      var bytes: [UInt8] = []
      while true {
        let part = try read(descriptor)
        if part.isEmpty { break }
        bytes += part
      }
      let data = Data(bytes)
      guard let split = data.range(of: Data("\r\n\r\n".utf8)) else {
        throw Failure(description: "no HTTP answer: \(String(decoding: bytes.prefix(80), as: UTF8.self))")
      }
      let lines = String(decoding: data[..<split.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
      let status = Int(lines[0].split(separator: " ")[1]) ?? 0
      var fields: [String: String] = [:]
      for line in lines.dropFirst() {
        let halves = line.split(separator: ":", maxSplits: 1)
        if halves.count == 2 {
          fields[halves[0].lowercased()] = halves[1].trimmingCharacters(in: .whitespaces)
        }
      }
      return Answer(status: status, headers: fields, body: Data(data[split.upperBound...]))
    }
  }
}

/// A blocking WebSocket client; use it inside `TestClient.blocking`, from one thread at a time.
final class TestSocket: @unchecked Sendable {
  struct Frame: Equatable {
    var opcode: UInt8
    var payload: [UInt8]
    var text: String { String(decoding: payload, as: UTF8.self) }
  }

  private let descriptor: Int32
  private var buffer: [UInt8] = []
  private(set) var status = 0

  /// Connects and upgrades; `status` is 101 when that worked.
  init(port: Int, _ path: String) throws {
    descriptor = try TestClient.connect(port: port)
    let request =
      "GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    try TestClient.write(descriptor, Array(request.utf8))
    while true {
      if let end = Data(buffer).range(of: Data("\r\n\r\n".utf8)) {
        let head = String(decoding: buffer[..<end.lowerBound], as: UTF8.self)
        status = Int(head.split(separator: " ")[1]) ?? 0
        buffer.removeFirst(end.upperBound)
        return
      }
      let part = try TestClient.read(descriptor)
      guard !part.isEmpty else { throw TestClient.Failure(description: "closed during the upgrade") }
      buffer += part
    }
  }

  deinit { Glibc.close(descriptor) }

  /// Sends one masked frame.
  func send(_ text: String, opcode: UInt8 = 1) throws {
    let payload = Array(text.utf8)
    var frame: [UInt8] = [0x80 | opcode]
    if payload.count < 126 {
      frame.append(0x80 | UInt8(payload.count))
    } else {
      frame += [0x80 | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
    }
    let mask: [UInt8] = [1, 2, 3, 4]
    frame += mask
    for (index, byte) in payload.enumerated() { frame.append(byte ^ mask[index % 4]) }
    try TestClient.write(descriptor, frame)
  }

  /// The next frame; nil when the server closed. Throws after five seconds of silence.
  func next() throws -> Frame? {
    while true {
      if let frame = takeFrame() { return frame }
      let part = try TestClient.read(descriptor)
      guard !part.isEmpty else { return nil }
      buffer += part
    }
  }

  /// Frames until one satisfies a condition, that one included, at most `countMax`.
  func until(_ countMax: Int = 2_000, _ condition: ([String: Any]) -> Bool) throws -> [String: Any] {
    for _ in 0..<countMax {
      guard let frame = try next() else { throw TestClient.Failure(description: "closed") }
      guard let object = try JSONSerialization.jsonObject(with: Data(frame.payload)) as? [String: Any] else {
        continue
      }
      if condition(object) { return object }
    }
    throw TestClient.Failure(description: "not seen in \(countMax) frames")
  }

  private func takeFrame() -> Frame? {
    guard buffer.count >= 2 else { return nil }
    var length = Int(buffer[1] & 0x7F)
    var start = 2
    if length == 126 {
      guard buffer.count >= 4 else { return nil }
      length = Int(buffer[2]) << 8 | Int(buffer[3])
      start = 4
    } else if length == 127 {
      guard buffer.count >= 10 else { return nil }
      length = buffer[2..<10].reduce(0) { $0 << 8 | Int($1) }
      start = 10
    }
    guard buffer.count >= start + length else { return nil }
    let frame = Frame(opcode: buffer[0] & 0xF, payload: Array(buffer[start..<(start + length)]))
    buffer.removeFirst(start + length)
    return frame
  }
}
