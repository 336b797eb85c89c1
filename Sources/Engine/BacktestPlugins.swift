import Foundation
import Glibc
import Market
import PluginHost
import Synchronization

/// Loads one plugin file as often as asked, from a private copy that goes away with this object.
final class BacktestPlugins: Sendable {
  private let path: String
  private let id: String?
  private let symbols: [String]
  /// Private; lives as long as this object.
  let cacheDirectory: String
  /// One load at a time; the calls that follow need no lock.
  private let turn = Mutex(())

  /// - Parameter path: of the library.
  init(path: String, id: String? = nil, table: InstrumentTable) throws(PluginError) {
    self.path = path
    self.id = id
    symbols = table.instruments.map(\.symbol)
    let template = FileManager.default.temporaryDirectory.appending(path: "aegis-backtest-XXXXXX").path
    var name = template.utf8CString.map { $0 }
    guard mkdtemp(&name) != nil else {
      throw .cacheUnusable(path: template, reason: String(cString: strerror(errno)))
    }
    cacheDirectory = String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  // A leftover copy in the temporary folder harms nobody, and nobody could act on the error here.
  deinit { try? FileManager.default.removeItem(atPath: cacheDirectory) }

  /// A set with one new instance.
  func load(
    parameters: [String: String], log: @escaping @Sendable (PluginLogLevel, String) -> Void = { _, _ in }
  ) throws(PluginError) -> PluginSet {
    let result = turn.withLock { _ -> Result<PluginSetBox, PluginError> in
      var set = PluginSet(hostName: "aegis", version: EngineVersion.text, log: log)
      do throws(PluginError) {
        try set.load(
          path: path, cacheDirectory: cacheDirectory, id: id, parameters: parameters, instruments: symbols,
          seed: 1)
      } catch {
        return .failure(error)
      }
      return .success(PluginSetBox(set))
    }
    return try result.get().take()
  }
}

/// Carries a set, which cannot be copied, out of a closure.
private final class PluginSetBox: @unchecked Sendable {  // made and emptied by the same thread
  private var set: PluginSet?

  init(_ set: consuming PluginSet) { self.set = consume set }

  /// - Precondition: called once.
  func take() -> PluginSet {
    guard let set = set.take() else { preconditionFailure("a set is taken once") }
    return set
  }
}
