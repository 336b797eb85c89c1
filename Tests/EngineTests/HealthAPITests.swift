import BinanceWire
import Dispatch
import Foundation
import Glibc
import Storage
import Testing
import Trading

@testable import Engine

@Suite("The health API")
struct HealthAPITests {
  private typealias Samples = JournalSamples

  private static let scope = Samples.run().key.scope

  private func board(filled: Bool = true) -> HealthBoard {
    let board = HealthBoard(version: "1.2.3", scope: Self.scope)
    if filled {
      board.begin(run: 7, scope: Self.scope, table: Samples.table) { _ in nil }
      board.absorb(Samples.day(), from: 0)
    }
    return board
  }

  /// Sends a request as it stands and returns the answer as it comes, off the threads the server needs.
  private static func exchange(port: Int, _ request: String) async -> String {
    await withCheckedContinuation { continuation in
      DispatchQueue.global().async { continuation.resume(returning: blocking(port: port, request)) }
    }
  }

  private static func blocking(port: Int, _ request: String) -> String {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var limit = timeval(tv_sec: 5, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let connected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard connected == 0 else { return "" }
    let bytes = Array(request.utf8)
    guard send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { return "" }
    var answer: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      guard count > 0 else { break }
      answer += buffer[..<count]
    }
    return String(decoding: answer, as: UTF8.self)
  }

  private static func get(_ path: String, port: Int, host: String? = nil, headers: String = "") async
    -> String
  {
    await exchange(
      port: port,
      "GET \(path) HTTP/1.1\r\nHost: \(host ?? "127.0.0.1:\(port)")\r\n\(headers)Connection: close\r\n\r\n")
  }

  private func status(_ answer: String) -> Int {
    Int(answer.split(separator: " ").dropFirst().first ?? "") ?? 0
  }

  @Test("answers before anything else is known")
  func answersAtOnce() async throws {
    let api = try await HealthAPI.start(board: board(filled: false), port: 0)
    let answer = await Self.get("/health", port: api.port)
    #expect(status(answer) == 200)
    #expect(answer.contains("\"status\":\"starting\"") && answer.contains("\"mode\":\"paper\""))
    await api.stop()
  }

  @Test("tells what the journal says, as JSON")
  func answers() async throws {
    let board = board()
    let api = try await HealthAPI.start(board: board, port: 0)
    let view = await Self.get("/status", port: api.port)
    #expect(
      view.contains("content-type: application/json") || view.contains("Content-Type: application/json"))
    let trades = await Self.get("/trades?limit=1", port: api.port)
    #expect(trades.contains("\"net\":\"1.23456789\"") && trades.contains("\"source\":\"engine\""))
    #expect(await Self.get("/signals?limit=1", port: api.port).contains("\"outcome\":\"cooldown\""))
    #expect(await Self.get("/positions", port: api.port).contains("\"positions\":[]"))
    #expect(await Self.get("/virtual-learning", port: api.port).contains("\"balance\":\"10000.00000070\""))
    #expect(await status(Self.get("/nothing", port: api.port)) == 404)
    for limit in ["0", "-1", "x", "99999999"] {
      #expect(await status(Self.get("/trades?limit=\(limit)", port: api.port)) == 400)
    }
    #expect(
      await status(
        Self.exchange(
          port: api.port,
          "POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
        == 404)
    await api.stop()
  }

  @Test("names only this machine as its host, and serves no foreign page")
  func hostCheck() async throws {
    let api = try await HealthAPI.start(board: board(), port: 0)
    for host in ["localhost", "localhost:\(api.port)", "127.0.0.1", "[::1]:\(api.port)", "LOCALHOST"] {
      #expect(await status(Self.get("/health", port: api.port, host: host)) == 200, "\(host)")
    }
    for host in [
      "evil.example", "127.0.0.1.evil.example", "localhost.evil", "localhost:x", "192.168.0.1", "0.0.0.0",
    ] {
      let answer = await Self.get("/health", port: api.port, host: host)
      #expect(status(answer) == 403 && !answer.contains("\"venue\""), "\(host)")
    }
    let foreign = await Self.get("/health", port: api.port, headers: "Origin: https://evil.example\r\n")
    #expect(status(foreign) == 403)
    let own = await Self.get("/health", port: api.port, headers: "Origin: http://localhost:1\r\n")
    #expect(status(own) == 200 && !own.lowercased().contains("access-control-"))
    await api.stop()
  }

