public import Logging
import Market
import NIOCore
import NIOPosix
import Synchronization

/// A Binance-compatible USD-M exchange on loopback: REST on one port, streams on another, one clock, one account.
///
/// Prices come from a recorded tape or a seeded market and start to move with the first subscription to a market
/// stream. One event loop owns prices, account and subscribers; REST requests hop to it.
public struct SimulatorServer: Sendable {
  public let options: SimulatorOptions
  private let logger: Logger

  public init(
    options: SimulatorOptions, logger: Logger = Logger(label: "aegis.simulator")
  ) {
    self.options = options
    self.logger = logger
  }

  /// Serves until its task is cancelled, then closes every connection and returns.
  ///
  /// - Parameter onReady: called once, when both ports accept connections.
  /// - Throws: `SimulatorError` when it cannot start.   [any thread]
  public func run(onReady: @escaping @Sendable (SimulatorAddresses) -> Void) async throws {
    try options.check()
    let clock = SimulatedClock(speed: options.speed)
    let market = try LoadedMarket.load(options.source, start: clock.start)
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let loop = group.next()
    let options = options
    let handover = Mutex<LoadedMarket?>(market)
    let core = try await loop.submit {
      guard let market = handover.withLock({ $0.take() }) else { preconditionFailure("handed over once") }
      return NIOLoopBound(ExchangeCore(options: options, market: market, clock: clock), eventLoop: loop)
    }.get()
    do {
      try await serve(core, loop, onReady)
    } catch {
      try await group.shutdownGracefully()
      throw error
    }
    try await group.shutdownGracefully()
  }

  private func serve(
    _ core: NIOLoopBound<ExchangeCore>, _ loop: any EventLoop,
    _ onReady: @escaping @Sendable (SimulatorAddresses) -> Void
  ) async throws {
    let streams = try await StreamServer.start(core: core, loop: loop, port: options.streamPort)
    let streamPort = streams.localAddress?.port ?? options.streamPort
    loop.execute { Self.turn(core, loop) }
    let logger = logger
    let isReady = Mutex(false)
    do {
      try await RestServer(core: core, loop: loop).run(port: options.restPort, logger: logger) { port in
        isReady.withLock { $0 = true }
        onReady(
          SimulatorAddresses(
            rest: "http://127.0.0.1:\(port)", streams: "ws://127.0.0.1:\(streamPort)",
            wsApi: "ws://127.0.0.1:\(streamPort)/ws-fapi/v1"))
      }
    } catch is CancellationError {
      // The way to end a simulator.
    } catch {
      try await end(core, loop, streams)
      guard isReady.withLock({ $0 }) else {
        throw SimulatorError.port(
          number: options.restPort, reason: "REST cannot listen on it (\(error)); choose another or 0")
      }
      throw error
    }
    try await end(core, loop, streams)
  }

  private func end(
    _ core: NIOLoopBound<ExchangeCore>, _ loop: any EventLoop, _ streams: any Channel
  ) async throws {
    try await loop.submit { core.value.stop() }.get()
    do {
      try await streams.close()
    } catch ChannelError.alreadyClosed {
      // Nothing left to close.
    }
  }

  /// One turn of the exchange, and the appointment for the next.
  private static func turn(_ core: NIOLoopBound<ExchangeCore>, _ loop: any EventLoop) {
    guard !core.value.isStopped else { return }
    let pause = core.value.turn()
    if pause == 0 {
      loop.execute { turn(core, loop) }
    } else {
      loop.scheduleTask(in: .nanoseconds(pause)) { turn(core, loop) }
    }
  }
}

extension Optional {
  /// The value, leaving nil behind.
  fileprivate mutating func take() -> Wrapped? {
    defer { self = nil }
    return self
  }
}
