import Configuration
import Foundation
import Trading

extension Settings {
  /// What a person chose, before it is checked.
  public struct Sources: Sendable {
    /// Values by dotted key from the command line; lists separated by commas.
    public var flags: [String: String]
    public var environment: [String: String]
    /// A file that must exist.
    public var file: String?
    /// Read when it exists and `file` is nil.
    public var defaultFile: String?

    public init(
      flags: [String: String] = [:], environment: [String: String] = [:], file: String? = nil,
      defaultFile: String? = Settings.defaultFileName
    ) {
      self.flags = flags
      self.environment = environment
      self.file = file
      self.defaultFile = defaultFile
    }
  }

  public static let defaultFileName = "aegis.yaml"
  /// Names the settings file when no flag does.
  public static let fileVariable = "AEGIS_CONFIG"
  /// Variables of ours that are no settings of a run.
  static let otherVariables: Set<String> = [
    fileVariable, SimulatorCredentials.keyVariable, SimulatorCredentials.secretVariable,
  ]
  /// Variables of the project's own tests begin so; a run does not read them.
  static let testVariablePrefix = "AEGIS_TEST_"
  private static let plugins = "plugins.load"
  private static let defaultOrigin = "default"

  /// Reads flags › environment › file › defaults and checks everything.
  ///
  /// - Throws: every problem found, each with its source, key and fix.
  public static func load(_ sources: Sources) throws(SettingsError) -> Settings {
    var problems: [SettingsProblem] = []
    var file: SettingsFile?
    do { file = try readFile(sources) } catch { problems += error.problems }

    let fields = fields()
    var settings = Settings()
    var origins: [String: String] = [:]
    let inFile = SettingsWalk(file: file, fields: fields)
    problems += inFile.problems
    problems += unknown(sources, fields: fields)

    // One reader per source, strongest first, so that a problem can say where its value came from.
    let environment = sources.environment.filter { !$0.value.isEmpty }
    let readers: [(source: String, reader: ConfigReader)] = [
      ("flag", ConfigReader(provider: InMemoryProvider(values: keyed(sources.flags)))),
      (
        "environment", ConfigReader(provider: EnvironmentVariablesProvider(environmentVariables: environment))
      ),
      ("file", ConfigReader(provider: InMemoryProvider(values: keyed(inFile.scalars)))),
    ]

    for field in fields {
      guard let (source, text) = firstValue(field, readers) else {
        if let list = inFile.lists[field.key] {
          apply(.list(list), field, inFile.source(of: field.key), field.key, &settings, &problems)
          origins[field.key] = inFile.source(of: field.key)
        }
        continue
      }
      let name: String
      let place: String
      switch source {
      case "flag": (name, place) = (field.key, "flag")
      case "environment": (name, place) = (field.environmentName, "environment")
      default:
        (name, place) = (field.key, inFile.source(of: field.key))
      }
      origins[field.key] = place
      switch field.parse(text) {
      case .success(let value): apply(value, field, place, name, &settings, &problems)
      case .failure(let problem):
        problems.append(
          SettingsProblem(source: place, key: name, what: problem.what, fix: problem.fix))
      }
    }
    loadPlugins(sources, inFile, &settings, &problems)
    problems += settings.crossChecks(origin: { origins[$0] ?? defaultOrigin })
    guard problems.isEmpty else { throw SettingsError(problems) }
    return settings
  }

  private static func readFile(_ sources: Sources) throws(SettingsError) -> SettingsFile? {
    if let path = sources.file ?? sources.environment[fileVariable] {
      return try SettingsFile(path: path)
    }
    guard let path = sources.defaultFile, FileManager.default.fileExists(atPath: path) else { return nil }
    return try SettingsFile(path: path)
  }

  private static func firstValue(
    _ field: SettingsField, _ readers: [(source: String, reader: ConfigReader)]
  ) -> (source: String, text: String)? {
    let key = ConfigKey(field.key.split(separator: ".").map(String.init))
    let variable = ConfigKey([field.environmentName])
    for (source, reader) in readers {
      if let text = reader.string(forKey: source == "environment" ? variable : key) { return (source, text) }
    }
    return nil
  }

