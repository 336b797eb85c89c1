internal import Glibc
public import SharedMemory
public import Synchronization

/// Appends records of one size to numbered segment files.   [one thread]
///
/// A record is stored in mapped, touched memory and counted by one releasing store: it survives the death of the process,
/// other processes can follow it, and no system call is made but at a change of segment. A new writer never touches
/// what an earlier one wrote: it begins the next segment.
@frozen public struct TapeWriter<Record: BitwiseCopyable & Sendable>: ~Copyable, @unchecked Sendable {
  @usableFromInline var segmentHeader: TapeHeader
  @usableFromInline var region: MappedRegion
  @usableFromInline var slots: UnsafeMutableRawPointer
  @usableFromInline var commit: UnsafeMutablePointer<Atomic<UInt64>>
  @usableFromInline var index: Int
  @usableFromInline let capacity: Int
  @usableFromInline var unprepared: Int
  @usableFromInline let claim: TapeWriterClaim
  @usableFromInline let clock: @Sendable () -> Int64

  /// Begins the next segment of `name` in `directory`, which must exist.
  ///
  /// - Parameters:
  ///   - header: what the segments say about themselves; sequences and times of later ones follow from it.
  ///   - recordsPerSegment: 1…2^30; 2^20 market records make 64 MiB.
  ///   - clock: UTC nanoseconds, asked at a change of segment only.
  public init(
    directory: String, name: String, header: TapeHeader, recordsPerSegment: Int,
    clock: @escaping @Sendable () -> Int64 = SystemClock.realtimeNanoseconds
  ) throws(TapeError) {
    let size = MemoryLayout<Record>.size
    precondition(
      size > 0 && size % 8 == 0 && size <= TapeLimits.recordByteCountMax, "whole words, at most a page")
    precondition(MemoryLayout<Record>.stride == size, "a record has no padding behind it")
    guard TapeLimits.recordsPerSegment.contains(recordsPerSegment) else {
      throw .setting(
        field: "recordsPerSegment", found: "\(recordsPerSegment)", expected: "\(TapeLimits.recordsPerSegment)"
      )
    }
    guard header.venue.utf8.count <= TapeHeader.venueByteCountMax else {
      throw .setting(
        field: "venue", found: "\(header.venue.utf8.count) bytes",
        expected: "at most \(TapeHeader.venueByteCountMax)")
    }
    let tape = try TapeDirectory(directory: directory, name: name)
    let byteCount = TapeHeader.byteCount + recordsPerSegment * (size + TapeSlot.stampByteCount)
    let supply = TapeSegmentSupply(directory: tape, segmentByteCount: byteCount)
    let claim = try TapeWriterClaim(supply: supply)
    try tape.removeLeftovers()

    var first = header
    first.recordByteCount = size
    first.capacity = recordsPerSegment
    first.segment = (try tape.segments().last ?? 0) + 1
    var wasReady = false
    let region = try supply.begin(first, wasReady: &wasReady)
    segmentHeader = first
    slots = region.base + TapeHeader.byteCount
    commit = TapeSegment.commit(of: region)
    self.region = region
    index = 0
    capacity = recordsPerSegment
    unprepared = 0
    self.claim = claim
    self.clock = clock
  }

  /// Stores one record behind the others.
  ///
  /// After an error nothing was stored and the call may be repeated.
  /// - Complexity: O(1), no system call, no allocation; at a change of segment a few system calls when the next segment
  ///   is prepared, else as long as the file system takes to allocate one.
  @inlinable @inline(__always)
  public mutating func append(_ record: Record) throws(TapeError) {
    if index == capacity { try changeSegment(to: followingHeader()) }
    let slot = slots + index &* (MemoryLayout<Record>.size &+ TapeSlot.stampByteCount)
    withUnsafeBytes(of: record) { bytes in
      slot.copyMemory(from: bytes.baseAddress.unsafelyUnwrapped, byteCount: MemoryLayout<Record>.size)
      slot.storeBytes(
        of: TapeSlot.stamp(of: bytes, index: index), toByteOffset: MemoryLayout<Record>.size, as: UInt64.self)
    }
    index &+= 1
    // The slot before the word that counts it; pairs with the fence after a reader's look at the word.
    commit.pointee.store(TapeCommit(count: index, isSealed: false).word, ordering: .releasing)
  }

