internal import Synchronization

/// A few words that several processes read and replace as a whole: a budget, not a stream.
///
/// Lock-free. Every participant owns two slots. It copies the current slot, changes the copy, writes it into a slot of
/// its own that is not the current one and then moves the head there with one compare-and-swap, or begins again when
/// another was faster. A participant that is killed or stopped at any instruction leaves the last whole value in
/// place and holds nobody up; the kernel gives its slots to the next.   [one thread]
public struct SharedRecord: ~Copyable, @unchecked Sendable {
  /// Participants at a time.
  public static let participantsMax = 32
  static let wordCountRange = 1...512
  private static let headOffset = 128
  /// The slot the creator filled; it is nobody's, so it is never written again.
  private static let foundingSlot = 2 * participantsMax
  /// The head's low bits name the slot, the others count replacements, so that no head comes twice.
  private static let slotBits: UInt64 = 16

  public let wordCount: Int
  private let place: Int
  private let slotByteCount: Int
  private let region: MappedRegion

  /// Lays out a record of `words` (1…512) at `path`.
  public static func create(path: String, words: [UInt64]) throws(MapError) {
    guard wordCountRange.contains(words.count) else {
      throw .mismatch(
        path: path, field: "word count", found: "\(words.count)", expected: "\(wordCountRange)",
        fix: "Change the record it is made with.")
    }
    _ = try MappedRegion.create(path: path, byteCount: byteCount(wordCount: words.count)) { bytes in
      bytes.storeBytes(of: header(wordCount: words.count), as: RegionHeader.self)
      bytes.storeBytes(of: UInt64(foundingSlot), toByteOffset: headOffset, as: UInt64.self)
      let offset = RegionHeader.byteCount + foundingSlot * slotByteCount(wordCount: words.count)
      for (index, word) in words.enumerated() {
        bytes.storeBytes(of: word, toByteOffset: offset + index * 8, as: UInt64.self)
      }
    }
  }

  /// Becomes a participant.
  /// - Throws: `.inUse` when `participantsMax` living ones are there already.
  public init(path: String) throws(MapError) {
    let region = try MappedRegion.open(path: path, writable: true)
    let header = try RegionHeader.read(
      from: region, expected: Self.header(wordCount: 0), capacity: { $0 == Self.participantsMax },
      byteCount: { Self.byteCount(wordCount: Int($0.width)) })
    guard Self.wordCountRange.contains(Int(header.width)) else {
      throw .mismatch(
        path: path, field: "word count", found: "\(header.width)", expected: "\(Self.wordCountRange)",
        fix: "It was left by another version or program: stop what uses it, remove it and start again.")
    }
    var place = 0
    while try !region.claim(place: Int64(place)) {
      place += 1
      guard place < Self.participantsMax else {
        throw .inUse(path: path, role: "participant number \(Self.participantsMax)", processID: 0)
      }
    }
    wordCount = Int(header.width)
    slotByteCount = Self.slotByteCount(wordCount: wordCount)
    self.place = place
    self.region = region
  }

  /// Hands the newest words to `change` and puts what it leaves in their place, as one step for all processes.
  ///
  /// - Parameter change: called again, with newer words, whenever another participant was faster.
  public mutating func update<Result>(_ change: (inout MutableSpan<UInt64>) -> Result) -> Result {
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: wordCount) { copy in
      while true {
        let current = head.pointee.load(ordering: .acquiring)  // U1: pairs with U6
        let source = words(inSlot: Self.slot(of: current))
        for index in 0..<wordCount {
          copy.initializeElement(at: index, to: source[index].load(ordering: .relaxed))  // U2
        }
        atomicMemoryFence(ordering: .acquiring)  // U3: all U2 before U4; pairs with U5
        // U4: unchanged, so the owner of the slot was not writing it while it was read.
        guard head.pointee.load(ordering: .relaxed) == current else { continue }
        var span = copy.mutableSpan
        let result = change(&span)
        let target = 2 * place == Self.slot(of: current) ? 2 * place + 1 : 2 * place
        let destination = words(inSlot: target)
        // U5: who reads a word written below sees at U4 that the head has left this slot.
        atomicMemoryFence(ordering: .releasing)
        for index in 0..<wordCount { destination[index].store(copy[index], ordering: .relaxed) }
        let next = (current >> Self.slotBits &+ 1) << Self.slotBits | UInt64(target)
        // U6: the words before the head that names them.
        if head.pointee.compareExchange(
          expected: current, desired: next, successOrdering: .acquiringAndReleasing,
          failureOrdering: .relaxed
        ).exchanged {
          return result
        }
      }
    }
  }

  private var head: UnsafeMutablePointer<Atomic<UInt64>> {
    (region.base + Self.headOffset).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  private func words(inSlot slot: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    (region.base + RegionHeader.byteCount + slot * slotByteCount)
      .assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  /// A head no participant writes reads as the founding slot: no foreign byte leads out of the region.
  private static func slot(of head: UInt64) -> Int {
    min(Int(head & (1 << slotBits - 1)), foundingSlot)
  }

  private static func slotByteCount(wordCount: Int) -> Int {
    (wordCount * 8 + RegionHeader.lineByteCount - 1) / RegionHeader.lineByteCount
      * RegionHeader.lineByteCount
  }

  private static func byteCount(wordCount: Int) -> Int {
    RegionHeader.byteCount + (foundingSlot + 1) * slotByteCount(wordCount: wordCount)
  }

  private static func header(wordCount: Int) -> RegionHeader {
    RegionHeader(magic: "AEGISREC", recordByteCount: 8, capacity: participantsMax, width: wordCount)
  }
}
