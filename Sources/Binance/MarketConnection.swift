import Logging
import Market
import NIOCore

/// One connection of the plan through all its lives: connect, subscribe, watch, rotate, come back.   [feed-loop only]
final class MarketConnection: MarketSession.Owner, @unchecked Sendable {  // confined to the feed loop
  private static let pongNanosecondsMax: Int64 = 20_000_000_000
  /// Without an answer to its subscriptions a connection is of no use.
  private static let answerNanosecondsMax: Int64 = 10_000_000_000
  /// One kind of stream may be silent on a whole connection so long before it is asked for again.
  private static let silenceNanosecondsMax: Int64 = 60_000_000_000

  let plan: ConnectionPlan
  private unowned let feed: FeedLoop
  private let target: String
  private let subscriptions: [String]
  private var schedule: ReconnectSchedule
  private var session: MarketSession?
  /// The next session, while it proves itself beside the old one.
  private var successor: MarketSession?
  private var isOpening = false
  private var isShutDown = false
  private var answersMissing: Set<Int> = []
  private var nextPingAt: Int64 = 0
  private var rotateAt: Int64 = .max
  private var hasResubscribed = false
  private var firstDataAt: Int64 = 0
  private var logger: Logger

  init(plan: ConnectionPlan, feed: FeedLoop, seed: UInt64) {
    self.plan = plan
    self.feed = feed
    target = feed.opening.endpoint.path + plan.entry.pathSegment + "/stream"
    subscriptions = StreamPlan.subscriptions(of: plan, table: feed.table)
    schedule = ReconnectSchedule(seed: seed)
    logger = feed.logger
    logger[metadataKey: "connection"] = "\(plan.number)"
    logger[metadataKey: "entry"] = "\(plan.entry.pathSegment)"
  }

  var isOpen: Bool { session != nil }

  /// Starts, or starts again, when the budget allows it.
  func connect() {
    guard !isShutDown, !isOpening else { return }
    if let wait = feed.connectBudget.take(now: monotonicNanoseconds()) {
      feed.after(nanoseconds: wait) {
        $0.connect()
      } on: {
        self
      }
      return
    }
    isOpening = true
    if session == nil { feed.health.set(.connecting, plan) }
    feed.opening.open(target: target, on: feed.loop) { [self] channel in
      channel.eventLoop.makeCompletedFuture {
        try channel.pipeline.syncOperations.addHandler(MarketSession(ingest: feed.ingest, owner: self))
      }
    }.whenFailure { [self] error in openFailed(error) }
  }

  func shutdown() {
    isShutDown = true
    successor?.close(reason: "shut down", status: 1001)
    session?.close(reason: "shut down", status: 1001)
  }

  private func openFailed(_ error: any Error) {
    isOpening = false
    feed.ingest.pointee.count { $0.connectFailures += 1 }
    guard !isShutDown else { return }
    let wait = schedule.waitAfterFailure(healthyForNanoseconds: 0)
    logger.warning(
      "market connection failed",
      metadata: ["reason": "\(error)", "retryMilliseconds": "\(wait / 1_000_000)"])
    feed.after(nanoseconds: wait) {
      $0.connect()
    } on: {
      self
    }
  }

  // MARK: sessions

  func sessionOpened(_ opened: MarketSession) {
    isOpening = false
    guard !isShutDown else { return opened.close(reason: "shut down", status: 1001) }
    feed.ingest.pointee.count { $0.connects += 1 }
    if session == nil { session = opened } else { successor = opened }
    nextPingAt = opened.openedAt + feed.pingNanoseconds
    rotateAt = opened.openedAt + schedule.rotationAgeNanoseconds()
    hasResubscribed = false
    firstDataAt = 0
    subscribe(opened)
    logger.info("market connection open", metadata: ["instruments": "\(plan.instruments.count)"])
  }

  /// Sends the subscriptions in batches with a pause between.
  private func subscribe(_ target: MarketSession) {
    answersMissing = Set(1...max(1, subscriptions.count))
    for (index, text) in subscriptions.enumerated() {
      feed.after(nanoseconds: Int64(index) * StreamPlan.subscribePauseNanoseconds) { connection in
        guard target === connection.session || target === connection.successor else { return }
        target.send(text: text)
      } on: {
        self
      }
    }
  }

