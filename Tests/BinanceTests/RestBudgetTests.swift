import BinanceWire
import Foundation
import Market
import SharedMemory
import Testing

@testable import Binance

@Suite("The shared request budget")
struct RestBudgetTests {
  static let second: Int64 = 1_000_000_000
  static let minute = 60 * second
  let folder: URL
  var path: String { folder.appending(path: "budget").path }
  /// The page's times are on the machine's monotonic clock.
  let start = Instant(nanoseconds: SystemClock.monotonicNanoseconds())

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "aegis-budget-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  static func call(_ weight: Int, orders: Int = 0, _ lane: RequestLane = .query) -> RestRequest {
    RestRequest(.get, "/fapi/v1/x", weight: weight, orderCost: orders, lane: lane)
  }

  /// The page's maker and another process's end of it.
  func pair() throws -> (orchestrator: RestBudget, brain: RestBudget) {
    let orchestrator = RestBudget()
    try orchestrator.share(at: path)
    return (orchestrator, try RestBudget(sharedAt: path, now: start))
  }

  func weight(_ budget: RestBudget, at now: Instant) -> Int {
    budget.used(.requestWeight, intervalNanoseconds: Self.minute, now: now)
  }

  @Test("a page begins with what its maker has booked and keeps the venue's limits")
  func begins() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let maker = RestBudget(limits: [
      RateLimit(.requestWeight, intervalNanoseconds: Self.minute, limit: 100)
    ])
    #expect(maker.spend(Self.call(30, .protect), now: start) == .go)
    try maker.share(at: path)
    let other = try RestBudget(sharedAt: path, now: start)
    #expect(weight(other, at: start) == 30)
    #expect(other.spend(Self.call(71, .protect), now: start) != .go)
    #expect(other.spend(Self.call(70, .protect), now: start) == .go)
    #expect(maker.spend(Self.call(1, .protect), now: start) != .go)
  }

  @Test("what one process books counts for the other")
  func spends() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let (orchestrator, brain) = try pair()
    #expect(orchestrator.spend(Self.call(100), now: start) == .go)
    #expect(brain.spend(Self.call(5, orders: 1, .open), now: start) == .go)
    for budget in [orchestrator, brain] {
      #expect(weight(budget, at: start) == 105)
      #expect(budget.used(.orders, intervalNanoseconds: 10 * Self.second, now: start) == 1)
    }
  }

  @Test("a flood of queries in one process leaves the other's protection its share")
  func reserve() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let (orchestrator, brain) = try pair()
    var granted = 0
    for _ in 0..<10_000 where orchestrator.spend(Self.call(10), now: start) == .go { granted += 10 }
    #expect(granted == 1440)
    guard case .wait = brain.spend(Self.call(10), now: start) else {
      Issue.record("a query of the other process waits too")
      return
    }
    var closed = 0
    while brain.spend(Self.call(10, .close), now: start) == .go { closed += 10 }
    var protected = 0
    while brain.spend(Self.call(10, .protect), now: start) == .go { protected += 10 }
    #expect(closed == 840 && protected == 120, "up to 95 % and 100 % of 2400")
  }

  @Test("a count in an answer's head is adopted for all, and a lower one by nobody")
  func adopts() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let (orchestrator, brain) = try pair()
    brain.absorb(RestAnswer(status: 200, body: [], usedWeight: 1500, orderCount10s: 299), now: start)
    #expect(weight(orchestrator, at: start) == 1500)
    #expect(orchestrator.spend(Self.call(1), now: start) != .go)
    #expect(orchestrator.spend(Self.call(0, orders: 2, .protect), now: start) != .go)
    orchestrator.absorb(RestAnswer(status: 200, body: [], usedWeight: 3), now: start)
    #expect(weight(brain, at: start) == 1500)
    let later = start.advanced(byNanoseconds: 70 * Self.second)
    #expect(weight(brain, at: later) == 0 && orchestrator.spend(Self.call(1), now: later) == .go)
  }

  @Test("429 silences and 418 bans every process at once, for as long as the venue says")
  func backsOff() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let (orchestrator, brain) = try pair()
    orchestrator.absorb(RestAnswer(status: 429, body: [], retryAfterSeconds: 7), now: start)
    #expect(
      brain.spend(Self.call(1, .protect), now: start) == .wait(nanoseconds: 7 * Self.second))
    let after = start.advanced(byNanoseconds: 7 * Self.second)
    #expect(brain.spend(Self.call(1, .protect), now: after) == .go)
    brain.absorb(RestAnswer(status: 418, body: [], retryAfterSeconds: 120), now: after)
    let almost = after.advanced(byNanoseconds: 120 * Self.second - 1)
    #expect(orchestrator.spend(Self.call(1, .protect), now: almost) == .refuse)
    let third = try RestBudget(sharedAt: path, now: almost)
    #expect(third.spend(Self.call(1, .protect), now: almost) == .refuse, "one that came later knows too")
    #expect(
      orchestrator.spend(Self.call(1, .protect), now: almost.advanced(byNanoseconds: 1)) == .go)
  }

  @Test("spending from many threads at once books every call exactly once", .timeLimit(.minutes(2)))
  func concurrent() async throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let maker = RestBudget(limits: [
      RateLimit(.requestWeight, intervalNanoseconds: Self.minute, limit: 5000)
    ])
    try maker.share(at: path)
    let (path, start) = (path, start)
    let granted = try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<4 {
        group.addTask {
          let budget = try RestBudget(sharedAt: path, now: start)
          var granted = 0
          for _ in 0..<3000 where budget.spend(Self.call(1, .protect), now: start) == .go { granted += 1 }
          return granted
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(granted == 5000 && weight(maker, at: start) == 5000)
  }

  @Test("words no budget wrote are replaced by the last good ones; a new process refuses them")
  func scribbled() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let (orchestrator, brain) = try pair()
    #expect(brain.spend(Self.call(40), now: start) == .go)
    var scribbler = try SharedRecord(path: path)
    scribbler.update { words in for index in 0..<words.count { words[index] = .max } }
    #expect(throws: MapError.self) { _ = try RestBudget(sharedAt: path, now: start) }
    #expect(weight(brain, at: start) == 40)
    #expect(weight(orchestrator, at: start) == 40, "the page is whole again")
  }

  @Test("two clients on one page: what one is told keeps the other from asking")
  func clients() async throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let server = try await ScriptedHTTPServer { request in
      request.path == "/banned" ? .answer(418, ["Retry-After": "120"], "{}") : .answer(200, [:], "{}")
    }
    let one = try RestClient(RestConfiguration(baseURL: server.baseURL))
    _ = try await one.send(RestRequest(.get, "/first", weight: 25))
    try one.budget.share(at: path)
    let two = try RestClient(
      RestConfiguration(baseURL: server.baseURL), budget: try RestBudget(sharedAt: path))
    _ = try await two.send(RestRequest(.get, "/second", weight: 17))
    let now = Instant(nanoseconds: SystemClock.monotonicNanoseconds())
    #expect(weight(one.budget, at: now) == 42)
    _ = try await two.send(RestRequest(.get, "/banned"))
    await #expect {
      try await one.send(RestRequest(.get, "/third", lane: .protect))
    } throws: {
      guard case .denied = $0 as? RestError else { return false }
      return true
    }
    #expect(server.requests.count == 3)
    one.shutdown()
    two.shutdown()
    try await server.stop()
  }
}