  /// The header of the segment being written.
  @inlinable public var header: TapeHeader { segmentHeader }

  /// The sequence the next appended record has.
  @inlinable public var nextSequence: UInt64 { segmentHeader.firstSequence &+ UInt64(index) }

  /// Segment changes that found no segment prepared and had to make it on the writer's thread.
  @inlinable public var unpreparedChangeCount: Int { unprepared }

  /// For the thread that prepares segments ahead.
  public func makePreparer() -> TapePreparer { TapePreparer(supply: claim.supply) }

  /// Makes the next segment ready on this thread, for a writer that has quiet moments of its own.
  public func prepareNextSegment() throws(TapeError) { try claim.supply.prepare() }

  /// Ends the segment here and begins the next with what changed: after a gap in the sequence, a new epoch, a new table.
  public mutating func startSegment(
    firstSequence: UInt64, epoch: UInt64, tableVersion: UInt64
  ) throws(TapeError) {
    var header = followingHeader()
    header.firstSequence = firstSequence
    header.epoch = epoch
    header.tableVersion = tableVersion
    try changeSegment(to: header)
  }

  /// Waits until every record of this segment is on the disk. After an error, begin a new segment and write again what
  /// must not be lost.   [may block for long]
  public func synchronise() throws(TapeError) {
    do throws(MapError) { try region.synchronise() } catch { throw .file(error) }
  }

  /// Ends the tape in good order: marks the segment complete and gives back the space behind its last record.
  public consuming func seal() throws(TapeError) {
    commit.pointee.store(TapeCommit(count: index, isSealed: true).word, ordering: .releasing)
    let byteCount = TapeHeader.byteCount + index * (MemoryLayout<Record>.size + TapeSlot.stampByteCount)
    do throws(MapError) { try region.close(trimmedTo: byteCount) } catch { throw .file(error) }
  }

  @usableFromInline func followingHeader() -> TapeHeader {
    var header = segmentHeader
    header.firstSequence = nextSequence
    return header
  }

  @usableFromInline @inline(never)
  mutating func changeSegment(to following: TapeHeader) throws(TapeError) {
    var header = following
    header.segment = segmentHeader.segment + 1
    header.createdNanoseconds = clock()
    guard header.segment <= TapeLimits.segmentMax else {
      throw .setting(
        field: "segment number", found: "\(header.segment)", expected: "at most \(TapeLimits.segmentMax)")
    }
    var wasReady = false
    let next = try claim.supply.begin(header, wasReady: &wasReady)
    if !wasReady { unprepared += 1 }
    // Sealed only when its successor is there: a reader that sees the seal finds the next segment.
    commit.pointee.store(TapeCommit(count: index, isSealed: true).word, ordering: .releasing)
    slots = next.base + TapeHeader.byteCount
    commit = TapeSegment.commit(of: next)
    let full = exchange(&region, with: next)
    claim.supply.retire(full)
    segmentHeader = header
    index = 0
  }
}

/// A mapped segment on its way into the tape.
enum TapeSegment {
  static func commit(of region: borrowing MappedRegion) -> UnsafeMutablePointer<Atomic<UInt64>> {
    (region.base + TapeHeader.commitOffset).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  /// Lays out the header and gives the file its name in the tape; never over an existing file.
  static func begin(
    _ region: borrowing MappedRegion, _ header: TapeHeader, in tape: TapeDirectory
  ) throws(TapeError) {
    header.store(into: UnsafeMutableRawBufferPointer(start: region.base, count: TapeHeader.byteCount))
    commit(of: region).pointee.store(TapeCommit(count: 0, isSealed: false).word, ordering: .releasing)
    let path = tape.path(ofSegment: header.segment)
    guard link(tape.preparedPath, path) == 0 else { throw .file(TapeDirectory.failure(path, "link", errno)) }
    // Left behind it would be a second name of this segment and be taken away by the next writer.
    unlink(tape.preparedPath)
  }
}
