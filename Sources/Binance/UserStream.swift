import BinanceWire
import Logging
import Market
import NIOCore
import NIOPosix
import NIOWebSocket
import Synchronization

/// The account stream: a listen key kept alive, a private socket, events handed on in order.
///
/// After every connection, the first included, `.connected` asks for reconciliation: what happened meanwhile is not
/// repeated by the venue. Its own event loop; nothing here is hot.
final class UserStream: Sendable {
  private let state: Loop

  /// - Parameter deliver: called on the stream's loop, in order; must not block.
  init(
    client: RestClient, table: InstrumentTable, endpoint: StreamEndpoint, options: GatewayOptions,
    logger: Logger,
    deliver: @escaping @Sendable (UserInput) -> Void
  ) throws {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    state = Loop(
      client: client, decoder: OrderUpdates(table: table),
      opening: try SocketOpening(endpoint, certificateAuthorityPath: options.certificateAuthorityPath),
      group: group,
      renewalNanoseconds: options.listenKeyRenewalNanoseconds, seed: options.seed, logger: logger,
      deliver: deliver)
  }

  func start() { state.loop.execute { [state] in state.start() } }
  func shutdown() { state.loop.execute { [state] in state.shutdown() } }

  /// Drops the socket and makes a new one, with reconciliation.   [any thread]
  func reconnect(reason: String) { state.loop.execute { [state] in state.reconnect(reason: reason) } }

  /// Everything below runs on one event loop.
  final class Loop: @unchecked Sendable {  // confined to its event loop
    private static let pingSeconds: Int64 = 20
    /// Bytes of any kind must come within two pings.
    private static let silenceNanosecondsMax: Int64 = 50_000_000_000

    let loop: any EventLoop
    private let group: MultiThreadedEventLoopGroup
    private let client: RestClient
    private let decoder: OrderUpdates
    private let opening: SocketOpening
    private let renewalNanoseconds: Int64
    private let logger: Logger
    private let deliver: @Sendable (UserInput) -> Void
    private var schedule: ReconnectSchedule
    private var key: String?
    private var channel: (any Channel)?
    private var connectedAt: Int64 = 0
    private var lastBytesAt: Int64 = 0
    private var rotateAt: Int64 = .max
    private var isConnecting = false
    private var isShutDown = false
    /// The query form was refused last time: try the path form.
    private var usesPathForm = false
    private var renewal: RepeatedTask?
    private var watch: RepeatedTask?

    init(
      client: RestClient, decoder: OrderUpdates, opening: SocketOpening, group: MultiThreadedEventLoopGroup,
      renewalNanoseconds: Int64, seed: UInt64, logger: Logger,
      deliver: @escaping @Sendable (UserInput) -> Void
    ) {
      self.client = client
      self.decoder = decoder
      self.opening = opening
      self.group = group
      loop = group.next()
      self.renewalNanoseconds = renewalNanoseconds
      self.logger = logger
      self.deliver = deliver
      schedule = ReconnectSchedule(seed: seed)
    }

    func start() {
      connect()
      let period = TimeAmount.nanoseconds(renewalNanoseconds)
      renewal = loop.scheduleRepeatedTask(initialDelay: period, delay: period) { [self] _ in renew() }
      watch = loop.scheduleRepeatedTask(
        initialDelay: .seconds(Self.pingSeconds), delay: .seconds(Self.pingSeconds)
      ) {
        [self] _ in check()
      }
    }

    func shutdown() {
      guard !isShutDown else { return }
      isShutDown = true
      renewal?.cancel()
      watch?.cancel()
      channel?.close(promise: nil)
      group.shutdownGracefully { _ in }
    }

    func reconnect(reason: String) {
      guard let channel else { return }
      logger.warning("account stream reconnects", metadata: ["reason": "\(reason)"])
      channel.close(promise: nil)
    }

    // MARK: the key

    private func connect() {
      guard !isShutDown, !isConnecting, channel == nil else { return }
      isConnecting = true
      client.submit(OrderRequests.listenKey(.post)) { [self] result in
        loop.execute { self.gotKey(result) }
      }
    }

    private func gotKey(_ result: Result<RestAnswer, RestError>) {
      do {
        let answer = try result.get()
        guard answer.status == 200 else {
          throw RestError.unexpectedAnswer("listenKey answered \(answer.status) \(answer.text.prefix(200))")
        }
        let key = try RestAnswers.listenKey(answer.body)
        guard !key.isEmpty, key.utf8.count <= 256, key.utf8.allSatisfy(Self.isKeyByte) else {
          throw RestError.unexpectedAnswer("listenKey has a strange shape")
        }
        self.key = key
        open(key)
      } catch {
        failed(error)
      }
    }

    private static func isKeyByte(_ byte: UInt8) -> Bool {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: true
      default: false
      }
    }

