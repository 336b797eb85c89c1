internal import CPlatform
import Glibc
import Market
import PluginABI
import Synchronization

/// The process of one isolated plugin: `aegis-plugin-host run`, started by `IsolatedPlugin` and by nothing else.
///
/// It inherits six descriptors and an empty environment. It ends when the engine is gone, and the engine may end it at
/// any moment: it owns nothing that outlives it.
public enum IsolatedChild {
  /// Inherited, in this order. 0 reads nothing; 1 and 2 are the log.
  static let control: Int32 = 3
  static let input: Int32 = 4
  static let status: Int32 = 5
  static let output: Int32 = 6

  /// - Returns: the exit status: 0 after an orderly end or when the engine is gone, 1 when the plugin cannot be used.
  public static func run() -> Int32 {
    let channel = IsolatedChannel(descriptor: control, isPluginSide: true)
    do throws(IsolatedChannel.Failure) {
      do throws(PluginError) {
        let instance = try IsolatedInstance(channel)
        try instance.serve()
      } catch {
        try channel.send(.failed, Array(error.description.utf8))
        return 1
      }
    } catch {
      // The engine is gone, or not what started this: nobody to tell.
    }
    return 0
  }
}

/// The plugin and everything around it in its own process.   [strategy]
final class IsolatedInstance {
  private let channel: IsolatedChannel
  private let host: IsolatedHost
  private let slot: PluginSlot
  private let state: aegis_ext_state?
  private let id: String
  private let stateByteCountMax: Int
  private let spinCount: Int
  private let layout: IsolatedLayout
  private let statusMemory: IsolatedMemory
  private let inputMemory: IsolatedMemory
  private let outputMemory: IsolatedMemory
  private let status: StatusPage
  private let inputHeader: InputHeader
  private let slots: UnsafePointer<InputSlot>
  private let events: UnsafeMutablePointer<aegis_event>
  private let signals: GuardedArray<aegis_signal>
  private let features: GuardedArray<Float>
  private let batchCountMax: Int
  private let signalsPerEventMax: Int
  private var consumed: UInt64 = 0
  /// Sequence of the newest event seen; 0 before the first.
  private var lastSequence: UInt64 = 0
  private var batchNumber: UInt64 = 0
  private var handledMessages: UInt32 = 0
  private var pending: IsolatedChannel.Message?

  /// Confines the process, loads the file, and makes the instance the engine asks for.
  init(_ channel: IsolatedChannel) throws(PluginError) {
    self.channel = channel
    let loading = try IsolatedLoading(channel)
    let creation = try IsolatedCreation(channel, descriptor: loading.chosen.descriptor)
    id = loading.chosen.descriptor.id
    host = loading.host
    var chosen = loading.chosen
    let limits = loading.limits
    spinCount = limits.spinCount
    stateByteCountMax = limits.stateByteCountMax
    signalsPerEventMax = chosen.descriptor.signalsPerEventMax
    layout = IsolatedLayout(
      inputCapacity: limits.inputCapacity, signalsPerEventMax: signalsPerEventMax,
      featureCount: chosen.descriptor.features.count)
    batchCountMax = layout.batchCountMax(signalsPerEventMax: signalsPerEventMax)
    do throws(IsolatedTrouble) {
      statusMemory = try IsolatedMemory(
        mapping: IsolatedChild.status, byteCount: IsolatedLayout.headerByteCount, isWritable: true)
      inputMemory = try IsolatedMemory(
        mapping: IsolatedChild.input, byteCount: layout.inputByteCount, isWritable: false)
      outputMemory = try IsolatedMemory(
        mapping: IsolatedChild.output, byteCount: layout.outputByteCount, isWritable: true)
      signals = try GuardedArray(repeating: aegis_signal(), count: batchCountMax * signalsPerEventMax)
      features = try GuardedArray(
        repeating: .nan, count: batchCountMax * signalsPerEventMax * layout.featureCount)
    } catch {
      throw .isolated(plugin: id, phase: .create, reason: error.description)
    }
    status = StatusPage(statusMemory.base)
    inputHeader = InputHeader(inputMemory.base)
    slots = UnsafePointer(
      (inputMemory.base + IsolatedLayout.headerByteCount).assumingMemoryBound(to: InputSlot.self))
    events = .allocate(capacity: batchCountMax)
    host.instrumentCount = UInt32(creation.instruments.count)
    host.candles = CandleColumns(
      instrumentCount: creation.instruments.count, candlesMax: max(1, limits.candlesMax))
    host.output = IsolatedOutput(base: outputMemory.base, status: status, layout: layout)
    do throws(IsolatedTrouble) {
      try loading.sandbox.close(for: chosen.descriptor.capabilities)
    } catch {
      throw .isolated(plugin: id, phase: .create, reason: error.description)
    }
    slot = try chosen.create(
      values: creation.values, instruments: creation.instruments, seed: creation.seed,
      dataDirectory: loading.dataDirectory, host: host.host)
    state = try Self.stateTable(chosen)
    var answer = MessageWriter()
    PluginDescriptor.write(chosen.descriptor.subscriptions, to: &answer)
    answer.flag(state != nil)
    handledMessages = 2  // start and create
    try Self.orderly(id) { () throws(IsolatedChannel.Failure) in try channel.send(.created, answer.bytes) }
  }

