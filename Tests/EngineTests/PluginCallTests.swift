import Foundation
import PluginHost
import Testing

@testable import Engine

@Suite(
  "plugins call and plugins bind",
  .enabled(
    if: FileManager.default.isExecutableFile(atPath: PluginCall.hostPath), "aegis-plugin-host is not built"))
struct PluginCallTests {
  /// A plugin folder with a bound library of a few functions.
  private static func folder(_ fixture: BacktestFixture) throws -> Settings {
    try fixture.write(
      "math.c",
      """
      #include <stdint.h>
      #define PUBLIC __attribute__((visibility("default")))
      PUBLIC double mean(const double *x, int64_t n) { double s = 0; for (int64_t i = 0; i < n; i++) s += x[i]; return s / n; }
      PUBLIC int32_t above(const double *x, int64_t n, double level) { return n && x[n - 1] > level; }
      PUBLIC void twice(const double *x, int64_t n, double *a, double *b) {
        for (int64_t i = 1; i < n; i++) { a[i] = 2 * x[i]; b[i] = x[i] / 3; }
      }
      PUBLIC void nothing(void) {}
      PUBLIC int32_t crash(int32_t n) { return *(volatile int32_t *)(intptr_t)n; }
      """)
    let library = "\(fixture.folder)/libmath.so.1"
    try BacktestFixture.run(["cc", "-std=c11", "-fPIC", "-shared", "-o", library, "\(fixture.folder)/math.c"])
    for path in [fixture.folder, library] { chmod(path, 0o755) }
    _ = try PluginBind(
      library: library,
      declarations: [
        "mean: f64(f64* values, i64)", "above: bool(f64*, i64, f64 level=0)",
        "twice: void(f64* values, i64, f64*out Twice, f64*out \"a, third\")", "nothing: void()",
        "crash: i32(i32 at)",
      ], causal: ["mean"], id: nil, directory: fixture.folder
    ).run(json: false)
    var settings = Settings()
    settings.plugins.directory = fixture.folder
    return settings
  }

  private static func call(
    _ settings: Settings, _ function: String, _ words: [String], candles: String? = nil,
    output: String? = nil,
    json: Bool = false
  ) throws -> String {
    try PluginCall(
      settings: settings, library: "math", function: function, words: words, candleFile: candles,
      outputFile: output
    ).run(json: json)
  }

  @Test("a result reads as a call, in twelve digits")
  func scalars() throws {
    let fixture = try BacktestFixture()
    let settings = try Self.folder(fixture)
    #expect(try Self.call(settings, "mean", ["0.1,0.2,0.3"]) == "mean(list of 3) = 0.2")
    #expect(try Self.call(settings, "mean", ["values=1,2"]) == "mean(list of 2) = 1.5")
    #expect(try Self.call(settings, "above", ["1,2", "1.5"]) == "above(list of 2, 1.5) = true")
    #expect(try Self.call(settings, "above", ["1,2", "level=2"]) == "above(list of 2, 2) = false")
    #expect(try Self.call(settings, "nothing", []) == "nothing() gave nothing back")
    let json = try Self.call(settings, "mean", ["1,2"], json: true)
    #expect(
      json
        == #"{"function":"mean","library":"math","result":1.5,"signature":"f64(f64* values, i64)"}"#)
  }

