internal import CPlatform
public import Synchronization

/// One reader of a broadcast ring: it sees every record in order or is told exactly how many it missed.   [one thread]
@frozen public struct EventRingReader<Record: BitwiseCopyable & Sendable>: ~Copyable, @unchecked Sendable {
  @frozen public enum Start: Sendable {
    /// The oldest record still in the ring.
    case oldest
    /// Only records published from now on.
    case newest
  }

  /// The sequence of the record `next` looks for. Set it to resume where an earlier reader stopped; if that is
  /// overwritten by now, `next` reports the loss. A sequence the ring has not reached reads as empty until it has.
  public var sequence: UInt64
  public let capacity: Int
  @usableFromInline let slots: RingSlots
  @usableFromInline let epochWord: UnsafeMutablePointer<Atomic<UInt64>>
  @usableFromInline let cursor: UnsafeMutablePointer<Atomic<UInt64>>
  @usableFromInline let gate: SleepGate
  @usableFromInline let region: MappedRegion

  /// - Parameter writable: false maps the ring read-only, for code that is not trusted. Such a reader cannot ask to be
  ///   woken and naps instead, see `wait`.
  public init(path: String, startingAt start: Start, writable: Bool = true) throws(MapError) {
    try self.init(region: MappedRegion.open(path: path, writable: writable), startingAt: start)
  }

  /// A reader in the writer's own process.
  public init(of writer: borrowing EventRingWriter<Record>, startingAt start: Start) throws(MapError) {
    try self.init(region: writer.region.mappedAgain(), startingAt: start)
  }

  init(region: consuming MappedRegion, startingAt start: Start) throws(MapError) {
    EventRing.checkRecord(Record.self)
    let capacity = try EventRing.capacity(of: region)
    let next = try EventRing.nextSequence(in: region, capacity: capacity)
    self.capacity = capacity
    slots = RingSlots(region: region, capacity: capacity)
    epochWord = (region.base + EventRing.epochOffset).assumingMemoryBound(to: Atomic<UInt64>.self)
    cursor = (region.base + EventRing.cursorOffset).assumingMemoryBound(to: Atomic<UInt64>.self)
    gate = SleepGate(
      turn: region.base + EventRing.turnOffset, sleeper: region.base + EventRing.sleeperOffset)
    switch start {
    case .newest: sequence = next
    case .oldest:
      let oldest = next > UInt64(capacity) ? next - UInt64(capacity) : 0
      // Its slot is the one the writer takes next: if that has begun, the oldest complete record is one further.
      let isComplete = slots.stamp(of: oldest).pointee.load(ordering: .acquiring) == oldest &+ 1
      sequence = isComplete || next == oldest ? oldest : oldest &+ 1
    }
    self.region = region
  }

  /// The next record, in order.   [reader-thread]
  /// - Complexity: O(1); no system call, no allocation.
  @inlinable @inline(__always)
  public mutating func next() -> RingRead<Record> {
    let slot = slots.words(of: sequence)
    let wanted = sequence &+ 1
    let stamp = slot[7].load(ordering: .acquiring)  // R1: no R2 before it; pairs with W3
    if stamp == wanted {
      let words = RingWords(from: slot)  // R2
      atomicMemoryFence(ordering: .acquiring)  // R3: all R2 before R4; pairs with the fence after W1
      if slot[7].load(ordering: .relaxed) == wanted {  // R4
        sequence = wanted
        return .record(unsafeBitCast(words, to: Record.self))
      }
      return resynchronise()
    }
    if stamp < wanted { return .empty }
    return isLapped(stamp: stamp) ? resynchronise() : .empty
  }

  /// The epoch of the ring's present writer; 0 before the first. A change means a new writer took over.
  @inlinable public var currentEpoch: UInt64 {
    epochWord.pointee.load(ordering: .acquiring)  // E2: pairs with E1
  }

  /// Records published but not yet taken, as far as the writer's last `publishCursor` tells.
  @inlinable public var lag: UInt64 {
    let published = cursor.pointee.load(ordering: .acquiring)  // C2: pairs with C1
    return published > sequence ? published &- sequence : 0
  }