  @Test("asks for the bearer token when there is one")
  func tokens() async throws {
    let api = try await HealthAPI.start(board: board(), port: 0, token: Secret("0123456789abcdef"))
    #expect(await status(Self.get("/health", port: api.port)) == 401)
    for wrong in ["Bearer 0123456789abcdeF", "0123456789abcdef", "Bearer ", "Basic 0123456789abcdef"] {
      #expect(
        await status(Self.get("/health", port: api.port, headers: "Authorization: \(wrong)\r\n")) == 401)
    }
    #expect(
      await status(Self.get("/health", port: api.port, headers: "Authorization: Bearer 0123456789abcdef\r\n"))
        == 200)
    await api.stop()
  }

  @Test("a port in use is one clear line, and stopping gives the port back")
  func portInUse() async throws {
    let first = try await HealthAPI.start(board: board(), port: 0)
    let error = await #expect(throws: HealthAPIError.self) {
      try await HealthAPI.start(board: board(), port: first.port)
    }
    #expect(error == .portInUse(first.port))
    await first.stop()
    let second = try await HealthAPI.start(board: board(), port: first.port)
    #expect(second.port == first.port)
    await second.stop()
  }

  @Test("a token file must hold a token and be private")
  func tokenFiles() throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "aegis-token-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: path) }  // a leftover harms nobody
    func write(_ text: String, _ mode: Int) throws {
      try Data(text.utf8).write(to: URL(filePath: path))
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }
    try write("0123456789abcdef\n", 0o600)
    #expect(try HealthAPI.token(file: path).exposed == "0123456789abcdef")
    try write("0123456789abcdef\n", 0o644)
    #expect(throws: SettingsError.self) { try HealthAPI.token(file: path) }
    try write("short", 0o600)
    #expect(throws: SettingsError.self) { try HealthAPI.token(file: path) }
    #expect(throws: SettingsError.self) { try HealthAPI.token(file: path + ".missing") }
  }

  @Test("the command line asks the engine, else reads the store and says so")
  func reports() async throws {
    var settings = Settings()
    settings.dataDirectory =
      FileManager.default.temporaryDirectory.appending(path: "aegis-report-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(
      atPath: "\(settings.dataDirectory)/run", withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: settings.dataDirectory) }  // a leftover harms nobody

    let nothing = await EngineReport.trades(settings, limit: 5, json: false)
    #expect(
      nothing.exitCode == .failure && nothing.note?.contains("store.sqlite") == true && nothing.text.isEmpty)

    let store = try SQLiteStore(path: settings.storePath)
    let archivist = Archivist(table: Samples.table, now: { 0 }) { store }
    await archivist.absorb(Samples.day(), from: 0, run: Samples.run())
    let stored = await EngineReport.trades(settings, limit: 5, json: true)
    #expect(stored.exitCode == .success && stored.note?.contains("no engine is running") == true)
    #expect(stored.text.contains("\"source\":\"store\"") && stored.text.contains("\"net\":\"1.23456789\""))
    #expect(await EngineReport.status(settings, json: false).exitCode == .notRunning)
    #expect(await EngineReport.signals(settings, limit: 5, json: false).text.contains("cooldown"))

    let api = try await HealthAPI.start(board: board(), port: 0)
    let address = HealthAPIClient.Address(url: api.url, pid: getpid())
    try JSONEncoder().encode(address).write(to: URL(filePath: settings.apiAddressPath))
    let asked = await EngineReport.trades(settings, limit: 5, json: true)
    #expect(asked.note == nil && asked.text.contains("\"source\":\"engine\""))
    #expect(await EngineReport.status(settings, json: false).text.hasPrefix("aegis 1.2.3"))
    await api.stop()

    #expect(await EngineReport.trades(settings, limit: 5, json: true).text.contains("\"source\":\"store\""))
    try Data("{}".utf8).write(to: URL(filePath: settings.apiAddressPath))
    #expect(await EngineReport.trades(settings, limit: 5, json: true).exitCode == .failure)
  }
}
