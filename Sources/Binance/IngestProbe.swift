import BinanceWire
import Glibc
public import Market
import NIOCore
import NIOPosix
import SharedMemory

/// What one run of the ingest path cost.
public struct IngestMeasurement: Sendable {
  /// Messages of the measured window: everything after the read that brought the first one.
  public var messages: UInt64
  /// Of those: published into the ring, well-formed but not ours, and kept out.
  public var events: UInt64
  public var ignored: UInt64
  public var refused: UInt64
  public var seconds: Double
  /// Of the whole process, kernel included.
  public var cpuSeconds: Double
  /// Calls of the malloc family on our side of the frame; nil without the interposed allocator.
  public var allocations: UInt64?
}

/// Measures the market socket's own path, unchanged: socket, NIO, frame parser, scanner, firewall, ring.
///
/// The server may repeat one tape and come from any time: the firewall checks every message, but forgets the order of a
/// stream when that starts over, and its time window is open.
public enum IngestProbe {
  /// The instrument of the load servers: BTCUSDT, tick 0.1, step 0.001.
  public static var loadTable: InstrumentTable {
    InstrumentTable(
      venue: "load",
      instruments: [
        Instrument(
          symbol: "BTCUSDT", baseAsset: "BTC", rules: InstrumentRules(tickE8: 10_000_000, stepE8: 100_000))
      ])
  }

  /// Connects to `url` (`ws://127.0.0.1:port/path`) and takes in `count` messages, or fewer when the server ends.
  /// Blocks; the work is done on one thread.
  ///
  /// - Parameter ringCapacity: a power of two.
  public static func run(
    url: String, count: Int, table: InstrumentTable = loadTable, ringCapacity: Int = 1 << 16
  ) throws -> IngestMeasurement {
    guard let endpoint = StreamEndpoint(url: url) else {
      throw FeedError(description: "'\(url)' is not ws://127.0.0.1:port/path or wss://host/path")
    }
    let ring = try EventRingWriter<MarketEvent>(anonymousCapacity: ringCapacity)
    var limits = FirewallLimits()
    limits.agedNanosecondsMax = .max >> 2
    limits.aheadNanosecondsMax = .max >> 2
    let ingest = UnsafeMutablePointer<MarketIngest>.allocate(capacity: 1)
    ingest.initialize(
      to: MarketIngest(
        table: table, ring: ring, lastValues: nil, clock: VenueClock().reading, limits: limits,
        forgetsHistoryOnRepeat: true))
    defer {
      ingest.deinitialize(count: 1)
      ingest.deallocate()
    }
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let loop = group.next()
    let finished = loop.makePromise(of: Void.self)
    let meter = Meter(ingest: ingest, count: UInt64(count), finished: finished)
    let opening = try SocketOpening(endpoint)
    let target = endpoint.path.isEmpty ? "/" : endpoint.path
    let opened = opening.open(target: target, on: loop) { channel in
      channel.eventLoop.makeCompletedFuture {
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(meter)
        try pipeline.addHandler(MarketSession(ingest: meter.ingest, owner: meter))
      }
    }
    opened.whenFailure { finished.fail($0) }
    defer {
      // Nothing else uses the group; a failure to stop it would only leave a thread behind.
      try? group.syncShutdownGracefully()
    }
    try finished.futureResult.wait()
    return meter.measurement
  }

  /// Stands before the session and watches what goes through.   [event loop]
  // One loop, then read.
  private final class Meter: ChannelInboundHandler, MarketSession.Owner, @unchecked Sendable {
    typealias InboundIn = ByteBuffer

    let ingest: UnsafeMutablePointer<MarketIngest>
    private let count: UInt64
    private let finished: EventLoopPromise<Void>
    private let allocations = AllocationCounter()
    private var before = FeedCounters()
    private var startedAt: Int64 = 0
    private var startCPU: Int64 = 0
    private var allocated: UInt64 = 0
    private var isDone = false
    private(set) var measurement = IngestMeasurement(
      messages: 0, events: 0, ignored: 0, refused: 0, seconds: 0, cpuSeconds: 0)

    init(ingest: UnsafeMutablePointer<MarketIngest>, count: UInt64, finished: EventLoopPromise<Void>) {
      self.ingest = ingest
      self.count = count
      self.finished = finished
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      let start = allocations.count
      context.fireChannelRead(data)
      if startedAt == 0 {
        guard ingest.pointee.counters.frames > 0 else { return }
        before = ingest.pointee.counters
        startedAt = monotonicNanoseconds()
        startCPU = cpuNanoseconds()
      } else {
        allocated &+= allocations.count &- start
        if ingest.pointee.counters.frames >= count { finish(context) }
      }
    }

    func channelInactive(context: ChannelHandlerContext) {
      finish(context)
      context.fireChannelInactive()
    }

    private func finish(_ context: ChannelHandlerContext) {
      guard !isDone else { return }
      isDone = true
      let after = ingest.pointee.counters
      measurement = IngestMeasurement(
        messages: after.frames - before.frames, events: after.events - before.events,
        ignored: after.ignored - before.ignored,
        refused: after.frames - before.frames - (after.events - before.events)
          - (after.ignored - before.ignored),
        seconds: startedAt > 0 ? Double(monotonicNanoseconds() - startedAt) / 1e9 : 0,
        cpuSeconds: startedAt > 0 ? Double(cpuNanoseconds() - startCPU) / 1e9 : 0,
        allocations: allocations.isPresent ? allocated : nil)
      context.close(promise: nil)
      finished.succeed()
    }

    private func cpuNanoseconds() -> Int64 {
      var time = timespec()
      clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
      return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    func sessionOpened(_ session: MarketSession) {}
    func session(_ session: MarketSession, control text: String) {}
    func sessionEnded(_ session: MarketSession, reason: String) {}
  }
}

/// The interposed allocator's count, when the process was started with one.
public struct AllocationCounter: @unchecked Sendable {  // a pointer to a C function
  private let function: (@convention(c) () -> UInt)?

  public init() {
    // nil as the handle searches everything loaded, the preloaded library first.
    function = dlsym(nil, "aegis_malloc_count").map {
      unsafeBitCast($0, to: (@convention(c) () -> UInt).self)
    }
  }

  public var isPresent: Bool { function != nil }
  /// Calls of the malloc family so far, in all threads; 0 without the interposed allocator.
  public var count: UInt64 { function.map { UInt64($0()) } ?? 0 }
}
