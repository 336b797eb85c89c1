import BinanceWire
import Glibc
public import Market
import Synchronization

/// Nanoseconds since the machine started, never set back. Every time-out and age is measured with it.
func monotonicNanoseconds() -> Int64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

/// The venue's clock as this process knows it: the monotonic clock, an offset and a speed.
///
/// Signing and the firewall's time window use it, so a step of the machine's wall clock changes nothing. Until the
/// first measurement the machine's wall clock stands in. A simulated venue may run faster than real time.
/// [any thread]
public final class VenueClock: Sendable {
  /// One belief about the venue's time; advancing it needs no lock.
  public struct Reading: Sendable, BitwiseCopyable {
    public var venueNanoseconds: Int64
    public var monotonicNanoseconds: Int64
    /// Venue nanoseconds per monotonic nanosecond; 1 for a real venue.
    public var speed: Double

    /// The venue's time at a monotonic moment.
    @inline(__always)
    public func time(atMonotonicNanoseconds monotonic: Int64) -> Instant {
      let elapsed = monotonic &- monotonicNanoseconds
      let scaled = speed == 1 ? elapsed : Int64(Double(elapsed) * speed)
      return Instant(nanoseconds: venueNanoseconds &+ scaled)
    }
  }

  private struct State {
    var reading: Reading
    var isMeasured = false
  }

  /// Two measurements closer than this say nothing about speed: the venue's answer is cut to milliseconds.
  private static let speedBaseNanosecondsMin: Int64 = 1_000_000_000

  private let state: Mutex<State>

  /// - Parameter speed: the venue's, when it is known; later measurements correct it.
  public init(speed: Double = 1) {
    precondition(speed > 0 && speed.isFinite, "time runs forward")
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    let wall = Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    state = Mutex(
      State(
        reading: Reading(
          venueNanoseconds: wall, monotonicNanoseconds: Binance.monotonicNanoseconds(), speed: speed)))
  }

  /// The venue's time now.
  public func now() -> Instant {
    reading.time(atMonotonicNanoseconds: monotonicNanoseconds())
  }

  public var reading: Reading { state.withLock { $0.reading } }
  public var isMeasured: Bool { state.withLock { $0.isMeasured } }

  /// Takes in one reading: the venue said `venueTime` at the monotonic moment. A second one, at least a second later,
  /// also tells the speed; within 1 % of real time it counts as real time.
  public func set(venueTime: Instant, atMonotonicNanoseconds monotonic: Int64) {
    state.withLock { state in
      let old = state.reading
      let elapsed = monotonic - old.monotonicNanoseconds
      var speed = old.speed
      if state.isMeasured, elapsed >= Self.speedBaseNanosecondsMin {
        let measured = Double(venueTime.nanoseconds - old.venueNanoseconds) / Double(elapsed)
        if measured > 0 { speed = abs(measured - 1) < 0.01 ? 1 : measured }
      }
      state.reading = Reading(
        venueNanoseconds: venueTime.nanoseconds, monotonicNanoseconds: monotonic, speed: speed)
      state.isMeasured = true
    }
  }

  /// Asks the venue `probes` times and keeps the reading with the shortest round trip, half of it allowed for.
  ///
  /// - Returns: by how much our idea of the venue's time changed, in nanoseconds.
  @discardableResult
  public func measure(with client: RestClient, probes: Int = 3) async throws(RestError) -> Int64 {
    precondition(probes > 0, "a measurement needs a probe")
    var best: (roundTrip: Int64, middle: Int64, venue: Int64)?
    for _ in 0..<probes {
      let start = monotonicNanoseconds()
      let answer = try await client.send(OrderRequests.time())
      let end = monotonicNanoseconds()
      guard answer.status == 200, let milliseconds = Self.serverTime(in: answer.body) else {
        throw .unexpectedAnswer("GET /fapi/v1/time answered \(answer.status) without a serverTime")
      }
      // The text is cut to whole milliseconds; half of one puts the reading in the middle.
      if end - start < best?.roundTrip ?? .max {
        best = (end - start, start + (end - start) / 2, milliseconds * 1_000_000 + 500_000)
      }
    }
    guard let best else { return 0 }
    let before = reading.time(atMonotonicNanoseconds: best.middle)
    set(venueTime: Instant(nanoseconds: best.venue), atMonotonicNanoseconds: best.middle)
    return best.venue - before.nanoseconds
  }

  /// The number behind `"serverTime":`, between 2001 and 2286.
  static func serverTime(in body: [UInt8]) -> Int64? {
    let text = String(decoding: body, as: UTF8.self)
    guard let range = text.firstRange(of: "\"serverTime\":") else { return nil }
    let digits = text[range.upperBound...].drop { $0 == " " }.prefix { $0.isNumber }
    guard let value = Int64(digits), (1_000_000_000_000...9_999_999_999_999).contains(value) else {
      return nil
    }
    return value
  }
}
