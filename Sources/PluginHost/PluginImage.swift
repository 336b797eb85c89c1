import Glibc
import PluginABI
import Synchronization

/// One plugin file, copied to a private name and mapped into this process for ever.
///
/// The user's file itself is never mapped: overwriting it would change running code. Images are never unmapped,
/// because unmapping Swift code crashes the runtime later.
struct PluginImage {
  static let symbol = "aegis_plugin_v1"
  static let magic = AEGIS_ABI_MAGIC
  /// A plugin with its own static Swift runtime is about 9 MB; the limit keeps a wrong path from filling memory.
  static let byteCountMax = 256 << 20

  let file: String
  /// Content of the file, 64 hexadecimal digits.
  let sha256: String
  let elf: ElfFile
  let entry: UnsafePointer<aegis_entry>

  /// Counts images over the whole process, because the linker's list of names is one per process: a name used before
  /// gives back the old image.
  private static let generation = Atomic<UInt64>(0)
  /// Entries of all images of the process, for the check that a fresh copy really is a fresh image.
  private static let entries = Mutex<Set<UInt>>([])

  /// Reads, checks, copies and maps the file, and asks for its entry.   [control]
  ///
  /// - Throws: `PluginError` naming the file and the fix. Nothing is mapped when the file itself is refused.
  ///
  /// - Parameters:
  ///   - cacheDirectory: private folder for the copy; nil maps the file itself, which only a short-lived child may do.
  ///   - keepsCopy: once the image is good its copy stays, as `<sha256>.so`.
  init(path: String, cacheDirectory: String?, keepsCopy: Bool = false) throws(PluginError) {
    let source = try PluginFile(path: path)
    let elf = try source.elf()
    file = path
    sha256 = source.sha256()
    self.elf = elf
    let mapped: String
    if let cacheDirectory {
      mapped = try Self.copy(source, sha256: sha256, into: cacheDirectory)
    } else {
      // A bare name would be looked for in the library folders.
      mapped = path.contains("/") ? path : "./\(path)"
    }
    // The mapping keeps the content, and no name is used twice. A copy that was renamed below is not there any more.
    defer { if cacheDirectory != nil { unlink(mapped) } }
    guard let handle = dlopen(mapped, RTLD_NOW | RTLD_LOCAL) else { throw Self.linkerError(path, mapped) }
    guard let address = dlsym(handle, Self.symbol) else {
      throw .missingSymbol(file: path, symbol: Self.symbol)
    }
    typealias Function = @convention(c) () -> UnsafePointer<aegis_entry>?
    let function = unsafeBitCast(address, to: Function.self)
    entry = UnsafePointer(try Self.checked(function(), file: path))
    if keepsCopy, let cacheDirectory {
      let kept = "\(cacheDirectory)/\(sha256).so"
      guard rename(mapped, kept) == 0 else { throw .cacheUnusable(path: kept, reason: errorText(errno)) }
    }
  }

  private static func checked(
    _ entry: UnsafePointer<aegis_entry>?, file: String
  ) throws(PluginError) -> UnsafePointer<aegis_entry> {
    _ = try PluginTables(file: file).entry(entry)
    guard let entry else { throw .malformed(file: file, field: "entry", reason: "is NULL") }
    let isNew = entries.withLock { $0.insert(UInt(bitPattern: entry)).inserted }
    precondition(isNew, "a new name gives a new image; the linker gave back an old one")
    return entry
  }

  static func linkerError(_ path: String, _ copy: String) -> PluginError {
    var message = dlerror().map { String(cString: $0) } ?? "no reason given"
    if message.hasPrefix("\(copy): ") { message.removeFirst(copy.utf8.count + 2) }
    return message.contains("cannot open shared object file")
      ? .missingLibrary(file: path, reason: message) : .linkerRefused(file: path, reason: message)
  }

  // MARK: The private copy