  private static func keyed(_ values: [String: String]) -> [AbsoluteConfigKey: ConfigValue] {
    var keyed: [AbsoluteConfigKey: ConfigValue] = [:]
    for (key, text) in values {
      keyed[AbsoluteConfigKey(key.split(separator: ".").map(String.init))] =
        ConfigValue(.string(text), isSecret: false)
    }
    return keyed
  }

  private static func apply(
    _ value: SettingsValue, _ field: SettingsField, _ source: String, _ name: String,
    _ settings: inout Settings, _ problems: inout [SettingsProblem]
  ) {
    if let problem = field.problem(of: value) {
      problems.append(SettingsProblem(source: source, key: name, what: problem.what, fix: problem.fix))
    } else {
      field.set(&settings, value)
    }
  }

  /// Flags and variables that look like ours and are no setting.
  private static func unknown(_ sources: Sources, fields: [SettingsField]) -> [SettingsProblem] {
    let keys = fields.map(\.key) + [plugins]
    let names = fields.map(\.environmentName) + [SettingsField.environmentName(of: plugins)]
    var problems: [SettingsProblem] = []
    for key in sources.flags.keys.sorted() where !keys.contains(key) {
      problems.append(
        SettingsProblem(
          source: "flag", key: SettingsCheck.shown(key), what: "is not a setting",
          fix: SettingsSuggestion.text(for: key, among: keys)))
    }
    for name in sources.environment.keys.sorted()
    where name.hasPrefix("AEGIS_") && !names.contains(name) && !otherVariables.contains(name)
      && !name.hasPrefix(testVariablePrefix)
    {
      problems.append(
        SettingsProblem(
          source: "environment", key: name, what: "is not a setting",
          fix: SettingsSuggestion.text(for: name, among: names)))
    }
    return problems
  }

  private static func loadPlugins(
    _ sources: Sources, _ file: SettingsWalk, _ settings: inout Settings, _ problems: inout [SettingsProblem]
  ) {
    let name = SettingsField.environmentName(of: plugins)
    let texts: [(source: String, key: String, text: String?)] = [
      ("flag", plugins, sources.flags[plugins]), ("environment", name, sources.environment[name]),
    ]
    guard let (source, key, text) = texts.first(where: { $0.text?.isEmpty == false }) else {
      if file.namesPlugins { settings.plugins.load = file.plugins }
      return
    }
    let paths = SettingsField.split(text ?? "")
    for path in paths {
      if let what = SettingsCheck.path(path) {
        problems.append(
          SettingsProblem(
            source: source, key: key, what: "a path \(what)", fix: "separate paths with single commas"))
      }
    }
    if paths.count > SettingsWalk.pluginsMax {
      problems.append(
        SettingsProblem(
          source: source, key: key, what: "names \(paths.count) plugins",
          fix: "name at most \(SettingsWalk.pluginsMax)"))
    }
    // A plugin chosen by path keeps the parameters the file gives it.
    settings.plugins.load = paths.map { path in
      file.plugins.first { $0.path == path } ?? Settings.Plugins.Choice(path: path)
    }
  }

  /// What no single value shows.
  private func crossChecks(origin: (String) -> String) -> [SettingsProblem] {
    var problems: [SettingsProblem] = []
    func add(_ key: String, _ what: String, _ fix: String) {
      problems.append(SettingsProblem(source: origin(key), key: key, what: what, fix: fix))
    }
    if ring.capacity.nonzeroBitCount != 1 {
      let lower = 1 << (Int.bitWidth - 1 - ring.capacity.leadingZeroBitCount)
      add("ring.capacity", "\(ring.capacity) is not a power of two", "use \(lower) or \(lower * 2)")
    }
    if venueStreams != nil {
      if case .url = venue {
      } else {
        add("venueStreams", "is given but venue is \(venue)", "remove it, or name a venue by its URL")
      }
    }
    if case .url(let url) = venue, venueStreams == nil, !Loopback.isName(Loopback.host(ofURL: url) ?? "") {
      add("venue", "is a URL without its streams", "set venueStreams to the venue's WebSocket base")
    }
    let sizings = Self.sizingKeys.filter { origin($0) != Self.defaultOrigin }
    if sizings.count > 1 {
      add(
        sizings[1], "is given beside \(sizings[0])", "give one of \(Self.sizingKeys.joined(separator: ", "))")
    }
    // Single values were checked with their own keys; what remains are rules between them.
    if desk.marginFractionPerTradeMax > desk.marginFractionTotalMax {
      add(
        "desk.marginFractionPerTradeMax", "exceeds desk.marginFractionTotalMax",
        "lower it, or raise the total")
    }
    if Set(universe.symbols).count != universe.symbols.count {
      add("universe.symbols", "names a symbol twice", "keep one of them")
    }
    if Set(plugins.load.map { "\($0.path)\n\($0.id ?? "")" }).count != plugins.load.count {
      add("plugins.load", "names a plugin twice", "keep one of them")
    }
    return problems
  }
}

