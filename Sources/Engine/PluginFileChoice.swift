import Foundation
import Glibc
import Logging
import PluginHost

/// Which file a starting Brain loads for a plugin: the one the settings name, or the copy of the version that worked
/// before when that file is not fit to be loaded any more.
struct PluginFileChoice {
  let path: String
  let id: String?
  let parameters: [String: String]
  let symbols: [String]
  /// Where the copies are.
  let folder: URL
  /// What the run before worked with; nil when there was none.
  let known: PluginsAtWork.Plugin?
  /// nil asks nobody.
  let policy: PluginPolicy?
  let logger: Logger

  /// - Throws: what is wrong with the file, when there is no version to fall back to.
  func chosen() throws(PluginError) -> String {
    guard let known else { return path }
    let copy = folder.appending(path: "\(known.sha256).so").path
    let reason: String
    do throws(PluginError) {
      let sha256 = try PluginContent.sha256(of: path)
      if let quarantined = policy?.objection(to: sha256) {
        reason = quarantined
      } else if sha256 == known.sha256 {
        return path
      } else if let refused = known.refused[sha256] {
        reason = refused
      } else {
        let check = PluginReloadCheck(
          path: path, id: known.id, parameters: parameters, symbols: symbols, state: nil, stateVersion: 0)
        guard let refusal = try check.run(host: Settings.pluginHostPath, folder: folder.path).refusal else {
          return path
        }
        reason = refusal
      }
    } catch {
      guard access(copy, R_OK) == 0 else { throw error }
      reason = "\(error)"
    }
    guard access(copy, R_OK) == 0, policy?.objection(to: known.sha256) == nil else { return path }
    logger.error(
      "the plugin's file is not fit to be loaded: the version that worked before goes on",
      metadata: ["plugin": "\(known.id)", "file": "\(path)", "reason": "\(reason)"])
    return copy
  }
}
