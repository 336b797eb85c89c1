/// Why `aegis plugins new` did not do what was asked. One line, and what helps.
public enum PluginScaffoldError: Error, CustomStringConvertible, Hashable {
  case name(String)
  case language(String)
  case sdkMissing(looked: [String])
  case sdkDamaged(path: String, reason: String)
  case toolMissing(language: String, tool: String, hint: String)
  case exists(path: String)
  case unwritable(path: String, reason: String)
  /// `output` holds the last lines the tool printed.
  case toolFailed(tool: String, directory: String, ending: String, output: String)

  public var description: String {
    switch self {
    case .name(let name):
      "NAME: \"\(name)\" is not 1–64 of a–z, 0–9, '-' and '_', beginning with a letter or digit"
    case .language(let word):
      (word.isEmpty ? "--lang: name one of " : "--lang: \"\(word)\" is none of ")
        + PluginScaffoldLanguage.allCases.map(\.rawValue).joined(separator: ", ")
    case .sdkMissing(let looked):
      "no plugin SDK in \(looked.joined(separator: ", ")); run `make build`, or name the folder with --sdk"
    case .sdkDamaged(let path, let reason): "the plugin SDK in \(path) \(reason)"
    case .toolMissing(let language, let tool, let hint):
      "--lang \(language) needs \(tool), which is not on PATH: \(hint); --no-build makes the files without it"
    case .exists(let path): "\(path) is already there; choose another NAME or --directory"
    case .unwritable(let path, let reason): "\(path): \(reason)"
    case .toolFailed(let tool, let directory, let ending, let output):
      (output.isEmpty ? "" : output + "\n")
        + "\(tool) failed in \(directory) (\(ending)); the files are there: mend them and run it again"
    }
  }

  /// 1 something failed, 2 wrong usage, 3 something that is needed is not there.
  public var exitCode: Int32 {
    switch self {
    case .name, .language: 2
    case .sdkMissing, .toolMissing: 3
    case .sdkDamaged, .exists, .unwritable, .toolFailed: 1
    }
  }
}
