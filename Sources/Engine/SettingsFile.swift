import Foundation
import Yams

/// A settings file, YAML or JSON, taken apart without knowing what its keys mean.
///
/// JSON is read by the same parser, of which it is a subset. Every value keeps the line it stands on.
struct SettingsFile {
  /// Larger than any sensible file; a mistaken path to a tape is refused instead of read.
  static let byteCountMax = 1 << 20
  /// Deeper than the tree of settings.
  private static let depthMax = 8

  enum Value {
    case scalar(String)
    /// A key with nothing after it.
    case empty
    case list([Located])
    case map([Member])
  }

  struct Located {
    var value: Value
    var line: Int
  }

  struct Member {
    var key: String
    var value: Located
  }

  let name: String
  let root: [Member]

  /// - Throws: one problem naming file and line when the file cannot be read or is no settings file.
  init(path: String) throws(SettingsError) {
    func problem(_ what: String, _ fix: String, line: Int? = nil) -> SettingsError {
      SettingsError([
        SettingsProblem(source: line.map { "\(path):\($0)" } ?? path, key: "file", what: what, fix: fix)
      ])
    }
    let data: Data
    do {
      let handle = try FileHandle(forReadingFrom: URL(filePath: path))
      defer { try? handle.close() }  // opened for reading: nothing can be lost
      data = try handle.read(upToCount: Self.byteCountMax + 1) ?? Data()
    } catch {
      throw problem("cannot be read", "check that it exists, is a file and is readable")
    }
    guard data.count <= Self.byteCountMax else {
      throw problem("is larger than \(Self.byteCountMax) bytes", "name a settings file")
    }
    guard let text = String(validating: data, as: UTF8.self) else {
      throw problem("is not UTF-8 text", "save it as UTF-8")
    }
    try self.init(text: text, name: path)
  }

  init(text: String, name: String) throws(SettingsError) {
    self.name = name
    func problem(_ what: String, _ fix: String, line: Int?) -> SettingsError {
      SettingsError([
        SettingsProblem(source: line.map { "\(name):\($0)" } ?? name, key: "file", what: what, fix: fix)
      ])
    }
    let node: Node?
    do { node = try Yams.compose(yaml: text) } catch let error as YamlError {
      switch error {
      case .scanner(_, let what, let mark, _), .parser(_, let what, let mark, _),
        .composer(_, let what, let mark, _):
        throw problem("is not YAML: \(what)", "correct the line; indent with spaces", line: mark.line)
      case .duplicatedKeysInMapping(let keys, let context):
        throw SettingsError([
          SettingsProblem(
            source: "\(name):\(context.mark.line)", key: keys.joined(separator: ", "),
            what: "stands more than once", fix: "keep one of them")
        ])
      default: throw problem("is not YAML", "correct it, or remove it", line: nil)
      }
    } catch { throw problem("is not YAML", "correct it, or remove it", line: nil) }
    guard let node else {
      root = []
      return
    }
    guard let value = Self.value(node, depth: 0) else {
      throw problem(
        "is nested deeper than any setting, or uses an alias", "write plain keys and values", line: nil)
    }
    switch value.value {
    case .map(let map): root = map
    case .empty: root = []
    case .scalar, .list:
      throw problem("is not a table of keys", "write `key: value` lines", line: value.line)
    }
  }

  private static func value(_ node: Node, depth: Int) -> Located? {
    guard depth <= depthMax else { return nil }
    let line = node.mark?.line ?? 0
    switch node {
    case .scalar(let scalar):
      let isEmpty = scalar.style == .plain && ["", "~", "null", "Null", "NULL"].contains(scalar.string)
      return Located(value: isEmpty ? .empty : .scalar(scalar.string), line: line)
    case .sequence(let sequence):
      var list: [Located] = []
      for element in sequence {
        guard let value = value(element, depth: depth + 1) else { return nil }
        list.append(value)
      }
      return Located(value: .list(list), line: line)
    case .mapping(let mapping):
      var map: [Member] = []
      for (key, element) in mapping {
        guard let name = key.string, let value = value(element, depth: depth + 1) else { return nil }
        map.append(Member(key: name, value: Located(value: value.value, line: key.mark?.line ?? value.line)))
      }
      return Located(value: .map(map), line: line)
    case .alias: return nil
    }
  }
}
