import CPlatform
public import Market
import PluginABI

// Replacing a plugin while it works. The control side makes a candidate and stages it; everything below happens on the
// decision thread between two events, so each event is consumed by exactly one active instance of a seat:
//
//   beginShadow  the candidate takes over the state, or will be shown history; from here on it sees every event too
//   promote      it becomes the active instance, the former one follows in the shadow
//   rollBack     the former instance is active again; it has missed nothing
//   endShadow    the shadow, whichever it is, leaves
extension PluginSet {
  /// Hands a candidate over for `beginShadow`. Its owner from now on is the set.
  public mutating func stage(_ candidate: DetachedPlugin, at seat: Int) {
    precondition((0..<count).contains(seat), "a seat is an index returned by load")
    if let unused = shadows.staged[seat] { shadows.removed.append(unused) }
    shadows.staged[seat] = candidate
  }

  /// Puts the staged candidate beside the active instance. A shadow that was there leaves first.
  ///
  /// - Parameter isFresh: the candidate starts empty even if the active instance has state.
  /// - Returns: bytes of state carried over; nil when the candidate is to be shown history with `showToCandidate`.
  /// - Throws: `.stateRefused`, `.malformed`; the candidate is then among `takeRemoved`, the active one untouched.
  public mutating func beginShadow(_ seat: Int, isFresh: Bool) throws(PluginError) -> Int? {
    precondition((0..<count).contains(seat), "a seat is an index returned by load")
    shadows.remove(seat)
    guard let candidate = shadows.staged[seat] else { preconditionFailure("a candidate was staged before") }
    shadows.staged[seat] = nil
    var carried: Int?
    do throws(PluginError) {
      carried = isFresh ? nil : try carryState(from: seat, to: candidate)
    } catch {
      shadows.removed.append(candidate)
      throw error
    }
    candidate.slot.batch.pointee.events = UnsafePointer(event)
    var isWarm: UnsafeMutablePointer<Bool>?
    if carried == nil, candidate.descriptor.subscriptions.contains(where: { $0.warmupBarCount > 0 }) {
      let memory = UnsafeMutablePointer<Bool>.allocate(capacity: max(Int(instrumentCount), 1))
      memory.initialize(repeating: false, count: Int(instrumentCount))
      isWarm = memory
    }
    prepareWindows(of: candidate.descriptor)
    shadows.put(
      PluginShadow(slot: candidate.slot, role: .candidate, isWarm: isWarm), candidate.descriptor, at: seat)
    refreshInterest()
    return carried
  }

  private func carryState(from seat: Int, to candidate: DetachedPlugin) throws(PluginError) -> Int? {
    let old = descriptors[seat]
    let new = candidate.descriptor
    guard let source = slots[seat].state else {
      guard slots[seat].isolated != nil, old.capabilities.contains(.stateful) else { return nil }
      throw .stateRefused(
        plugin: new.id, reason: "the state of an isolated plugin is not carried over a reload")
    }
    guard let target = candidate.slot.state else {
      throw .stateRefused(plugin: new.id, reason: "\(new.version) keeps no state, \(old.version) does")
    }
    guard old.stateVersion >= new.stateOldest, old.stateVersion <= new.stateVersion else {
      throw .stateRefused(
        plugin: new.id,
        reason: old.stateVersion < new.stateOldest
          ? "state version \(old.stateVersion) is older than the oldest readable (\(new.stateOldest))"
          : "state version \(old.stateVersion) is newer than what \(new.version) writes (\(new.stateVersion))"
      )
    }
    let saved = shadows.state.save(slots[seat].instance, with: source)
    guard saved == AEGIS_OK else {
      throw .stateRefused(plugin: old.id, reason: "\(old.version) cannot save its state (\(saved))")
    }
    var error = aegis_error()
    let loaded = shadows.state.load(
      into: candidate.slot.instance, with: target, version: old.stateVersion, &error)
    guard loaded == AEGIS_OK else {
      throw .stateRefused(
        plugin: new.id, reason: "\(new.version) refuses the state (\(loaded)): \(errorMessage(error))")
    }
    return shadows.state.byteCount
  }

