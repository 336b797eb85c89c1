import Market
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket
import Synchronization

@testable import Binance

/// Waits until a condition holds, looking every few milliseconds.
/// - Returns: false when the deadline passed first.
func eventually(seconds: Double = 60, _ condition: () async -> Bool) async throws -> Bool {
  let deadline = ContinuousClock.now + .milliseconds(Int64(seconds * 1000))
  while ContinuousClock.now < deadline {
    if await condition() { return true }
    try await Task.sleep(for: .milliseconds(5))
  }
  return await condition()
}

/// One request as a test server saw it.
struct SeenRequest: Sendable {
  var method: String
  var target: String
  var headers: [String: String]
  var body: String
  /// Which connection it came on, counted from 0.
  var connection: Int

  var path: String { String(target.prefix { $0 != "?" }) }
}

/// What a test server does with a request.
enum ServerAction: Sendable {
  /// Status, extra headers and body; the connection stays.
  case answer(Int, [String: String] = [:], String)
  /// These bytes exactly, then the connection is closed.
  case raw(String)
  /// The connection is closed without a word.
  case hangUp
  /// Nothing, ever.
  case silence
}

/// An HTTP server on a free loopback port whose answers a closure decides.
final class ScriptedHTTPServer: Sendable {
  private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  private let channel: any Channel
  let port: Int

  var baseURL: String { "http://127.0.0.1:\(port)" }

  private final class Log: Sendable {
    let requests = Mutex<[SeenRequest]>([])
    let connections = Mutex(0)
  }

  private let shared: Log

  init(_ script: @escaping @Sendable (SeenRequest) -> ServerAction) async throws {
    let shared = Log()
    self.shared = shared
    channel = try await ServerBootstrap(group: group)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let number = shared.connections.withLock { count in
            defer { count += 1 }
            return count
          }
          try channel.pipeline.syncOperations.addHandler(
            RequestReader(connection: number) { request in
              shared.requests.withLock { $0.append(request) }
              return script(request)
            })
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    port = channel.localAddress?.port ?? 0
  }

  var requests: [SeenRequest] { shared.requests.withLock { $0 } }

  func stop() async throws {
    try await channel.close()
    try await group.shutdownGracefully()
  }

  private final class RequestReader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var text = ""
    private let connection: Int
    private let script: (SeenRequest) -> ServerAction

    init(connection: Int, _ script: @escaping (SeenRequest) -> ServerAction) {
      self.connection = connection
      self.script = script
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      text += String(buffer: unwrapInboundIn(data))
      while let end = text.range(of: "\r\n\r\n") {
        let lines = text[..<end.lowerBound].split(separator: "\r\n")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
          let parts = line.split(separator: ":", maxSplits: 1)
          headers[parts[0].lowercased()] = parts.count > 1 ? parts[1].drop { $0 == " " }.description : ""
        }
        let length = Int(headers["content-length"] ?? "0") ?? 0
        let body = text[end.upperBound...]
        guard body.utf8.count >= length else { return }
        let words = lines[0].split(separator: " ")
        let request = SeenRequest(
          method: String(words[0]), target: String(words[1]), headers: headers,
          body: String(body.prefix(length)),
          connection: connection)
        text = String(body.dropFirst(length))
        act(context, script(request))
      }
    }

    private func act(_ context: ChannelHandlerContext, _ action: ServerAction) {
      switch action {
      case .answer(let status, let headers, let body):
        var head =
          "HTTP/1.1 \(status) X\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: head + "\r\n" + body)), promise: nil)
      case .raw(let bytes):
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: bytes)), promise: nil)
        context.close(promise: nil)
      case .hangUp: context.close(promise: nil)
      case .silence: break
      }
    }
  }
}

extension String {
  /// Foundation-free search.
  fileprivate func range(of needle: String) -> Range<String.Index>? { firstRange(of: needle) }
}

/// A WebSocket server on a free loopback port: remembers what clients said, sends what a test wants.
final class ScriptedSocketServer: Sendable {
  struct State {
    var sessions: [Int: any Channel] = [:]
    var paths: [Int: String] = [:]
    var texts: [(session: Int, text: String)] = []
    var pings = 0
    var pongs: [[UInt8]] = []
    var opened = 0
  }