  /// Writes the content to `<sha256>-<generation>.so`, a name never used before.
  static func copy(
    _ source: borrowing PluginFile, sha256: String, into directory: String
  ) throws(PluginError) -> String {
    try prepare(directory)
    // Names left by a process that died are skipped; each try takes a new number, so this ends.
    for _ in 0..<10_000 {
      let number = generation.wrappingAdd(1, ordering: .relaxed).newValue
      let path = "\(directory)/\(sha256)-\(number).so"
      let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o500)
      if descriptor < 0 {
        if errno == EEXIST { continue }
        throw .cacheUnusable(path: path, reason: errorText(errno))
      }
      defer { close(descriptor) }
      guard source.write(to: descriptor) else {
        let reason = errorText(errno)
        unlink(path)
        throw .cacheUnusable(path: path, reason: reason)
      }
      return path
    }
    throw .cacheUnusable(path: directory, reason: "holds 10000 left-over copies; empty it")
  }

  /// Makes the folder if it is missing, and refuses one that others can write to.
  private static func prepare(_ directory: String) throws(PluginError) {
    if mkdir(directory, 0o700) != 0, errno != EEXIST {
      throw .cacheUnusable(path: directory, reason: errorText(errno))
    }
    var status = stat()
    guard lstat(directory, &status) == 0 else {
      throw .cacheUnusable(path: directory, reason: errorText(errno))
    }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw .cacheUnusable(path: directory, reason: "is not a folder")
    }
    guard status.st_uid == geteuid() else {
      throw .cacheUnusable(path: directory, reason: "belongs to another user")
    }
    guard status.st_mode & 0o077 == 0 else {
      throw .cacheUnusable(path: directory, reason: "has mode \(octal(status.st_mode))")
    }
  }
}

/// The content of a plugin file that passed the ownership checks, read once and mapped privately by the kernel's
/// copy in memory.
struct PluginFile: ~Copyable {
  let path: String
  private let bytes: UnsafeMutableRawBufferPointer

  /// - Throws: `.unreadable`, `.writableByOthers`, `.wrongOwner`, `.tooLarge`.
  init(path: String) throws(PluginError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .unreadable(file: path, reason: errorText(errno)) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .unreadable(file: path, reason: errorText(errno)) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .unreadable(file: path, reason: "is not a file") }
    try Self.checkOwnership(path, status)
    try Self.checkFolder(of: path)
    guard status.st_size <= PluginImage.byteCountMax else {
      throw .tooLarge(file: path, byteCount: Int(status.st_size), byteCountMax: PluginImage.byteCountMax)
    }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(status.st_size), alignment: 16)
    var filled = 0
    while filled < buffer.count {
      // Not empty, so it has an address: `filled` is less than its count.
      let count = read(descriptor, buffer.baseAddress! + filled, buffer.count - filled)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        let reason = count < 0 ? errorText(errno) : "became shorter while it was read"
        buffer.deallocate()
        throw .unreadable(file: path, reason: reason)
      }
      filled += count
    }
    self.path = path
    bytes = buffer
  }

  deinit { bytes.deallocate() }

  /// The content as text; bytes that are not UTF-8 are replaced.
  func text() -> String { String(decoding: bytes, as: UTF8.self) }

  func sha256() -> String { SHA256.hexadecimal(UnsafeRawBufferPointer(bytes)) }

  /// - Throws: `.notLoadable`, `.missingSymbol`, `.wrongVersion`: what can be known without running its code.
  func elf() throws(PluginError) -> ElfFile {
    let elf: ElfFile
    do throws(ElfFile.Refusal) {
      elf = try ElfFile(UnsafeRawBufferPointer(bytes))
    } catch {
      throw .notLoadable(file: path, reason: error.reason)
    }
    if let info = elf.info, info.abiMajor != AEGIS_ABI_MAJOR {
      throw .wrongVersion(
        file: path, found: "\(info.abiMajor).\(info.abiMinor)",
        hosted: "\(AEGIS_ABI_MAJOR).\(AEGIS_ABI_MINOR)")
    }
    guard elf.exports.isEmpty || elf.exports.contains(PluginImage.symbol) else {
      throw .missingSymbol(file: path, symbol: PluginImage.symbol)
    }
    return elf
  }

  func write(to descriptor: Int32) -> Bool {
    var written = 0
    while written < bytes.count {
      let count = Glibc.write(descriptor, bytes.baseAddress! + written, bytes.count - written)  // not empty
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return false }
      written += count
    }
    return true
  }

  private static func checkFolder(of path: String) throws(PluginError) {
    let folder: String
    switch path.lastIndex(of: "/") {
    case nil: folder = "."
    case path.startIndex: folder = "/"
    case .some(let slash): folder = String(path[..<slash])
    }
    var status = stat()
    guard stat(folder, &status) == 0 else { throw .unreadable(file: path, reason: errorText(errno)) }
    try checkOwnership(folder, status)
  }

  private static func checkOwnership(_ path: String, _ status: stat) throws(PluginError) {
    guard status.st_mode & 0o022 == 0 else {
      throw .writableByOthers(path: path, mode: octal(status.st_mode))
    }
    guard status.st_uid == 0 || status.st_uid == geteuid() else { throw .wrongOwner(path: path) }
  }
}

func errorText(_ code: Int32) -> String { String(cString: strerror(code)) }

private func octal(_ mode: mode_t) -> String {
  let digits = String(mode & 0o7777, radix: 8)
  return String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
}
