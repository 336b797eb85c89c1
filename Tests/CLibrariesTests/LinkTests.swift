import CCurl
import CFFI
import CHiredis
import CPostgres
import CZlib
import Foundation
import Testing

/// The C libraries the engine stands on link together and work: against real servers where the test run started some.
@Suite("The C libraries")
struct CLibrariesTests {
  static let postgres = ProcessInfo.processInfo.environment["AEGIS_TEST_POSTGRES"]
  static let redis = ProcessInfo.processInfo.environment["AEGIS_TEST_REDIS"]

  @Test(
    "libpq asks a PostgreSQL server",
    .enabled(if: postgres != nil, "AEGIS_TEST_POSTGRES names no server; `make test` starts one"))
  func postgresAnswers() throws {
    let connection = try #require(PQconnectdb(Self.postgres ?? ""))
    defer { PQfinish(connection) }
    try #require(PQstatus(connection) == CONNECTION_OK, "\(String(cString: PQerrorMessage(connection)))")
    let result = PQexec(connection, "SELECT 6 * 7")
    defer { PQclear(result) }
    #expect(PQresultStatus(result) == PGRES_TUPLES_OK)
    #expect(String(cString: PQgetvalue(result, 0, 0)) == "42")
  }

  @Test(
    "hiredis talks to a Redis server",
    .enabled(if: redis != nil, "AEGIS_TEST_REDIS names no server; `make test` starts one"))
  func redisAnswers() throws {
    let parts = (Self.redis ?? "").split(separator: ":")
    try #require(parts.count == 2)
    let context = try #require(redisConnect(String(parts[0]), Int32(parts[1]) ?? 0))
    defer { redisFree(context) }
    try #require(context.pointee.err == 0)
    #expect(command(context, "SET", "aegis:test", "42") == "OK")
    #expect(command(context, "GET", "aegis:test") == "42")
  }

  private func command(_ context: UnsafeMutablePointer<redisContext>, _ words: String...) -> String? {
    let copies = words.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    var arguments: [UnsafePointer<CChar>?] = copies.map { UnsafePointer($0) }
    guard let raw = redisCommandArgv(context, Int32(words.count), &arguments, nil) else { return nil }
    let reply = raw.assumingMemoryBound(to: redisReply.self)
    defer { freeReplyObject(raw) }
    return reply.pointee.str.map { String(cString: $0) }
  }

  @Test("libffi calls a function by a signature known at run time only")
  func foreignCall() {
    let function: @convention(c) (Double, Int32) -> Double = { $0 * Double($1) }
    var types: [UnsafeMutablePointer<ffi_type>?] = [aegis_ffi_double(), aegis_ffi_int32()]
    var interface = ffi_cif()
    #expect(ffi_prep_cif(&interface, FFI_DEFAULT_ABI, 2, aegis_ffi_double(), &types) == FFI_OK)
    var price = 1.5
    var count: Int32 = 4
    var result = 0.0
    withUnsafeMutablePointer(to: &price) { first in
      withUnsafeMutablePointer(to: &count) { second in
        var values: [UnsafeMutableRawPointer?] = [.init(first), .init(second)]
        ffi_call(&interface, unsafeBitCast(function, to: (@convention(c) () -> Void).self), &result, &values)
      }
    }
    #expect(result == 6)
  }

  @Test("libcurl speaks TLS, zlib is there")
  func versions() {
    let curl = String(cString: curl_version())
    #expect(["OpenSSL", "GnuTLS", "mbedTLS", "wolfSSL"].contains { curl.contains($0) }, "\(curl)")
    #expect(String(cString: zlibVersion()).hasPrefix("1."))
  }
}
