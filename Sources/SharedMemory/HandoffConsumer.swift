public import Synchronization

/// The receiving end of a lossless queue.   [one thread]
@frozen public struct HandoffConsumer<Record: BitwiseCopyable & Sendable>: ~Copyable, @unchecked Sendable {
  public let capacity: Int
  @usableFromInline let slots: UnsafeMutableRawPointer
  @usableFromInline let writeCursor: UnsafeMutablePointer<Atomic<UInt64>>
  @usableFromInline let readCursor: UnsafeMutablePointer<Atomic<UInt64>>
  @usableFromInline let refused: UnsafeMutablePointer<Atomic<UInt64>>
  /// Records taken so far; the places of those up to the shared cursor are given back.
  @usableFromInline var taken: UInt64
  /// The producer's cursor as last seen.
  @usableFromInline var writtenSeen: UInt64
  @usableFromInline let region: MappedRegion

  /// Becomes the consumer of an existing queue and goes on where the last one stopped: at the first record it had not
  /// given back with `tryPop` or `release`.
  public init(attachingTo path: String) throws(MapError) {
    try self.init(region: MappedRegion.open(path: path, writable: true))
  }

  /// The other end of a producer of this process.
  public init(of producer: borrowing HandoffProducer<Record>) throws(MapError) {
    try self.init(region: producer.region.mappedAgain())
  }

  init(region: consuming MappedRegion) throws(MapError) {
    HandoffQueue.checkRecord(Record.self)
    let capacity = try HandoffQueue.capacity(of: region, recordByteCount: MemoryLayout<Record>.size)
    guard try region.claim(place: HandoffQueue.consumerPlace) else {
      throw .inUse(path: region.path, role: "consumer", processID: 0)
    }
    let writeCursor = (region.base + HandoffQueue.writeOffset).assumingMemoryBound(to: Atomic<UInt64>.self)
    let readCursor = (region.base + HandoffQueue.readOffset).assumingMemoryBound(to: Atomic<UInt64>.self)
    let taken = readCursor.pointee.load(ordering: .relaxed)
    let writtenSeen = writeCursor.pointee.load(ordering: .acquiring)
    try HandoffQueue.checkCursors(
      written: writtenSeen, read: taken, capacity: capacity, path: region.path)
    self.capacity = capacity
    slots = region.base + RegionHeader.byteCount
    self.writeCursor = writeCursor
    self.readCursor = readCursor
    refused = (region.base + HandoffQueue.refusedOffset).assumingMemoryBound(to: Atomic<UInt64>.self)
    self.taken = taken
    self.writtenSeen = writtenSeen
    self.region = region
  }

  /// Takes the oldest record and gives its place back at once. A consumer that dies before acting on it has lost it:
  /// use `tryTake` and `release` where that matters.
  /// - Complexity: O(1); no system call, no allocation.
  @inlinable @inline(__always)
  public mutating func tryPop() -> Record? {
    guard let record = tryTake() else { return nil }
    release()
    return record
  }

  /// Takes the oldest record and keeps its place: should this consumer die, the next one gets the record again.
  @inlinable @inline(__always)
  public mutating func tryTake() -> Record? {
    if taken == writtenSeen {
      writtenSeen = writeCursor.pointee.load(ordering: .acquiring)  // K1: then the records; pairs with P2
      if taken == writtenSeen { return nil }
    }
    let index = Int(truncatingIfNeeded: taken & UInt64(truncatingIfNeeded: capacity &- 1))
    let slot = slots + index &* HandoffQueue.slotByteCount(recordByteCount: MemoryLayout<Record>.size)
    taken &+= 1
    return slot.assumingMemoryBound(to: Record.self).pointee
  }

  /// Gives back the places of everything taken.
  @inlinable @inline(__always)
  public func release() {
    readCursor.pointee.store(taken, ordering: .releasing)  // K2: the copies before it; pairs with P1
  }

  /// Pushes the producer was refused because the queue was full, over the life of the queue.
  @inlinable public var refusedCount: UInt64 { refused.pointee.load(ordering: .relaxed) }
}
