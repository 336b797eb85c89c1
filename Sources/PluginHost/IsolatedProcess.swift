internal import CPlatform
import Glibc
import Synchronization

/// One isolated plugin's process as the engine sees it: its descriptors, its end, its log, its budgets.
///
/// A thread of its own waits for the end of the process, reads its log and looks at its calls; it lives as long as the
/// process. Everything here is for any thread.
final class IsolatedProcess: Sendable {
  /// Asked for by the decision thread, done by the watching one: ending a process is a system call.
  enum Condemnation: UInt8 { case none = 0, badSignals, broken }

  private struct State {
    var status = IsolatedStatus.running
    /// What a control call waits for.
    var awaited: PluginPhase?
    var killed: (cause: PluginFailure.Cause, phase: PluginPhase, reason: String)?
    var isEndExpected = false
    var log: LogThrottle
  }

  let control: Int32
  nonisolated(unsafe) let inputHeader: InputHeader
  nonisolated(unsafe) let inputSlots: UnsafeMutablePointer<InputSlot>
  nonisolated(unsafe) let page: StatusPage
  private let spawned: IsolatedSpawn
  private let inputMemory: IsolatedMemory
  private let statusMemory: IsolatedMemory
  private let limits: IsolationLimits
  private let log: @Sendable (PluginLogLevel, String) -> Void
  private let state: Mutex<State>
  private let isOver = Atomic<Bool>(false)
  private let condemnation = Atomic<UInt8>(0)
  private let softOverruns = Atomic<UInt64>(0)
  private let cutLines = Atomic<UInt64>(0)

  /// Starts the process and the thread that watches it.   [control]
  ///
  /// - Parameter output: a memory file that gets its size later, when the plugin has said how large its records are.
  init(
    host: String, output: Int32, limits: IsolationLimits,
    log: @escaping @Sendable (PluginLogLevel, String) -> Void
  ) throws(IsolatedTrouble) {
    let input = aegis_sealable_memory("aegis-plugin-input")
    guard input >= 0 else { throw .system("make shared memory", -input) }
    defer { close(input) }
    let status = aegis_sealable_memory("aegis-plugin-status")
    guard status >= 0 else { throw .system("make shared memory", -status) }
    defer { close(status) }
    // Sealed before anything else holds them: no code of the plugin can have mapped the events for writing.
    let layout = IsolatedLayout(inputCapacity: limits.inputCapacity, signalsPerEventMax: 1, featureCount: 0)
    inputMemory = try IsolatedMemory(sizing: input, to: layout.inputByteCount, forbidsNewWriters: true)
    statusMemory = try IsolatedMemory(
      sizing: status, to: IsolatedLayout.headerByteCount, forbidsNewWriters: false)
    spawned = try IsolatedSpawn(host: host, input: input, status: status, output: output)
    control = spawned.control
    inputHeader = InputHeader(inputMemory.base)
    inputSlots = (inputMemory.base + IsolatedLayout.headerByteCount).assumingMemoryBound(to: InputSlot.self)
    page = StatusPage(statusMemory.base)
    self.limits = limits
    self.log = log
    state = Mutex(
      State(
        log: LogThrottle(
          linesPerSecondMax: limits.logLinesPerSecondMax,
          byteCountPerSecondMax: limits.logByteCountPerSecondMax)))
    startPluginThread("plugin-watch") { [self] in watch() }
  }

  deinit {
    // The watching thread held a reference until the process was reaped.
    close(spawned.control)
    close(spawned.log)
    close(spawned.ending)
  }

  // MARK: Facts

  var isRunning: Bool { !isOver.load(ordering: .acquiring) }
  var status: IsolatedStatus { state.withLock { $0.status } }
  var identifier: pid_t { spawned.process }
  var softOverrunCount: UInt64 { softOverruns.load(ordering: .relaxed) }
  var cutLineCount: UInt64 { cutLines.load(ordering: .relaxed) }