  /// True when `next` would give something other than `.empty`.
  @inlinable @inline(__always) public var isReady: Bool {
    let stamp = slots.stamp(of: sequence).pointee.load(ordering: .acquiring)
    if stamp <= sequence { return false }
    return stamp == sequence &+ 1 || isLapped(stamp: stamp)
  }

  /// Waits until there is something to read: looks `spinCount` times with a processor pause between (about 10–40 ns
  /// each), then sleeps until the writer's `wakeReaders` or the time-out.
  ///
  /// A read-only reader cannot raise the sleeper flag; it naps for at most 0.2 ms at a time instead.
  /// - Returns: false when the time-out (≥ 0) passed or a signal came with nothing to read.
  public func wait(spinCount: Int, timeoutNanoseconds: Int64) -> Bool {
    for _ in 0..<max(1, spinCount) {
      if isReady { return true }
      aegis_cpu_pause()
    }
    guard timeoutNanoseconds > 0 else { return isReady }
    if region.isWritable {
      return gate.sleep(timeoutNanoseconds: timeoutNanoseconds) { isReady }
    }
    let deadline = aegis_monotonic_nanoseconds() + timeoutNanoseconds
    while !isReady {
      let left = deadline - aegis_monotonic_nanoseconds()
      guard left > 0 else { return false }
      nap(nanoseconds: min(left, EventRing.readOnlyNapNanoseconds))
    }
    return true
  }

  private func nap(nanoseconds: Int64) {
    let turn = gate.turn.pointee.load(ordering: .relaxed)
    _ = aegis_futex_wait(UnsafeRawPointer(gate.turn).assumingMemoryBound(to: UInt32.self), turn, nanoseconds)
  }

  /// Whether a stamp above the wanted one means that the writer is a ring ahead.
  ///
  /// A busy slot alone does not tell: its record may be on the way for the first time. But if the slot after it holds
  /// the record that follows ours, then ours was complete before that (acquire pairs with W3), and what a second look
  /// finds decides: our stamp means that the writer just finished it; anything else, that it is being overwritten. This
  /// also frees a reader from a slot that a killed writer left busy.
  @usableFromInline @inline(never)
  func isLapped(stamp: UInt64) -> Bool {
    guard stamp == EventRing.busy else { return true }
    let following = slots.stamp(of: sequence &+ 1).pointee.load(ordering: .acquiring)
    guard following != EventRing.busy, following >= sequence &+ 2 else { return false }
    return slots.stamp(of: sequence).pointee.load(ordering: .acquiring) != sequence &+ 1
  }

  /// Goes to half a ring behind the newest record and says how many were lost on the way.
  @usableFromInline @inline(never)
  mutating func resynchronise() -> RingRead<Record> {
    // When a reader is lapped, the record `sequence + capacity - 1` is complete. Above it, find the newest by halves:
    // up to it every slot carries the stamp of its own sequence, behind it one of the lap before.
    var newest = max(sequence &+ UInt64(capacity), cursor.pointee.load(ordering: .acquiring)) &- 1
    for _ in 0..<EventRing.searchesMax {
      let stamp = slots.stamp(of: newest).pointee.load(ordering: .acquiring)
      if stamp != EventRing.busy, stamp > newest { newest = stamp &- 1 }
      let before = newest
      var step = UInt64(capacity) / 2
      while step > 0 {
        let stamp = slots.stamp(of: newest &+ step).pointee.load(ordering: .acquiring)
        if stamp != EventRing.busy, stamp > newest &+ step { newest &+= step }
        step /= 2
      }
      if newest &- before < UInt64(capacity) / 2 { break }
    }
    let target = newest &+ 1 &- UInt64(capacity) / 2
    let lost = target &- sequence
    sequence = target
    return .overrun(lost: lost)
  }
}

extension EventRing {
  /// A read-only reader looks at least this often.
  static let readOnlyNapNanoseconds: Int64 = 200_000
  /// A search that moved by half a ring is repeated from there, because the writer may have gone on meanwhile.
  static let searchesMax = 4
}
