import Foundation
import Glibc
import Testing

@testable import PluginHost

@Suite("Calls of typed functions")
struct FunctionCallTests {
  private static let host = "\(Fixture.products)/aegis-plugin-host"
  private static let isHostBuilt = FileManager.default.isExecutableFile(atPath: host)

  /// A plugin of functions in C, with one of every type and some that misbehave.
  private static func plugin(_ fixture: Fixture, _ name: String = "functions", table: String? = nil) throws
    -> String
  {
    let list =
      table ?? """
        F(all, "f64(f64, i32, i64, bool, str, f64* list, i64)", 3),
        F(next, "void(f64* values, i64, f64*out Next)", AEGIS_FUNCTION_CAUSAL),
        F(peek, "f64(f64* values, i64)", AEGIS_FUNCTION_CAUSAL),
        F(delta, "void(candles, i64 bars=1, f64*out Delta, f64*out Time)", AEGIS_FUNCTION_CAUSAL),
        F(small, "i32(i32)", 1), F(large, "i64(i64)", 1), F(isOdd, "bool(i64)", 1),
        F(crash, "void()", 0), F(spin, "void()", 0), F(leave, "void()", 0)
        """
    return try fixture.compile(
      name,
      """
      #include <stdlib.h>
      #include <string.h>
      #include "aegis_plugin.h"
      static double all(double a, int32_t b, int64_t c, int32_t d, const char *e, const double *f, int64_t n) {
        double sum = a + b + (double)c + d + (double)strlen(e);
        for (int64_t i = 0; i < n; i++) sum += f[i];
        return sum;
      }
      static void next(const double *x, int64_t n, double *out) {
        for (int64_t i = 0; i + 1 < n; i++) out[i] = x[i + 1];
      }
      static double peek(const double *x, int64_t n) { return x[n]; }
      static void delta(const aegis_candles *c, int64_t bars, double *out, double *time) {
        for (int64_t i = 0; i < c->count; i++) {
          if (i >= bars) out[i] = c->close[i] - c->close[i - bars];
          time[i] = (double)c->open_time_ns[i];
        }
      }
      static int32_t small(int32_t x) { return -x; }
      static int64_t large(int64_t x) { return x + 1; }
      static int32_t isOdd(int64_t x) { return x & 1; }
      static void crash(void) { *(volatile int *)8 = 1; }
      static void spin(void) { for (volatile int go = 1; go;) ; }
      static void leave(void) { exit(0); }
      #define F(name, signature, flags) \\
        {sizeof(aegis_function), flags, #name, signature, "a function", (void (*)(void))name}
      static const aegis_function functions[] = {\(list)};
      static const aegis_ext_functions table = {sizeof table, sizeof functions / sizeof functions[0], functions};
      static const void *extension(const aegis_descriptor *d, const char *id) {
        (void)d;
        return strcmp(id, AEGIS_EXT_FUNCTIONS) ? NULL : &table;
      }
      static const aegis_strategy strategy = {.size = sizeof strategy, .get_extension = extension};
      static const aegis_descriptor descriptor = {
        .size = sizeof descriptor, .kind = AEGIS_KIND_FUNCTIONS, .id = "\(name)", .version = "1.0.0",
        .max_signals_per_event = 1, .strategy = &strategy};
      static const aegis_descriptor *const plugins[] = {&descriptor};
      static const aegis_entry entry = {AEGIS_ABI_MAGIC, sizeof entry, 1, 0, 0, "cc", 1, 0, plugins, 0, 0};
      const aegis_entry *aegis_plugin_v1(void);
      AEGIS_EXPORT const aegis_entry *aegis_plugin_v1(void) { return &entry; }
      """, ["-Wno-unused-function"])
  }