  deinit { events.deallocate() }

  private static func stateTable(_ chosen: ChosenPlugin) throws(PluginError) -> aegis_ext_state? {
    guard let address = chosen.extensionTable(AEGIS_EXT_STATE) else { return nil }
    let table = try PluginTables(file: chosen.descriptor.file).copy(
      address.assumingMemoryBound(to: aegis_ext_state.self), zero: aegis_ext_state(),
      field: "\(chosen.descriptor.id): aegis.state/1")
    return table.save != nil && table.load != nil ? table : nil
  }

  /// A channel failure as the error of a plugin.
  static func orderly<Value>(
    _ id: String, _ body: () throws(IsolatedChannel.Failure) -> Value
  ) throws(PluginError) -> Value {
    do throws(IsolatedChannel.Failure) {
      return try body()
    } catch {
      throw .isolated(plugin: id, phase: .create, reason: "the engine is gone")
    }
  }

  // MARK: Running

  /// Handles events and messages until the engine says that it is over, or is gone.
  func serve() throws(PluginError) {
    var misses = 0
    while true {
      // Acquire: the events are there when their count is; pairs with the engine's release.
      let published = inputHeader.published.pointee.load(ordering: .acquiring)
      let limit = min(published, pending?.position ?? .max)
      if consumed < limit {
        work(upTo: limit)
        misses = 0
        continue
      }
      if let message = pending {
        pending = nil
        if try handle(message) { return }
        continue
      }
      if inputHeader.messages.pointee.load(ordering: .acquiring) != handledMessages {
        pending = try Self.orderly(id) { () throws(IsolatedChannel.Failure) in try channel.receive() }
        handledMessages &+= 1
        continue
      }
      misses += 1
      if misses <= spinCount { aegis_cpu_pause() } else { sleep() }
    }
  }

  /// Dekker's handshake over two regions: here `sleeper` is written and then the work is looked for; the engine writes
  /// the work and then looks at `sleeper`. The fences on both sides are totally ordered, so either the engine sees the
  /// sleeper and changes `turn`, or this side sees the work and does not sleep.
  private func sleep() {
    let ticket = inputHeader.turn.pointee.load(ordering: .acquiring)
    status.sleeper.pointee.store(1, ordering: .relaxed)
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    if inputHeader.published.pointee.load(ordering: .relaxed) == consumed,
      inputHeader.messages.pointee.load(ordering: .relaxed) == handledMessages
    {
      _ = aegis_futex_wait(
        UnsafeRawPointer(inputHeader.turn).assumingMemoryBound(to: UInt32.self), ticket, 1_000_000_000)
    }
    status.sleeper.pointee.store(0, ordering: .relaxed)
  }

  /// One call of the plugin at most. A batch has one phase, and a closed candle only begins one: what the plugin reads
  /// of candles is then the same for all its events.
  private func work(upTo limit: UInt64) {
    var count = 0
    var now: Int64 = 0
    var phase: UInt64 = 0
    var position = consumed
    while position < limit, count < batchCountMax {
      let next = slots + (Int(position) & (layout.inputCapacity - 1))
      if count > 0, next.pointee.phase != phase || next.pointee.event.kind == AEGIS_EV_BAR { break }
      phase = next.pointee.phase
      now = next.pointee.nowNanoseconds
      lastSequence = next.pointee.event.seq
      host.candles.append(next.pointee.event)
      if next.pointee.event.kind == AEGIS_EV_PARAM || slot.wants(next.pointee.event) {
        (events + count).initialize(to: next.pointee.event)
        if next.pointee.textByteCount > 0 { point(events + count, atTextOf: next) }
        count += 1
      }
      position += 1
    }
    consumed = position
    if count > 0 { call(count, now: now, phase: phase) }
    host.output?.publish(consumed: consumed)
  }