    /// The check of the answer is the point: a key that lapsed is silent for ever.
    private func renew() {
      guard key != nil, !isShutDown else { return }
      client.submit(OrderRequests.listenKey(.put)) { [self] result in
        loop.execute { self.renewed(result) }
      }
    }

    private func renewed(_ result: Result<RestAnswer, RestError>) {
      guard case .success(let answer) = result else { return retryRenewal("\(result)") }
      switch HTTPOutcome.classify(status: answer.status, body: answer.body) {
      case .confirmed: break
      case .refused(let code, _) where code == -1125: reconnect(reason: "the listen key lapsed")
      case .refused, .unknown, .retry, .halt: retryRenewal("HTTP \(answer.status)")
      }
    }

    private func retryRenewal(_ reason: String) {
      logger.warning("listen key not renewed", metadata: ["reason": "\(reason)"])
      loop.scheduleTask(in: .seconds(30)) { [self] in renew() }
    }

    // MARK: the socket

    private func open(_ key: String) {
      let path = opening.endpoint.path + "/private/ws"
      let target = usesPathForm ? "\(path)/\(key)" : "\(path)?listenKey=\(key)"
      opening.open(target: target, on: loop) { [self] channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          try pipeline.addHandler(ByteToMessageHandler(WebSocketFrameDecoder(maxFrameSize: 1 << 20)))
          try pipeline.addHandler(WebSocketFrameEncoder())
          try pipeline.addHandler(
            NIOWebSocketFrameAggregator(
              minNonFinalFragmentSize: 0, maxAccumulatedFrameCount: 64, maxAccumulatedFrameSize: 1 << 20))
          try pipeline.addHandler(Handler(self))
        }
      }.whenComplete { [self] result in
        switch result {
        case .success(let channel): opened(channel)
        case .failure(let error):
          if case OpenError.refused = error { usesPathForm.toggle() }
          failed(error)
        }
      }
    }

    private func opened(_ channel: any Channel) {
      isConnecting = false
      guard !isShutDown, channel.isActive else {
        channel.close(promise: nil)
        return failed(OpenError.closedEarly)
      }
      self.channel = channel
      connectedAt = monotonicNanoseconds()
      lastBytesAt = connectedAt
      rotateAt = connectedAt + schedule.rotationAgeNanoseconds()
      logger.info("account stream open")
      deliver(.connected)
      channel.closeFuture.whenComplete { [self] _ in ended() }
    }

    private func ended() {
      channel = nil
      guard !isShutDown else { return }
      deliver(.disconnected)
      failed(nil)
    }

    private func failed(_ error: (any Error)?) {
      isConnecting = false
      guard !isShutDown else { return }
      let wait = schedule.waitAfterFailure(
        healthyForNanoseconds: connectedAt > 0 ? lastBytesAt - connectedAt : 0)
      connectedAt = 0
      logger.warning(
        "account stream away",
        metadata: [
          "reason": "\(error.map { "\($0)" } ?? "connection lost")",
          "retryMilliseconds": "\(wait / 1_000_000)",
        ])
      loop.scheduleTask(in: .nanoseconds(wait)) { [self] in connect() }
    }

    private func check() {
      guard let channel else { return }
      let now = monotonicNanoseconds()
      if now - lastBytesAt > Self.silenceNanosecondsMax { return reconnect(reason: "silent: not even pongs") }
      if now >= rotateAt { return reconnect(reason: "rotation before the 24 hours end") }
      send(.ping, ByteBuffer(string: "aegis"), on: channel)
    }

    private func send(_ opcode: WebSocketOpcode, _ data: ByteBuffer, on channel: any Channel) {
      let frame = WebSocketFrame(fin: true, opcode: opcode, maskKey: .random(), data: data)
      channel.writeAndFlush(frame, promise: nil)
    }

    fileprivate func take(_ frame: WebSocketFrame, on channel: any Channel) {
      lastBytesAt = monotonicNanoseconds()
      switch frame.opcode {
      case .ping: send(.pong, frame.unmaskedData, on: channel)
      case .connectionClose: channel.close(promise: nil)
      case .text: decode(Array(frame.unmaskedData.readableBytesView))
      default: break
      }
    }

    private func decode(_ bytes: [UInt8]) {
      do throws(WireError) {
        let event = try decoder.decode(bytes)
        deliver(.event(event))
        if case .listenKeyExpired = event { reconnect(reason: "the listen key expired") }
      } catch {
        // An event that cannot be read may have been a fill: ask for the account instead.
        logger.error("account event cannot be read", metadata: ["reason": "\(error)"])
        deliver(.connected)
      }
    }

    private final class Handler: ChannelInboundHandler, @unchecked Sendable {  // confined to the event loop
      typealias InboundIn = WebSocketFrame
      private let owner: Loop
      init(_ owner: Loop) { self.owner = owner }

      func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        owner.take(unwrapInboundIn(data), on: context.channel)
      }

      func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
  }
}
