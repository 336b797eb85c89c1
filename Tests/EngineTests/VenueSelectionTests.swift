import Binance
import BinanceWire
import Foundation
import Glibc
import Logging
import Storage
import Testing

@testable import Engine

@Suite("Choosing the venue")
struct VenueSelectionTests {
  private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
  /// The built program; tests that start the simulator need it.
  static let executable = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    .deletingLastPathComponent()
    .appending(path: "aegis").path

  /// A port of this machine that was free a moment ago and nobody listens on.
  private static func closedPort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        bind(descriptor, pointer, size) == 0 ? getsockname(descriptor, pointer, &size) : -1
      }
    }
    try #require(result == 0)
    return UInt16(bigEndian: address.sin_port)
  }

  private static func nobody() throws -> VenueAddress {
    try VenueAddress(rest: "http://127.0.0.1:\(closedPort())", streams: "ws://127.0.0.1:1")
  }

  @Test("live never falls back: Binance out of reach is an error that names it")
  func liveFails() async throws {
    var settings = Settings()
    settings.mode = .live
    let binance = try Self.nobody()
    await #expect {
      _ = try await VenueSelection.select(
        settings, credentials: nil, executable: "/bin/false", logger: Self.logger, binance: binance)
    } throws: { error in
      "\(error)".hasPrefix("venue: \(binance.rest) cannot be reached")
    }
  }

  @Test("a venue given by its address is never replaced, also on paper")
  func urlFails() async throws {
    var settings = Settings()
    let address = try Self.nobody()
    settings.venue = .url(address.rest)
    settings.venueStreams = address.streams
    await #expect {
      _ = try await VenueSelection.select(
        settings, credentials: nil, executable: "/bin/false", logger: Self.logger)
    } throws: { error in
      "\(error)".contains("\(address.rest) cannot be reached")
    }
  }

  @Test(
    "on paper, Binance out of reach becomes the local simulator, under a key of its own",
    .enabled(
      if: FileManager.default.isExecutableFile(atPath: executable), "aegis is not built: swift build"))
  func paperFallsBack() async throws {
    var settings = Settings()
    settings.simulator.symbols = 3
    let venue = try await VenueSelection.select(
      settings, credentials: nil, executable: Self.executable, logger: Self.logger, binance: Self.nobody())
    let simulator = try #require(venue.simulator)
    #expect(venue.address.isLoopback && venue.key.hasPrefix("simulator-"))
    let answer = try await venue.client.send(OrderRequests.exchangeInfo())
    #expect(answer.status == 200)
    venue.client.shutdown()
    simulator.stop()
    simulator.signal(SIGKILL)
    let deadline = ContinuousClock.now + .seconds(60)
    while simulator.currentProcessID != 0, ContinuousClock.now < deadline {
      try await Task.sleep(for: .milliseconds(20))
    }
    #expect(simulator.currentProcessID == 0)
  }
}
