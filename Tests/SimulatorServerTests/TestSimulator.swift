import BinanceWire
import Foundation
import Market
import Testing

@testable import SimulatorServer

/// A simulator on free ports for the length of a test.
struct TestSimulator: Sendable {
  let restPort: Int
  let streamPort: Int
  let apiKey: String
  let apiSecret: String

  static func run(
    _ options: SimulatorOptions, _ body: @escaping @Sendable (TestSimulator) async throws -> Void
  ) async throws {
    let (ready, continuation) = AsyncThrowingStream.makeStream(of: SimulatorAddresses.self)
    let server = Task {
      do {
        try await SimulatorServer(options: options).run { continuation.yield($0) }
        continuation.finish()
      } catch {
        continuation.finish(throwing: error)
        throw error
      }
    }
    var iterator = ready.makeAsyncIterator()
    guard let addresses = try await iterator.next() else {
      throw TestClient.Failure(description: "ended before it was ready")
    }
    let simulator = TestSimulator(
      restPort: URL(string: addresses.rest)?.port ?? 0, streamPort: URL(string: addresses.streams)?.port ?? 0,
      apiKey: options.apiKey ?? SimulatorOptions.defaultAPIKey,
      apiSecret: options.apiSecret ?? SimulatorOptions.defaultAPISecret)
    let result: Result<Void, any Error>
    do { result = .success(try await body(simulator)) } catch { result = .failure(error) }
    server.cancel()
    try await server.value
    try result.get()
  }

  static func generated(
    _ symbolCount: Int = 4, rate: Int = 400, weight: Int = 2_400, speed: Double = 1
  ) -> SimulatorOptions {
    SimulatorOptions(
      source: .generate(symbolCount: symbolCount, seed: 11, messagesPerSecond: rate), speed: speed,
      weightPerMinuteMax: weight)
  }

  func get(_ target: String) async throws -> TestClient.Answer {
    try await TestClient.request(port: restPort, "GET", target)
  }

  var now: Int64 { Int64(Date().timeIntervalSince1970 * 1_000) }

  /// A signed request with everything in the query.
  func signed(
    _ method: String, _ path: String, _ query: String = "", timestamp: Int64? = nil
  ) async throws -> TestClient.Answer {
    let payload = (query.isEmpty ? "" : query + "&") + "timestamp=\(timestamp ?? now)"
    return try await TestClient.request(
      port: restPort, method, "\(path)?\(payload)&signature=\(signature(payload))",
      headers: ["X-MBX-APIKEY": apiKey])
  }

  func signature(_ payload: String, secret: String? = nil) -> String {
    RequestSigner(apiKey: Secret(apiKey), secret: Secret(secret ?? apiSecret)).signature(of: payload)
  }

  /// Runs blocking WebSocket work.
  func socket<Value: Sendable>(
    _ path: String, _ body: @escaping @Sendable (TestSocket) throws -> Value
  ) async throws -> Value {
    let port = streamPort
    return try await TestClient.blocking { try body(TestSocket(port: port, path)) }
  }
}

/// The recorded files beside the project; tests that need them say so when they are absent.
enum RecordedData {
  static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("shared/data/binance").path

  static let isPresent = FileManager.default.fileExists(atPath: folder + "/ws/raw/ethusdt_20240718.gz")
}
