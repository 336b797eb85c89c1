public import Logging
public import Market
import NIOCore
import NIOPosix
public import SharedMemory

/// What may be set about a feed. The defaults are those of the venue.
public struct FeedOptions: Sendable {
  /// Which instruments to subscribe; nil is the whole table.
  public var instruments: [InstrumentID]?
  public var streamsPerConnectionMax = 200
  /// Connections that may start together, and the pace of further ones, over all sockets.
  public var connectBurst = 20
  public var connectRefillNanoseconds: Int64 = 2_000_000_000
  public var pingNanoseconds: Int64 = 20_000_000_000
  /// Silence after which a busy stream, and any stream, is stale.
  public var staleActiveNanoseconds: Int64 = 10_000_000_000
  public var staleAnyNanoseconds: Int64 = 60_000_000_000
  /// Of the jitter. Different per process, or all engines come back together.
  public var seed: UInt64 = 1
  /// A file of certificates to trust instead of the system's.
  public var certificateAuthorityPath: String?

  public init() {}
}

/// Why a feed cannot start.
public struct FeedError: Error, CustomStringConvertible {
  public var description: String
}

/// The venue's market streams, sharded over sockets, judged by the firewall, published into the ring.
///
/// One event loop does it all and is the ring's single producer. `run` returns after `shutdown`; in between
/// connections come and go by themselves.
public final class MarketFeed: Sendable {
  private let group: MultiThreadedEventLoopGroup
  private let feed: FeedLoop
  private let ended: EventLoopFuture<Void>

  /// - Parameters:
  ///   - lastValues: `LastValueIndex.count(instruments:)` values, or nil.
  ///   - clock: the venue's; measure it before and every few minutes.
  ///   - onSecond: gets the counters every second and at the end; runs on the feed loop, so it must not block. Its
  ///     being called is the proof that the loop turns.
  public init(
    endpoint: StreamEndpoint, table: InstrumentTable, ring: consuming EventRingWriter<MarketEvent>,
    lastValues: consuming LastValueWriter<MarketEvent>? = nil, clock: VenueClock,
    options: FeedOptions = FeedOptions(),
    logger: Logger, onSecond: @escaping @Sendable (FeedCounters) -> Void = { _ in }
  ) throws(FeedError) {
    let valuesMin = LastValueIndex.count(instruments: table.count)
    if let count = lastValues?.count, count < valuesMin {
      throw FeedError(description: "the table of last values holds \(count), it needs \(valuesMin)")
    }
    let opening: SocketOpening
    do {
      opening = try SocketOpening(endpoint, certificateAuthorityPath: options.certificateAuthorityPath)
    } catch {
      throw FeedError(description: "TLS cannot be set up: \(error)")
    }
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let loop = group.next()
    let promise = loop.makePromise(of: Void.self)
    let ingest = MarketIngest(table: table, ring: ring, lastValues: lastValues, clock: clock.reading)
    feed = FeedLoop(
      ingest: ingest, table: table, opening: opening, options: options, clock: clock, loop: loop,
      logger: logger,
      onSecond: onSecond, ended: promise)
    self.group = group
    ended = promise.futureResult
  }

  /// Connects, and keeps connected, until `shutdown`.
  /// - Precondition: called once.
  public func run() async {
    feed.loop.execute { [feed] in feed.start() }
    do {
      try await ended.get()
      try await group.shutdownGracefully()
    } catch {
      // The promise is only ever succeeded, and a group that is down already is what we want.
    }
  }

  /// Closes every connection; `run` returns within two seconds.   [any thread]
  public func shutdown() { feed.loop.execute { [feed] in feed.shutdown() } }
}