  @Test("columns are CSV with the candles' times, whole digits and empty cells")
  func columns() throws {
    let fixture = try BacktestFixture()
    let settings = try Self.folder(fixture)
    // Off the exchange's grid, as files computed elsewhere are, and a leap day.
    let candles = try fixture.write(
      "x.csv",
      "time,open,high,low,close,volume\n2024-02-29 23:55:00,1,1,1,1,1\n2024-03-01 00:00:00,1,2.1000000000000001,1,2,3.5\n"
    )
    let expected = "time,Twice,\"a, third\"\n2024-02-29 23:55:00,,\n2024-03-01 00:00:00,4,0.6666666666666666"
    #expect(try Self.call(settings, "twice", ["close"], candles: candles) == expected)
    let output = "\(fixture.folder)/out.csv"
    let said = try Self.call(settings, "twice", ["close"], candles: candles, output: output)
    #expect(said == "\(output): 2 rows of time, Twice, a, third")
    #expect(try String(contentsOfFile: output, encoding: .utf8) == expected + "\n")
    #expect(try fixture.files().filter { $0.hasPrefix("out") } == ["out.csv"], "no temporary file stays")
    #expect(
      try Self.call(settings, "twice", ["@\(candles):high"])
        == "index,Twice,\"a, third\"\n0,,\n1,4.2,0.7000000000000001")
    let json = try Self.call(settings, "twice", ["1,3"], json: true)
    #expect(json.contains(#"{"name":"Twice","values":[null,6]}"#) && json.contains(#""rows":["0","1"]"#))
  }

  @Test("what goes wrong has its exit code and its fix")
  func failures() throws {
    let fixture = try BacktestFixture()
    var settings = try Self.folder(fixture)
    func failure(_ function: String, _ words: [String], candles: String? = nil, output: String? = nil) throws
      -> PluginCommandFailure
    {
      try #require(throws: PluginCommandFailure.self) {
        try Self.call(settings, function, words, candles: candles, output: output)
      }
    }
    let usage = try failure("above", ["1,2", "x"])
    #expect(
      usage.exitCode == 2
        && usage.text
          == "error: argument 2 (level) of above must be a number (f64), got \"x\"\nsignature: bool(f64*, i64, f64 level=0)"
    )
    let crash = try failure("crash", ["8"])
    #expect(crash.exitCode == 1 && crash.text.contains("signal 11, segmentation fault"))
    let unknown = try failure("nope", [])
    #expect(unknown.exitCode == 3 && unknown.text.contains("it has mean, above, twice, nothing, crash"))
    let bad = try fixture.write("bad.csv", "time,open,high,low,close,volume\n2024-01-01 00:00:00,1,1,1,x,1\n")
    #expect(
      try failure("mean", ["close"], candles: bad).text.contains("bad.csv:2: close: \"x\" is not a number"))
    let late = try fixture.write("late.csv", "time,open,high,low,close,volume\nnoon,1,1,1,1,1\n")
    #expect(try failure("mean", ["close"], candles: late).text.contains("late.csv:2: time: is no time"))
    #expect(try failure("mean", ["@\(bad):nope"]).text.contains("no column \"nope\""))
    #expect(try failure("twice", ["1"], output: "\(fixture.folder)/no/out.csv").text.contains("--output"))
    chmod("\(fixture.folder)/math.bind.json", 0o666)
    #expect(try failure("mean", ["1"]).text.contains("writable by group or others"))
    settings.plugins.directory = "\(fixture.folder)/empty"
    try FileManager.default.createDirectory(
      atPath: "\(fixture.folder)/empty", withIntermediateDirectories: true)
    #expect(try failure("mean", ["1"]).exitCode == 3)
  }

  @Test("a binding names library, hash and functions, and refuses what it cannot declare")
  func binding() throws {
    let fixture = try BacktestFixture()
    _ = try Self.folder(fixture)
    let manifest = try JSONDecoder().decode(
      BindManifest.self, from: Data(contentsOf: URL(filePath: "\(fixture.folder)/math.bind.json")))
    #expect(manifest.id == "math" && manifest.sha256.count == 64 && manifest.format == 1)
    #expect(manifest.library.hasSuffix("/libmath.so.1") && manifest.library.hasPrefix("/"))
    #expect(manifest.functions.map(\.causal) == [true, false, false, false, false])
    func failure(_ declarations: [String], causal: [String] = [], id: String? = nil) throws
      -> PluginCommandFailure
    {
      try #require(throws: PluginCommandFailure.self) {
        try PluginBind(
          library: "\(fixture.folder)/libmath.so.1", declarations: declarations, causal: causal, id: id,
          directory: fixture.folder
        ).run(json: false)
      }
    }
    let grammar = try failure(["mean: f64(f64*)"])
    #expect(grammar.exitCode == 2 && grammar.text.contains("followed by its length"))
    #expect(try failure(["mean: f64()", "mean: f64()"]).text.contains("declared twice"))
    #expect(try failure(["mean: f64()"], causal: ["other"]).text.contains("--causal other"))
    #expect(try failure(["mean: f64()"], id: "a b").exitCode == 2)
    let symbol = try failure(["meen: f64(f64*,i64)"])
    #expect(symbol.exitCode == 1 && symbol.text.contains("does not export this symbol"))
  }
}