  /// What a control call is about to wait for; nil when it is over.
  func expect(_ phase: PluginPhase?, expectsEnd: Bool = false) {
    state.withLock { state in
      state.awaited = phase
      if expectsEnd { state.isEndExpected = true }
    }
  }

  // MARK: Acts

  /// Has the process ended for a rule it broke.   [decision-thread]
  func condemn(_ why: Condemnation) { condemnation.store(why.rawValue, ordering: .releasing) }

  /// Ends the process at once; the first reason counts.
  func kill(_ cause: PluginFailure.Cause, phase: PluginPhase, reason: String) {
    state.withLock { state in
      guard state.status == .running else { return }
      if state.killed == nil { state.killed = (cause, phase, reason) }
      // Not reaped while its status is running, so the number is still its own.
      Glibc.kill(spawned.process, SIGKILL)
    }
  }

  /// Changes what a sleeping process waits on, when it sleeps.   [any]
  @inline(__always) func wake() {
    // Pairs with the fence in `IsolatedInstance.sleep`.
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    guard page.sleeper.pointee.load(ordering: .relaxed) != 0 else { return }
    page.sleeper.pointee.store(0, ordering: .relaxed)
    inputHeader.turn.pointee.wrappingAdd(1, ordering: .releasing)
    _ = aegis_futex_wake(UnsafeRawPointer(inputHeader.turn).assumingMemoryBound(to: UInt32.self), 1)
  }

  /// Waits until the process has ended and is reaped.   [control]
  /// - Returns: false when it has not within the time.
  func waitForEnd(milliseconds: Int) -> Bool {
    let deadline = aegis_monotonic_nanoseconds() + Int64(milliseconds) * 1_000_000
    while isRunning {
      guard aegis_monotonic_nanoseconds() < deadline else { return false }
      usleep(500)
    }
    return true
  }

  // MARK: Watching

  private func watch() {
    var budget = BudgetWatch(
      softNanoseconds: limits.softBudgetNanoseconds, hardNanoseconds: limits.hardBudgetNanoseconds)
    // The mark of a call lies where the plugin can reach it. What it cannot hide is that it takes no more events; a whole
    // call and the next may lie between two steps.
    var progress = BudgetWatch(softNanoseconds: .max, hardNanoseconds: limits.hardBudgetNanoseconds * 2)
    while true {
      var ready = [
        pollfd(fd: spawned.ending, events: Int16(POLLIN), revents: 0),
        pollfd(fd: spawned.log, events: Int16(POLLIN), revents: 0),
      ]
      _ = poll(&ready, 2, Int32(clamping: max(1, limits.lookMilliseconds)))
      let now = aegis_monotonic_nanoseconds()
      let isEnded = ready[0].revents != 0
      readLog(now: now, roundsMax: isEnded ? 64 : 1)
      if isEnded { break }
      look(&budget, now: now)
      if case .hung(let elapsed) = progress.look(mark: waitingMark, now: now) {
        let milliseconds = Int(elapsed / 1_000_000)
        kill(.hung(milliseconds: milliseconds), phase: .idle, reason: "took no event for \(milliseconds) ms")
      }
    }
    finish()
  }

  /// Changes with every step the plugin takes; 0 when there is nothing to do, when it waits for the engine to read, or
  /// while it does something that has a time limit of its own.
  private var waitingMark: UInt64 {
    let consumed = page.consumed.pointee.load(ordering: .relaxed)
    guard inputHeader.published.pointee.load(ordering: .relaxed) != consumed else { return 0 }
    let unread =
      page.produced.pointee.load(ordering: .relaxed) &- page.taken.pointee.load(ordering: .relaxed)
    return unread > 0 || state.withLock({ $0.awaited != nil }) ? 0 : consumed &+ 1
  }

