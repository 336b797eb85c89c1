import Foundation
import PluginHost

/// Which versions of the plugins work, kept beside their copies: a Brain that starts again takes these when the files
/// have become something else that does not work.
struct PluginsAtWork: Codable, Equatable {
  struct Plugin: Codable, Equatable {
    /// As the settings name it.
    var path: String
    var id: String
    var sha256: String
    /// Versions that were tried and sent away, with the reason.
    var refused: [String: String]
  }

  var plugins: [Plugin] = []

  private static func file(in folder: URL) -> URL { folder.appending(path: "at-work.json") }

  init(_ seats: [PluginSeat]) {
    plugins = seats.map {
      Plugin(path: $0.path, id: $0.descriptor.id, sha256: $0.descriptor.sha256, refused: $0.refusedHashes)
    }
  }

  /// What was written last; empty when nothing was, or when it cannot be read: then the files count.
  init(in folder: URL) {
    if let data = FileManager.default.contents(atPath: Self.file(in: folder).path),
      let read = try? JSONDecoder().decode(PluginsAtWork.self, from: data)
    {
      self = read
    }
  }

  func write(in folder: URL) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try encoder.encode(self).write(to: Self.file(in: folder), options: .atomic)
  }

  /// The entry of a plugin the settings name; a library with several has one each.
  func plugin(path: String, id: String?) -> Plugin? {
    plugins.first { $0.path == path && (id == nil || $0.id == id) }
  }
}
