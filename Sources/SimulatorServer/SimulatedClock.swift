import Dispatch
import Foundation
import Market

/// The simulator's only clock: starts at wall time, runs at `speed`, never goes back.
///
/// Everything the exchange says about time comes from here: `/time`, payloads, recvWindow, funding. Speed 1 keeps pace
/// with the wall clock as it was at the start; later steps of the wall clock do not reach it.
struct SimulatedClock: Sendable {
  let start: Instant
  let speed: Double
  private let origin: UInt64

  static let speedMax = 1_000.0

  /// - Precondition: 0 < speed ≤ `speedMax`.
  init(speed: Double) {
    precondition(speed > 0 && speed <= Self.speedMax, "speed in range")
    self.speed = speed
    origin = DispatchTime.now().uptimeNanoseconds
    start = Instant(nanoseconds: Int64(Date().timeIntervalSince1970 * 1e6) * 1_000)
  }

  /// Real time since some fixed moment, for limits that do not follow the venue's speed.
  static var monotonicNanoseconds: Int64 { Int64(DispatchTime.now().uptimeNanoseconds) }

  var now: Instant {
    let elapsed = Int64(DispatchTime.now().uptimeNanoseconds - origin)
    return start.advanced(byNanoseconds: speed == 1 ? elapsed : Int64(Double(elapsed) * speed))
  }

  /// Real time until a moment on this clock; 0 when it has passed.
  func realNanoseconds(until moment: Instant) -> Int64 {
    let ahead = moment.nanoseconds(since: now)
    return ahead <= 0 ? 0 : Int64(Double(ahead) / speed)
  }
}
