/// One thing wrong with the settings, in words a person can act on.
public struct SettingsProblem: Sendable, Hashable, CustomStringConvertible {
  /// Where it stands: `aegis.yaml:12`, `environment`, `flag`.
  public var source: String
  /// The key as its source spells it.
  public var key: String
  public var what: String
  public var fix: String

  public init(source: String, key: String, what: String, fix: String) {
    self.source = source
    self.key = key
    self.what = what
    self.fix = fix
  }

  public var description: String { "\(source): \(key): \(what); \(fix)" }
}

/// Everything wrong with the settings at once, so that one correction round is enough.
public struct SettingsError: Error, Sendable, Equatable, CustomStringConvertible {
  public var problems: [SettingsProblem]

  /// - Precondition: at least one problem.
  public init(_ problems: [SettingsProblem]) {
    precondition(!problems.isEmpty, "an error names a problem")
    self.problems = problems
  }

  /// One line per problem.
  public var description: String { problems.map(\.description).joined(separator: "\n") }
}
