import BinanceWire
import Foundation
import PluginHost

/// The effective settings as text: for people, and for a child process that must start with the very same.
public enum SettingsRendering {
  /// JSON that `Settings.load` reads back to an equal tree. Holds no secret: there is none in the tree.
  public static func json(_ settings: Settings) -> String {
    var root = Branch()
    for field in Settings.fields() {
      insert(field.get(settings), at: field.key.split(separator: ".").map(String.init)[...], into: &root)
    }
    root.add("plugins", "load", json(of: settings.plugins.load))
    return root.json(indent: 0) + "\n"
  }

  /// One `key: value  # unit` line per setting, and whether the secrets are there, masked.
  public static func listing(_ settings: Settings, credentials: Credentials?) -> String {
    var lines = Settings.fields().map { field in
      "\(field.key): \(json(of: field.get(settings)))  # \(field.unit); \(field.environmentName)"
    }
    lines.append(
      "plugins.load: \(json(of: settings.plugins.load))  # path, id, parameters, placement; AEGIS_PLUGINS_LOAD"
    )
    for (name, secret) in [
      (Credentials.keyName, credentials?.apiKey), (Credentials.secretName, credentials?.apiSecret),
    ] {
      lines.append("# \(name): \(secret.map(String.init(describing:)) ?? "not set") (environment only)")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// The shortest text that reads back to the same number.
  static func text(_ number: Double) -> String {
    let text = "\(number)"
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }

  private indirect enum Node {
    case leaf(String)
    case branch(Branch)
  }

  /// An object in the order its keys were first named.
  private struct Branch {
    var members: [(key: String, node: Node)] = []

    mutating func add(_ group: String, _ key: String, _ leaf: String) {
      guard let index = members.firstIndex(where: { $0.key == group }),
        case .branch(var inner) = members[index].node
      else { return members.append((group, .branch(Branch(members: [(key, .leaf(leaf))])))) }
      inner.members.append((key, .leaf(leaf)))
      members[index].node = .branch(inner)
    }

    func json(indent: Int) -> String {
      let pad = String(repeating: "  ", count: indent + 1)
      let lines = members.map { key, node in
        switch node {
        case .leaf(let text): "\(pad)\(SettingsRendering.quoted(key)): \(text)"
        case .branch(let inner): "\(pad)\(SettingsRendering.quoted(key)): \(inner.json(indent: indent + 1))"
        }
      }
      return "{\n" + lines.joined(separator: ",\n") + "\n" + String(repeating: "  ", count: indent) + "}"
    }
  }

  /// Keys have one or two parts.
  private static func insert(_ value: SettingsValue, at path: ArraySlice<String>, into root: inout Branch) {
    guard let first = path.first, let last = path.last else { return }
    if path.count == 1 {
      root.members.append((first, .leaf(json(of: value))))
    } else {
      root.add(first, last, json(of: value))
    }
  }

  static func json(of value: SettingsValue) -> String {
    switch value {
    case .integer(let number): "\(number)"
    case .number(let number): text(number)
    case .flag(let flag): "\(flag)"
    case .text(let text): quoted(text)
    case .list(let list): "[" + list.map(quoted).joined(separator: ", ") + "]"
    case .absent: "null"
    }
  }

  private static func json(of plugins: [Settings.Plugins.Choice]) -> String {
    let elements = plugins.map { choice in
      let parameters = choice.parameters.map { "\(quoted($0.name)): \(quoted($0.value))" }
      return "{\"path\": \(quoted(choice.path)), \"id\": \(choice.id.map(quoted) ?? "null"), "
        + "\"parameters\": {\(parameters.joined(separator: ", "))}"
        + (choice.placement.map { ", \"placement\": \(quoted($0.rawValue))" } ?? "") + "}"
    }
    return "[" + elements.joined(separator: ", ") + "]"
  }

  /// A JSON string; also a YAML one.
  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case _
      where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || scalar.value == 0x2028
        || scalar.value == 0x2029:
        let hex = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

extension Settings {
  /// Makes the data directory and proves that files can be written there. Folders are for the owner alone.
  ///
  /// - Throws: one problem naming the folder; nothing but the folder itself is left behind.
  public func prepareDataDirectory() throws(SettingsError) {
    func problem(_ what: String) -> SettingsError {
      SettingsError([
        SettingsProblem(
          source: dataDirectory, key: "dataDirectory", what: what,
          fix: "make it writable, or choose another with --data-dir or AEGIS_DATA_DIRECTORY")
      ])
    }
    let files = FileManager.default
    var isFolder: ObjCBool = false
    if files.fileExists(atPath: dataDirectory, isDirectory: &isFolder), !isFolder.boolValue {
      throw problem("is a file, not a folder")
    }
    do {
      try files.createDirectory(
        atPath: dataDirectory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      let probe = "\(dataDirectory)/.write-check.\(ProcessInfo.processInfo.processIdentifier)"
      try Data([0]).write(to: URL(filePath: probe))
      try files.removeItem(atPath: probe)
    } catch { throw problem("cannot be written") }
  }

  /// The store of every venue and mode, kept apart inside it.
  public var storePath: String { "\(dataDirectory)/store.sqlite" }
  /// Where the address of the running engine's API stands: `{"url": …, "pid": …}`.
  public var apiAddressPath: String { "\(dataDirectory)/run/api.json" }
}
