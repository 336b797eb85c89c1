internal import CPlatform
import Market
public import PluginABI
import Synchronization

/// Something an isolated plugin saw: the header's annotation with its name beside it.
public struct IsolatedAnnotation: Sendable {
  /// `name` is NULL here.
  nonisolated(unsafe) public internal(set) var record: aegis_annotation
  private var nameBytes = InlineArray<48, UInt8>(repeating: 0)
  private var nameByteCount = 0

  /// Copies up to 47 bytes; makes no string, because it is made on the decision thread.
  init(record: aegis_annotation, name: UnsafeRawBufferPointer) {
    self.record = record
    nameByteCount = min(name.count, OutputSlot.nameByteCountMax)
    for index in 0..<nameByteCount { nameBytes[index] = name[index] }
  }

  public var name: String {
    String(decoding: (0..<nameByteCount).map { nameBytes[$0] }, as: UTF8.self)
  }
}

/// The decision thread's side of both rings. Plain pointers only: no reference counting on the way, no kernel but to
/// wake a sleeping plugin.   [decision-thread]
struct IsolatedFeed {
  /// Most signals one `poll` returns.
  static let signalsPerPollMax = 256

  private struct Offered {
    var sequence: UInt64 = 0
    var nanoseconds: Int64 = 0
    var phase: UInt64 = 0
  }

  private let inputHeader: InputHeader
  private let inputSlots: UnsafeMutablePointer<InputSlot>
  private let page: StatusPage
  private let outputSlots: UnsafeMutablePointer<OutputSlot>
  private let rows: UnsafeMutablePointer<Float>
  private let layout: IsolatedLayout
  private let instrumentCount: UInt32
  private let signalsPerEventMax: Int
  private let interest: EventInterest
  private let quoteIntervalNanoseconds: Int64
  private let lastQuotes: UnsafeMutablePointer<Int64>?
  /// What each of the last events was; twice the ring, because an answer may be read after its event's slot was reused.
  private let offered: UnsafeMutablePointer<Offered>
  private let offeredCapacity: Int
  private let scratch: UnsafeMutablePointer<OutputSlot>
  private let featureRows: UnsafeMutablePointer<Float>
  private let featureCounts: UnsafeMutablePointer<UInt16>

  private var published: UInt64 = 0
  private var consumed: UInt64 = 0
  private var taken: UInt64 = 0
  private var newestNanoseconds: Int64 = .min
  private var missed: (count: UInt64, from: Int64, to: Int64, sequence: UInt64) = (0, 0, 0, 0)
  private var lastCause: UInt64 = 0
  private var lastCauseCount = 0
  private(set) var isBroken = false
  private(set) var counters = PluginCounters()
  /// Events that found the ring full.
  private(set) var missedCount: UInt64 = 0
  private(set) var annotations: [IsolatedAnnotation] = []
  private(set) var annotationsDropped: UInt64 = 0

  init(
    process: IsolatedProcess, output: UnsafeMutableRawPointer, layout: IsolatedLayout,
    descriptor: PluginDescriptor, instrumentCount: Int
  ) {
    inputHeader = process.inputHeader
    inputSlots = process.inputSlots
    page = process.page
    outputSlots = output.assumingMemoryBound(to: OutputSlot.self)
    rows = (output + layout.featureOffset).assumingMemoryBound(to: Float.self)
    self.layout = layout
    self.instrumentCount = UInt32(instrumentCount)
    signalsPerEventMax = descriptor.signalsPerEventMax
    var interest: EventInterest = []
    var interval = Int.max
    for wish in descriptor.subscriptions {
      interest.formUnion(EventInterest(wish.kind))
      if wish.kind == .quotes { interval = min(interval, wish.conflationMilliseconds) }
    }
    self.interest = interest
    let isConflated = interest.contains(.quotes) && interval > 0
    quoteIntervalNanoseconds = isConflated ? Int64(interval) * 1_000_000 : 0
    lastQuotes = isConflated ? .allocate(capacity: instrumentCount) : nil
    lastQuotes?.initialize(repeating: .min / 2, count: instrumentCount)
    offeredCapacity = layout.inputCapacity * 2
    offered = .allocate(capacity: offeredCapacity)
    offered.initialize(repeating: Offered(), count: offeredCapacity)
    scratch = .allocate(capacity: 1)
    scratch.initialize(to: OutputSlot())
    featureRows = .allocate(capacity: max(1, Self.signalsPerPollMax * layout.featureStride))
    featureRows.initialize(repeating: .nan, count: max(1, Self.signalsPerPollMax * layout.featureStride))
    featureCounts = .allocate(capacity: Self.signalsPerPollMax)
    featureCounts.initialize(repeating: 0, count: Self.signalsPerPollMax)
    // Decided on once: taking annotations must not allocate more and more.
    annotations.reserveCapacity(IsolatedHost.annotationsPerBatchMax)
  }

