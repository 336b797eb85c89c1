import Binance
import Foundation
import Glibc
import Logging
import Market
import SharedMemory
import Storage

/// The process that owns the market sockets: frames in, checked events out to the ring. It holds no key.
public enum FeedProcess {
  /// The venue's clock is measured anew this often.
  static let clockMeasurementNanoseconds: UInt64 = 300_000_000_000

  /// Runs until the control page asks to end, or the Orchestrator is gone.
  public static func run(assignmentPath: String) async throws {
    ignoreTerminalSignals()
    let assignment = try ChildAssignment.read(from: assignmentPath)
    let settings = try assignment.loadSettings()
    let table = try assignment.loadInstrumentTable()
    let logger = processLogger("feed", settings)
    let regions = assignment.regions
    guard let endpoint = StreamEndpoint(url: assignment.address.streams) else {
      throw VenueAddress.Failure.notAnAddress(assignment.address.streams)
    }
    let clock = VenueClock(speed: assignment.speed)
    let client = try RestClient(
      RestConfiguration(baseURL: assignment.address.rest), budget: try RestBudget(sharedAt: regions.budget),
      clock: clock)
    do {
      _ = try await clock.measure(with: client)
    } catch {
      logger.warning(
        "the venue's clock could not be measured, the machine's stands in", metadata: ["error": "\(error)"])
    }
    var options = FeedOptions()
    options.streamsPerConnectionMax = settings.feed.streamsPerConnection
    options.seed = UInt64(getpid())
    let counters = try CounterLane(path: regions.counters, lane: ProcessLane.feed.rawValue)
    let lane = LaneHolder(counters)
    let feed = try MarketFeed(
      endpoint: endpoint, table: table, ring: try EventRingWriter<MarketEvent>(attachingTo: regions.ring),
      lastValues: try LastValueWriter<MarketEvent>(attachingTo: regions.lastValues), clock: clock,
      options: options,
      logger: logger
    ) { counters in lane.report(counters) }
    let control = try ControlPage(path: regions.control, writable: false)
    let parent = getppid()
    async let running: Void = feed.run()
    var sinceMeasurement: UInt64 = 0
    while !control.isShutdownRequested, getppid() == parent {
      try await Task.sleep(nanoseconds: 100_000_000)
      sinceMeasurement += 100_000_000
      if sinceMeasurement >= clockMeasurementNanoseconds {
        sinceMeasurement = 0
        do {
          _ = try await clock.measure(with: client)
        } catch {
          logger.warning("the venue's clock could not be measured", metadata: ["error": "\(error)"])
        }
      }
    }
    feed.shutdown()
    await running
    client.shutdown()
  }

  /// The counter lane, handed to the feed loop: its single writer.
  private final class LaneHolder: Sendable {
    private let lane: CounterLane
    init(_ lane: consuming CounterLane) { self.lane = lane }

    func report(_ counters: FeedCounters) {
      withUnsafeBytes(of: counters) { bytes in
        for (slot, value) in bytes.bindMemory(to: UInt64.self).enumerated() { lane.set(value, at: slot) }
      }
      lane.beat(monotonicNanoseconds: Clock.monotonicNanoseconds(), progress: counters.frames)
    }
  }
}

/// Ctrl-C belongs to the Orchestrator, which ends its children in order.
func ignoreTerminalSignals() {
  for number in [SIGINT, SIGHUP, SIGPIPE] { signal(number, SIG_IGN) }
}

/// A logger that writes one line per event to standard error.
func processLogger(_ name: String, _ settings: Settings) -> Logger {
  var logger = Logger(label: "aegis.\(name)") { StreamLogHandler.standardError(label: $0) }
  logger.logLevel =
    switch settings.logLevel {
    case .debug: .debug
    case .info: .info
    case .warning: .warning
    case .error: .error
    }
  logger[metadataKey: "mode"] = "\(settings.mode.rawValue)"
  return logger
}