  private func look(_ budget: inout BudgetWatch, now: Int64) {
    switch budget.look(mark: page.batch.pointee.load(ordering: .acquiring), now: now) {
    case .fine: break
    case .slow(let elapsed):
      softOverruns.wrappingAdd(1, ordering: .relaxed)
      if softOverruns.load(ordering: .relaxed) == 1 {
        log(
          .warning, "a call took more than \(limits.softBudgetNanoseconds / 1000) µs (\(elapsed / 1000) µs)")
      }
    case .hung(let elapsed):
      let milliseconds = Int(elapsed / 1_000_000)
      kill(
        .hung(milliseconds: milliseconds), phase: .process,
        reason: "did not return within \(limits.hardBudgetNanoseconds / 1_000_000) ms")
    }
    switch Condemnation(rawValue: condemnation.load(ordering: .acquiring)) {
    case nil, .some(.none): break
    case .badSignals:
      kill(
        .badSignals, phase: .process,
        reason: "sent more than \(limits.badSignalsMax) signals that break the rules")
    case .broken:
      kill(.broken, phase: .process, reason: "wrote cursors into shared memory that cannot be true")
    }
  }

  /// One pipe full at a time: a plugin that prints faster than this is held up by its own printing.
  private func readLog(now: Int64, roundsMax: Int) {
    let lines = state.withLock { state -> [LogThrottle.Line] in
      var lines = state.log.tick(now: now)
      var buffer = [UInt8](repeating: 0, count: 64 << 10)
      for _ in 0..<roundsMax {
        let count = read(spawned.log, &buffer, buffer.count)
        if count <= 0 { break }
        lines += state.log.take(buffer[..<count], now: now)
      }
      cutLines.store(state.log.cutCount, ordering: .relaxed)
      return lines
    }
    for line in lines { log(line.level, line.text) }
  }

  /// Reaps the process and says how it ended.
  private func finish() {
    let rest = state.withLock { state -> [LogThrottle.Line] in
      var word: Int32 = 0
      while waitpid(spawned.process, &word, 0) < 0, errno == EINTR {}
      state.status = judge(word, state)
      return state.log.finish()
    }
    for line in rest { log(line.level, line.text) }
    isOver.store(true, ordering: .releasing)
  }

  private func judge(_ word: Int32, _ state: State) -> IsolatedStatus {
    if let killed = state.killed {
      return .failed(
        PluginFailure(
          cause: killed.cause, phase: killed.phase, reason: "\(killed.reason) \(killed.phase.words)",
          backtrace: state.log.frames))
    }
    let phase = state.awaited ?? (page.batch.pointee.load(ordering: .relaxed) != 0 ? .process : .idle)
    let signal = word & 0x7F
    guard signal != 0 else {
      let code = (word >> 8) & 0xFF
      if state.isEndExpected, code == 0 { return .ended }
      return .failed(
        PluginFailure(
          cause: .exit(code), phase: phase, reason: "left with status \(code) \(phase.words)\(said(state))"))
    }
    return .failed(
      PluginFailure(
        cause: .signal(signal), phase: phase,
        reason: "\(PluginFailure.signalName(signal))\(details(signal)) \(phase.words)\(said(state))",
        backtrace: state.log.frames))
  }

  /// What the process wrote down while it died; believed only as far as it agrees with the kernel.
  private func details(_ signal: Int32) -> String {
    let words = page.lastWords.pointee
    guard words.signal == UInt32(signal) else {
      // Starting a thread blocks signals first, so its end leaves no words.
      return signal == SIGSYS ? ": one made with all signals blocked, as starting a thread is" : ""
    }
    var text = ""
    if signal == SIGSYS {
      let name = aegis_system_call_name(words.system_call).map { String(cString: $0) }
      text += ": \(name ?? "number \(words.system_call)")"
    }
    if signal == SIGSEGV || signal == SIGBUS { text += " at address 0x\(String(words.address, radix: 16))" }
    if words.peak_bytes > UInt64(limits.addressSpaceByteCountMax) / 10 * 8 {
      text +=
        ", with \(words.peak_bytes >> 20) MB of the \(limits.addressSpaceByteCountMax >> 20) MB it may use"
    }
    return text
  }

  private func said(_ state: State) -> String {
    state.log.lastPrinted.isEmpty ? "" : "; it said: \(state.log.lastPrinted)"
  }
}
