import PluginHost

/// The strict walk over a parsed file: every key must be a setting, every value of the right shape.
struct SettingsWalk {
  /// More plugins than a decision thread could serve in time.
  static let pluginsMax = 64
  private static let parametersMax = 256

  private(set) var scalars: [String: String] = [:]
  private(set) var lists: [String: [String]] = [:]
  private(set) var plugins: [Settings.Plugins.Choice] = []
  /// The file says which plugins to load, be it none.
  private(set) var namesPlugins = false
  private(set) var problems: [SettingsProblem] = []
  private var lines: [String: Int] = [:]
  private let name: String
  private let kinds: [String: SettingsField]
  private let keys: [String]

  init(file: SettingsFile?, fields: [SettingsField]) {
    name = file?.name ?? Settings.defaultFileName
    kinds = Dictionary(uniqueKeysWithValues: fields.map { ($0.key, $0) })
    keys = fields.map(\.key) + ["plugins.load"]
    guard let file else { return }
    walk(file.root, prefix: "")
  }

  /// Where a key stands, for messages.
  func source(of key: String) -> String { lines[key].map { "\(name):\($0)" } ?? name }

  private mutating func add(_ key: String, _ line: Int, _ what: String, _ fix: String) {
    problems.append(SettingsProblem(source: "\(name):\(line)", key: key, what: what, fix: fix))
  }

  private mutating func walk(_ map: [SettingsFile.Member], prefix: String) {
    for member in map {
      let (name, located) = (member.key, member.value)
      let key = prefix + name
      lines[key] = located.line
      if key == "plugins.load" {
        namesPlugins = true
        walkPlugins(located)
      } else if let field = kinds[key] {
        take(field, located)
      } else if keys.contains(where: { $0.hasPrefix(key + ".") }) {
        switch located.value {
        case .map(let inner): walk(inner, prefix: key + ".")
        case .empty: break  // a heading with everything below it commented out
        case .scalar, .list:
          add(key, located.line, "is a group of settings", "write its settings below it, indented")
        }
      } else if Credentials.isName(name) {
        add(
          key, located.line, "is a secret and must not stand in a file",
          "remove it here, set \(Credentials.keyName) and \(Credentials.secretName) in the environment")
      } else {
        add(
          SettingsCheck.plain(key), located.line, "is not a setting",
          SettingsSuggestion.text(for: key, among: keys))
      }
    }
  }

  private mutating func take(_ field: SettingsField, _ located: SettingsFile.Located) {
    switch located.value {
    case .scalar(let text) where !field.kind.isList: scalars[field.key] = text
    case .scalar: add(field.key, located.line, "is a single value", "write a list: [A, B]")
    case .empty:
      switch field.kind {
      case .text(isOptional: true, _), .optionalNumber: return
      case .integer, .number, .flag, .word, .text, .list: break
      }
      add(field.key, located.line, "has no value", "give \(field.unit), or remove the line")
    case .list(let elements):
      guard field.kind.isList else {
        return add(field.key, located.line, "is a list", "give one value: \(field.unit)")
      }
      var list: [String] = []
      for element in elements {
        guard case .scalar(let text) = element.value else {
          return add(field.key, element.line, "has an element that is no plain value", "give \(field.unit)")
        }
        list.append(text)
      }
      lists[field.key] = list
    case .map: add(field.key, located.line, "is a table", "give one value: \(field.unit)")
    }
  }

  private mutating func walkPlugins(_ located: SettingsFile.Located) {
    let fix = "write `- path: name` with optional `parameters:` below"
    switch located.value {
    case .empty: return
    case .scalar, .map: add("plugins.load", located.line, "is not a list", fix)
    case .list(let elements):
      if elements.count > Self.pluginsMax {
        add(
          "plugins.load", located.line, "names \(elements.count) plugins", "name at most \(Self.pluginsMax)")
        return
      }
      for (index, element) in elements.enumerated() {
        let key = "plugins.load[\(index)]"
        switch element.value {
        case .scalar(let path): append(Settings.Plugins.Choice(path: path), key, element.line)
        case .map(let map): walkPlugin(map, key, element.line)
        case .empty, .list: add(key, element.line, "is neither a path nor a table", fix)
        }
      }
    }
  }

