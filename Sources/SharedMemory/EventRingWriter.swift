internal import Glibc
public import Synchronization

/// The one writer of a broadcast ring. It never waits and never reads what readers do.   [one thread]
///
/// Memory order, with `EventRingReader`: if R2 saw any word of a rewrite, then W1 of that rewrite happened before R4,
/// so R4 cannot find the old stamp and the torn copy is thrown away. The stress test is `EventRingStressTests`.
@frozen public struct EventRingWriter<Record: BitwiseCopyable & Sendable>: ~Copyable, @unchecked Sendable {
  @usableFromInline var next: UInt64
  /// 1 for the first writer of this ring, one more for each that took over.
  public let epoch: UInt64
  public let capacity: Int
  @usableFromInline let slots: RingSlots
  @usableFromInline let cursor: UnsafeMutablePointer<Atomic<UInt64>>
  @usableFromInline let gate: SleepGate
  @usableFromInline let region: MappedRegion

  /// Lays out an empty ring at `path`. Nobody is its writer yet.
  ///
  /// - Parameter capacity: slots, a power of two in 8…2^26. 2^16 hold 0.65 s at 100,000 records a second.
  public static func create(path: String, capacity: Int) throws(MapError) {
    EventRing.checkRecord(Record.self)
    try EventRing.checkCapacity(capacity, path: path)
    _ = try MappedRegion.create(path: path, byteCount: EventRing.byteCount(capacity: capacity)) { bytes in
      bytes.storeBytes(of: EventRing.header(capacity: capacity), as: RegionHeader.self)
    }
  }

  /// Becomes the writer of an existing ring: raises the epoch and goes on after the newest complete record.
  ///
  /// A slot its last writer left half-written was never readable and is the first to be overwritten.
  public init(attachingTo path: String) throws(MapError) {
    try self.init(region: MappedRegion.open(path: path, writable: true))
  }

  /// A ring without a name, for readers in this process and in forked children.
  public init(anonymousCapacity capacity: Int) throws(MapError) {
    try EventRing.checkCapacity(capacity, path: "(anonymous)")
    let region = try MappedRegion.anonymous(byteCount: EventRing.byteCount(capacity: capacity))
    region.base.storeBytes(of: EventRing.header(capacity: capacity), as: RegionHeader.self)
    try self.init(region: region)
  }

  init(region: consuming MappedRegion) throws(MapError) {
    EventRing.checkRecord(Record.self)
    let capacity = try EventRing.capacity(of: region)
    let writerProcess = (region.base + EventRing.writerProcessOffset)
      .assumingMemoryBound(to: Atomic<Int32>.self)
    guard try region.claim(place: 0) else {
      throw .inUse(
        path: region.path, role: "writer", processID: writerProcess.pointee.load(ordering: .relaxed))
    }
    let next = try EventRing.nextSequence(in: region, capacity: capacity)
    self.capacity = capacity
    self.next = next
    slots = RingSlots(region: region, capacity: capacity)
    cursor = (region.base + EventRing.cursorOffset).assumingMemoryBound(to: Atomic<UInt64>.self)
    gate = SleepGate(
      turn: region.base + EventRing.turnOffset, sleeper: region.base + EventRing.sleeperOffset)
    writerProcess.pointee.store(getpid(), ordering: .relaxed)
    let epochWord = (region.base + EventRing.epochOffset).assumingMemoryBound(to: Atomic<UInt64>.self)
    // E1: the claim above makes this the only writer, so load and store need not be one step. Pairs with E2.
    epoch = epochWord.pointee.load(ordering: .relaxed) &+ 1
    epochWord.pointee.store(epoch, ordering: .releasing)
    self.region = region
    publishCursor()
  }

  /// The sequence the next record gets: the number of records ever published into this ring.
  @inlinable public var nextSequence: UInt64 { next }

  /// Writes one record and makes it visible.   [feed-loop only]
  /// - Complexity: O(1); no system call, no allocation, no wait.
  @inlinable @inline(__always)
  public mutating func publish(_ record: Record) {
    let slot = slots.words(of: next)
    slot[7].store(EventRing.busy, ordering: .relaxed)  // W1: the slot is being rewritten
    atomicMemoryFence(ordering: .releasing)  // W1 before any W2; pairs with R3
    unsafeBitCast(record, to: RingWords.self).store(to: slot)  // W2
    next &+= 1
    slot[7].store(next, ordering: .releasing)  // W3: all W2 before it; pairs with R1
  }

  /// Tells late joiners and lag gauges how far the ring is. Once per batch: the line is shared.
  @inlinable @inline(__always)
  public func publishCursor() {
    cursor.pointee.store(next, ordering: .releasing)  // C1: every W3 before it; pairs with C2
  }

  /// Wakes readers that sleep in `wait`; one system call if any does, none otherwise. Once per batch.
  @inlinable @inline(__always)
  public func wakeReaders() { gate.wake() }
}