  /// Frees what `init` allocated; nothing may be called after it.
  func end() {
    lastQuotes?.deallocate()
    offered.deallocate()
    scratch.deallocate()
    featureRows.deallocate()
    featureCounts.deallocate()
  }

  // MARK: Events

  /// Whether all that was offered has been seen and answered.
  var hasCaughtUp: Bool { page.consumed.pointee.load(ordering: .acquiring) == published }

  /// - Returns: false when the ring was full and the event is missed.
  @inline(__always)
  mutating func offer(_ event: aegis_event, text: String?, now: Int64, phase: EventPhase) -> Bool {
    let kind = event.kind
    // Bars of every timeframe go over: the plugin's candle windows are made of them.
    if kind != AEGIS_EV_BAR, kind != AEGIS_EV_PARAM {
      guard !interest.isDisjoint(with: EventInterest(kind)) else { return true }
      if let lastQuotes, kind == AEGIS_EV_QUOTE, event.instrument < instrumentCount {
        let last = lastQuotes + Int(event.instrument)
        guard event.ts_ns &- last.pointee >= quoteIntervalNanoseconds else { return true }
        last.pointee = event.ts_ns
      }
    }
    newestNanoseconds = max(newestNanoseconds, now)
    guard room >= (missed.count > 0 ? 2 : 1) else {
      missedCount &+= 1
      missed = (missed.count + 1, missed.count == 0 ? event.ts_ns : missed.from, event.ts_ns, event.seq)
      return false
    }
    if missed.count > 0 { publishGap(phase) }
    publish(event, text: text, now: now, phase: phase)
    counters.eventCount &+= 1
    return true
  }

  /// Free places. The plugin's word for what it has seen counts only if it can be true: it may harm itself alone.
  private var room: Int {
    mutating get {
      let capacity = UInt64(layout.inputCapacity)
      if published &- consumed >= capacity - 1 {
        // Acquire: the plugin has read a slot before it is written again; pairs with its release.
        let stated = page.consumed.pointee.load(ordering: .acquiring)
        if stated >= consumed, stated <= published { consumed = stated } else { isBroken = true }
      }
      return Int(capacity - (published &- consumed))
    }
  }

  /// One event for all that did not fit. It takes the place of the last of them.
  private mutating func publishGap(_ phase: EventPhase) {
    var event = aegis_event()
    event.ts_ns = missed.to
    event.seq = missed.sequence
    event.instrument = .max
    event.kind = AEGIS_EV_GAP
    event.u = aegis_payload(
      gap: aegis_gap(from_ns: missed.from, to_ns: missed.to, missing: missed.count, reserved: (0, 0)))
    missed.count = 0
    publish(event, text: nil, now: event.ts_ns, phase: phase)
  }

  private mutating func publish(_ event: aegis_event, text: String?, now: Int64, phase: EventPhase) {
    let slot = inputSlots + Int(published) & (layout.inputCapacity - 1)
    slot.pointee.event = event
    slot.pointee.nowNanoseconds = now
    slot.pointee.phase = phase.rawValue
    slot.pointee.textByteCount = 0
    if let text { Self.write(text, to: slot) }
    offered[Int(published) & (offeredCapacity - 1)] = Offered(
      sequence: event.seq, nanoseconds: event.ts_ns, phase: phase.rawValue)
    published &+= 1
    // Release: the slot is whole before it counts; pairs with the plugin's acquire.
    inputHeader.published.pointee.store(published, ordering: .releasing)
  }

  @inline(never) private static func write(_ text: String, to slot: UnsafeMutablePointer<InputSlot>) {
    precondition(text.utf8.count <= InputSlot.textByteCountMax, "checked by the caller")
    slot.pointee.text = InlineArray(repeating: 0)
    for (index, byte) in text.utf8.enumerated() { slot.pointee.text[index] = byte }
    slot.pointee.event.u.param.value.len = UInt32(text.utf8.count)
    slot.pointee.event.u.param.value.v.str = nil
    slot.pointee.textByteCount = UInt64(text.utf8.count) + 1
  }

  // MARK: Signals