  private mutating func append(_ choice: Settings.Plugins.Choice, _ key: String, _ line: Int) {
    if let what = SettingsCheck.path(choice.path) {
      add("\(key).path", line, what, "give a path, or the name of a library in plugins.directory")
    } else {
      plugins.append(choice)
    }
  }

  private mutating func walkPlugin(
    _ map: [SettingsFile.Member], _ key: String, _ line: Int
  ) {
    var path: String?
    var id: String?
    var parameters: [Settings.Plugins.Parameter] = []
    var placement: PlacementSetting?
    for member in map {
      let (name, located) = (member.key, member.value)
      switch (name, located.value) {
      case ("path", .scalar(let text)): path = text
      case ("id", .scalar(let text)):
        id = text
        if let what = SettingsCheck.path(text) { add("\(key).id", located.line, what, "give a plugin's id") }
      case ("id", .empty): break
      case ("parameters", .map(let values)):
        if values.count > Self.parametersMax {
          add("\(key).parameters", located.line, "has \(values.count)", "give at most \(Self.parametersMax)")
        }
        for member in values {
          let (name, value) = (member.key, member.value)
          guard case .scalar(let text) = value.value else {
            add(
              "\(key).parameters.\(SettingsCheck.plain(name))", value.line, "is no plain value",
              "give one value")
            continue
          }
          parameters.append(Settings.Plugins.Parameter(name: name, value: text))
        }
      case ("parameters", .empty): break
      case ("placement", .scalar(let text)):
        placement = PlacementSetting(rawValue: text)
        if placement == nil {
          add(
            "\(key).placement", located.line, "\(SettingsCheck.shown(text)) is no placement",
            "write auto, inproc or isolated")
        }
      case ("placement", .empty): break
      case ("path", _), ("id", _), ("placement", _):
        add("\(key).\(name)", located.line, "is no plain value", "give one text")
      case ("parameters", _):
        add("\(key).parameters", located.line, "is not a table", "write `name: value` lines")
      default:
        add(
          "\(key).\(SettingsCheck.plain(name))", located.line, "is not a setting",
          SettingsSuggestion.text(for: name, among: ["path", "id", "parameters", "placement"]))
      }
    }
    guard let path else {
      if !map.contains(where: { $0.key == "path" }) { add("\(key).path", line, "is missing", "give a path") }
      return
    }
    append(
      Settings.Plugins.Choice(path: path, id: id, parameters: parameters, placement: placement), key, line)
  }
}

extension Credentials {
  /// Whether a key in a file looks like one of the secrets, however it is spelled.
  static func isName(_ key: String) -> Bool {
    let letters = key.lowercased().filter { $0.isLetter }
    return ["binanceapikey", "binanceapisecret", "apikey", "apisecret", "secretkey"].contains(letters)
  }
}

extension SettingsCheck {
  /// A key as a message may carry it.
  static func plain(_ key: String) -> String {
    let isPlain = key.utf8.count <= 80 && key.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    return isPlain ? key : shown(key)
  }
}

/// What a person may have meant.
enum SettingsSuggestion {
  static func text(for key: String, among keys: [String]) -> String {
    let wanted = String(key.prefix(80)).lowercased()
    let best = keys.map { (key: $0, distance: distance(wanted, $0.lowercased())) }.min {
      $0.distance < $1.distance
    }
    if let best, best.distance <= max(2, wanted.count / 4) { return "did you mean \(best.key)?" }
    // The right word in the wrong group.
    let last = wanted.split(separator: ".").last.map(String.init) ?? wanted
    if let same = keys.first(where: { $0.lowercased().hasSuffix("." + last) }) {
      return "did you mean \(same)?"
    }
    return "remove it; `aegis config` lists every setting"
  }

  /// Number of letters to insert, remove or replace.
  private static func distance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a.utf8), Array(b.utf8))
    var row = Array(0...b.count)
    for (i, left) in a.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, right) in b.enumerated() {
        let above = row[j + 1]
        row[j + 1] = min(above + 1, row[j] + 1, diagonal + (left == right ? 0 : 1))
        diagonal = above
      }
    }
    return row[b.count]
  }
}
