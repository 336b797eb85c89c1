public import Synchronization

/// The sending end of a lossless queue. A full queue refuses and says so.   [one thread]
@frozen public struct HandoffProducer<Record: BitwiseCopyable & Sendable>: ~Copyable, @unchecked Sendable {
  public let capacity: Int
  @usableFromInline let slots: UnsafeMutableRawPointer
  @usableFromInline let writeCursor: UnsafeMutablePointer<Atomic<UInt64>>
  @usableFromInline let readCursor: UnsafeMutablePointer<Atomic<UInt64>>
  @usableFromInline let refused: UnsafeMutablePointer<Atomic<UInt64>>
  /// Records staged so far; those up to the shared cursor are published.
  @usableFromInline var written: UInt64
  /// The consumer's cursor as last seen: never ahead of the truth, so never too optimistic.
  @usableFromInline var readSeen: UInt64
  @usableFromInline let region: MappedRegion

  /// Lays out an empty queue at `path`, with neither end attached.
  ///
  /// - Parameter capacity: records, a power of two in 2…2^24.
  public static func create(path: String, capacity: Int) throws(MapError) {
    HandoffQueue.checkRecord(Record.self)
    try HandoffQueue.checkCapacity(capacity, path: path)
    let size = MemoryLayout<Record>.size
    _ = try MappedRegion.create(
      path: path, byteCount: HandoffQueue.byteCount(recordByteCount: size, capacity: capacity)
    ) { bytes in
      bytes.storeBytes(
        of: HandoffQueue.header(recordByteCount: size, capacity: capacity), as: RegionHeader.self)
    }
  }

  /// Becomes the producer of an existing queue and goes on where the last one stopped. What that one had staged
  /// without publishing is gone, as it was never sent.
  public init(attachingTo path: String) throws(MapError) {
    try self.init(region: MappedRegion.open(path: path, writable: true))
  }

  /// A queue without a name, for a consumer in this process or in a forked child.
  public init(anonymousCapacity capacity: Int) throws(MapError) {
    HandoffQueue.checkRecord(Record.self)
    try HandoffQueue.checkCapacity(capacity, path: "(anonymous)")
    let size = MemoryLayout<Record>.size
    let region = try MappedRegion.anonymous(
      byteCount: HandoffQueue.byteCount(recordByteCount: size, capacity: capacity))
    region.base.storeBytes(
      of: HandoffQueue.header(recordByteCount: size, capacity: capacity), as: RegionHeader.self)
    try self.init(region: region)
  }

  init(region: consuming MappedRegion) throws(MapError) {
    HandoffQueue.checkRecord(Record.self)
    let capacity = try HandoffQueue.capacity(of: region, recordByteCount: MemoryLayout<Record>.size)
    guard try region.claim(place: HandoffQueue.producerPlace) else {
      throw .inUse(path: region.path, role: "producer", processID: 0)
    }
    let writeCursor = (region.base + HandoffQueue.writeOffset).assumingMemoryBound(to: Atomic<UInt64>.self)
    let readCursor = (region.base + HandoffQueue.readOffset).assumingMemoryBound(to: Atomic<UInt64>.self)
    let readSeen = readCursor.pointee.load(ordering: .acquiring)
    let written = writeCursor.pointee.load(ordering: .relaxed)
    try HandoffQueue.checkCursors(written: written, read: readSeen, capacity: capacity, path: region.path)
    self.capacity = capacity
    slots = region.base + RegionHeader.byteCount
    self.writeCursor = writeCursor
    self.readCursor = readCursor
    refused = (region.base + HandoffQueue.refusedOffset).assumingMemoryBound(to: Atomic<UInt64>.self)
    self.readSeen = readSeen
    self.written = written
    self.region = region
  }

  /// Sends one record, with everything staged before it; false when the queue is full, which is counted.
  /// - Complexity: O(1); no system call, no allocation, no wait.
  @inlinable @inline(__always)
  public mutating func tryPush(_ record: Record) -> Bool {
    guard tryStage(record) else { return false }
    publish()
    return true
  }

  /// Writes one record without making it visible; false when the queue is full, which is counted.
  @inlinable @inline(__always)
  public mutating func tryStage(_ record: Record) -> Bool {
    if written &- readSeen == UInt64(truncatingIfNeeded: capacity) {
      readSeen = readCursor.pointee.load(ordering: .acquiring)  // P1: it was copied out; pairs with K2
      if written &- readSeen == UInt64(truncatingIfNeeded: capacity) {
        refused.pointee.store(refused.pointee.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
        return false
      }
    }
    let index = Int(truncatingIfNeeded: written & UInt64(truncatingIfNeeded: capacity &- 1))
    let slot = slots + index &* HandoffQueue.slotByteCount(recordByteCount: MemoryLayout<Record>.size)
    slot.assumingMemoryBound(to: Record.self).pointee = record
    written &+= 1
    return true
  }

  /// Makes everything staged visible at once.
  @inlinable @inline(__always)
  public func publish() {
    writeCursor.pointee.store(written, ordering: .releasing)  // P2: the records before it; pairs with K1
  }

  /// Pushes refused because the queue was full, over the life of the queue.
  @inlinable public var refusedCount: UInt64 { refused.pointee.load(ordering: .relaxed) }

  /// Records sent and not yet taken by the consumer.
  @inlinable public var pendingCount: Int {
    Int(
      truncatingIfNeeded: writeCursor.pointee.load(ordering: .relaxed)
        &- readCursor.pointee.load(ordering: .acquiring))
  }
}
