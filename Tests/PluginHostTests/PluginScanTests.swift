import Foundation
import Glibc
import Testing

@testable import PluginHost

@Suite("The scan of a plugin folder")
struct PluginScanTests {
  @Test("says of each file what it is", .enabled(if: Fixture.isHostBuilt, "aegis-plugin-host is not built"))
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

    let reports = try PluginScan.folder(fixture.folder, host: Fixture.host)
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
    #expect(states["crash.so"]?.reason == "crashed (SIGSEGV, invalid memory access) while loading")
    #expect(states["leaves.so"]?.reason == "ended the scanner with status 0 while loading")
    #expect(states["noisy.so"]?.state == .ok && states["noisy.so"]?.id == "noisy")
  }

  @Test(
    "kills a child that takes too long", .enabled(if: Fixture.isHostBuilt, "aegis-plugin-host is not built"))
  func timeLimit() throws {
    let fixture = try Fixture()
    let path = try fixture.plugin(
      "loop",
      extra: "__attribute__((constructor)) static void loop(void) { for (volatile int i = 0;;) i = 1; }")
    let reports = try PluginScan.file(path, host: Fixture.host, timeoutMilliseconds: 300)
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
    .enabled(if: Fixture.isHostBuilt, "aegis-plugin-host is not built"))
  func slimHost() throws {
    let libraries = try Fixture.run("readelf", ["-d", Fixture.host])
    for name in ["libcurl", "libpq", "hiredis", "sqlite", "libFoundation", "libssl"] {
      #expect(!libraries.contains(name), "\(name)")
    }
  }

  @Test(
    "answers JSON and exit codes on the command line",
    .enabled(if: Fixture.isHostBuilt, "aegis-plugin-host is not built"))
  func commandLine() throws {
    let fixture = try Fixture()
    let path = try fixture.trendFollowerC()
    let scan = try Fixture.run(Fixture.host, ["scan", path])
    let lines = scan.split(separator: "\n")
    #expect(lines.count == 2 && lines.last?.contains("\"done\"") == true)
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(lines[0].utf8)) as? [String: String], "one JSON object")
    #expect(object["id"] == "trend-follower-c" && object["state"] == "ok")
    let digest = try Fixture.run("sha256sum", [path]).prefix(64)
    #expect(object["sha256"] == String(digest))
    let checks = try Fixture.run(Fixture.host, ["validate", path]).split(separator: "\n")
    #expect(checks.count == PluginValidation.names.count)
    #expect(checks.allSatisfy { $0.contains("\"result\":\"ok\"") }, "\(checks)")
    #expect(throws: Fixture.Failure.self) { try Fixture.run(Fixture.host, ["scan"]) }
    #expect(throws: Fixture.Failure.self) { try Fixture.run(Fixture.host, ["scan", "/nowhere.so"]) }
  }

  @Test(
    "remembers what files were until they change, and believes nothing else",
    .enabled(if: Fixture.isHostBuilt, "aegis-plugin-host is not built"))
  func cache() throws {
    let fixture = try Fixture()
    let path = try fixture.plugin("first")
    let file = "\(fixture.folder)/scans"
    func scan(_ host: String) throws -> [PluginScanReport] {
      try PluginScan.folder(fixture.folder, host: host, cache: PluginScanCache(path: file))
    }
    let before = try scan(Fixture.host)
    #expect(before.map(\.id) == ["first"])
    // A host that does not exist proves that nobody was asked.
    #expect(try scan("/nowhere/host") == before)
    let text = try String(contentsOfFile: "\(fixture.folder)/first.c", encoding: .utf8)
    _ = try fixture.compile("first", text.replacingOccurrences(of: "1.0.0", with: "1.0.1"))
    #expect(throws: PluginError.self) { try scan("/nowhere/host") }
    #expect(try scan(Fixture.host).map(\.version) == ["1.0.1"])
    chmod(path, 0o777)
    #expect(try scan("/nowhere/host").map(\.state) == [.refused], "a change of mode is a change")
    chmod(path, 0o755)
    try "aegis plugin scans 1\n{\"identity\":\"x\"\nnonsense\n".write(
      toFile: file, atomically: true, encoding: .utf8)
    #expect(try scan(Fixture.host).map(\.state) == [.ok], "a damaged memory is no memory")
  }

  @Test(
    "one that ends its child costs no other its report",
    .enabled(if: Fixture.isHostBuilt, "aegis-plugin-host is not built"))
  func sharedChild() throws {
    let fixture = try Fixture()
    for index in 0..<8 { _ = try fixture.plugin("p\(index)") }
    for name in ["p2x", "p6x"] {
      _ = try fixture.plugin(
        name, extra: "__attribute__((constructor)) static void boom(void) { abort(); }")
    }
    let reports = try PluginScan.folder(fixture.folder, host: Fixture.host)
    #expect(reports.filter { $0.state == .ok }.map(\.id) == (0..<8).map { "p\($0)" })
    #expect(reports.filter { $0.state == .failed }.allSatisfy { $0.reason.contains("SIGABRT") })
    #expect(reports.count == 10)
  }

  @Test(
    "lists fifty plugins with and without its memory",
    .enabled(if: Fixture.isHostBuilt, "aegis-plugin-host is not built"))
  func fifty() throws {
    let fixture = try Fixture()
    let path = try fixture.trendFollowerC()
    for index in 1..<50 {
      try FileManager.default.copyItem(atPath: path, toPath: "\(fixture.folder)/copy\(index).so")
    }
    let clock = ContinuousClock()
    let file = "\(fixture.folder)/scans"
    var count = 0
    let cold = try clock.measure {
      count = try PluginScan.folder(fixture.folder, host: Fixture.host, cache: PluginScanCache(path: file))
        .count
    }
    let warm = try clock.measure {
      count += try PluginScan.folder(
        fixture.folder, host: "/nowhere/host", cache: PluginScanCache(path: file)
      ).count
    }
    #expect(count == 100)
    print("fifty plugins: cold \(cold), from memory \(warm)")
  }

  @Test(
    "children see none of the environment that could hold a secret",
    .enabled(if: Fixture.isHostBuilt, "aegis-plugin-host is not built"))
  func environment() throws {
    let fixture = try Fixture()
    setenv("AEGIS_TEST_SECRET", "hidden", 1)
    defer { unsetenv("AEGIS_TEST_SECRET") }
    _ = try fixture.plugin(
      "curious",
      extra:
        "__attribute__((constructor)) static void look(void) { if (getenv(\"AEGIS_TEST_SECRET\")) abort(); }")
    #expect(try PluginScan.folder(fixture.folder, host: Fixture.host).map(\.state) == [.ok])
  }

  @Test(
    "lists functions and models as what they are",
    .enabled(if: Fixture.isHostBuilt, "aegis-plugin-host is not built"))
  func kinds() throws {
    let fixture = try Fixture()
    _ = try fixture.plugin("strategy")
    let text = try String(contentsOfFile: "\(fixture.folder)/strategy.c", encoding: .utf8)
    for kind in ["FUNCTIONS", "MODEL"] {
      _ = try fixture.compile(
        kind.lowercased(), text.replacingOccurrences(of: "AEGIS_KIND_STRATEGY", with: "AEGIS_KIND_\(kind)"))
    }
    #expect(
      try PluginScan.folder(fixture.folder, host: Fixture.host).map(\.kind) == [
        "functions", "model", "strategy",
      ])
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
