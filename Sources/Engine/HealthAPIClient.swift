public import BinanceWire
import Dispatch
public import Foundation
import Glibc

/// Asks the engine that runs on a data directory: finds its address, sends one GET, reads one answer.
///
/// Plain sockets to this machine, blocking with limits, on a thread of their own.
public enum HealthAPIClient {
  private static let timeoutSeconds = 2
  /// Larger than any answer; a stream that never ends is not one.
  private static let answerByteCountMax = 64 << 20

  /// What `run/api.json` says.
  public struct Address: Codable, Sendable, Equatable {
    public var url: String
    public var pid: Int32

    public init(url: String, pid: Int32) {
      self.url = url
      self.pid = pid
    }
  }

  public enum Failure: Error, Sendable, Equatable, CustomStringConvertible {
    /// No engine runs on this data directory.
    case notRunning
    case unreadableAddress(path: String)
    /// It runs and did not answer properly.
    case noAnswer(url: String, detail: String)
    case refused(url: String, status: Int, message: String)

    public var description: String {
      switch self {
      case .notRunning: "no engine is running here"
      case .unreadableAddress(let path): "\(path): not an address file of aegis; remove it"
      case .noAnswer(let url, let detail): "\(url): \(detail)"
      case .refused(let url, let status, let message): "\(url): \(status) \(message)"
      }
    }
  }

  /// The body of `path` as the running engine answers it.
  ///
  /// - Throws: `notRunning` when there is no address, or nobody listens there any more.
  public static func get(
    _ path: String, addressPath: String, token: Secret? = nil
  ) async throws(Failure) -> Data {
    let result: Result<Data, Failure> = await withCheckedContinuation { continuation in
      DispatchQueue.global().async {
        do throws(Failure) {
          continuation.resume(returning: .success(try ask(path, addressPath: addressPath, token: token)))
        } catch { continuation.resume(returning: .failure(error)) }
      }
    }
    return try result.get()
  }

  private static func ask(_ path: String, addressPath: String, token: Secret?) throws(Failure) -> Data {
    guard let data = FileManager.default.contents(atPath: addressPath) else { throw .notRunning }
    let address: Address
    do { address = try JSONDecoder().decode(Address.self, from: data) } catch {
      throw .unreadableAddress(path: addressPath)
    }
    guard let host = Loopback.host(ofURL: address.url), Loopback.isName(host),
      let port = address.url.split(separator: ":").last.flatMap({ UInt16($0) })
    else { throw .unreadableAddress(path: addressPath) }
    let url = address.url + path
    let descriptor = try connect(port: port, url: url)
    defer { Glibc.close(descriptor) }
    var request = "GET \(path) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nConnection: close\r\n"
    if let token { request += "Authorization: Bearer \(token.exposed)\r\n" }
    try send(request + "\r\n", to: descriptor, url: url)
    return try body(of: receive(from: descriptor, url: url), url: url)
  }

  private static func connect(port: UInt16, url: String) throws(Failure) -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw .noAnswer(url: url, detail: "no socket") }
    var limit = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
    }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard result == 0 else {
      let code = errno
      Glibc.close(descriptor)
      if code == ECONNREFUSED { throw .notRunning }
      throw .noAnswer(url: url, detail: String(cString: strerror(code)))
    }
    return descriptor
  }

  private static func send(_ text: String, to descriptor: Int32, url: String) throws(Failure) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw .noAnswer(url: url, detail: "the connection broke") }
      bytes = bytes.dropFirst(count)
    }
  }

  private static func receive(from descriptor: Int32, url: String) throws(Failure) -> Data {
    var answer = Data()
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count == 0 { return answer }
      guard count > 0 else {
        throw .noAnswer(url: url, detail: "no answer within \(timeoutSeconds) seconds")
      }
      answer.append(contentsOf: buffer[..<count])
      guard answer.count <= answerByteCountMax else {
        throw .noAnswer(url: url, detail: "the answer is too long")
      }
    }
  }

  /// Takes the answer apart: status line, headers, a body as long as it says.
  private static func body(of answer: Data, url: String) throws(Failure) -> Data {
    guard let end = answer.range(of: Data("\r\n\r\n".utf8)) else {
      throw .noAnswer(url: url, detail: "the answer is cut off")
    }
    let head = String(decoding: answer[..<end.lowerBound], as: UTF8.self)
    let lines = head.split(separator: "\r\n")
    let words = (lines.first ?? "").split(separator: " ")
    guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
      throw .noAnswer(url: url, detail: "the answer is not HTTP")
    }
    let length = lines.first { $0.lowercased().hasPrefix("content-length:") }
      .flatMap { Int($0.dropFirst("content-length:".count).filter { $0 != " " }) }
    let body = Data(answer[end.upperBound...])
    guard length == body.count else { throw .noAnswer(url: url, detail: "the answer is cut off") }
    guard status == 200 else {
      throw .refused(url: url, status: status, message: String(decoding: body.prefix(200), as: UTF8.self))
    }
    return body
  }
}
