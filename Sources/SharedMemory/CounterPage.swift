public import Synchronization

/// Numbers every process shows to the one that reports them: lanes of counters, each lane written by one thread.
///
/// A lane begins with two words of life: when its owner last turned its loop, and how much it had done by then. The
/// first alone proves only that a thread runs; both together tell working from idle from stuck.
@frozen @usableFromInline struct CounterPage: Sendable {
  static let laneCountRange = 1...256
  static let counterCountRange = 1...4096
  @inlinable static var heartbeatWord: Int { 0 }
  @inlinable static var progressWord: Int { 1 }
  @inlinable static var firstCounterWord: Int { 2 }

  @usableFromInline nonisolated(unsafe) let first: UnsafeMutableRawPointer
  let laneByteCount: Int
  let laneCount: Int
  let counterCount: Int

  static func laneByteCount(counterCount: Int) -> Int {
    ((counterCount + firstCounterWord) * 8 + RegionHeader.lineByteCount - 1) / RegionHeader.lineByteCount
      * RegionHeader.lineByteCount
  }

  static func header(laneCount: Int, counterCount: Int) -> RegionHeader {
    RegionHeader(magic: "AEGISCNT", recordByteCount: 8, capacity: laneCount, width: counterCount)
  }

  static func byteCount(laneCount: Int, counterCount: Int) -> Int {
    RegionHeader.byteCount + laneCount * laneByteCount(counterCount: counterCount)
  }

  init(region: borrowing MappedRegion) throws(MapError) {
    let header = try RegionHeader.read(
      from: region, expected: Self.header(laneCount: 0, counterCount: 0),
      capacity: { Self.laneCountRange.contains($0) },
      byteCount: { Self.byteCount(laneCount: Int($0.capacity), counterCount: Int($0.width)) })
    first = region.base + RegionHeader.byteCount
    laneCount = Int(header.capacity)
    counterCount = Int(header.width)
    laneByteCount = Self.laneByteCount(counterCount: counterCount)
  }

  func lane(_ lane: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    precondition(lane >= 0 && lane < laneCount, "a lane of the page")
    return (first + lane * laneByteCount).assumingMemoryBound(to: Atomic<UInt64>.self)
  }
}

/// The writing end of one lane.   [one thread]
@frozen public struct CounterLane: ~Copyable, @unchecked Sendable {
  public let counterCount: Int
  @usableFromInline let words: UnsafeMutablePointer<Atomic<UInt64>>
  @usableFromInline let region: MappedRegion

  /// Lays out a page of zeros at `path`.
  ///
  /// - Parameters:
  ///   - laneCount: 1…256, one per writing thread.
  ///   - counterCount: 1…4096, the same in every lane.
  public static func createPage(path: String, laneCount: Int, counterCount: Int) throws(MapError) {
    guard CounterPage.laneCountRange.contains(laneCount),
      CounterPage.counterCountRange.contains(counterCount)
    else {
      throw .mismatch(
        path: path, field: "counter page", found: "\(laneCount) lanes × \(counterCount)",
        expected: "\(CounterPage.laneCountRange) × \(CounterPage.counterCountRange)",
        fix: "Change the numbers it is made with.")
    }
    _ = try MappedRegion.create(
      path: path, byteCount: CounterPage.byteCount(laneCount: laneCount, counterCount: counterCount)
    ) { bytes in
      bytes.storeBytes(
        of: CounterPage.header(laneCount: laneCount, counterCount: counterCount), as: RegionHeader.self)
    }
  }

  /// Becomes the writer of `lane`. Counters go on from what the last writer left.
  public init(path: String, lane: Int) throws(MapError) {
    let region = try MappedRegion.open(path: path, writable: true)
    let page = try CounterPage(region: region)
    guard lane >= 0, lane < page.laneCount else {
      throw .mismatch(
        path: path, field: "lane", found: "\(lane)", expected: "0..<\(page.laneCount)",
        fix: "Create the page with more lanes.")
    }
    guard try region.claim(place: Int64(lane)) else {
      throw .inUse(path: path, role: "writer of lane \(lane)", processID: 0)
    }
    words = page.lane(lane)
    counterCount = page.counterCount
    self.region = region
  }

  /// Adds to a counter. One writer per lane, so a load and a store do; no locked instruction.
  /// - Precondition: 0 ≤ counter < counterCount.
  @inlinable @inline(__always)
  public func add(_ amount: UInt64 = 1, to counter: Int) {
    let word = self[counter]
    word.pointee.store(word.pointee.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
  }

  /// Sets a gauge.
  @inlinable @inline(__always)
  public func set(_ value: UInt64, at counter: Int) { self[counter].pointee.store(value, ordering: .relaxed) }

  /// Raises a high-water mark.
  @inlinable @inline(__always)
  public func raise(_ counter: Int, to value: UInt64) {
    let word = self[counter]
    if value > word.pointee.load(ordering: .relaxed) { word.pointee.store(value, ordering: .relaxed) }
  }

  /// Says that the loop turned.
  ///
  /// - Parameters:
  ///   - monotonicNanoseconds: now.
  ///   - progress: things done so far; a number that only grows.
  @inlinable @inline(__always)
  public func beat(monotonicNanoseconds: Int64, progress: UInt64) {
    words[CounterPage.progressWord].store(progress, ordering: .relaxed)
    // The progress before the beat that reports it; pairs with the reader's acquiring load.
    words[CounterPage.heartbeatWord].store(UInt64(bitPattern: monotonicNanoseconds), ordering: .releasing)
  }

  /// A counter's place, for a writer that cannot wait for a call. It outlives the process, not the lane.
  public func pointer(to counter: Int) -> UnsafeMutablePointer<UInt64> {
    UnsafeMutableRawPointer(self[counter]).assumingMemoryBound(to: UInt64.self)
  }

  @usableFromInline subscript(counter: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    @inlinable @inline(__always) get {
      precondition(counter >= 0 && counter < counterCount, "a counter of the lane")
      return words + (counter &+ CounterPage.firstCounterWord)
    }
  }
}

/// One lane as it was at a moment. Counters are read one by one: each is exact, together they may be a few events apart.
public struct CounterSnapshot: Sendable, Equatable {
  /// Monotonic nanoseconds of the last turn of the loop; 0 before the first.
  public var heartbeatNanoseconds: Int64
  public var progress: UInt64
  public var counters: [UInt64]
}

/// The reading end of a page of counters.   [any thread]
public struct CounterReader: ~Copyable, Sendable {
  public let laneCount: Int
  public let counterCount: Int
  private let page: CounterPage
  private let region: MappedRegion

  public init(path: String) throws(MapError) {
    let region = try MappedRegion.open(path: path, writable: false)
    let page = try CounterPage(region: region)
    self.page = page
    laneCount = page.laneCount
    counterCount = page.counterCount
    self.region = region
  }

  public func snapshot(lane: Int) -> CounterSnapshot {
    let words = page.lane(lane)
    let heartbeat = words[CounterPage.heartbeatWord].load(ordering: .acquiring)
    return CounterSnapshot(
      heartbeatNanoseconds: Int64(bitPattern: heartbeat),
      progress: words[CounterPage.progressWord].load(ordering: .relaxed),
      counters: (0..<counterCount).map {
        words[CounterPage.firstCounterWord + $0].load(ordering: .relaxed)
      })
  }

  /// One counter.
  public func value(lane: Int, counter: Int) -> UInt64 {
    precondition(counter >= 0 && counter < counterCount, "a counter of the lane")
    return page.lane(lane)[CounterPage.firstCounterWord + counter].load(ordering: .relaxed)
  }
}
