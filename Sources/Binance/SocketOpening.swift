import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOWebSocket

/// Why a WebSocket could not be opened.
enum OpenError: Error, CustomStringConvertible {
  /// The server answered the upgrade with a plain response.
  case refused(status: UInt)
  case closedEarly
  case timedOut

  var description: String {
    switch self {
    case .refused(let status): "the server refused the WebSocket with HTTP \(status)"
    case .closedEarly: "the server closed before the upgrade"
    case .timedOut: "no upgrade in time"
    }
  }
}

/// Connect, TLS and HTTP upgrade, up to the moment where frames begin.   [any thread]
struct SocketOpening: Sendable {
  /// Name look-up, TCP and TLS and the upgrade, each.
  private static let stepTimeout = TimeAmount.seconds(5)
  /// One read takes so much at most: many frames in one go, little memory per connection.
  static let readByteCount = 128 << 10

  let endpoint: StreamEndpoint
  let tls: NIOSSLContext?

  init(_ endpoint: StreamEndpoint, certificateAuthorityPath: String? = nil) throws {
    self.endpoint = endpoint
    if endpoint.isSecure {
      var configuration = TLSConfiguration.makeClientConfiguration()  // verifies certificate and host name
      if let certificateAuthorityPath { configuration.trustRoots = .file(certificateAuthorityPath) }
      tls = try NIOSSLContext(configuration: configuration)
    } else {
      tls = nil
    }
  }

  /// Opens `target` (path and query) and hands the upgraded channel to `install`, which adds its handlers.
  ///
  /// - Returns: fails when there is no upgraded channel in the end.
  func open(
    target: String, on loop: any EventLoop,
    install: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
  ) -> EventLoopFuture<any Channel> {
    let opened = loop.makePromise(of: (any Channel).self)
    let bootstrap = ClientBootstrap(group: loop)
      .connectTimeout(Self.stepTimeout)
      .channelOption(.socketOption(.tcp_nodelay), value: 1)
      .channelOption(.socketOption(.so_keepalive), value: 1)
      .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: Self.readByteCount))
      .channelOption(.maxMessagesPerRead, value: 4)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          if let tls {
            try pipeline.addHandler(NIOSSLClientHandler(context: tls, serverHostname: serverName))
          }
          let request = UpgradeRequest(authority: endpoint.authority, target: target, opened: opened)
          let upgrader = FrameUpgrader(opened: opened, install: install)
          try pipeline.addHTTPClientHandlers(
            leftOverBytesStrategy: .forwardBytes,
            withClientUpgrade: (
              upgraders: [upgrader],
              completionHandler: { _ in channel.pipeline.syncOperations.removeHandler(request, promise: nil) }
            ))
          try pipeline.addHandler(request)
        }
      }
    bootstrap.connect(host: endpoint.host, port: endpoint.port).whenFailure { opened.fail($0) }
    let timeout = loop.scheduleTask(in: .seconds(15)) { opened.fail(OpenError.timedOut) }
    opened.futureResult.whenComplete { _ in timeout.cancel() }
    return opened.futureResult
  }

  /// TLS names hosts, not addresses.
  private var serverName: String? {
    let isAddress = endpoint.host.contains(":") || endpoint.host.allSatisfy { "0123456789.".contains($0) }
    return isAddress ? nil : endpoint.host
  }
}

/// Sends the upgrade request, and turns any answer but 101 into a failure.
private final class UpgradeRequest: ChannelInboundHandler, RemovableChannelHandler, @unchecked Sendable {
  typealias InboundIn = HTTPClientResponsePart
  typealias OutboundOut = HTTPClientRequestPart

  private let authority: String
  private let target: String
  private let opened: EventLoopPromise<any Channel>

  init(authority: String, target: String, opened: EventLoopPromise<any Channel>) {
    self.authority = authority
    self.target = target
    self.opened = opened
  }

  func channelActive(context: ChannelHandlerContext) {
    var headers = HTTPHeaders()
    headers.add(name: "Host", value: authority)
    headers.add(name: "User-Agent", value: "aegis")
    let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: target, headers: headers)
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    context.fireChannelActive()
    let opened = self.opened
    let channel = context.channel
    // A server that accepts and then says nothing must not hold the connection for ever.
    opened.futureResult.whenFailure { _ in channel.close(promise: nil) }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if case .head(let head) = unwrapInboundIn(data) {
      opened.fail(OpenError.refused(status: head.status.code))
      context.close(promise: nil)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    opened.fail(OpenError.closedEarly)
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    opened.fail(error)
    context.close(promise: nil)
  }
}

/// Lets NIO do the WebSocket handshake and then installs our own handlers instead of its frame codec.
private final class FrameUpgrader: NIOHTTPClientProtocolUpgrader, Sendable {
  let supportedProtocol = "websocket"
  let requiredUpgradeHeaders: [String] = []

  private let handshake = NIOWebSocketClientUpgrader { channel, _ in
    channel.eventLoop.makeSucceededVoidFuture()
  }
  private let opened: EventLoopPromise<any Channel>
  private let install: @Sendable (any Channel) -> EventLoopFuture<Void>

  init(
    opened: EventLoopPromise<any Channel>, install: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
  ) {
    self.opened = opened
    self.install = install
  }

  func addCustom(upgradeRequestHeaders: inout HTTPHeaders) {
    handshake.addCustom(upgradeRequestHeaders: &upgradeRequestHeaders)
  }

  func shouldAllowUpgrade(upgradeResponse: HTTPResponseHead) -> Bool {
    // We offered no extension, so none may be switched on (compressed frames would be unreadable).
    upgradeResponse.headers["sec-websocket-extensions"].isEmpty
      && handshake.shouldAllowUpgrade(upgradeResponse: upgradeResponse)
  }

  func upgrade(context: ChannelHandlerContext, upgradeResponse: HTTPResponseHead) -> EventLoopFuture<Void> {
    let channel = context.channel
    let installed = install(channel)
    installed.whenComplete { [opened] result in
      switch result {
      case .success: opened.succeed(channel)
      case .failure(let error): opened.fail(error)
      }
    }
    return installed
  }
}
