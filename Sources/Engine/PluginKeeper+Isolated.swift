import Foundation
import Logging
import PluginHost
import Trading

// Plugins in processes of their own: what ends by itself is put into quarantine by its hash, with a growing delay, and
// started again when that is over.
extension PluginKeeper {
  /// Looks whether the seat's process is still there, and whether the time has come to try it again.
  func watchProcess(_ index: Int) {
    let seat = seats[index]
    if seat.suspension != nil, let retry = seat.retrySeconds, PluginPolicy.seconds >= retry {
      return restart(index)
    }
    guard seat.suspension == nil, let isolated = seat.isolated, case .failed(let failure) = isolated.status
    else {
      return
    }
    let reason = failure.reason
    guard change(index, .suspended(true)) != nil else { return }
    seats[index].suspension = reason
    seats[index].retrySeconds = quarantine(index, reason: reason, phase: failure.phase)?.until
    surroundings.logger.error(
      "isolated plugin ended",
      metadata: ["plugin": "\(seat.descriptor.id)", "reason": "\(reason)", "phase": "\(failure.phase.words)"])
  }

  @discardableResult
  func quarantine(_ index: Int, reason: String, phase: PluginPhase) -> QuarantineStore.Record? {
    let descriptor = seats[index].descriptor
    do throws(StoreFileError) {
      return try PluginPolicy.quarantine(
        PluginTrust.quarantinePath(surroundings.policy.settings), sha256: descriptor.sha256,
        id: descriptor.id,
        file: seats[index].path, reason: reason, phase: phase)
    } catch {
      surroundings.logger.error("the quarantine cannot be written", metadata: ["error": "\(error)"])
      return nil
    }
  }

  /// Starts the seat's plugin again, shown the history it asks for.
  private func restart(_ index: Int) {
    let seat = seats[index]
    do throws(PluginError) {
      let isolated = try startIsolated(index)
      try begin(index, DetachedPlugin(isolated, instrumentCount: surroundings.symbols.count), isFresh: true)
      guard change(index, .promoted) != nil, change(index, .shadowEnded) != nil,
        change(index, .suspended(false)) != nil
      else { return }
      seats[index].isolated = isolated
      seats[index].suspension = nil
      seats[index].retrySeconds = nil
      surroundings.logger.warning(
        "isolated plugin started again", metadata: ["plugin": "\(seat.descriptor.id)"])
    } catch {
      seats[index].retrySeconds = quarantine(index, reason: "\(error)", phase: .load)?.until
      surroundings.logger.error(
        "isolated plugin cannot be started again",
        metadata: ["plugin": "\(seat.descriptor.id)", "error": "\(error)"])
    }
  }

  func startIsolated(_ index: Int) throws(PluginError) -> IsolatedPlugin {
    try surroundings.policy.startIsolated(
      path: seats[index].path, id: seats[index].descriptor.id, parameters: seats[index].parameters,
      instruments: surroundings.symbols, cacheDirectory: surroundings.cacheDirectory)
  }
}
