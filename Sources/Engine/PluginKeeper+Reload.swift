import Foundation
import Glibc
import Logging
import PluginHost
import Storage
import Trading

// One reload, step by step. Up to `promoted` the running instance is never touched but to save its state, so that
// whatever goes wrong, it goes on with the very next event.
extension PluginKeeper {
  /// A file is taken as complete when two looks this far apart find the same content.
  private static let lookMicroseconds: UInt32 = 50_000
  /// How long a half-written file is waited for.
  private static let patienceNanoseconds: Int64 = 5_000_000_000
  private static let shadowPollMicroseconds: UInt32 = 5_000

  func reload(_ index: Int, _ request: PluginRequest, _ report: inout ReloadReport) {
    let seat = seats[index]
    let id = seat.descriptor.id
    do throws(PluginError) {
      let sha256 = try found(seat.path)
      guard sha256 != seat.descriptor.sha256 || request.isForced else {
        return report.add(id, "unchanged", "\(seat.descriptor.version), \(sha256.prefix(12))…")
      }
      if let reason = seat.refusedHashes[sha256], !request.isForced {
        return report.add(
          id, "refused", "this file (\(sha256.prefix(12))…) \(reason); change it, or use --force",
          failed: true)
      }
      guard retiredImageCount < surroundings.settings.retiredImagesMax else {
        throw .limit(
          what: "former versions mapped, restart the engine to go on", found: retiredImageCount,
          max: surroundings.settings.retiredImagesMax)
      }
      try admit(index, sha256, isForced: request.isForced)
      if seat.isolated != nil {
        return try reloadIsolated(index, sha256, isFresh: request.isFresh, &report)
      }
      let isFresh = request.isFresh || seat.isAbsent
      try rehearse(index, sha256, isFresh: isFresh, &report)
      let candidate = try load(index, sha256, &report)
      try runInShadow(index, candidate, isFresh: isFresh, &report)
      try promote(index, candidate.descriptor, &report)
      seats[index].isAbsent = false
    } catch {
      refuse(index, error, &report)
    }
  }

  /// Whether trust and quarantine, as they are now, let this content take the seat.
  private func admit(_ index: Int, _ sha256: String, isForced: Bool) throws(PluginError) {
    let seat = seats[index]
    let id = seat.descriptor.id
    let settings = surroundings.policy.settings
    let trust: TrustStore
    let quarantine: QuarantineStore
    do throws(StoreFileError) {
      trust = try PluginTrust.load(settings)
      quarantine = try QuarantineStore.load(path: PluginTrust.quarantinePath(settings))
    } catch {
      throw .unfit(plugin: id, reason: "\(error)")
    }
    if !isForced,
      case .quarantined(let record) = quarantine.verdict(sha256: sha256, seconds: PluginPolicy.seconds)
    {
      throw .unfit(plugin: id, reason: record.words(seconds: PluginPolicy.seconds))
    }
    let isPaper = settings.mode != .live
    // In this process only what is trusted may run, whatever ran there before.
    if seat.isolated == nil, trust.basis(sha256: sha256, file: seat.path, isPaper: isPaper) == nil {
      throw .unfit(
        plugin: id, reason: TrustRefusal.changed(id: id, file: seat.path, sha256: sha256).description)
    }
    do throws(TrustRefusal) {
      try trust.admitReload(
        id: id, file: seat.path, from: seat.descriptor.sha256, to: sha256, isPaper: isPaper)
    } catch {
      throw .unfit(plugin: id, reason: error.description)
    }
  }

  /// The same steps in another process: the start is the rehearsal, and the old process goes when probation is over.
  private func reloadIsolated(
    _ index: Int, _ sha256: String, isFresh: Bool, _ report: inout ReloadReport
  ) throws(PluginError) {
    let seat = seats[index]
    let isolated = try startIsolated(index)
    guard isolated.descriptor.sha256 == sha256 else {
      isolated.end()
      throw .unreadable(file: seat.path, reason: "changed while it was being started")
    }
    report.add(
      seat.descriptor.id, "loaded",
      "\(seat.descriptor.version) -> \(isolated.descriptor.version) in a process of its own, \(sha256.prefix(12))…"
    )
    let candidate = DetachedPlugin(isolated, instrumentCount: surroundings.symbols.count)
    try runInShadow(index, candidate, isFresh: isFresh, &report)
    guard isolated.isRunning else {
      _ = change(index, .shadowEnded)
      throw .unfit(plugin: seat.descriptor.id, reason: "ended in the shadow")
    }
    try promote(index, isolated.descriptor, &report)
    seats[index].isolated = isolated
  }

