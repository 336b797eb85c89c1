internal import CPlatform
import Glibc
public import Market
public import PluginABI
import Synchronization

/// One plugin in a process of its own, as the engine sees it.
///
/// The process has no network, no keys, no files (but its own folder, when the plugin says `AEGIS_CAP_FILES`), bounded
/// memory and time; events go to it through memory it can only read, signals come back through memory nobody believes.
/// What it does, the worst is that its own signals stop.
///
/// `offer`, `poll` and what they return belong to one decision thread. Loading, state, activation and the end are
/// `[control]`: one at a time, any thread, beside the decision thread; each is bounded in time.
public final class IsolatedPlugin: @unchecked Sendable {
  /// With the subscriptions of this instance.
  public let descriptor: PluginDescriptor
  /// Whether it has `aegis.state/1`.
  public let hasState: Bool
  private let process: IsolatedProcess
  private let channel: IsolatedChannel
  private let control = Mutex<Void>(())
  private let limits: IsolationLimits
  private let output: IsolatedMemory
  private let feed: UnsafeMutablePointer<IsolatedFeed>

  /// Copies the file, starts the process, and waits until the plugin is created.   [control]
  ///
  /// - Parameters:
  ///   - path: the plugin file; checked like every other (owner, mode, format).
  ///   - cacheDirectory: private folder (0700, made if missing) for the copy the process maps.
  ///   - keepsCopy: the copy stays as `<sha256>.so`.
  ///   - id: which plugin of the file; nil when it has only one.
  ///   - parameters: configuration texts by name; checked here, before `create`.
  ///   - instruments: symbols in table order.
  ///   - dataDirectory: the only folder it may write to, and only when it says `AEGIS_CAP_FILES`.
  ///   - host: path of `aegis-plugin-host`.
  ///   - log: what the plugin says and what happens to it; from any thread.
  /// - Throws: `PluginError`; the process is gone then.
  public init(
    path: String, cacheDirectory: String, keepsCopy: Bool = false, id: String? = nil,
    parameters: [String: String] = [:], instruments: [String], seed: UInt64, dataDirectory: String? = nil,
    host: String, hostName: String, version: String, sandbox: SandboxMode = .required,
    limits: IsolationLimits = IsolationLimits(), log: @escaping @Sendable (PluginLogLevel, String) -> Void
  ) throws(PluginError) {
    precondition(limits.inputCapacity.nonzeroBitCount == 1, "a power of two, so masking replaces division")
    guard instruments.count <= InstrumentTable.countMax else {
      throw .limit(what: "instruments", found: instruments.count, max: InstrumentTable.countMax)
    }
    let source = try PluginFile(path: path)
    _ = try source.elf()
    let sha256 = source.sha256()
    let copy = try PluginImage.copy(source, sha256: sha256, into: cacheDirectory)
    defer { unlink(copy) }  // mapped by then, or not needed
    let name = id ?? path

    let file = aegis_sealable_memory("aegis-plugin-output")
    guard file >= 0 else {
      throw .isolated(plugin: name, phase: .load, reason: "cannot make shared memory: \(errorText(-file))")
    }
    defer { close(file) }
    do throws(IsolatedTrouble) {
      process = try IsolatedProcess(host: host, output: file, limits: limits, log: log)
    } catch {
      throw .isolated(plugin: name, phase: .load, reason: error.description)
    }
    self.limits = limits
    channel = IsolatedChannel(descriptor: process.control, isPluginSide: false)
    let asking = IsolatedAsking(process: process, channel: channel, limits: limits)
    do throws(PluginError) {
      let start = IsolatedStart(
        file: copy, id: id, hostName: hostName, version: version, dataDirectory: dataDirectory,
        sandbox: sandbox, limits: limits)
      var message = MessageWriter()
      start.write(to: &message)
      let loaded = try asking.ask(.start, message.bytes, answer: .loaded, phase: .load, name: name)
      var descriptor = try asking.read(loaded, phase: .load, name: name) {
        (reader: inout MessageReader) throws(IsolatedTrouble) in
        try PluginDescriptor(from: &reader, file: path, sha256: sha256)
      }
      guard descriptor.kind == .strategy, id == nil || id == descriptor.id else {
        throw .malformed(file: path, field: "descriptor", reason: "is not the strategy that was asked for")
      }
      if keepsCopy, rename(copy, "\(cacheDirectory)/\(sha256).so") != 0 {
        throw .cacheUnusable(path: "\(cacheDirectory)/\(sha256).so", reason: errorText(errno))
      }
      let values = try descriptor.values(parameters)
      let layout = IsolatedLayout(
        inputCapacity: limits.inputCapacity, signalsPerEventMax: descriptor.signalsPerEventMax,
        featureCount: descriptor.features.count)
      do throws(IsolatedTrouble) {
        output = try IsolatedMemory(sizing: file, to: layout.outputByteCount, forbidsNewWriters: false)
      } catch {
        throw .isolated(plugin: descriptor.id, phase: .create, reason: error.description)
      }
      let created = try asking.ask(
        .create, IsolatedCreation.message(values: values, instruments: instruments, seed: seed),
        answer: .created, phase: .create, name: descriptor.id)
      (descriptor.subscriptions, hasState) = try asking.read(created, phase: .create, name: descriptor.id) {
        (reader: inout MessageReader) throws(IsolatedTrouble) in
        (try PluginDescriptor.subscriptions(from: &reader), try reader.flag())
      }
      self.descriptor = descriptor
      feed = .allocate(capacity: 1)
      feed.initialize(
        to: IsolatedFeed(
          process: process, output: output.base, layout: layout, descriptor: descriptor,
          instrumentCount: instruments.count))
    } catch {
      process.kill(.broken, phase: .load, reason: "could not be started")
      _ = process.waitForEnd(milliseconds: limits.controlTimeoutMilliseconds)
      throw error
    }
  }

