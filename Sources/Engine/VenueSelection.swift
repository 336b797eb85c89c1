import Binance
import BinanceWire
import Foundation
import Glibc
import Logging
import Storage
import Synchronization

/// The venue a run trades at, found and reachable.
struct SelectedVenue: Sendable {
  var address: VenueAddress
  /// Keys stored rows and folders. Every start of the simulator is another exchange, so it gets another key.
  var key: String
  var speed: Double
  var client: RestClient
  /// The simulator's process, when the engine started one.
  var simulator: Supervisor?
}

enum VenueSelection {
  enum Failure: Error, CustomStringConvertible {
    case unreachable(address: String, reason: String)
    case simulatorDidNotStart

    var description: String {
      switch self {
      case .unreachable(let address, let reason):
        "venue: \(address) cannot be reached (\(reason)); check the network, or set AEGIS_VENUE=simulator"
      case .simulatorDidNotStart:
        "venue: the simulator did not start within 60 s; run `aegis simulate` to see why"
      }
    }
  }

  private static let simulatorPatienceNanoseconds: Int64 = 60_000_000_000

  /// Finds the venue of the settings. On paper, Binance out of reach falls back to the simulator with one clear line;
  /// live never does.
  /// - Parameter binance: where Binance is; tests give a closed port.
  static func select(
    _ settings: Settings, credentials: Credentials?, executable: String, logger: Logger,
    binance: VenueAddress = .binance
  ) async throws -> SelectedVenue {
    switch settings.venue {
    case .simulator: return try await startSimulator(settings, credentials, executable, logger)
    case .url(let url):
      let address = try VenueAddress(rest: url, streams: settings.venueStreams)
      return try await reach(address, key: address.key)
    case .binance:
      do {
        return try await reach(binance, key: "binance")
      } catch let error where settings.mode == .paper {
        FileHandle.standardError.write(
          Data(
            "aegis: Binance cannot be reached (\(reason(error))); trading on paper at the local simulator instead\n"
              .utf8))
        return try await startSimulator(settings, credentials, executable, logger)
      }
    }
  }

  private static func reason(_ error: any Error) -> String {
    if let failure = error as? Failure, case .unreachable(_, let reason) = failure { return reason }
    return "\(error)"
  }

  private static func text(of error: any Error) -> String {
    if let error = error as? RestError, case .notSent(let reason) = error { return reason }
    return "\(error)"
  }

  private static func reach(
    _ address: VenueAddress, key: String
  ) async throws -> SelectedVenue {
    let client = try RestClient(RestConfiguration(baseURL: address.rest))
    do {
      _ = try await client.clock.measure(with: client)
    } catch {
      client.shutdown()
      throw Failure.unreachable(address: address.rest, reason: text(of: error))
    }
    return SelectedVenue(
      address: address, key: key, speed: client.clock.reading.speed, client: client, simulator: nil)
  }

  private static func startSimulator(
    _ settings: Settings, _ credentials: Credentials?, _ executable: String, _ logger: Logger
  ) async throws -> SelectedVenue {
    let simulator = settings.simulator
    var arguments = ["simulate", "--ends-with-parent", "--speed", "\(simulator.speed)"]
    if let tape = simulator.tape {
      arguments += ["--tape", tape]
    } else {
      arguments += [
        "--generate", "\(simulator.symbols)", "--seed", "\(simulator.seed)", "--rate", "\(simulator.rate)",
      ]
    }
    var environment: [String: String] = [:]
    if settings.mode == .live, let credentials {
      environment = [
        SimulatorCredentials.keyVariable: credentials.apiKey.exposed,
        SimulatorCredentials.secretVariable: credentials.apiSecret.exposed,
      ]
    }
    let ready = ReadyLine()
    let supervisor = Supervisor(
      name: "simulator", executable: executable, arguments: arguments, environment: environment,
      removedVariables: [Credentials.keyName, Credentials.secretName], isRestarted: false, logger: logger,
      onLine: { line in ready.take(line) })
    let running = Task { await supervisor.run() }
    let deadline = Clock.monotonicNanoseconds() + simulatorPatienceNanoseconds
    while Clock.monotonicNanoseconds() < deadline, !Task.isCancelled {
      if let address = ready.address {
        let client = try RestClient(
          RestConfiguration(baseURL: address.rest), clock: VenueClock(speed: simulator.speed))
        _ = try await client.clock.measure(with: client)
        let key = DataDirectory.venueKey("simulator-\(Clock.wallNanoseconds() / 1_000_000)")
        return SelectedVenue(
          address: address, key: key, speed: simulator.speed, client: client, simulator: supervisor)
      }
      try await Task.sleep(nanoseconds: 20_000_000)
    }
    supervisor.stop()
    supervisor.signal(SIGKILL)
    await running.value
    throw Failure.simulatorDidNotStart
  }
}

/// What the simulator says when it is ready: its addresses, as the first line that is one.
private final class ReadyLine: Sendable {
  private let found = Mutex<VenueAddress?>(nil)

  var address: VenueAddress? { found.withLock { $0 } }

  func take(_ line: String) {
    do {
      let address = try JSONDecoder().decode(VenueAddress.self, from: Data(line.utf8))
      found.withLock { $0 = $0 ?? address }
    } catch {
      // Some other line; nothing waits for it.
    }
  }
}

/// How the engine hands its keys to a simulator it starts in live mode: by environment, never by arguments, which
/// everyone on the machine can read.
public enum SimulatorCredentials {
  public static let keyVariable = "AEGIS_SIMULATOR_API_KEY"
  public static let secretVariable = "AEGIS_SIMULATOR_API_SECRET"
}
