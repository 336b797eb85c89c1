import BinanceWire
import Foundation
import Storage
import Testing
import Trading

@testable import Engine

@Suite("The settings")
struct SettingsTests {
  private let folder: String

  init() throws {
    folder =
      FileManager.default.temporaryDirectory.appending(path: "aegis-settings-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  private func load(
    _ text: String? = nil, flags: [String: String] = [:], environment: [String: String] = [:],
    name: String = "aegis.yaml"
  ) throws(SettingsError) -> Settings {
    var file: String?
    if let text {
      let path = "\(folder)/\(name)"
      guard FileManager.default.createFile(atPath: path, contents: Data(text.utf8)) else {
        fatalError("the test's folder is not writable")
      }
      file = path
    }
    return try Settings.load(
      Settings.Sources(flags: flags, environment: environment, file: file, defaultFile: nil))
  }

  private func problems(
    _ text: String? = nil, flags: [String: String] = [:], environment: [String: String] = [:]
  ) -> [SettingsProblem] {
    do {
      _ = try load(text, flags: flags, environment: environment)
      return []
    } catch { return error.problems }
  }

  /// YAML with one setting.
  private func yaml(_ key: String, _ value: String) -> String {
    let parts = key.split(separator: ".")
    return parts.count == 2 ? "\(parts[0]):\n  \(parts[1]): \(value)\n" : "\(key): \(value)\n"
  }

  @Test("nothing given is the documented default: paper, on binance, in .aegis")
  func defaults() throws {
    let settings = try load()
    #expect(settings == Settings())
    #expect(settings.mode == .paper && settings.venue == .binance && settings.dataDirectory == ".aegis")
    #expect(settings.desk == DeskSettings())
    #expect(settings.desk.problems().isEmpty)
  }

  @Test("flags win over the environment, the environment over the file, the file over defaults")
  func precedence() throws {
    let file = "api:\n  port: 1111\ndesk:\n  leverage: 3\nmode: live\n"
    let environment = ["AEGIS_API_PORT": "2222", "AEGIS_DESK_LEVERAGE": "4"]
    let settings = try load(file, flags: ["api.port": "3333"], environment: environment)
    #expect(settings.api.port == 3333 && settings.desk.leverage == 4 && settings.mode == .live)
  }

  @Test(
    "the well-known variables choose venue, mode and fallback",
    arguments: [("paper", TradingMode.paper), ("virtual", .paper), ("live", .live)])
  func wellKnownVariables(word: String, mode: TradingMode) throws {
    let settings = try load(environment: [
      "AEGIS_VENUE": "simulator", "TRADING_MODE": word, "DISABLE_REST_FALLBACK": "1", "HOME": "/x",
    ])
    #expect(settings.venue == .simulator && settings.mode == mode && settings.warmup.isRESTFallbackDisabled)
    #expect(settings.scope == StoreScope(venue: "simulator", mode: mode))
  }

  @Test("every setting refuses nonsense from every source, by name, at its place")
  func everyFieldRefuses() throws {
    for field in Settings.fields() {
      let wrong: [String]
      switch field.kind {
      case .integer(let range):
        wrong =
          ["x", "1.5", "10s", "1_0", ""] + (range.lowerBound > Int.min ? ["\(range.lowerBound - 1)"] : [])
          + (range.upperBound < Int.max ? ["\(range.upperBound + 1)"] : [])
      case .number(let range), .optionalNumber(let range):
        wrong = ["x", "nan", "inf", "0x1", "2%", "\(range.lowerBound - 1)", "\(range.upperBound * 2)"]
      case .flag: wrong = ["yes", "2", "on"]
      case .word: wrong = ["nonsense", "PAPER"]
      case .text(_, let check):
        wrong = ["\u{1}", String(repeating: "x", count: 5000)].filter { check($0) != nil }
      case .list(_, let check):
        wrong = ["btc usdt", "a,b"].filter { $0.split(separator: ",").contains { check(String($0)) != nil } }
      }
      #expect(!wrong.isEmpty, "\(field.key) accepts anything")
      for value in wrong {
        let fromFlag = problems(flags: [field.key: value])
        #expect(
          fromFlag.map(\.key) == [field.key] && fromFlag.first?.source == "flag", "\(field.key) = \(value)")
        if !value.isEmpty {  // an empty variable is one that is not set
          let fromEnvironment = problems(environment: [field.environmentName: value])
          #expect(
            fromEnvironment.map(\.key) == [field.environmentName], "\(field.environmentName) = \(value)")
        }
        let quoted = SettingsRendering.quoted(value)
        let inFile = problems(yaml(field.key, field.kind.isList ? "[\(quoted)]" : quoted))
        #expect(inFile.map(\.key) == [field.key], "\(field.key): \(quoted)")
        let line = field.key.contains(".") ? 2 : 1
        #expect(inFile.first?.source.hasSuffix("aegis.yaml:\(line)") == true, "\(field.key): \(inFile)")
      }
      #expect(problems(yaml(field.key, "{a: 1}")).map(\.key) == [field.key])
      if !field.kind.isList { #expect(problems(yaml(field.key, "[1, 2]")).map(\.key) == [field.key]) }
    }
  }

