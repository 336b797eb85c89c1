internal import CPlatform
internal import Glibc

/// Memory that several processes see: a mapped file, or a file without a name. Unmapped exactly once, when the owner
/// ends.   [any thread, one owner]
@frozen public struct MappedRegion: ~Copyable, @unchecked Sendable {
  /// First byte; page aligned.
  public let base: UnsafeMutableRawPointer
  public let byteCount: Int
  public let isWritable: Bool
  /// Where it lives; for messages `(anonymous)` when it has no name.
  public let path: String
  @usableFromInline let descriptor: Int32

  /// Largest region: 64 GiB is far beyond any use and below what a typo could ask for.
  public static let byteCountMax = 1 << 36

  /// Makes a new file of zero bytes at `path` (mode 0600) and maps it for reading and writing.
  ///
  /// The file appears under its name only when `prepare` has laid it out, and always as a new inode: whoever still has
  /// an older file of that name mapped keeps it undisturbed. All blocks are allocated, so later writes cannot fail.
  public static func create(
    path: String, byteCount: Int, prepare: (UnsafeMutableRawBufferPointer) -> Void = { _ in }
  ) throws(MapError) -> MappedRegion {
    try checkByteCount(byteCount, path: path)
    let draft = "\(path).\(getpid()).new"
    if unlink(draft) != 0, errno != ENOENT {
      throw failure(draft, "unlink", errno)
    }
    let descriptor = Glibc.open(draft, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw failure(draft, "create", errno) }
    do throws(MapError) {
      let region = try MappedRegion(
        allocating: byteCount, descriptor: descriptor, path: path, prepare: prepare)
      guard rename(draft, path) == 0 else { throw failure(path, "rename", errno) }
      return region
    } catch {
      unlink(draft)
      throw error
    }
  }

  /// Maps the whole of an existing file. It must be a plain file of this user.
  public static func open(path: String, writable: Bool) throws(MapError) -> MappedRegion {
    let descriptor = Glibc.open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { throw failure(path, "open", errno) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let code = errno
      Glibc.close(descriptor)
      throw failure(path, "fstat", code)
    }
    do throws(MapError) {
      guard status.st_mode & S_IFMT == S_IFREG else {
        throw .mismatch(
          path: path, field: "file type", found: "not a plain file", expected: "a plain file",
          fix: "Remove it or choose another path.")
      }
      guard status.st_uid == geteuid() else {
        throw .mismatch(
          path: path, field: "owner", found: "user \(status.st_uid)", expected: "user \(geteuid())",
          fix: "Remove the file or run as its owner.")
      }
      try checkByteCount(Int(status.st_size), path: path)
    } catch {
      Glibc.close(descriptor)
      throw error
    }
    return try MappedRegion(
      mapping: Int(status.st_size), descriptor: descriptor, path: path, isWritable: writable)
  }

  /// Memory without a name, shared with `mappedAgain` and with forked children. Zero bytes.
  public static func anonymous(byteCount: Int) throws(MapError) -> MappedRegion {
    try checkByteCount(byteCount, path: "(anonymous)")
    let descriptor = aegis_memory_file("aegis")
    guard descriptor >= 0 else { throw failure("(anonymous)", "memfd_create", -descriptor) }
    return try MappedRegion(allocating: byteCount, descriptor: descriptor, path: "(anonymous)") { _ in }
  }

  /// The same memory with an owner of its own, for the other end inside this process.
  public func mappedAgain() throws(MapError) -> MappedRegion {
    let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    guard copy >= 0 else { throw Self.failure(path, "fcntl(F_DUPFD_CLOEXEC)", errno) }
    return try MappedRegion(mapping: byteCount, descriptor: copy, path: path, isWritable: isWritable)
  }

  /// Claims the place `offset` of this file for as long as the region lives; false when another living opener has it.
  ///
  /// The kernel gives it back however the holder dies. Regions from `mappedAgain` share the claim.
  public func claim(place offset: Int64) throws(MapError) -> Bool {
    switch aegis_lock_byte(descriptor, offset) {
    case 0: return true
    case -EAGAIN, -EACCES: return false
    case let code: throw Self.failure(path, "lock", -code)
    }
  }

  /// Brings every page in, ready for writing, so that the first write does not fault.
  public func populate() throws(MapError) {
    let code = aegis_populate(base, byteCount)
    guard code == 0 else { throw Self.failure(path, "madvise(MADV_POPULATE_WRITE)", -code) }
  }

  /// Waits until everything written so far is on the disk. After a failure the file must be considered damaged:
  /// the kernel may have dropped the pages, and asking again would lie.   [may block for long]
  public func synchronise() throws(MapError) {
    guard fsync(descriptor) == 0 else { throw Self.failure(path, "fsync", errno) }
  }

  /// Gives back the part of the file behind `byteCount` and unmaps the region.
  public consuming func close(trimmedTo byteCount: Int) throws(MapError) {
    precondition(byteCount >= 0 && byteCount <= self.byteCount, "a trim never grows the file")
    guard ftruncate(descriptor, byteCount) == 0 else { throw Self.failure(path, "ftruncate", errno) }
  }

  deinit {
    munmap(base, byteCount)
    Glibc.close(descriptor)
  }

  /// Takes over `descriptor` whatever happens.
  private init(
    allocating byteCount: Int, descriptor: Int32, path: String,
    prepare: (UnsafeMutableRawBufferPointer) -> Void
  ) throws(MapError) {
    let code = aegis_allocate(descriptor, Int64(byteCount))
    guard code == 0 else {
      Glibc.close(descriptor)
      throw Self.failure(path, "allocate \(byteCount) bytes", -code)
    }
    try self.init(mapping: byteCount, descriptor: descriptor, path: path, isWritable: true)
    prepare(UnsafeMutableRawBufferPointer(start: base, count: byteCount))
  }

  /// Takes over `descriptor` whatever happens.
  private init(mapping byteCount: Int, descriptor: Int32, path: String, isWritable: Bool) throws(MapError) {
    let protection = isWritable ? PROT_READ | PROT_WRITE : PROT_READ
    guard let base = mmap(nil, byteCount, protection, MAP_SHARED | Int32(MAP_POPULATE), descriptor, 0),
      base != MAP_FAILED
    else {
      let code = errno
      Glibc.close(descriptor)
      throw Self.failure(path, "mmap", code)
    }
    self.base = base
    self.byteCount = byteCount
    self.isWritable = isWritable
    self.path = path
    self.descriptor = descriptor
  }

  private static func checkByteCount(_ byteCount: Int, path: String) throws(MapError) {
    guard byteCount > 0, byteCount <= byteCountMax else {
      throw .mismatch(
        path: path, field: "size", found: "\(byteCount) bytes", expected: "1…\(byteCountMax) bytes",
        fix: "Remove the file and start again; the orchestrator creates it.")
    }
  }

  private static func failure(_ path: String, _ operation: String, _ code: Int32) -> MapError {
    let fix =
      switch code {
      case ENOENT: "Start the process that creates it first, or create its directory."
      case EACCES, EPERM: "Check the owner and mode of the file and its directory."
      case ENOSPC, EDQUOT: "Free space there; for /dev/shm raise its size (container option shm-size)."
      case ENOMEM: "Free memory, or lower the capacity."
      case EMFILE, ENFILE: "Raise the limit of open files (ulimit -n)."
      case ELOOP: "The name is a symbolic link; remove it."
      case EIO: "The device failed; the file is damaged from here on. Use another file or disk."
      default: "Check the path and the file system it is on."
      }
    return .system(path: path, operation: operation, code: code, fix: fix)
  }
}
