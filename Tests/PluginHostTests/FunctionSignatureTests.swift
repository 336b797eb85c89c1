import Testing

@testable import PluginHost

@Suite("Function signatures")
struct FunctionSignatureTests {
  @Test("names, defaults, quoted names and columns are read")
  func wholeSignature() throws {
    let signature = try FunctionSignature(
      parsing:
        "void( candles, bool join=false, f64 \"a b\"=-1.5e3, str s=\"x,y)\", f64*out FVG, f64*out \"R%\" )")
    #expect(signature.result == .void)
    #expect(signature.arguments.map(\.kind) == [.candles, .bool, .f64, .str, .column, .column])
    #expect(signature.arguments.map(\.name) == ["", "join", "a b", "s", "FVG", "R%"])
    #expect(
      signature.arguments.map(\.defaultValue) == [nil, .flag(false), .number(-1500), .text("x,y)"), nil, nil])
    #expect(signature.columnNames == ["FVG", "R%"] && signature.inputs.count == 4 && signature.takesCandles)
  }

  @Test("a list is one argument of two words; `f64* out` is a list named out")
  func lists() throws {
    let signature = try FunctionSignature(parsing: "f64(f64* out, i64 count, i32,f64*,i64)")
    #expect(signature.arguments.map(\.kind) == [.list, .i32, .list])
    #expect(signature.arguments.map(\.name) == ["out", "", ""])
    #expect(try FunctionSignature(parsing: "bool()").arguments.isEmpty)
  }

  @Test("a declaration is a name and a signature of its own")
  func declarations() throws {
    let (name, signature) = try FunctionSignature.declaration("ema: f64(f64*,i64,f64)")
    #expect(name == "ema" && signature.text == "f64(f64*,i64,f64)")
    #expect(try FunctionSignature(parsing: signature.text) == signature)
  }

  @Test(
    "what is wrong is named with its column",
    arguments: [
      ("", 1, "result type"), ("f32(f64)", 1, "result type"), ("f64", 4, "'('"), ("f64(", 5, "a type"),
      ("f64(f64", 8, "',' or ')'"), ("f64(f64,)", 9, "a type"), ("f64(f65)", 5, "a type"),
      ("f64(f64*)", 5, "followed by its length"), ("f64(f64*,f64)", 10, "followed by its length"),
      ("f64(f64*,i64=3)", 13, "no default"), ("void(f64*out A)", 16, "f64*out needs"),
      ("void(candles,candles)", 14, "second candles"), ("f64(i64 a,i64 a)", 11, "used twice"),
      ("f64(i64 a=2.5)", 11, "an integer"), ("f64(bool a=maybe)", 12, "true or false"),
      ("f64(str a=x)", 11, "double quotes"), ("f64(i64 \"a)", 9, "closing"), ("f64(i64 \"\")", 9, "1 to 64"),
      ("f64() x", 7, "nothing may follow"), ("f64(candles=1)", 12, "no default"),
      ("f64(i32 a=3000000000)", 11, "i32"),
    ])
  func problems(text: String, column: Int, says: String) throws {
    let problem = try #require(throws: FunctionSignature.Problem.self) {
      try FunctionSignature(parsing: text)
    }
    #expect(problem.column == column && problem.what.contains(says), "\(problem)")
    #expect(problem.description.contains("\"\(text)\"") && problem.description.contains("column \(column)"))
  }

  @Test("twenty words fit, twenty-one do not; a list counts two")
  func wordCount() throws {
    func text(_ lists: Int, _ numbers: Int) -> String {
      let words = Array(repeating: "f64*,i64", count: lists) + Array(repeating: "f64", count: numbers)
      return "f64(\(words.joined(separator: ",")))"
    }
    #expect(try FunctionSignature(parsing: text(10, 0)).arguments.count == 10)
    #expect(try FunctionSignature(parsing: text(9, 2)).arguments.count == 11)
    for tooLong in [text(10, 1), text(0, 21), text(11, 0)] {
      #expect(throws: FunctionSignature.Problem.self) { try FunctionSignature(parsing: tooLong) }
    }
  }
}

@Suite("Arguments of typed functions")
struct FunctionArgumentsTests {
  private static func bind(
    _ words: [String], _ text: String, candles: FunctionValue.CandleColumns? = nil
  ) throws -> [FunctionValue] {
    try FunctionArguments(function: "f", signature: FunctionSignature(parsing: text), candles: candles) {
      (file, column) throws(FunctionArguments.Refusal) in
      guard file == "a.csv" else { throw FunctionArguments.Refusal("cannot be read") }
      return column == "x" ? [1, 2] : []
    }.bind(words)
  }

  private static var candles: FunctionValue.CandleColumns {
    FunctionCausality.history(seed: 1, barCount: 3)
  }

  @Test("values come by name, by position and by default")
  func binding() throws {
    let text = "f64(candles, f64* values, i64, i64 period=14, bool flag=false, str name=\"n\")"
    let values = try Self.bind(["flag=true", "1,nan,3", "7"], text, candles: Self.candles)
    guard case .list(let list) = values[1] else { throw Fixture.Failure(description: "no list") }
    #expect(list[0] == 1 && list[1].isNaN && list[2] == 3)
    #expect(values[2...] == [.integer(7), .flag(true), .text("n")])
    #expect(values[0] == .candles(Self.candles))
  }

  @Test("a list is a candle column or a column of a file as well")
  func columns() throws {
    let text = "f64(f64*, i64)"
    #expect(try Self.bind(["close"], text, candles: Self.candles) == [.list(Self.candles.close)])
    #expect(try Self.bind(["volume"], text, candles: Self.candles) == [.list(Self.candles.volume)])
    #expect(try Self.bind(["@a.csv:x"], text) == [.list([1, 2])])
    #expect(try Self.bind([""], text) == [.list([])])
  }

  @Test(
    "a value that does not fit is named with what it must be",
    arguments: [
      ("f64(i32 n)", ["2.5"], "argument 1 (n) of f must be an integer (i32), got \"2.5\""),
      ("f64(i32)", ["3000000000"], "argument 1 of f must be an integer (i32)"),
      ("f64(i64)", ["x"], "must be an integer (i64), got \"x\""),
      ("f64(f64)", ["0x1"], "must be a number (f64)"),
      ("f64(bool b)", ["b=yes"], "argument 1 (b) of f must be true or false (bool), got \"yes\""),
      ("f64(f64*,i64)", ["1,,2"], "must be a list of numbers"),
      ("f64(f64*,i64)", ["close"], "give --candles"), ("f64(f64*,i64)", ["@a.csv"], "@FILE.csv:COLUMN"),
      ("f64(f64*,i64)", ["@b.csv:x"], "cannot be read"), ("f64(candles)", [], "needs candles"),
      ("f64(f64 a, f64 b)", ["1"], "argument 2 (b) of f is missing; it must be a number"),
      ("f64(f64 a)", ["1", "2"], "argument \"2\" of f is one too many"),
      ("f64(f64 a)", ["a=1", "a=2"], "is given twice"),
      ("f64(f64 a)", ["c=1"], "argument \"c\" of f is not known; it has a"),
    ])
  func refusals(text: String, words: [String], says: String) throws {
    let error = try #require(throws: FunctionError.self) { try Self.bind(words, text) }
    #expect(error.description.contains(says) && error.isUsage, "\(error)")
    #expect(error.description.hasSuffix("signature: \(text)"))
  }
}