extension SettingsField {
  struct Problem: Error {
    var what: String
    var fix: String
  }

  /// Reads a value as a person writes it outside a list.
  func parse(_ text: String) -> Result<SettingsValue, Problem> {
    switch kind {
    case .integer(let range):
      guard let number = Int(text) else { return .failure(notANumber(text, whole: true, "\(range)")) }
      return .success(.integer(number))
    case .number(let range), .optionalNumber(let range):
      guard let number = Double(text), number.isFinite, !text.lowercased().contains("x") else {
        return .failure(notANumber(text, whole: false, "\(range)"))
      }
      return .success(.number(number))
    case .flag:
      switch text.lowercased() {
      case "true", "1": return .success(.flag(true))
      case "false", "0": return .success(.flag(false))
      default:
        return .failure(
          Problem(what: "\(SettingsCheck.shown(text)) is neither true nor false", fix: "write true or false"))
      }
    case .word, .text: return .success(.text(text))
    case .list: return .success(.list(Self.split(text)))
    }
  }

  static func split(_ text: String) -> [String] {
    text.split(separator: ",", omittingEmptySubsequences: false).map { part in
      String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
  }

  private func notANumber(_ text: String, whole: Bool, _ range: String) -> Problem {
    let hasUnit = text.first?.isNumber == true && text.last?.isNumber == false
    return Problem(
      what: "\(SettingsCheck.shown(text)) is not a \(whole ? "whole " : "")number",
      fix: hasUnit
        ? "write the number alone, its unit is \(unit)" : "write \(whole ? "a whole" : "a") number of \(unit)"
    )
  }

  /// Checks range and form; nil when it may go into the tree.
  func problem(of value: SettingsValue) -> Problem? {
    switch (kind, value) {
    case (.integer(let range), .integer(let number)):
      return range.contains(number)
        ? nil
        : Problem(
          what: "\(number) is out of range", fix: "use \(range.lowerBound) to \(range.upperBound) (\(unit))")
    case (.number(let range), .number(let number)), (.optionalNumber(let range), .number(let number)):
      if range.contains(number) { return nil }
      let hint =
        unit.contains("fraction") && number >= 1
        ? "\(number) % is written \(SettingsRendering.text(number / 100))"
        : "use \(SettingsRendering.text(range.lowerBound)) to \(SettingsRendering.text(range.upperBound))"
      return Problem(what: "\(SettingsRendering.text(number)) is out of range", fix: "\(hint) (\(unit))")
    case (.flag, .flag): return nil
    case (.word(let words), .text(let text)):
      return words.contains(text)
        ? nil
        : Problem(
          what: "\(SettingsCheck.shown(text)) is not known", fix: "use \(words.joined(separator: ", "))")
    case (.text(_, let check), .text(let text)):
      return check(text).map { Problem(what: $0, fix: "give \(unit)") }
    case (.list(let countMax, let check), .list(let list)):
      if list.count > countMax {
        return Problem(what: "has \(list.count) elements", fix: "give at most \(countMax)")
      }
      return list.lazy.compactMap(check).first.map { Problem(what: $0, fix: "give \(unit)") }
    case (.text(isOptional: true, _), .absent), (.optionalNumber, .absent): return nil
    case (.integer, _), (.number, _), (.optionalNumber, _), (.flag, _), (.word, _), (.text, _), (.list, _):
      return Problem(what: "is a \(kind.isList ? "single value" : "list or table")", fix: "give \(unit)")
    }
  }
}

extension SettingsField.Kind {
  var isList: Bool { if case .list = self { true } else { false } }
}
