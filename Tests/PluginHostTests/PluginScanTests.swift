import Foundation
import Glibc
import Testing

@testable import PluginHost

@Suite("The scan of a plugin folder")
struct PluginScanTests {
  private static let host = "\(Fixture.products)/aegis-plugin-host"
  private static let isHostBuilt = FileManager.default.isExecutableFile(atPath: host)

  @Test("says of each file what it is", .enabled(if: isHostBuilt, "aegis-plugin-host is not built"))
  func states() throws {
    let fixture = try Fixture()
    _ = try fixture.trendFollowerC()
    _ = try fixture.trendFollower()
    _ = try fixture.compile("empty", "int nothing;")
    _ = try fixture.plugin("future", abiMajor: 9)
    let exposed = try fixture.plugin("exposed")
    chmod(exposed, 0o777)
    _ = try fixture.plugin(
      "crash", extra: "__attribute__((constructor)) static void boom(void) { *(volatile int *)0 = 1; }")
    _ = try fixture.plugin(
      "leaves", extra: "__attribute__((constructor)) static void leave(void) { exit(0); }")
    _ = try fixture.plugin(
      "noisy",
      extra: "#include <stdio.h>\n__attribute__((constructor)) static void hi(void) { puts(\"{}\"); }")
    let library = try fixture.compile(
      "gone", "int gone(void); __attribute__((visibility(\"default\"))) int gone(void) { return 1; }")
    _ = try fixture.plugin("needy", extra: "int gone(void); int (*keep)(void) = gone;")
    try Fixture.run(
      "cc",
      [
        "-shared", "-fPIC", "-I", "\(Fixture.root)/plugin-sdk/include", "-o", "\(fixture.folder)/needy.so",
        "\(fixture.folder)/needy.c", library,
      ])
    try FileManager.default.removeItem(atPath: library)

    let reports = try PluginScan.folder(fixture.folder, host: Self.host)
    let states = Dictionary(
      uniqueKeysWithValues: reports.map { (URL(filePath: $0.file).lastPathComponent, $0) })
    #expect(reports.map(\.file) == reports.map(\.file).sorted())
    #expect(
      states["libtrend_follower.so"]?.state == .ok && states["libtrend_follower.so"]?.language == "swift")
    #expect(
      states["libtrend_follower.so"]?.id == "trend-follower" && states["libtrend_follower.so"]?.abi == "1.0")
    #expect(
      states["libtrend_follower_c.so"]?.state == .ok && states["libtrend_follower_c.so"]?.language == "c")
    #expect(states["empty.so"]?.state == .ignored)
    #expect(states["future.so"]?.state == .incompatible)
    #expect(states["exposed.so"]?.state == .refused)
    #expect(
      states["needy.so"]?.state == .unresolved && states["needy.so"]?.reason.contains("gone.so") == true)
    #expect(states["crash.so"]?.reason == "crashed while loading (signal 11)")
    #expect(states["leaves.so"]?.reason == "the scanner left with status 0 and no report")
    #expect(states["noisy.so"]?.state == .ok && states["noisy.so"]?.id == "noisy")
  }

  @Test("kills a child that takes too long", .enabled(if: isHostBuilt, "aegis-plugin-host is not built"))
  func timeLimit() throws {
    let fixture = try Fixture()
    let path = try fixture.plugin(
      "loop",
      extra: "__attribute__((constructor)) static void loop(void) { for (volatile int i = 0;;) i = 1; }")
    let reports = try PluginScan.file(path, host: Self.host, timeoutMilliseconds: 300)
    #expect(reports.map(\.state) == [.failed] && reports[0].reason.contains("300 ms"))
  }

  @Test("says when the scanner itself is missing")
  func missingHost() throws {
    let fixture = try Fixture()
    let path = try fixture.trendFollowerC()
    #expect(throws: PluginError.scannerFailed(path: "/nowhere/host", reason: "No such file or directory")) {
      try PluginScan.file(path, host: "/nowhere/host")
    }
  }

  @Test(
    "runs in a host that links no network or database code",
    .enabled(if: isHostBuilt, "aegis-plugin-host is not built"))
  func slimHost() throws {
    let libraries = try Fixture.run("readelf", ["-d", Self.host])
    for name in ["libcurl", "libpq", "hiredis", "sqlite", "libFoundation", "libssl"] {
      #expect(!libraries.contains(name), "\(name)")
    }
  }

  @Test(
    "answers JSON and exit codes on the command line",
    .enabled(if: isHostBuilt, "aegis-plugin-host is not built"))
  func commandLine() throws {
    let fixture = try Fixture()
    let path = try fixture.trendFollowerC()
    let scan = try Fixture.run(Self.host, ["scan", path])
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(scan.utf8)) as? [String: String], "one JSON object")
    #expect(object["id"] == "trend-follower-c" && object["state"] == "ok")
    let digest = try Fixture.run("sha256sum", [path]).prefix(64)
    #expect(object["sha256"] == String(digest))
    let checks = try Fixture.run(Self.host, ["validate", path]).split(separator: "\n")
    #expect(checks.count == 7 && checks.allSatisfy { $0.contains("\"result\":\"ok\"") })
    #expect(throws: Fixture.Failure.self) { try Fixture.run(Self.host, ["scan"]) }
    #expect(throws: Fixture.Failure.self) { try Fixture.run(Self.host, ["scan", "/nowhere.so"]) }
  }

  @Test(
    "validation finds a plugin whose signals depend on how events are cut, and one that remembers wrongly")
  func validation() throws {
    let fixture = try Fixture()
    let quiet = "if (b->flags & AEGIS_BATCH_WARMUP) continue;"
    let batchy = try fixture.plugin(
      "batchy", signal: "\(quiet) s.return_fraction = b->count == 1 ? 0.01 : 0.02;")
    // Not declared deterministic, so only the rules are checked.
    #expect(PluginValidation.run(path: batchy, seed: 1).filter { !$0.isPassed }.isEmpty)
    let text = try String(contentsOfFile: "\(fixture.folder)/batchy.c", encoding: .utf8)
    let promised = try fixture.compile(
      "promised",
      text.replacingOccurrences(of: ".kind = ", with: ".capabilities = AEGIS_CAP_DETERMINISTIC, .kind = "))
    let failed = PluginValidation.run(path: promised, seed: 1).filter { !$0.isPassed }.map(\.name)
    #expect(failed == ["batch-invariant"])
    let nan = try fixture.plugin("nan", signal: "\(quiet) s.return_fraction = NAN;")
    #expect(PluginValidation.run(path: nan, seed: 1).filter { !$0.isPassed }.map(\.name) == ["replay"])
    let eager = try fixture.plugin("eager")
    #expect(PluginValidation.run(path: eager, seed: 1).filter { !$0.isPassed }.map(\.name) == ["replay"])
    let stateless = try fixture.compile(
      "stateless",
      text.replacingOccurrences(of: ".kind = ", with: ".capabilities = AEGIS_CAP_STATEFUL, .kind = "))
    #expect(PluginValidation.run(path: stateless, seed: 1).filter { !$0.isPassed }.map(\.name) == ["state"])
  }
}