  private func refuse(_ index: Int, _ error: PluginError, _ report: inout ReloadReport) {
    report.add(
      seats[index].descriptor.id, "refused",
      "\(error); \(seats[index].descriptor.version) goes on, nothing was lost", failed: true)
  }

  // MARK: Steps 1 to 4

  /// The hash of a file that has stopped changing.
  private func found(_ path: String) throws(PluginError) -> String {
    let deadline = Clock.monotonicNanoseconds() + Self.patienceNanoseconds
    var last: String?
    while true {
      do throws(PluginError) {
        let sha256 = try PluginContent.sha256(of: path)
        if sha256 == last { return sha256 }
        last = sha256
      } catch {
        // A copy under way may be cut off anywhere; anything else will not mend itself.
        guard case .notLoadable = error, Clock.monotonicNanoseconds() < deadline else { throw error }
        last = nil
      }
      usleep(Self.lookMicroseconds)
    }
  }

  private func rehearse(
    _ index: Int, _ sha256: String, isFresh: Bool, _ report: inout ReloadReport
  ) throws(PluginError) {
    let seat = seats[index]
    var state: [UInt8]?
    if !isFresh {
      guard let answer = surroundings.mailbox.ask(.saveState(seat: index)) else {
        throw .stateRefused(plugin: seat.descriptor.id, reason: ReloadReport.noAnswer)
      }
      endRemoved(answer)
      if let failure = answer.failure { throw failure }
      state = answer.state
    }
    let check = PluginReloadCheck(
      path: seat.path, id: seat.descriptor.id, parameters: seat.parameters, symbols: surroundings.symbols,
      state: state, stateVersion: seat.descriptor.stateVersion)
    let outcome = try check.run(host: surroundings.host, folder: surroundings.cacheDirectory)
    if let refusal = outcome.refusal {
      if outcome.isDangerous { seats[index].refusedHashes[sha256] = refusal }
      throw .unfit(plugin: seat.descriptor.id, reason: refusal)
    }
    guard outcome.sha256 == sha256 else {
      throw .unreadable(file: seat.path, reason: "changed while it was being checked")
    }
    report.add(
      seat.descriptor.id, "checked",
      "\(seat.descriptor.version) -> \(outcome.version) in a process of its own: loads, takes the configuration"
        + (state.map { " and \($0.count) bytes of state" } ?? "")
        + ", \(outcome.signalCount) signals, none bad")
  }

  private func load(_ index: Int, _ sha256: String, _ report: inout ReloadReport) throws(PluginError)
    -> DetachedPlugin
  {
    let seat = seats[index]
    let candidate = try surroundings.loader.make(
      path: seat.path, cacheDirectory: surroundings.cacheDirectory, keepsCopy: true, id: seat.descriptor.id,
      parameters: seat.parameters, seed: BrainPlan.pluginSeed)
    guard candidate.descriptor.sha256 == sha256 else {
      surroundings.loader.end(candidate)
      throw .unreadable(file: seat.path, reason: "changed after it was checked")
    }
    report.add(
      candidate.descriptor.id, "loaded",
      "generation \(seat.generation + 1) beside generation \(seat.generation), \(sha256.prefix(12))…")
    return candidate
  }

  // MARK: Steps 5 to 7

