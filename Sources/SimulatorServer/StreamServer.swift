import Market
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket

/// The stream port: HTTP upgrade, then frames. Incoming frames are few and go through NIOWebSocket; outgoing ones are
/// written as bytes in front of it.
enum StreamServer {
  /// Real time between pings, and how long a client may leave them unanswered.
  static let pingInterval = TimeAmount.minutes(3)
  static let pongLimit = TimeAmount.minutes(10)

  static func start(
    core: NIOLoopBound<ExchangeCore>, loop: any EventLoop, port: Int
  ) async throws(SimulatorError) -> any Channel {
    let bootstrap = ServerBootstrap(group: loop)
      .serverChannelOption(.backlog, value: 256)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
      .childChannelOption(.writeBufferWaterMark, value: .init(low: 1 << 20, high: 4 << 20))
      .childChannelInitializer { channel in initialize(channel, core) }
    do {
      return try await bootstrap.bind(host: "127.0.0.1", port: port).get()
    } catch {
      throw .port(number: port, reason: "streams cannot listen on it (\(error)); choose another or 0")
    }
  }

  private static func initialize(
    _ channel: any Channel, _ core: NIOLoopBound<ExchangeCore>
  ) -> EventLoopFuture<Void> {
    let upgrader = NIOWebSocketServerUpgrader(
      maxFrameSize: StreamCommand.bytesMax,
      automaticErrorHandling: false,
      shouldUpgrade: { channel, head in
        channel.eventLoop.makeSucceededFuture(StreamPath(head.uri) == nil ? nil : HTTPHeaders())
      },
      upgradePipelineHandler: { channel, head in
        channel.eventLoop.makeCompletedFuture {
          // `shouldUpgrade` let only paths through that can be read.
          guard let path = StreamPath(head.uri) else { return }
          let sync = channel.pipeline.syncOperations
          try sync.addHandler(StreamOutput(), name: "output", position: .first)
          try sync.addHandler(StreamInput(core: core, path: path))
        }
      })
    return channel.eventLoop.makeCompletedFuture {
      let refusal = UpgradeRefusal()
      let boundRefusal = NIOLoopBound(refusal, eventLoop: channel.eventLoop)
      try channel.pipeline.syncOperations.configureHTTPServerPipeline(
        withServerUpgrade: (
          upgraders: [upgrader],
          completionHandler: { context in
            context.pipeline.syncOperations.removeHandler(boundRefusal.value, promise: nil)
          }
        ))
      try channel.pipeline.syncOperations.addHandler(refusal)
    }
  }
}

/// Stands first in the pipeline: what it writes goes to the socket as it is.
private final class StreamOutput: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
}

/// Reads a client's frames and ties the connection to the exchange.   [event loop]
private final class StreamInput: ChannelInboundHandler {
  typealias InboundIn = WebSocketFrame

  private let core: NIOLoopBound<ExchangeCore>
  private let path: StreamPath
  private var connection: StreamConnection?
  private var fragments: [UInt8] = []
  private var unanswered: NIODeadline?
  private var pings: Scheduled<Void>?
  /// Control messages in the running second: the exchange allows ten.
  private var second: Int64 = 0
  private var messageCount = 0

  static let messagesPerSecondMax = 10

  init(core: NIOLoopBound<ExchangeCore>, path: StreamPath) {
    self.core = core
    self.path = path
  }

  func handlerAdded(context: ChannelHandlerContext) {
    let output: ChannelHandlerContext
    do {
      output = try context.pipeline.syncOperations.context(name: "output")
    } catch {
      context.close(promise: nil)
      return
    }
    connection = core.value.open(path, output)
    schedulePing(context)
  }

  func handlerRemoved(context: ChannelHandlerContext) { end() }

  func channelInactive(context: ChannelHandlerContext) {
    end()
    context.fireChannelInactive()
  }

  private func end() {
    pings?.cancel()
    guard let connection else { return }
    self.connection = nil
    connection.ended()
    core.value.hub.remove(connection)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard let connection else { return }
    let frame = unwrapInboundIn(data)
    let bytes = Array(frame.unmaskedData.readableBytesView)
    switch frame.opcode {
    case .text, .continuation:
      guard fragments.count + bytes.count <= StreamCommand.bytesMax else {
        connection.close()
        return
      }
      fragments += bytes
      guard frame.fin else { return }
      let text = fragments
      fragments = []
      guard mayAsk() else {
        connection.close()
        return
      }
      core.value.handle(text, from: connection)
    case .ping:
      connection.append(.pong, bytes: bytes)
      connection.flush()
    case .pong: unanswered = nil
    case .connectionClose:
      connection.append(.close, bytes: Array(bytes.prefix(2)))
      connection.flush()
      connection.close()
    default: connection.close()
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  private func mayAsk() -> Bool {
    let now = Int64(NIODeadline.now().uptimeNanoseconds / 1_000_000_000)
    if now != second {
      second = now
      messageCount = 0
    }
    messageCount += 1
    return messageCount <= Self.messagesPerSecondMax
  }

  private func schedulePing(_ context: ChannelHandlerContext) {
    let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
    let boundContext = NIOLoopBound(context, eventLoop: context.eventLoop)
    pings = context.eventLoop.scheduleTask(in: StreamServer.pingInterval) {
      let handler = bound.value
      guard let connection = handler.connection else { return }
      if let since = handler.unanswered, NIODeadline.now() - since >= StreamServer.pongLimit {
        connection.close()
        return
      }
      if handler.unanswered == nil { handler.unanswered = .now() }
      connection.append(.ping, bytes: Array(String(handler.core.value.clock.now.milliseconds).utf8))
      connection.flush()
      handler.schedulePing(boundContext.value)
    }
  }
}

/// Answers requests that are no upgrade to a known stream path.
private final class UpgradeRefusal: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard case .head(let head) = unwrapInboundIn(data) else { return }
    let body =
      "no stream at \(head.uri); open /public, /market or /private with /ws or /stream as a WebSocket\n"
    var headers = HTTPHeaders()
    headers.add(name: "content-length", value: String(body.utf8.count))
    headers.add(name: "content-type", value: "text/plain")
    headers.add(name: "connection", value: "close")
    let response = HTTPResponseHead(version: head.version, status: .notFound, headers: headers)
    context.write(wrapOutboundOut(.head(response)), promise: nil)
    context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: body)))), promise: nil)
    let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
    context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in bound.value.close(promise: nil) }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // A refused upgrade is reported here first; the request itself follows and gets its answer.
    if error is NIOWebSocketUpgradeError { return }
    context.close(promise: nil)
  }
}

extension ExchangeCore {
  /// Takes a new client with the streams of its path.
  func open(_ path: StreamPath, _ context: ChannelHandlerContext) -> StreamConnection {
    let connection = StreamConnection(
      entry: path.entry, isCombined: path.isCombined, context: context,
      outstandingBytesMax: options.outstandingBytesMax)
    hub.add(connection)
    for (index, name) in path.streams.enumerated() {
      guard hub.subscribe(connection, name) else {
        connection.close()
        break
      }
      if let events = path.events[index] { connection.allowedEvents[name] = events }
    }
    return connection
  }
}
