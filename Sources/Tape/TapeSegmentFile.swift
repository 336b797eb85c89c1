internal import Glibc
internal import SharedMemory
internal import Synchronization

/// One segment, opened for reading. It is read with system calls and not mapped, so a file that somebody shortens
/// is a short read and not a signal.
struct TapeSegmentFile: ~Copyable {
  let path: String
  let header: TapeHeader
  private let descriptor: Int32

  init(path: String) throws(TapeError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { throw .file(TapeDirectory.failure(path, "open", errno)) }
    do throws(TapeError) {
      let page = UnsafeMutableRawBufferPointer.allocate(byteCount: TapeHeader.byteCount, alignment: 16)
      defer { page.deallocate() }
      let count = try Self.read(descriptor, path: path, offset: 0, into: page)
      let header: TapeHeader
      do throws(TapeHeaderFault) {
        header = try TapeHeader(page: UnsafeRawBufferPointer(rebasing: page[..<count]))
      } catch {
        throw .mismatch(path: path, field: error.field, found: error.found, expected: error.expected)
      }
      self.path = path
      self.header = header
      self.descriptor = descriptor
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit { close(descriptor) }

  /// The commit word as it is now; nil when it is damaged.
  func commit() throws(TapeError) -> TapeCommit? {
    // A copy made while the writer stores the word could in principle be half of each: look again.
    for _ in 0..<Self.commitAttemptsMax {
      var word: UInt64 = 0
      let count = try withUnsafeMutableBytes(of: &word) { bytes throws(TapeError) in
        try Self.read(descriptor, path: path, offset: TapeHeader.commitOffset, into: bytes)
      }
      // The slots are read after the word that announces them; pairs with the writer's releasing store.
      atomicMemoryFence(ordering: .acquiring)
      if count == 8, let commit = TapeCommit(word: word) { return commit }
    }
    return nil
  }

  private static let commitAttemptsMax = 4

  /// Reads slots from `index` on into `buffer`; the number of whole slots there were.
  func readSlots(from index: Int, into buffer: UnsafeMutableRawBufferPointer) throws(TapeError) -> Int {
    let slotByteCount = header.recordByteCount + TapeSlot.stampByteCount
    let offset = TapeHeader.byteCount + index * slotByteCount
    return try Self.read(descriptor, path: path, offset: offset, into: buffer) / slotByteCount
  }

  /// Bytes read, fewer than asked for only at the end of the file.
  private static func read(
    _ descriptor: Int32, path: String, offset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws(TapeError) -> Int {
    var done = 0
    while done < buffer.count {
      let count = pread(descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done, offset + done)
      if count < 0 {
        if errno == EINTR { continue }
        throw .file(TapeDirectory.failure(path, "read", errno))
      }
      if count == 0 { break }
      done += count
    }
    return done
  }
}