  /// Copies records out of the ring, once, and believes nothing in them.
  mutating func poll(into signals: UnsafeMutableBufferPointer<Signal>, plugin: UInt16) -> Int {
    if !annotations.isEmpty { annotations.removeAll(keepingCapacity: true) }
    // Acquire: the records are there when their count is; pairs with the plugin's release.
    let produced = page.produced.pointee.load(ordering: .acquiring)
    let available = produced &- taken
    if available == 0 { return 0 }
    guard available <= UInt64(layout.outputCapacity) else {
      isBroken = true
      return 0
    }
    let limit = min(signals.count, Self.signalsPerPollMax)
    var written = 0
    while taken != produced, written < limit {
      let index = Int(taken) & (layout.outputCapacity - 1)
      aegis_copy_words(
        UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: UInt64.self), outputSlots + index,
        MemoryLayout<OutputSlot>.size / 8)
      switch OutputSlot.Kind(rawValue: scratch.pointee.kind) {
      case .signal: takeSignal(index, into: signals, &written, plugin)
      case .annotation: takeAnnotation()
      case .refusal:
        counters.count(SignalRefusal(rawValue: Int(scratch.pointee.detail)) ?? .failed)
      case nil: isBroken = true
      }
      taken &+= 1
    }
    // Release: read before the plugin writes there again; pairs with its acquire.
    page.taken.pointee.store(taken, ordering: .releasing)
    return written
  }

  private mutating func takeSignal(
    _ index: Int, into signals: UnsafeMutableBufferPointer<Signal>, _ written: inout Int, _ plugin: UInt16
  ) {
    let signal = withUnsafeBytes(of: &scratch.pointee.words) { $0.loadUnaligned(as: aegis_signal.self) }
    guard let cause = cause(of: signal.cause_seq), signal.cause_seq >= lastCause else {
      counters.count(.cause)
      return
    }
    lastCauseCount = signal.cause_seq == lastCause ? lastCauseCount + 1 : 1
    lastCause = signal.cause_seq
    guard lastCauseCount <= signalsPerEventMax else {
      counters.count(.tooMany)
      return
    }
    let phase = EventPhase(rawValue: cause.phase)
    if phase.contains(.replay) { return }
    if phase.contains(.warmup) {
      counters.count(.warmup)
      return
    }
    let rules = SignalRules(
      sequence: signal.cause_seq, eventNanoseconds: cause.nanoseconds, nowNanoseconds: newestNanoseconds,
      instrumentCount: instrumentCount, featureCount: UInt16(layout.featureCount))
    if let refusal = rules.refusal(of: signal) {
      counters.count(refusal)
      return
    }
    if signal.feature_count > 0 {
      aegis_copy_words(
        UnsafeMutableRawPointer(featureRows + written * layout.featureStride).assumingMemoryBound(
          to: UInt64.self), rows + index * layout.featureStride, (Int(signal.feature_count) + 1) / 2)
    }
    featureCounts[written] = signal.feature_count
    signals[written] = Signal(signal, plugin: plugin)
    written += 1
    counters.signalCount &+= 1
  }

  /// The event of a sequence among the last offered; sequences only grow, so halving finds it.
  private func cause(of sequence: UInt64) -> Offered? {
    var low = published > UInt64(offeredCapacity) ? published - UInt64(offeredCapacity) : 0
    var high = published
    while low < high {
      let middle = low + (high - low) / 2
      if offered[Int(middle) & (offeredCapacity - 1)].sequence < sequence {
        low = middle + 1
      } else {
        high = middle
      }
    }
    guard low < published else { return nil }
    let found = offered[Int(low) & (offeredCapacity - 1)]
    return found.sequence == sequence ? found : nil
  }

  private mutating func takeAnnotation() {
    guard annotations.count < IsolatedHost.annotationsPerBatchMax else {
      annotationsDropped &+= 1
      return
    }
    var record = aegis_annotation()
    let annotation = withUnsafeBytes(of: &scratch.pointee.words) { words -> IsolatedAnnotation? in
      withUnsafeMutableBytes(of: &record) { record in
        for offset in 0..<OutputSlot.namePosition { record[offset] = words[offset] }
        for offset in OutputSlot.namePosition..<OutputSlot.nameOffset { record[offset + 8] = words[offset] }
      }
      let byteCount = Int(min(scratch.pointee.detail, UInt32(OutputSlot.nameByteCountMax)))
      let name = UnsafeRawBufferPointer(
        rebasing: words[OutputSlot.nameOffset..<OutputSlot.nameOffset + byteCount])
      guard byteCount > 0, name.allSatisfy(PluginTables.isIdentifierByte) else { return nil }
      return IsolatedAnnotation(record: record, name: name)
    }
    guard let annotation, record.instrument < instrumentCount, record.timeframe <= AEGIS_TIMEFRAME_1D,
      (-1...1).contains(record.direction), record.bar >= 0, record.origin >= -1, record.origin <= record.bar,
      cause(of: record.cause_seq) != nil
    else {
      annotationsDropped &+= 1
      return
    }
    annotations.append(annotation)
  }

  func featureRow(_ index: Int) -> UnsafeBufferPointer<Float> {
    guard (0..<Self.signalsPerPollMax).contains(index) else {
      return UnsafeBufferPointer(start: nil, count: 0)
    }
    return UnsafeBufferPointer(
      start: featureRows + index * layout.featureStride, count: Int(featureCounts[index]))
  }
}

extension EventInterest {
  /// The bit of an event as plugins see it, but for bars, whose timeframe lies in their flags.
  @inline(__always) init(_ kind: UInt16) {
    switch kind {
    case AEGIS_EV_QUOTE: self = .quotes
    case AEGIS_EV_TRADE: self = .trades
    case AEGIS_EV_MARK: self = .marks
    case AEGIS_EV_GAP: self = .gaps
    default: self = []
    }
  }
}
