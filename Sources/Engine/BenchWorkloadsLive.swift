import Binance
import Foundation

/// What a load server sends in the live benchmark.
public enum BenchLiveKind: String, CaseIterable, Sendable {
  case agg, book, depth

  var note: String {
    let path = "socket, frame parser, scanner, firewall, ring on one thread"
    return switch self {
    case .agg, .book: "\(path); every message becomes a ring event"
    case .depth: "\(path); the engine uses no book depth, so messages are recognised and left out"
    }
  }
}

/// The live benchmark's line; the keys are the benchmark's.
public struct BenchLiveResult: Sendable, Codable, Hashable {
  public var events: Int
  public var loadSeconds = 0.0
  public var runSeconds: Double
  public var runProcessorSeconds: Double
  public var eventsPerSecond: Double
  /// Messages that became events of the ring.
  public var ringEvents: Int
  /// Messages a check kept out.
  public var refused: Int
  public var note: String

  enum CodingKeys: String, CodingKey {
    case events
    case loadSeconds = "load_s"
    case runSeconds = "run_s"
    case runProcessorSeconds = "run_cpu_s"
    case eventsPerSecond = "events_per_s"
    case ringEvents = "ring_events"
    case refused
    case note
  }

  /// One line of JSON.
  public func line() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }
}

/// Takes in a load server's messages with the Feed's own path.
public enum BenchLiveRun {
  public enum Failure: Error, CustomStringConvertible {
    case nothingReceived(url: String)

    public var description: String {
      switch self {
      case .nothingReceived(let url):
        "\(url): the server ended before a message could be measured; check --kind and --count"
      }
    }
  }

  /// Blocks until `count` messages came or the server ended.
  public static func run(url: String, kind: BenchLiveKind, count: Int) throws -> BenchLiveResult {
    let measured = try IngestProbe.run(url: url, count: count)
    guard measured.messages > 0, measured.seconds > 0 else { throw Failure.nothingReceived(url: url) }
    return BenchLiveResult(
      events: Int(measured.messages), runSeconds: measured.seconds, runProcessorSeconds: measured.cpuSeconds,
      eventsPerSecond: (Double(measured.messages) / measured.seconds).rounded(),
      ringEvents: Int(measured.events),
      refused: Int(measured.refused), note: kind.note)
  }
}