  deinit {
    end()
    feed.pointee.end()
    feed.deinitialize(count: 1)
    feed.deallocate()
  }

  // MARK: Events and signals   [decision-thread]

  /// Hands over one event, in the order of the engine's input. Never waits, never allocates.
  ///
  /// Bars of every timeframe should come, whatever the plugin subscribed to: its candle windows are made of them.
  /// Events it did not ask for are left out here, quotes conflated as it asked.
  ///
  /// - Parameters:
  ///   - event: its `seq` is larger than that of any event before. A changed parameter that is text gives it in
  ///     `text`, at most 39 bytes; the pointer in the event is not used.
  ///   - now: the newest moment known, not before the event.
  /// - Returns: false when the plugin is too far behind: the event is missed, and a gap event will say so.
  @discardableResult
  public func offer(
    _ event: aegis_event, text: String? = nil, now: Instant, phase: EventPhase
  ) -> Bool {
    let isTaken = feed.pointee.offer(event, text: text, now: now.nanoseconds, phase: phase)
    process.wake()
    return isTaken
  }

  /// Collects the signals that have come back and pass all checks; refused ones are in `counters`. Never waits.
  ///
  /// - Parameter plugin: what `Signal.plugin` will be.
  /// - Returns: how many were written, at most 256.
  public func poll(into signals: UnsafeMutableBufferPointer<Signal>, plugin: UInt16) -> Int {
    let count = feed.pointee.poll(into: signals, plugin: plugin)
    if feed.pointee.isBroken {
      process.condemn(.broken)
    } else if count == 0, feed.pointee.counters.refusedCount > limits.badSignalsMax {
      process.condemn(.badSignals)
    }
    return count
  }

  /// The feature row of signal `index` of the last `poll`, valid until the next.
  public func featureRow(_ index: Int) -> UnsafeBufferPointer<Float> { feed.pointee.featureRow(index) }
  /// What the plugin saw, as of the last `poll`.
  public var annotations: [IsolatedAnnotation] { feed.pointee.annotations }
  public var counters: PluginCounters { feed.pointee.counters }
  /// Events that did not fit into the ring.
  public var missedEventCount: UInt64 { feed.pointee.missedCount }
  /// Annotations that broke the header's rules or were too many.
  public var droppedAnnotationCount: UInt64 { feed.pointee.annotationsDropped }
  /// Whether the plugin has seen all events and its answers are there to be polled.
  public var hasCaughtUp: Bool { feed.pointee.hasCaughtUp }

  // MARK: How it is   [any]

  public var status: IsolatedStatus { process.status }
  /// One atomic load.
  public var isRunning: Bool { process.isRunning }
  public var processIdentifier: Int32 { process.identifier }
  /// Calls over the soft budget.
  public var slowCallCount: UInt64 { process.softOverrunCount }
  /// Lines of its output that were cut.
  public var cutLineCount: UInt64 { process.cutLineCount }

  // MARK: Between events   [control]

  /// Tells it that live events follow.
  public func activate(now: Instant) throws(PluginError) {
    var message = MessageWriter()
    message.number(UInt64(bitPattern: now.nanoseconds))
    _ = try ask(.activate, message.bytes, phase: .activate)
  }

  /// Tells it that no events follow until the next `activate`.
  public func deactivate() throws(PluginError) { _ = try ask(.deactivate, phase: .activate) }

  /// Its state after all events offered so far.
  public func saveState() throws(PluginError) -> PluginState {
    let answer = try ask(.save, phase: .state)
    let asking = IsolatedAsking(process: process, channel: channel, limits: limits)
    return try asking.read(answer, phase: .state, name: descriptor.id) {
      (reader: inout MessageReader) throws(IsolatedTrouble) in
      let sequence = try reader.number()
      return PluginState(
        bytes: try reader.raw(max: self.limits.stateByteCountMax), version: self.descriptor.stateVersion,
        sequence: sequence)
    }
  }