  /// A changed parameter's text lies in the ring, readable until the batch counts as consumed.
  private func point(_ event: UnsafeMutablePointer<aegis_event>, atTextOf slot: UnsafePointer<InputSlot>) {
    guard let offset = MemoryLayout<InputSlot>.offset(of: \.text) else { return }
    let text = (UnsafeRawPointer(slot) + offset).assumingMemoryBound(to: CChar.self)
    event.pointee.u.param.value.v.str = text
  }

  private func call(_ count: Int, now: Int64, phase: UInt64) {
    let capacity = count * signalsPerEventMax
    // The engine reads within moments, or is not there any more and this process ends.
    while (host.output?.roomCount ?? 0) < capacity + 1 { usleep(50) }
    let out = signals.last(capacity)
    let rows = layout.featureCount == 0 ? nil : features.last(capacity * layout.featureCount)
    var batch = aegis_batch()
    batch.size = UInt32(MemoryLayout<aegis_batch>.size)
    batch.count = UInt32(count)
    batch.events = UnsafePointer(events)
    batch.now_ns = now
    batch.flags = phase
    batch.out = out
    batch.out_capacity = UInt32(capacity)
    batch.features = rows
    batch.feature_stride = UInt32(layout.featureCount)
    host.beginBatch(events[0].seq...max(events[0].seq, events[count - 1].seq))
    batchNumber &+= 1
    status.batch.pointee.store(batchNumber, ordering: .releasing)
    let result = slot.processFunction(slot.instance, &batch)
    status.batch.pointee.store(0, ordering: .releasing)
    host.batch = nil
    guard result != AEGIS_E_OVERFLOW, batch.out_count <= capacity else {
      host.output?.add(.tooMany)
      return
    }
    guard result == AEGIS_OK else {
      host.output?.add(.failed)
      return
    }
    for index in 0..<Int(batch.out_count) {
      guard (host.output?.roomCount ?? 0) > 0 else {
        // Annotations took the room of signals; the engine reads within moments.
        host.output?.publish(consumed: consumed - 1)
        while (host.output?.roomCount ?? 0) == 0 { usleep(50) }
        host.output?.add(out[index], features: rows.map { UnsafePointer($0 + index * layout.featureCount) })
        continue
      }
      host.output?.add(out[index], features: rows.map { UnsafePointer($0 + index * layout.featureCount) })
    }
  }

  // MARK: Messages

  /// - Returns: true when it is over.
  private func handle(_ message: IsolatedChannel.Message) throws(PluginError) -> Bool {
    var answer = MessageWriter()
    var refusal: String?
    switch message.kind {
    case .activate:
      var reader = MessageReader(message.body)
      do throws(IsolatedTrouble) {
        let now = Instant(nanoseconds: try reader.integer())
        do throws(PluginError) {
          try slot.activate(now: now, id: id)
        } catch {
          refusal = error.description
        }
      } catch {
        refusal = error.description
      }
    case .deactivate: slot.deactivate()
    case .save:
      switch IsolatedState.save(slot.instance, state, byteCountMax: stateByteCountMax) {
      case .success(let bytes):
        answer.number(lastSequence)
        answer.raw(bytes)
      case .failure(let failure): refusal = failure.reason
      }
    case .load: refusal = IsolatedState.load(slot.instance, state, message.body)
    case .end:
      slot.deactivate()
      slot.end()
      try Self.orderly(id) { () throws(IsolatedChannel.Failure) in try channel.send(.done) }
      return true
    case .start, .create, .loaded, .created, .done, .failed: refusal = "message \(message.kind) out of turn"
    }
    try Self.orderly(id) { () throws(IsolatedChannel.Failure) in
      if let refusal {
        try channel.send(.failed, Array(refusal.utf8))
      } else {
        try channel.send(.done, answer.bytes)
      }
    }
    return false
  }
}
