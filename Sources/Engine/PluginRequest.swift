import Foundation

/// What a person asks of the running plugins. A file in the engine's runtime folder, which only its owner can write,
/// and a SIGHUP; the answer is a file beside it.
public struct PluginRequest: Codable, Sendable, Equatable {
  public enum Action: String, Codable, Sendable { case reload, rollback }

  /// Letters, digits and dashes; names the answer.
  public var id: String
  public var action: Action
  /// Plugin ids; empty means all.
  public var plugins: [String]
  /// New versions start without the state of the old ones.
  public var isFresh: Bool
  /// Whether every version is loaded anew, also one with the content of the running one.
  public var isForced: Bool

  public init(
    id: String, action: Action, plugins: [String] = [], isFresh: Bool = false, isForced: Bool = false
  ) {
    self.id = id
    self.action = action
    self.plugins = plugins
    self.isFresh = isFresh
    self.isForced = isForced
  }

  /// What SIGHUP alone asks for.
  public static let hangUp = PluginRequest(id: "hangup", action: .reload)
}

/// One line of the answer.
public struct PluginStep: Codable, Sendable, Equatable {
  /// Empty in the last line.
  public var plugin: String
  /// `found`, `checked`, `loaded`, `shadow`, `switched`, `probation`, `rolled back`, `refused`, `unchanged`, `done`.
  public var step: String
  public var text: String
  public var milliseconds: Double
  /// Whether this is bad news. In the last line: whether anything was.
  public var isFailure: Bool
}

/// Requests and answers as files.
struct PluginRequestFiles {
  let folder: URL
  private static let requestPrefix = "plugin-request-"
  private static let answerPrefix = "plugin-answer-"

  init(_ directory: DataDirectory) { folder = directory.runtime }
  init(runtimeFolder: URL) { folder = runtimeFolder }

  private func requestFile(_ id: String) -> URL { folder.appending(path: "\(Self.requestPrefix)\(id).json") }
  func answerFile(_ id: String) -> URL { folder.appending(path: "\(Self.answerPrefix)\(id).jsonl") }
  var statusFile: URL { folder.appending(path: "plugins.json") }

  /// The plugins at work as the Brain last wrote them down; empty before it has.
  func status() -> PluginsAnswer {
    FileManager.default.contents(atPath: statusFile.path).flatMap {
      try? JSONDecoder().decode(PluginsAnswer.self, from: $0)  // nothing readable is nothing known
    } ?? PluginsAnswer()
  }

  func put(_ request: PluginRequest) throws {
    try JSONEncoder().encode(request).write(to: requestFile(request.id), options: .atomic)
  }

  var isEmpty: Bool { names().isEmpty }

  /// Takes every request out of the folder, oldest name first; what is no request is removed too.
  func takeAll() -> [PluginRequest] {
    names().sorted().compactMap { name in
      let file = folder.appending(path: name)
      let request = FileManager.default.contents(atPath: file.path).flatMap {
        try? JSONDecoder().decode(PluginRequest.self, from: $0)  // a foreign file is no request
      }
      unlink(file.path)
      return request
    }
  }

  private func names() -> [String] {
    // A folder that cannot be read has no requests; its owner cannot write one either.
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).filter {
      $0.hasPrefix(Self.requestPrefix) && $0.hasSuffix(".json")
    }
  }

  /// Adds a line to an answer; the asker reads along.
  func append(_ step: PluginStep, to id: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var line = try encoder.encode(step)
    line.append(UInt8(ascii: "\n"))
    let file = answerFile(id)
    if !FileManager.default.fileExists(atPath: file.path) {
      try Data().write(to: file)
    }
    let handle = try FileHandle(forWritingTo: file)
    try handle.seekToEnd()
    try handle.write(contentsOf: line)
    try handle.close()
  }

  /// The complete lines of an answer so far.
  func steps(of id: String) -> [PluginStep] {
    guard let data = FileManager.default.contents(atPath: answerFile(id).path) else { return [] }
    return data.split(separator: UInt8(ascii: "\n")).compactMap {
      try? JSONDecoder().decode(PluginStep.self, from: $0)  // a line that is still being written
    }
  }

  func removeAnswer(_ id: String) { unlink(answerFile(id).path) }
}