  /// Gives it a saved state, before its first event. After a failure the instance is of no use: end it.
  public func loadState(_ state: PluginState) throws(PluginError) {
    guard state.version >= descriptor.stateOldest, state.version <= descriptor.stateVersion else {
      throw .isolated(
        plugin: descriptor.id, phase: .state,
        reason:
          "state version \(state.version) is not among those it reads (\(descriptor.stateOldest)…\(descriptor.stateVersion))"
      )
    }
    var message = MessageWriter()
    message.number(UInt64(state.version))
    _ = try ask(.load, message.bytes + state.bytes, phase: .state)
  }

  /// Deactivates, destroys and ends it; kills it when that takes too long. Returns when the process is reaped.
  public func end() {
    guard process.isRunning else { return }
    do throws(PluginError) {
      _ = try ask(.end, phase: .end)
    } catch {
      // Said by `status`; it is killed below, if it lives.
    }
    if !process.waitForEnd(milliseconds: limits.controlTimeoutMilliseconds) {
      process.kill(
        .hung(milliseconds: limits.controlTimeoutMilliseconds), phase: .end, reason: "did not end in time")
      _ = process.waitForEnd(milliseconds: limits.controlTimeoutMilliseconds)
    }
  }

  /// Closes this end of the channel, as the end of the engine would: for tests.
  func dropChannel() { shutdown(process.control, Int32(SHUT_RDWR)) }

  private func ask(
    _ kind: IsolatedMessageKind, _ body: [UInt8] = [], phase: PluginPhase
  ) throws(PluginError) -> [UInt8] {
    let asking = IsolatedAsking(process: process, channel: channel, limits: limits)
    let name = descriptor.id
    let result = control.withLock { _ -> Result<[UInt8], PluginError> in
      do throws(PluginError) {
        return .success(try asking.ask(kind, body, answer: .done, phase: phase, name: name))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }
}

/// One question to the plugin's process and its answer, within the time limit.   [control]
struct IsolatedAsking {
  let process: IsolatedProcess
  let channel: IsolatedChannel
  let limits: IsolationLimits

  func ask(
    _ kind: IsolatedMessageKind, _ body: [UInt8], answer: IsolatedMessageKind, phase: PluginPhase,
    name: String
  ) throws(PluginError) -> [UInt8] {
    process.expect(phase, expectsEnd: kind == .end)
    defer { process.expect(nil) }
    let milliseconds = limits.controlTimeoutMilliseconds
    let deadline = aegis_monotonic_nanoseconds() + Int64(milliseconds) * 1_000_000
    do throws(IsolatedChannel.Failure) {
      let position = process.inputHeader.published.pointee.load(ordering: .acquiring)
      // Counted before it is sent: a process that sees the count waits for the message, one that had the message before
      // the count would wait for another.
      process.inputHeader.messages.pointee.wrappingAdd(1, ordering: .releasing)
      try channel.send(kind, body, position: position, deadline: deadline)
      process.wake()
      let message = try channel.receive(
        deadline: deadline, byteCountMax: limits.stateByteCountMax + (64 << 20))
      switch message.kind {
      case answer: return message.body
      case .failed:
        throw .trouble(.protocolBroken(Self.line(message.body)))
      default:
        throw .trouble(.protocolBroken("answered \(kind) with \(message.kind)"))
      }
    } catch {
      switch error {
      case .trouble(let trouble):
        throw .isolated(plugin: name, phase: phase, reason: trouble.description)
      case .timedOut:
        process.kill(
          .hung(milliseconds: milliseconds), phase: phase, reason: "gave no answer within \(milliseconds) ms")
        _ = process.waitForEnd(milliseconds: milliseconds)
        throw .isolated(plugin: name, phase: phase, reason: "gave no answer within \(milliseconds) ms")
      case .closed:
        _ = process.waitForEnd(milliseconds: milliseconds)
        var reason = "its process is gone"
        if case .failed(let failure) = process.status { reason = failure.reason }
        throw .isolated(plugin: name, phase: phase, reason: reason)
      }
    }
  }

  func read<Value>(
    _ body: [UInt8], phase: PluginPhase, name: String,
    _ parse: (inout MessageReader) throws(IsolatedTrouble) -> Value
  ) throws(PluginError) -> Value {
    var reader = MessageReader(body)
    do throws(IsolatedTrouble) {
      return try parse(&reader)
    } catch {
      process.kill(.broken, phase: phase, reason: error.description)
      throw .isolated(plugin: name, phase: phase, reason: error.description)
    }
  }

  /// The plugin's reason as one clean line.
  private static func line(_ bytes: [UInt8]) -> String {
    String(decoding: bytes.prefix(2048).map { $0 < 0x20 || $0 == 0x7F ? 0x20 : $0 }, as: UTF8.self)
  }
}