  /// Whether the seat has a candidate that waits for the history of an instrument.
  public func candidateNeedsHistory(_ seat: Int, of instrument: InstrumentID) -> Bool {
    guard let shadow = shadows[seat], shadow.role == .candidate, instrument.index < instrumentCount else {
      return false
    }
    return !shadow.knows(instrument.index)
  }

  /// Closed bars of a timeframe the seat's candidate wants to see before its first live event; nil = none of them.
  public func candidateWarmupBarCount(_ seat: Int, _ timeframe: Timeframe) -> Int? {
    guard let wishes = shadows.descriptors[seat]?.subscriptions else { return nil }
    return wishes.filter { $0.kind == .bars(timeframe) }.map(\.warmupBarCount).max()
  }

  /// Shows one closed bar of the past to the seat's candidate alone.
  public mutating func showToCandidate(
    _ seat: Int, _ input: MarketEvent, sequence: UInt64, rules: InstrumentRules, now: Instant
  ) {
    let kind = EventInterest(input)
    guard shadows[seat]?.role == .candidate, shadows[seat]?.slot.interest.isDisjoint(with: kind) == false
    else {
      return
    }
    event.pointee = aegis_event(input, sequence: sequence, rules: rules)
    _ = shadows[seat]?.slot.process(
      event, kind, now: now.nanoseconds, phase: .warmup, instrumentCount: instrumentCount,
      plugin: UInt16(truncatingIfNeeded: seat), shadows.signals, 0)
  }

  /// The candidate has seen the history of the instrument: its live events follow.
  public mutating func candidateIsWarm(_ seat: Int, for instrument: InstrumentID) {
    guard instrument.index < instrumentCount else { return }
    shadows[seat]?.isWarm?[Int(instrument.index)] = true
  }

  /// The candidate becomes the seat's active instance, and the active one its shadow.
  ///
  /// - Precondition: the seat has a candidate.
  public mutating func promote(_ seat: Int) {
    guard shadows[seat]?.role == .candidate else { preconditionFailure("the seat has a candidate") }
    exchange(seat)
  }

  /// The former instance is active again, and what replaced it leaves.
  ///
  /// - Precondition: the seat is in probation.
  public mutating func rollBack(_ seat: Int) {
    guard shadows[seat]?.role == .former else { preconditionFailure("the seat is in probation") }
    exchange(seat)
    endShadow(seat)
  }

  private mutating func exchange(_ seat: Int) {
    guard let (shadow, descriptor) = shadows.take(seat) else { return }
    let former = PluginShadow(slot: slots[seat], role: .former, isWarm: nil)
    signalsPerEventMax += Int(shadow.slot.capacity) - Int(slots[seat].capacity)
    shadows.put(former, descriptors[seat], at: seat)
    slots[seat] = shadow.slot
    descriptors[seat] = descriptor
    refreshInterest()
  }

  /// Gives the seat's instances a checked value of a runtime parameter.
  ///
  /// - Parameters:
  ///   - bits: the value, as the header's union has it.
  ///   - signals: room for `signalsPerEventMax`; the active instance may answer.
  /// - Returns: how many signals were written.
  public mutating func change(
    _ seat: Int, parameter id: UInt32, type: UInt32, bits: UInt64, sequence: UInt64, now: Instant,
    into signals: UnsafeMutableBufferPointer<Signal>
  ) -> Int {
    guard (0..<count).contains(seat) else { return 0 }
    var change = aegis_param_change()
    change.id = id
    change.value.type = type
    change.value.v.i64 = Int64(bitPattern: bits)
    event.pointee = aegis_event()
    event.pointee.ts_ns = now.nanoseconds
    event.pointee.instrument = .max
    event.pointee.kind = AEGIS_EV_PARAM
    event.pointee.seq = sequence
    event.pointee.u.param = change
    _ = shadows[seat]?.slot.process(
      event, [], now: now.nanoseconds, phase: [.live, .shadow], instrumentCount: instrumentCount,
      plugin: UInt16(truncatingIfNeeded: seat), shadows.signals, 0)
    return slots[seat].process(
      event, [], now: now.nanoseconds, phase: .live, instrumentCount: instrumentCount,
      plugin: UInt16(truncatingIfNeeded: seat), signals, 0)
  }

  /// The seat's shadow leaves, if it has one.
  public mutating func endShadow(_ seat: Int) {
    shadows.remove(seat)
    refreshInterest()
  }

