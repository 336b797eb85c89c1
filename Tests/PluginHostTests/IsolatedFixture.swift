import Foundation
import Glibc
import Market
import PluginABI
import Synchronization

@testable import PluginHost

/// Lines an isolated plugin said, or that were said about it.
final class IsolatedLog: Sendable {
  private let kept = Mutex<[(PluginLogLevel, String)]>([])
  var lines: [String] { kept.withLock { $0.map(\.1) } }
  func add(_ level: PluginLogLevel, _ line: String) { kept.withLock { $0.append((level, line)) } }
}

extension Fixture {
  /// The plugin that `plugin` made under this name, with capabilities in its descriptor.
  func promising(_ capabilities: String, _ name: String) throws -> String {
    let text = try String(contentsOfFile: "\(folder)/\(name).c", encoding: .utf8)
    return try compile(
      "\(name)-promising",
      text.replacingOccurrences(of: ".kind = ", with: ".capabilities = \(capabilities), .kind = "))
  }

  static let pluginHost = "\(products)/aegis-plugin-host"

  /// Starts one plugin of a file in a process of its own.
  func isolate(
    _ path: String, parameters: [String: String] = [:], instruments: [String] = ["BTCUSDT", "ETHUSDT"],
    dataDirectory: String? = nil, limits: IsolationLimits = .quick, log: IsolatedLog = IsolatedLog()
  ) throws -> IsolatedPlugin {
    try IsolatedPlugin(
      path: path, cacheDirectory: cache, parameters: parameters, instruments: instruments, seed: 7,
      dataDirectory: dataDirectory, host: Self.pluginHost, hostName: "aegis", version: "1", limits: limits
    ) { level, line in log.add(level, line) }
  }
}

extension IsolationLimits {
  /// Short enough for tests, long enough for a slow machine.
  static var quick: IsolationLimits {
    var limits = IsolationLimits()
    limits.spinCount = 100
    limits.hardBudgetNanoseconds = 2_000_000_000
    limits.controlTimeoutMilliseconds = 30_000
    return limits
  }
}

/// Waits for a condition, up to a minute: machines are slow.
func eventually(_ condition: () -> Bool) -> Bool {
  let deadline = Date().addingTimeInterval(60)
  while !condition() {
    guard Date() < deadline else { return false }
    usleep(1000)
  }
  return true
}

extension IsolatedPlugin {
  /// Offers events with sequence = position + `firstSequence`, and collects what comes back until all is answered or
  /// the process is gone.
  func signals(of events: [MarketEvent], phase: EventPhase = .live, firstSequence: UInt64 = 1) -> [Signal] {
    let room = UnsafeMutableBufferPointer<Signal>.allocate(capacity: 256)
    defer { room.deallocate() }
    var result: [Signal] = []
    func take() {
      while true {
        let count = poll(into: room, plugin: 0)
        result += room[..<count]
        if count == 0 { return }
      }
    }
    for (offset, event) in events.enumerated() {
      let converted = aegis_event(event, sequence: firstSequence + UInt64(offset), rules: centRules)
      while !offer(converted, now: event.time, phase: phase), isRunning { take() }
      take()
    }
    _ = eventually { hasCaughtUp || !isRunning }
    take()
    return result
  }

  /// The failure, once there is one.
  func failure() -> PluginFailure? {
    guard eventually({ !self.isRunning }), case .failed(let failure) = status else { return nil }
    return failure
  }
}