  private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  private let channel: any Channel
  private let state: Shared
  let port: Int

  final class Shared: Sendable { let mutex = Mutex(State()) }

  /// - Parameters:
  ///   - acceptsPath: whether an upgrade is allowed.
  ///   - reply: what to answer to a text frame.
  init(
    acceptsPath: @escaping @Sendable (String) -> Bool = { _ in true },
    reply: @escaping @Sendable (_ session: Int, _ path: String, _ text: String) -> [String]
  ) async throws {
    let state = Shared()
    self.state = state
    channel = try await ServerBootstrap(group: group)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        let upgrader = NIOWebSocketServerUpgrader(
          shouldUpgrade: { channel, head in
            channel.eventLoop.makeSucceededFuture(acceptsPath(head.uri) ? HTTPHeaders() : nil)
          },
          upgradePipelineHandler: { channel, head in
            channel.eventLoop.makeCompletedFuture {
              let number = state.mutex.withLock { state in
                defer { state.opened += 1 }
                state.sessions[state.opened] = channel
                state.paths[state.opened] = head.uri
                return state.opened
              }
              try channel.pipeline.syncOperations.addHandler(
                Session(number: number, path: head.uri, state: state, reply: reply))
            }
          })
        return channel.pipeline.configureHTTPServerPipeline(
          withServerUpgrade: (upgraders: [upgrader], completionHandler: { _ in }))
      }
      .bind(host: "127.0.0.1", port: 0).get()
    port = channel.localAddress?.port ?? 0
  }

  func withState<Result: Sendable>(_ body: (inout sending State) -> sending Result) -> Result {
    state.mutex.withLock(body)
  }

  var openedCount: Int { withState { $0.opened } }
  var texts: [String] { withState { $0.texts.map(\.text) } }

  /// The newest session whose path begins so.
  func session(_ prefix: String) -> Int? {
    withState { state in
      state.paths.filter { $0.value.hasPrefix(prefix) && state.sessions[$0.key] != nil }.keys.max()
    }
  }

  func send(_ text: String, to session: Int) { send(.text, Array(text.utf8), to: session) }

  func send(_ opcode: WebSocketOpcode, _ payload: [UInt8], to session: Int) {
    guard let channel = withState({ $0.sessions[session] }) else { return }
    channel.writeAndFlush(
      WebSocketFrame(fin: true, opcode: opcode, data: ByteBuffer(bytes: payload)), promise: nil)
  }

  /// Cuts a session off without a close frame.
  func cut(_ session: Int) {
    withState { $0.sessions[session] }?.close(promise: nil)
  }

  func stop() async throws {
    try await channel.close()
    try await group.shutdownGracefully()
  }

  private final class Session: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    private let number: Int
    private let path: String
    private let state: Shared
    private let reply: @Sendable (Int, String, String) -> [String]

    init(
      number: Int, path: String, state: Shared, reply: @escaping @Sendable (Int, String, String) -> [String]
    ) {
      self.number = number
      self.path = path
      self.state = state
      self.reply = reply
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      let frame = unwrapInboundIn(data)
      let payload = frame.unmaskedData
      switch frame.opcode {
      case .text:
        let text = String(buffer: payload)
        state.mutex.withLock { $0.texts.append((number, text)) }
        for answer in reply(number, path, text) {
          let frame = WebSocketFrame(fin: true, opcode: .text, data: ByteBuffer(string: answer))
          context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
        }
      case .ping:
        state.mutex.withLock { $0.pings += 1 }
        context.writeAndFlush(
          wrapOutboundOut(WebSocketFrame(fin: true, opcode: .pong, data: payload)), promise: nil)
      case .pong: state.mutex.withLock { $0.pongs.append(Array(payload.readableBytesView)) }
      case .connectionClose: context.close(promise: nil)
      default: break
      }
    }

    func channelInactive(context: ChannelHandlerContext) {
      state.mutex.withLock { _ = $0.sessions.removeValue(forKey: number) }
    }
  }
}