  @Test("every type of the grammar arrives and comes back")
  func types() throws {
    let fixture = try Fixture()
    let library = try FunctionLibrary(path: Self.plugin(fixture), cacheDirectory: fixture.cache)
    func call(_ name: String, _ values: [FunctionValue]) throws -> FunctionOutcome {
      FunctionCall(try library.function(name)).run(values)
    }
    let sum = try call(
      "all",
      [.number(0.5), .integer(-2), .integer(1 << 40), .flag(true), .text("four"), .list([1, 2, 3.25])])
    #expect(sum.result == .number(0.5 - 2 + 1_099_511_627_776 + 1 + 4 + 6.25))
    #expect(try call("small", [.integer(5)]).result == .integer(-5))
    #expect(try call("large", [.integer(.max - 1)]).result == .integer(.max))
    #expect(try call("isOdd", [.integer(3)]).result == .flag(true))
    #expect(try call("isOdd", [.integer(4)]).result == .flag(false))
    let candles = FunctionCausality.history(seed: 3, barCount: 5)
    let delta = try call("delta", [.candles(candles), .integer(2)])
    #expect(delta.result == .none && delta.columns.map(\.name) == ["Delta", "Time"])
    #expect(delta.columns[0].values.prefix(2).allSatisfy { $0.isNaN })
    #expect(delta.columns[0].values[4] == candles.close[4] - candles.close[2])
    #expect(delta.columns[1].values == candles.openTimes.map(Double.init))
    #expect(
      throws: FunctionError.unknownFunction(
        library: "functions", name: "x", known: library.functions.map(\.name))
    ) {
      try library.function("x", of: "functions")
    }
  }

  @Test(
    "a table that breaks the rules is refused and names the function",
    arguments: [
      ("F(all, \"f64(f32)\", 0)", "all signature"),
      ("{sizeof(aegis_function), 0, \"a b\", \"f64()\", 0, 0}", "a b"),
      ("{sizeof(aegis_function), 0, \"a\", \"f64()\", 0, 0}", "a.fn is NULL"),
      ("F(all, \"f64()\", 0), F(all, \"f64()\", 0)", "stands twice"),
    ])
  func malformed(table: String, says: String) throws {
    let fixture = try Fixture()
    let path = try Self.plugin(fixture, "broken", table: table)
    let error = try #require(throws: FunctionError.self) {
      try FunctionLibrary(path: path, cacheDirectory: fixture.cache)
    }
    #expect(error.description.contains(says), "\(error)")
  }

  @Test("a plugin without functions says so")
  func withoutFunctions() throws {
    let fixture = try Fixture()
    let path = try fixture.plugin("plain")
    #expect(throws: FunctionError.noFunctions(library: path)) {
      try FunctionLibrary(path: path, cacheDirectory: fixture.cache)
    }
  }

  @Test("in a child: results, a crash, an endless loop and an exit", .enabled(if: isHostBuilt, "no host"))
  func children() throws {
    let fixture = try Fixture()
    let path = try Self.plugin(fixture)
    let targets = try FunctionRequest.targets(of: path, host: Self.host)
    #expect(targets.count == 10 && targets[0].library == "functions" && !targets[0].isBound)
    func ask(_ name: String, _ values: [FunctionValue] = [], milliseconds: Int = 60_000) throws
      -> FunctionAnswer
    {
      let target = try #require(targets.first { $0.name == name })
      return try FunctionRequest(target, values: values).answer(
        host: Self.host, timeoutMilliseconds: milliseconds)
    }
    #expect(try ask("large", [.integer(1)]) == .outcome(FunctionOutcome(result: .integer(2), columns: [])))
    guard case .outcome(let next) = try ask("next", [.list([1, 2, 3])]) else {
      throw Fixture.Failure(description: "no outcome")
    }
    #expect(next.columns[0].values.prefix(2) == [2, 3] && next.columns[0].values[2].isNaN)
    #expect(throws: FunctionError.crashed(function: "crash", signal: SIGSEGV)) { try ask("crash") }
    #expect(throws: FunctionError.timedOut(function: "spin", milliseconds: 1500)) {
      try ask("spin", milliseconds: 1500)
    }
    let left = try #require(throws: FunctionError.self) { try ask("leave") }
    #expect(left.description.contains("left with status 0 and no answer"))
  }

  @Test("a function that looks ahead is found out, with the cell", .enabled(if: isHostBuilt, "no host"))
  func causality() throws {
    let fixture = try Fixture()
    let targets = try FunctionRequest.targets(of: Self.plugin(fixture), host: Self.host)
    func violation(_ name: String, _ constants: [FunctionValue]) throws -> String? {
      let target = try #require(targets.first { $0.name == name })
      guard
        case .causal(let violation) = try FunctionRequest(target, purpose: .causality, values: constants)
          .answer(host: Self.host)
      else { throw Fixture.Failure(description: "no answer") }
      return violation
    }
    #expect(try violation("delta", [.integer(3)]) == nil)
    #expect(
      try #require(try violation("next", [])).hasPrefix("looks ahead: cell 0 of Next was empty after 1 bars"))
    #expect(try #require(try violation("delta", [.integer(-1)])).contains("of Delta"))
    #expect(try #require(try violation("peek", [])).contains("reads behind the end"))
  }

  @Test("a trial finds functions that break their promises and passes those that keep them")
  func trial() throws {
    let fixture = try Fixture()
    let path = try fixture.compile(
      "trial",
      """
      #include <stdint.h>
      #define PUBLIC __attribute__((visibility("default")))
      PUBLIC double sum(const double *x, int64_t n) {
        double s = 0;
        for (int64_t i = 0; i < n; i++) s += x[i];
        return s;
      }
      PUBLIC int64_t counted(void) { static int64_t calls; return ++calls; }
      PUBLIC void ahead(const double *x, int64_t n, double *out) {
        for (int64_t i = 0; i + 1 < n; i++) out[i] = x[i + 1];
      }
      """)
    func trial(_ name: String, _ text: String, _ flags: UInt32) throws -> String? {
      let signature = try FunctionSignature(parsing: text)
      let library = try FunctionLibrary(
        FunctionBinding(
          id: "t", path: path, sha256: "",
          functions: [.init(name: name, signature: signature, isCausal: true)]),
        cacheDirectory: fixture.cache)
      return FunctionTrial.problem(
        of: TypedFunction(
          library: "t", name: name, signature: signature, flags: flags, code: library.functions[0].code),
        seed: 1)
    }
    #expect(try trial("sum", "f64(f64*, i64)", 3) == nil)
    #expect(try trial("counted", "i64()", 0) == nil)
    let impure = try #require(try trial("counted", "i64()", 1))
    #expect(impure.hasPrefix("is declared PURE and gave something else"))
    let ahead = try #require(try trial("ahead", "void(f64*, i64, f64*out A)", 3))
    #expect(ahead.hasPrefix("is declared CAUSAL and looks ahead: cell 0 of A"))
    #expect(try trial("ahead", "void(f64*, i64, f64*out A)", 1) == nil)
  }

  @Test(
    "a bound library is called as declared, and refused once it changed", .enabled(if: isHostBuilt, "no host")
  )
  func binding() throws {
    let fixture = try Fixture()
    let path = try fixture.compile(
      "foo",
      """
      #include <stdint.h>
      __attribute__((visibility("default"))) double ema(const double *x, int64_t n, double weight) {
        double y = x[0];
        for (int64_t i = 1; i < n; i++) y += weight * (x[i] - y);
        return y;
      }
      """)
    let (name, signature) = try FunctionSignature.declaration("ema: f64(f64*,i64,f64)")
    func binding(_ names: [String]) -> FunctionBinding {
      FunctionBinding(
        id: "foo", path: path, sha256: "",
        functions: names.map { .init(name: $0, signature: signature, isCausal: true) })
    }
    let bound = try FunctionRequest.check(binding([name]), host: Self.host)
    #expect(bound.sha256.count == 64)
    let missing = try #require(throws: FunctionError.self) {
      try FunctionRequest.check(binding(["emma"]), host: Self.host)
    }
    #expect(missing.description.contains("function emma: the library does not export this symbol"))
    let target = try #require(try FunctionRequest.targets(of: bound).first)
    let expected = FunctionAnswer.outcome(FunctionOutcome(result: .number(2.25), columns: []))
    #expect(
      try FunctionRequest(target, values: [.list([1, 2, 3]), .number(0.5)]).answer(host: Self.host)
        == expected)
    let library = try FunctionLibrary(bound, cacheDirectory: fixture.cache)
    #expect(
      FunctionCall(library.functions[0]).run([.list([1, 2, 3]), .number(0.5)]).result == .number(2.25)
        && library.functions[0].isDeclaredCausal)

    let file = try FileHandle(forWritingTo: URL(filePath: path))
    try file.seekToEnd()
    try file.write(contentsOf: Data([0]))
    try file.close()
    let changed = try #require(throws: FunctionError.self) { try FunctionRequest.targets(of: bound) }
    #expect(changed.description.contains("bind it again"))
    #expect(throws: FunctionError.self) { try FunctionLibrary(bound, cacheDirectory: fixture.cache) }
    #expect(
      try FunctionRequest(target, values: [.list([1]), .number(0.5)]).answer(host: Self.host)
        == .failed(changed.description))
  }

  @Test("messages that were cut or altered are refused, never trusted")
  func messages() throws {
    let (_, signature) = try FunctionSignature.declaration("f: void(candles, f64*, i64, f64*out A)")
    let target = FunctionRequest.Target(
      library: "l", name: "f", signature: signature, file: "f", sha256: "", isDeclaredCausal: false, help: "",
      isBound: false)
    let values: [FunctionValue] = [.candles(FunctionCausality.history(seed: 1, barCount: 3)), .list([1, 2])]
    let bytes = FunctionRequest(target, values: values).encoded
    #expect(try FunctionRequest(decoding: bytes, file: "f") == FunctionRequest(target, values: values))
    for count in stride(from: 0, to: bytes.count, by: 1) {
      #expect(throws: FunctionMessage.Damaged.self) {
        try FunctionRequest(decoding: Array(bytes.prefix(count)), file: "f")
      }
    }
    for index in stride(from: 0, to: bytes.count - 7, by: 8) {
      var altered = bytes
      altered[index + 7] ^= 0x7F  // counts become absurd
      _ = try? FunctionRequest(decoding: altered, file: "f")
    }
  }
}