  /// Instances that left since the last call; the caller ends them, on a control thread.
  public mutating func takeRemoved() -> [DetachedPlugin] {
    let removed = shadows.removed
    shadows.removed.removeAll(keepingCapacity: true)
    return removed
  }

  /// What the seat's shadow did; nil without one.
  public func shadowReport(_ seat: Int) -> ShadowReport? {
    guard let shadow = shadows[seat] else { return nil }
    var report = shadows.reports[seat]
    let counters = shadow.slot.withIsolated { $0.counters } ?? shadow.slot.counters
    report.refusedCount = counters.refusedCount
    if shadow.slot.isolated != nil { report.shadowSignalCount = counters.signalCount }
    return report
  }

  /// The active instance's state as it would be carried over, for a rehearsal elsewhere; nil when it keeps none.
  ///
  /// - Throws: `.stateRefused` when it cannot be saved.
  public func savedState(_ seat: Int) throws(PluginError) -> [UInt8]? {
    precondition((0..<count).contains(seat), "a seat is an index returned by load")
    guard let table = slots[seat].state else { return nil }
    let saved = shadows.state.save(slots[seat].instance, with: table)
    guard saved == AEGIS_OK else {
      throw .stateRefused(
        plugin: descriptors[seat].id, reason: "\(descriptors[seat].version) cannot save its state (\(saved))")
    }
    return shadows.state.withBytes { Array($0) }
  }

  /// Above this a call of a shadow counts as slow.
  public mutating func setShadowBudget(nanoseconds: Int64) { shadows.budgetNanoseconds = nanoseconds }

  private mutating func refreshInterest() {
    interest = []
    isolatedCount = 0
    for seat in 0..<count {
      interest.formUnion(slots[seat].interest)
      if slots[seat].isolated != nil { isolatedCount += 1 }
      if let shadow = shadows[seat] {
        interest.formUnion(shadow.slot.interest)
        if shadow.slot.isolated != nil { isolatedCount += 1 }
      }
    }
  }

  /// The event of `process` for every shadow that wants it; what they say is compared and thrown away.
  @inline(never)
  mutating func showToShadows(
    _ kind: EventInterest, now: Int64, phase: EventPhase, _ signals: UnsafeMutableBufferPointer<Signal>,
    _ written: Int
  ) {
    for seat in 0..<count {
      guard let shadow = shadows[seat], !shadow.slot.interest.isDisjoint(with: kind),
        shadow.knows(event.pointee.instrument)
      else { continue }
      let start = aegis_monotonic_nanoseconds()
      let count =
        shadows[seat]?.slot.process(
          event, kind, now: now, phase: phase.union(.shadow), instrumentCount: instrumentCount,
          plugin: UInt16(truncatingIfNeeded: seat), shadows.signals, 0) ?? 0
      let elapsed = aegis_monotonic_nanoseconds() - start
      guard phase == .live else { continue }
      compare(seat, signals, written, shadowCount: count)
      shadows.reports[seat].slowestNanoseconds = max(shadows.reports[seat].slowestNanoseconds, elapsed)
      if elapsed > shadows.budgetNanoseconds { shadows.reports[seat].slowCount += 1 }
    }
  }

  private func compare(
    _ seat: Int, _ signals: UnsafeMutableBufferPointer<Signal>, _ written: Int, shadowCount: Int
  ) {
    var matched = 0
    var isSame = true
    var difference = 0.0
    for index in 0..<written where Int(signals[index].plugin) == seat {
      if matched < shadowCount {
        let active = signals[index]
        let other = shadows.signals[matched]
        if active.instrument != other.instrument || active.returnFraction != other.returnFraction
          || active.confidence != other.confidence || active.flags != other.flags
        {
          isSame = false
        }
        difference = max(difference, abs(active.returnFraction - other.returnFraction))
      }
      matched += 1
    }
    shadows.reports[seat].eventCount += 1
    shadows.reports[seat].activeSignalCount += UInt64(matched)
    shadows.reports[seat].shadowSignalCount += UInt64(shadowCount)
    if !isSame || matched != shadowCount { shadows.reports[seat].differingCount += 1 }
    if difference > shadows.reports[seat].differenceMax { shadows.reports[seat].differenceMax = difference }
  }
}