  func session(_ from: MarketSession, control text: String) {
    guard text.contains("\"result\":null"), let id = Self.identifier(in: text) else {
      logger.warning("the venue refused a subscription", metadata: ["answer": "\(text.prefix(200))"])
      return from.close(reason: "subscription refused", status: 1000)
    }
    answersMissing.remove(id)
    if answersMissing.isEmpty, from === session { feed.health.set(.acknowledged, plan) }
  }

  func sessionEnded(_ ended: MarketSession, reason: String) {
    if ended === successor {
      successor = nil
      rotateAt = monotonicNanoseconds() + 60_000_000_000  // try the change again in a minute
      return
    }
    guard ended === session else { return }  // an old one that was replaced
    session = nil
    feed.ingest.pointee.count { $0.disconnects += 1 }
    if let next = successor {
      successor = nil
      session = next
      return
    }
    lose(ended, reason: reason)
  }

  private func lose(_ ended: MarketSession, reason: String) {
    let now = monotonicNanoseconds()
    feed.health.set(.closed, plan)
    if plan.entry == .marketData {
      let time = feed.ingest.pointee.clock.time(atMonotonicNanoseconds: now)
      for instrument in plan.instruments { feed.ingest.pointee.markAway(instrument, time: time) }
    }
    feed.publishStates(now: now)
    feed.connectionEnded()
    guard !isShutDown else { return }
    let healthy = firstDataAt > 0 ? ended.lastBytesAt - firstDataAt : 0
    let wait = schedule.waitAfterFailure(healthyForNanoseconds: healthy)
    logger.warning(
      "market connection lost", metadata: ["reason": "\(reason)", "retryMilliseconds": "\(wait / 1_000_000)"])
    feed.after(nanoseconds: wait) {
      $0.connect()
    } on: {
      self
    }
  }

  // MARK: once a second

  func sweep(startsWindow: Bool, now: Int64) {
    guard let session else { return }
    if now >= nextPingAt {
      session.ping()
      successor?.ping()
      nextPingAt = now + feed.pingNanoseconds
    }
    guard now - session.lastBytesAt < feed.pingNanoseconds + Self.pongNanosecondsMax else {
      return close(session, "silent: not even pongs")
    }
    let judged = successor ?? session
    guard answersMissing.isEmpty || now - judged.openedAt < Self.answerNanosecondsMax + subscribeNanoseconds
    else {
      return close(judged, "no answer to a subscription")
    }
    if session.dataCount > 0, firstDataAt == 0 { firstDataAt = now }
    let newlyStale = feed.judge(plan, openedAt: session.openedAt, startsWindow: startsWindow, now: now)
    if newlyStale > 0, newlyStale * 2 >= plan.instruments.count {
      return close(session, "\(newlyStale) of \(plan.instruments.count) instruments became stale")
    }
    watchFirstFrames(session, now: now)
    rotate(now: now)
  }

  private var subscribeNanoseconds: Int64 {
    Int64(subscriptions.count) * StreamPlan.subscribePauseNanoseconds
  }

  /// An acknowledged subscription that brings nothing at all is asked for once more, then the connection is made anew.
  private func watchFirstFrames(_ session: MarketSession, now: Int64) {
    guard session.dataCount == 0, answersMissing.isEmpty, successor == nil else { return }
    let silence = now - session.openedAt
    if silence > 2 * Self.silenceNanosecondsMax {
      logger.warning("acknowledged streams stay silent: is this the right entry point?")
      close(session, "acknowledged and silent")
    } else if silence > Self.silenceNanosecondsMax, !hasResubscribed {
      hasResubscribed = true
      feed.ingest.pointee.count { $0.resubscriptions += 1 }
      subscribe(session)
    }
  }

  /// Opens the next session before the exchange ends this one, and changes over once it brings data.
  private func rotate(now: Int64) {
    guard let session else { return }
    if let next = successor {
      guard next.dataCount > 0, answersMissing.isEmpty else { return }
      successor = nil
      self.session = next
      feed.ingest.pointee.count { $0.rotations += 1 }
      session.close(reason: "replaced before its 24 hours end")
    } else if now >= rotateAt, !isOpening {
      rotateAt = .max
      connect()
    }
  }

  private func close(_ session: MarketSession, _ reason: String) {
    feed.ingest.pointee.count { $0.closedForCause += 1 }
    session.close(reason: reason)
  }

  /// The number behind `"id":` of an answer.
  static func identifier(in text: String) -> Int? {
    guard let range = text.firstRange(of: "\"id\":") else { return nil }
    return Int(text[range.upperBound...].drop { $0 == " " }.prefix { $0.isNumber })
  }
}