@Suite("Small parts of the plugin host")
struct PluginHostPartsTests {
  @Test("SHA-256 gives the published digests")
  func digests() {
    func digest(_ text: String) -> String { Array(text.utf8).withUnsafeBytes { SHA256.hexadecimal($0) } }
    #expect(digest("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")
        == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    #expect(
      digest(String(repeating: "a", count: 100_000))
        == "6d1cf22d7cc09b085dfc25ee1a1f3ae0265804c607bc2074ad253bcc82fd81ee")
  }

  @Test("a flat JSON object survives the way there and back, whatever its texts are")
  func flatJSON() throws {
    let texts = [
      "", "plain", "\"quoted\" \\ back", "line\nbreak\ttab\r", "\u{1}\u{1f}", "é 漢 🙂", "{\"a\":1}",
    ]
    let line = FlatJSON.text(texts.enumerated().map { ("k\($0)", $1) })
    #expect(!line.contains("\n"))
    let parsed = try #require(FlatJSON.parse(line))
    for (index, text) in texts.enumerated() { #expect(parsed["k\(index)"] == text) }
    for broken in ["", "{", "{}x", "[]", "{\"a\":1}", "{\"a\":\"b\"", "{\"a\":\"b\",}", "{\"a\":\"\\u12\"}"] {
      #expect(FlatJSON.parse(broken) == nil, "\(broken)")
    }
    #expect(FlatJSON.parse("{}") == [:])
  }
}