  @Test("every misspelled key is refused with the right one as its fix")
  func everyKeyMisspelled() {
    for field in Settings.fields() {
      let misspelled = field.key + "s"
      let found = problems(yaml(misspelled, "1"))
      #expect(found.map(\.key) == [misspelled])
      #expect(found.first?.fix == "did you mean \(field.key)?")
      #expect(problems(flags: [misspelled: "1"]).count == 1)
      if field.environmentName.hasPrefix("AEGIS_") {
        #expect(
          problems(environment: [field.environmentName + "S": "1"]).map(\.key) == [
            field.environmentName + "S"
          ])
      }
    }
  }

  @Test("keys, environment names and places in the tree are all different")
  func fieldsAreDistinct() {
    let fields = Settings.fields()
    #expect(Set(fields.map(\.key)).count == fields.count)
    #expect(Set(fields.map(\.environmentName)).count == fields.count)
    for field in fields {
      var changed = Settings()
      guard let value = Self.other(field) else { continue }
      field.set(&changed, value)
      #expect(changed != Settings(), "\(field.key) is set nowhere")
      #expect(field.get(changed) == value, "\(field.key) reads another place")
    }
  }

  /// A value that is allowed and not the default.
  private static func other(_ field: SettingsField) -> SettingsValue? {
    switch (field.kind, field.get(Settings())) {
    case (.integer(let range), let now):
      now == .integer(range.upperBound) ? .integer(range.lowerBound) : .integer(range.upperBound)
    case (.number(let range), let now):
      now == .number(range.upperBound) ? .number(range.lowerBound) : .number(range.upperBound)
    case (.optionalNumber(let range), _): .number(range.upperBound)
    case (.flag, .flag(let flag)): .flag(!flag)
    case (.word(let words), .text(let now)):
      words.last { $0 != now && $0 != "virtual" }.map(SettingsValue.text)
    case (.text, _):
      field.key == "plugins.entryFilter"
        ? .text("close > 1")
        : .text(field.key == "venue" ? "simulator" : field.key == "venueStreams" ? "wss://x.example" : "/x")
    case (.list, _): .list(["ETHUSDT", "BTCUSDT"])
    default: nil
    }
  }

  @Test("what the engine hands to its children is the same tree, whichever setting was changed")
  func jsonRoundTrip() throws {
    for field in Settings.fields() {
      var settings = Settings()
      if let value = Self.other(field) { field.set(&settings, value) }
      if field.key == "venueStreams" { settings.venue = .url("https://fapi.example.org") }
      if field.key == "desk.marginFractionTotalMax" { settings.desk.marginFractionPerTradeMax = 0.000_1 }
      settings.plugins.load = [
        .init(
          path: "trend", id: "t\"1",
          parameters: [.init(name: "window", value: "20"), .init(name: "x: y", value: "é\n\\")]),
        .init(path: "/opt/other.so"),
      ]
      let text = SettingsRendering.json(settings)
      _ = try JSONSerialization.jsonObject(with: Data(text.utf8))
      if field.key == "desk.marginFractionPerTradeMax" { settings.desk.marginFractionTotalMax = 1 }
      #expect(try load(SettingsRendering.json(settings), name: "settings.json") == settings, "\(field.key)")
    }
  }

  @Test("all problems are told in one go, each in one line")
  func allAtOnce() {
    let found = problems(
      "mode: alive\napi:\n  prot: 1\n  port: 70000\nring:\n  capacity: 5000\n",
      flags: ["nope": "1"], environment: ["AEGIS_DESK_RISK_FRACTION": "2"])
    #expect(
      Set(found.map(\.key)) == [
        "mode", "api.prot", "api.port", "ring.capacity", "\"nope\"", "AEGIS_DESK_RISK_FRACTION",
      ])
    #expect(SettingsError(found).description.split(separator: "\n").count == found.count)
    #expect(found.first { $0.key == "AEGIS_DESK_RISK_FRACTION" }?.fix.contains("0.02") == true)
    #expect(found.first { $0.key == "ring.capacity" }?.fix == "use 4096 or 8192")
  }

  @Test(
    "a key that stands twice is refused",
    arguments: ["mode: paper\nmode: live\n", "api:\n  port: 1\n  port: 2\n"])
  func duplicates(text: String) {
    let found = problems(text)
    #expect(found.count == 1)
    #expect(found.first?.what == "stands more than once")
    #expect(found.first?.source.contains("aegis.yaml:") == true)
  }

  @Test(
    "a file that is no table of settings is refused with its place",
    arguments: [
      "- a\n", "text", "a: [1\n", "\u{0}", "a: *x\n", "a: b: c\n", "[[[[[[[[[[[[]]]]]]]]]]]]", "\t- x: 1",
    ])
  func notSettings(text: String) {
    let found = problems(text)
    #expect(found.count == 1)
    #expect(found.first?.source.contains("aegis.yaml") == true)
  }

  @Test(
    "an empty file, and one with headings alone, changes nothing",
    arguments: ["", "# only a comment\n", "api:\ndesk:\n", "{}"])
  func emptyFiles(text: String) throws {
    #expect(try load(text) == Settings())
  }

  @Test("a named file that is missing, a folder or too large is refused")
  func unreadableFiles() throws {
    for path in ["\(folder)/missing.yaml", folder] {
      #expect(throws: SettingsError.self) {
        try Settings.load(Settings.Sources(environment: [Settings.fileVariable: path], defaultFile: nil))
      }
    }
    #expect(throws: SettingsError.self) { try load(String(repeating: "# \n", count: 1 << 19)) }
  }

  @Test("plugins carry their parameters as text, and strange ones are refused by name")
  func plugins() throws {
    let settings = try load(
      """
      plugins:
        directory: /opt/plugins
        load:
          - trend_follower
          - path: other.so
            id: fast
            parameters:
              window: 20
              threshold: 0.50
      """)
    #expect(settings.plugins.directory == "/opt/plugins")
    #expect(
      settings.plugins.load == [
        .init(path: "trend_follower"),
        .init(
          path: "other.so", id: "fast",
          parameters: [.init(name: "window", value: "20"), .init(name: "threshold", value: "0.50")]),
      ])
    #expect(
      problems("plugins:\n  load:\n    - pth: x\n").map(\.key) == [
        "plugins.load[0].pth", "plugins.load[0].path",
      ])
    #expect(problems("plugins:\n  load: x\n").map(\.key) == ["plugins.load"])
    #expect(
      problems("plugins:\n  load:\n    - path: x\n      parameters: {a: [1]}\n").map(\.key) == [
        "plugins.load[0].parameters.a"
      ])
    #expect(problems("plugins:\n  load: [a, a]\n").map(\.key) == ["plugins.load"])
    let chosen = try load(
      "plugins:\n  load:\n    - path: b\n      parameters: {x: 1}\n",
      environment: ["AEGIS_PLUGINS_LOAD": "a, b"])
    #expect(chosen.plugins.load.map(\.path) == ["a", "b"])
    #expect(chosen.plugins.load[1].parameters.map(\.name) == ["x"])
  }

  @Test("one way of sizing is chosen, two are refused")
  func sizing() throws {
    #expect(try load("desk:\n  notionalQuote: 250\n").desk.sizing == .fixedNotional(notionalQuote: 250))
    #expect(
      try load(environment: ["AEGIS_DESK_BASE_QUANTITY": "0.5"]).desk.sizing
        == .fixedQuantity(baseQuantity: 0.5))
    #expect(
      problems("desk:\n  riskFraction: 0.01\n", environment: ["AEGIS_DESK_NOTIONAL_QUOTE": "100"]).map(\.key)
        == ["desk.notionalQuote"])
  }

  @Test("a venue by URL is encrypted or on this machine, and names its streams")
  func venues() throws {
    let local = try load(flags: ["venue": "http://127.0.0.1:8080", "venueStreams": "ws://127.0.0.1:8081"])
    #expect(local.isVenueLoopback && local.scope.venue == "http://127.0.0.1:8080")
    for venue in [
      "http://evil.example", "https://x@127.0.0.1", "ftp://127.0.0.1", "http://127.0.0.1.evil.example",
      "binanse", "",
    ] {
      #expect(
        problems(flags: ["venue": venue, "venueStreams": "ws://127.0.0.1:1"]).map(\.key).contains("venue"),
        "\(venue)")
    }
    #expect(problems(flags: ["venue": "https://fapi.example.org"]).map(\.key) == ["venue"])
    #expect(problems(flags: ["venueStreams": "wss://x.example"]).map(\.key) == ["venueStreams"])
  }

  @Test("live needs keys, confirmation and a venue on this machine")
  func liveMode() throws {
    let keys = Credentials(apiKey: Secret("k"), apiSecret: Secret("s"))
    let live = try load(environment: ["TRADING_MODE": "live"])
    #expect(live.problemsOfLiveMode(credentials: nil, isConfirmed: false).count == 3)
    #expect(live.problemsOfLiveMode(credentials: keys, isConfirmed: true).map(\.key) == ["venue"])
    var local = live
    local.venue = .simulator
    #expect(local.problemsOfLiveMode(credentials: keys, isConfirmed: true).isEmpty)
    #expect(try load().problemsOfLiveMode(credentials: nil, isConfirmed: false).isEmpty)
  }

  @Test("secrets come from the environment in pairs, never from a file, and never print")
  func secrets() throws {
    let environment = ["BINANCE_API_KEY": "abcdef", "BINANCE_API_SECRET": "topsecret"]
    let credentials = try #require(try Credentials(environment: environment))
    var dumped = ""
    dump(credentials, to: &dumped)
    let printed =
      "\(credentials) \(String(reflecting: credentials)) \(dumped) "
      + SettingsRendering.listing(try load(environment: environment), credentials: credentials)
    #expect(!printed.contains("topsecret") && !printed.contains("abcdef") && printed.contains("***"))
    #expect(credentials.apiSecret.exposed == "topsecret")
    #expect(try Credentials(environment: [:]) == nil)
    #expect(throws: SettingsError.self) { try Credentials(environment: ["BINANCE_API_KEY": "x"]) }
    #expect(throws: SettingsError.self) {
      try Credentials(environment: ["BINANCE_API_KEY": "x y", "BINANCE_API_SECRET": "z"])
    }
    let found = problems("binance_api_secret: topsecret\n")
    #expect(found.count == 1 && found[0].what.contains("secret") && !"\(found[0])".contains("topsecret"))
  }

  @Test("hostile keys and values cannot forge or colour a line of output")
  func hostileText() {
    for text in [
      "\u{1B}[31mred", "a\nflag: all is well", String(repeating: "x", count: 100_000), "\u{202E}evil",
    ] {
      let lines = SettingsError(problems(flags: [text: "1"]) + problems(flags: ["mode": text])).description
      #expect(lines.split(separator: "\n").count == 2)
      #expect(!lines.contains("\u{1B}") && !lines.contains("\u{202E}") && lines.utf8.count < 1000)
    }
  }

  @Test("a data directory that cannot be written is named; a good one is made, for its owner alone")
  func dataDirectories() throws {
    var settings = Settings()
    settings.dataDirectory = "\(folder)/new/deep"
    try settings.prepareDataDirectory()
    let attributes = try FileManager.default.attributesOfItem(atPath: settings.dataDirectory)
    #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o700)
    #expect(try FileManager.default.contentsOfDirectory(atPath: settings.dataDirectory).isEmpty)

    for bad in ["\(folder)/file", "\(folder)/file/below", "/proc/aegis"] {
      try Data().write(to: URL(filePath: "\(folder)/file"))
      settings.dataDirectory = bad
      let error = #expect(throws: SettingsError.self) { try settings.prepareDataDirectory() }
      #expect(error?.description.hasPrefix(bad) == true)
    }
  }
}
