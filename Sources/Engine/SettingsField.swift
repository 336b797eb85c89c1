/// One setting: its key, what may be written there, and where in the tree it goes.
///
/// Everything that reads, checks, prints or documents settings goes through the list of these, so that nothing can be
/// settable without being checked and shown.
struct SettingsField {
  /// A dotted key as the file spells it: `desk.riskFraction`.
  let key: String
  /// What the number counts or the text names, for messages and help.
  let unit: String
  let kind: Kind
  /// The environment variable, when it is not `AEGIS_` and the key.
  var environmentName: String
  let get: (Settings) -> SettingsValue
  let set: (inout Settings, SettingsValue) -> Void

  enum Kind {
    case integer(ClosedRange<Int>)
    case number(ClosedRange<Double>)
    case optionalNumber(ClosedRange<Double>)
    case flag
    /// One of these words.
    case word([String])
    /// Returns what is wrong, nil when nothing is. `isOptional` allows it to be absent.
    case text(isOptional: Bool, (String) -> String?)
    /// Several texts; commas separate them outside a file.
    case list(countMax: Int, (String) -> String?)
  }

  init(
    _ key: String, unit: String, kind: Kind, environment: String? = nil,
    get: @escaping (Settings) -> SettingsValue, set: @escaping (inout Settings, SettingsValue) -> Void
  ) {
    self.key = key
    self.unit = unit
    self.kind = kind
    self.environmentName = environment ?? Self.environmentName(of: key)
    self.get = get
    self.set = set
  }

  /// `desk.riskFraction` → `AEGIS_DESK_RISK_FRACTION`.
  static func environmentName(of key: String) -> String {
    var name = "AEGIS_"
    var previousIsLower = false
    for character in key {
      if character.isUppercase, previousIsLower { name += "_" }
      previousIsLower = character.isLowercase || character.isNumber
      name += character == "." ? "_" : character.uppercased()
    }
    return name
  }
}

/// A checked value on its way into or out of the tree.
enum SettingsValue: Equatable, Sendable {
  case integer(Int)
  case number(Double)
  case flag(Bool)
  case text(String)
  case list([String])
  /// An optional value that is not given.
  case absent
}

extension SettingsField {
  static func integer(
    _ key: String, _ path: WritableKeyPath<Settings, Int>, _ range: ClosedRange<Int>, unit: String
  ) -> SettingsField {
    SettingsField(key, unit: unit, kind: .integer(range)) {
      .integer($0[keyPath: path])
    } set: { settings, value in
      if case .integer(let number) = value { settings[keyPath: path] = number }
    }
  }

  static func number(
    _ key: String, _ path: WritableKeyPath<Settings, Double>, _ range: ClosedRange<Double>, unit: String
  ) -> SettingsField {
    SettingsField(key, unit: unit, kind: .number(range)) {
      .number($0[keyPath: path])
    } set: { settings, value in
      if case .number(let number) = value { settings[keyPath: path] = number }
    }
  }

  static func flag(
    _ key: String, _ path: WritableKeyPath<Settings, Bool>, unit: String, environment: String? = nil
  ) -> SettingsField {
    SettingsField(key, unit: unit, kind: .flag, environment: environment) {
      .flag($0[keyPath: path])
    } set: { settings, value in
      if case .flag(let flag) = value { settings[keyPath: path] = flag }
    }
  }

  static func optionalText(
    _ key: String, _ path: WritableKeyPath<Settings, String?>, unit: String,
    check: @escaping (String) -> String? = SettingsCheck.path
  ) -> SettingsField {
    SettingsField(key, unit: unit, kind: .text(isOptional: true, check)) {
      $0[keyPath: path].map(SettingsValue.text) ?? .absent
    } set: { settings, value in
      switch value {
      case .text(let text): settings[keyPath: path] = text
      case .absent: settings[keyPath: path] = nil
      case .integer, .number, .flag, .list: break
      }
    }
  }
}

/// What makes a text unusable, in words; nil when nothing does.
enum SettingsCheck {
  /// A bound on every text, as paths have one.
  static let textByteCountMax = 4096

  static func path(_ text: String) -> String? {
    if text.isEmpty { return "is empty" }
    if text.utf8.count > textByteCountMax { return "is longer than \(textByteCountMax) bytes" }
    if text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) { return "holds a control character" }
    return nil
  }

  /// Exchange symbols: capitals and digits, with `_` in dated contracts.
  static func symbol(_ text: String) -> String? {
    guard (1...32).contains(text.utf8.count),
      text.unicodeScalars.allSatisfy({
        ("A"..."Z").contains($0) || ("0"..."9").contains($0) || $0 == "_" || $0.value > 0x7F
      })
    else { return "\(SettingsCheck.shown(text)) is not a symbol such as BTCUSDT" }
    return nil
  }

  static func url(_ text: String, schemes: [String]) -> String? {
    if let problem = path(text) { return problem }
    guard let scheme = schemes.first(where: { text.hasPrefix("\($0)://") }),
      let host = Loopback.host(ofURL: text)
    else { return "\(shown(text)) is not a \(schemes.joined(separator: " or ")) URL" }
    // Keys and orders never travel in the clear, except inside this machine.
    if scheme == "http" || scheme == "ws", !Loopback.isName(host) {
      return "\(shown(text)) is not encrypted and not on this machine"
    }
    return nil
  }

  /// A value as a message may carry it: short, and without what could end the line or colour a terminal.
  static func shown(_ text: String) -> String {
    let clean = text.unicodeScalars.prefix(60).map { scalar in
      scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || (0x2028...0x202E).contains(scalar.value)
        ? "\\u{\(String(scalar.value, radix: 16))}" : String(scalar)
    }.joined()
    return "\"\(clean)\(text.unicodeScalars.count > 60 ? "…" : "")\""
  }
}