  private func runInShadow(
    _ index: Int, _ candidate: DetachedPlugin, isFresh: Bool, _ report: inout ReloadReport
  ) throws(PluginError) {
    let id = candidate.descriptor.id
    let begun = try begin(index, candidate, isFresh: isFresh)
    let start = Clock.monotonicNanoseconds()
    let wanted = UInt64(surroundings.settings.shadowEvents)
    let deadline = start + Int64(surroundings.settings.shadowSeconds) * 1_000_000_000
    var answer = begun
    while answer.isShowingHistory
      || (answer.shadow?.eventCount ?? 0) < wanted && Clock.monotonicNanoseconds() < deadline
    {
      usleep(Self.shadowPollMicroseconds)
      guard let next = surroundings.mailbox.ask(.look(seat: index)) else {
        throw .stateRefused(plugin: id, reason: ReloadReport.noAnswer)
      }
      endRemoved(next)
      answer = next
    }
    let shadow = answer.shadow ?? ShadowReport()
    if let reason = objection(to: shadow) {
      _ = change(index, .shadowEnded)
      seats[index].refusedHashes[candidate.descriptor.sha256] = reason
      throw .unfit(plugin: id, reason: reason)
    }
    report.add(
      id, "shadow",
      "\(shadow.eventCount) events, \(shadow.activeSignalCount) signals compared, \(shadow.differingCount) differ"
        + String(
          format: " (max %.4f %%), slowest call %.1f µs", shadow.differenceMax * 100,
          Double(shadow.slowestNanoseconds) / 1000)
        + String(format: ", hand-over %.1f µs", Double(begun.pauseNanoseconds) / 1000))
  }

  /// Puts a candidate beside the active instance.
  @discardableResult
  func begin(
    _ index: Int, _ candidate: DetachedPlugin, isFresh: Bool
  ) throws(PluginError) -> PluginMailbox.Answer {
    guard let image = PluginImageID(candidate.descriptor.sha256),
      let begun = change(index, .shadowBegan(image, isFresh: isFresh), candidate: candidate)
    else {
      // Nobody took it over, so it is still ours.
      surroundings.loader.end(candidate)
      throw .stateRefused(plugin: candidate.descriptor.id, reason: ReloadReport.noAnswer)
    }
    // The former instance of an earlier reload left with this.
    seats[index].probation = nil
    if let failure = begun.failure { throw failure }
    return begun
  }

  private func objection(to shadow: ShadowReport) -> String? {
    if shadow.refusedCount > 0 {
      return "said \(shadow.refusedCount) things in the shadow that break the rules"
    }
    // A single slow call is the machine's; one in a hundred is the plugin's.
    if shadow.slowCount > 3, shadow.slowCount * 100 > shadow.eventCount {
      return
        "took more than \(surroundings.settings.budgetMicroseconds) µs in \(shadow.slowCount) of \(shadow.eventCount) calls"
    }
    return nil
  }

  private func promote(_ index: Int, _ descriptor: PluginDescriptor, _ report: inout ReloadReport)
    throws(PluginError)
  {
    guard let answer = change(index, .promoted) else {
      throw .stateRefused(plugin: descriptor.id, reason: ReloadReport.noAnswer)
    }
    let former = seats[index].descriptor
    let formerProcess = seats[index].isolated
    let seconds = surroundings.settings.probationSeconds
    seats[index].descriptor = descriptor
    seats[index].generation += 1
    seats[index].sinceNanoseconds = Clock.wallNanoseconds()
    seats[index].watched = (answer.counters.refusedCount, Clock.monotonicNanoseconds())
    report.add(
      descriptor.id, "switched",
      "\(former.version) -> \(descriptor.version) at position \(answer.position), pause \(ReloadReport.pause(answer))"
    )
    if seats[index].suspension != nil, change(index, .suspended(false)) != nil {
      seats[index].suspension = nil
    }
    guard seconds > 0 else {
      _ = change(index, .shadowEnded)
      return
    }
    seats[index].probation = PluginSeat.Probation(
      untilNanoseconds: Clock.monotonicNanoseconds() + Int64(seconds) * 1_000_000_000, former: former,
      isolated: formerProcess)
    report.add(
      descriptor.id, "probation",
      "for \(seconds) s; `aegis plugins rollback \(descriptor.id)` goes back to \(former.version)")
  }
}
