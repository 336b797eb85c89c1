import Logging
import Market
import NIOCore

/// The state of the feed's one event loop, and the timer that watches it.   [feed-loop only]
final class FeedLoop: @unchecked Sendable {  // confined to its event loop after `start`
  /// How often a busy stream is recognised anew.
  private static let busyWindowSeconds = 10

  let table: InstrumentTable
  let opening: SocketOpening
  let logger: Logger
  let loop: any EventLoop
  let ingest: UnsafeMutablePointer<MarketIngest>
  let pingNanoseconds: Int64
  var connectBudget: ConnectBudget
  var health: StreamHealth
  private let clock: VenueClock
  private let onSecond: @Sendable (FeedCounters) -> Void
  private let ended: EventLoopPromise<Void>
  private var connections: [MarketConnection] = []
  private var timer: RepeatedTask?
  private var secondCount = 0
  private var isShutDown = false

  init(
    ingest: consuming MarketIngest, table: InstrumentTable, opening: SocketOpening, options: FeedOptions,
    clock: VenueClock, loop: any EventLoop, logger: Logger,
    onSecond: @escaping @Sendable (FeedCounters) -> Void,
    ended: EventLoopPromise<Void>
  ) {
    self.ingest = .allocate(capacity: 1)
    self.ingest.initialize(to: ingest)
    self.table = table
    self.opening = opening
    self.clock = clock
    self.loop = loop
    self.logger = logger
    self.onSecond = onSecond
    self.ended = ended
    pingNanoseconds = options.pingNanoseconds
    connectBudget = ConnectBudget(
      burst: options.connectBurst, refillNanoseconds: options.connectRefillNanoseconds,
      now: monotonicNanoseconds())
    health = StreamHealth(
      instrumentCount: table.count,
      limits: .init(
        activeNanoseconds: options.staleActiveNanoseconds, anyNanoseconds: options.staleAnyNanoseconds))
    let wanted = options.instruments ?? Array(table.ids)
    let plans = StreamPlan.connections(for: wanted, streamsPerConnectionMax: options.streamsPerConnectionMax)
    var random = SeededRandom(seed: options.seed)
    connections = plans.map { MarketConnection(plan: $0, feed: self, seed: random.next()) }
  }

  deinit {
    ingest.deinitialize(count: 1)
    ingest.deallocate()
  }

  func start() {
    for connection in connections { connection.connect() }
    publishStates(now: monotonicNanoseconds())
    timer = loop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { [self] _ in second() }
    connectionEnded()
  }

  func shutdown() {
    guard !isShutDown else { return }
    isShutDown = true
    for connection in connections { connection.shutdown() }
    // Closing sockets report back; those that never do must not hold the process.
    loop.scheduleTask(in: .seconds(2)) { [self] in finish() }
    connectionEnded()
  }

  /// Called whenever a connection ended; after a shut down the last one ends the feed.
  func connectionEnded() {
    if isShutDown, connections.allSatisfy({ !$0.isOpen }) { finish() }
  }

  private func finish() {
    timer?.cancel()
    publishSecond()
    ended.succeed()
  }

  private func second() {
    let now = monotonicNanoseconds()
    secondCount += 1
    ingest.pointee.clock = clock.reading
    let startsWindow = secondCount % Self.busyWindowSeconds == 0
    for connection in connections { connection.sweep(startsWindow: startsWindow, now: now) }
    publishStates(now: now)
    publishSecond()
  }

  func judge(_ plan: ConnectionPlan, openedAt: Int64, startsWindow: Bool, now: Int64) -> Int {
    let offset = plan.entry.rawValue * ingest.pointee.instrumentCount
    return health.sweep(
      plan, lastReceived: ingest.pointee.lastReceived + offset,
      receivedCount: ingest.pointee.receivedCount + offset,
      lastMark: ingest.pointee.lastMark, openedAt: openedAt, startsWindow: startsWindow, now: now)
  }

  func publishStates(now: Int64) {
    let ingest = self.ingest
    health.publishChanges { instrument, state, connection in
      ingest.pointee.publish(state: state, instrument, connection: connection, now: now)
    }
    ingest.pointee.flush()
  }

  private func publishSecond() {
    var counters = ingest.pointee.snapshot()
    counters.connectionsOpen = UInt64(connections.count(where: \.isOpen))
    counters.instrumentsLive = UInt64(health.count(.live))
    counters.instrumentsStale = UInt64(health.count(.stale))
    onSecond(counters)
  }

  /// Runs `body` later, unless the feed is shut down by then.
  func after<Subject: AnyObject & Sendable>(
    nanoseconds: Int64, _ body: @escaping @Sendable (Subject) -> Void, on subject: () -> Subject
  ) {
    let subject = subject()
    guard nanoseconds > 0 else { return body(subject) }
    loop.scheduleTask(in: .nanoseconds(nanoseconds)) { [self] in
      if !isShutDown { body(subject) }
    }
  }
}
