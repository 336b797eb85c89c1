internal import CPlatform
import Glibc
import PluginABI
import Synchronization

/// Memory that an isolated plugin's two processes share: a file without a name, mapped in both.
///
/// Unmapped and closed when the owner ends.   [any thread, one owner]
struct IsolatedMemory: ~Copyable, @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  let byteCount: Int

  /// Gives the file its size, maps it for reading and writing, and seals it.
  ///
  /// The size is checked after it was sealed: whoever else holds the file cannot make a later access fault.
  ///
  /// - Parameter forbidsNewWriters: nobody can map or write it from now on; this mapping keeps working.
  init(sizing descriptor: Int32, to byteCount: Int, forbidsNewWriters: Bool) throws(IsolatedTrouble) {
    let allocated = aegis_allocate(descriptor, Int64(byteCount))
    guard allocated == 0 else { throw .system("reserve \(byteCount) bytes of memory", -allocated) }
    guard let base = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0),
      base != MAP_FAILED
    else { throw .system("map \(byteCount) bytes", errno) }
    let sealed = aegis_seal_memory(descriptor, forbidsNewWriters ? 1 : 0)
    var status = stat()
    let isMeasured = fstat(descriptor, &status) == 0
    guard sealed == 0, isMeasured, status.st_size == byteCount else {
      munmap(base, byteCount)
      if sealed != 0 { throw .system("seal shared memory", -sealed) }
      throw .protocolBroken("its shared memory has another size than it was given")
    }
    self.base = base
    self.byteCount = byteCount
  }

  /// Maps the whole of what the parent prepared.
  init(mapping descriptor: Int32, byteCount: Int, isWritable: Bool) throws(IsolatedTrouble) {
    let protection = isWritable ? PROT_READ | PROT_WRITE : PROT_READ
    guard let base = mmap(nil, byteCount, protection, MAP_SHARED, descriptor, 0), base != MAP_FAILED else {
      throw .system("map \(byteCount) bytes", errno)
    }
    self.base = base
    self.byteCount = byteCount
  }

  deinit { munmap(base, byteCount) }
}

/// The sizes of the two rings of one isolated plugin, agreed on before it is created.
struct IsolatedLayout: Hashable {
  /// One page of cursors, before the events and on the page the plugin's process writes.
  static let headerByteCount = 4096
  static let slotByteCount = 128

  /// Events on their way to the plugin, a power of two.
  var inputCapacity: Int
  /// Signals, annotations and refusals on their way back, a power of two.
  var outputCapacity: Int
  /// Floats of one feature row; 0 without features.
  var featureCount: Int

  /// Room for two full batches of the plugin, so that it can go on while the engine reads.
  init(inputCapacity: Int, signalsPerEventMax: Int, featureCount: Int) {
    self.inputCapacity = inputCapacity
    var capacity = 1024
    while capacity < signalsPerEventMax * 4 { capacity *= 2 }
    outputCapacity = capacity
    self.featureCount = featureCount
  }

  /// A row begins on a cache line of its own.
  var featureStride: Int { (featureCount + 15) / 16 * 16 }
  var inputByteCount: Int { Self.headerByteCount + inputCapacity * Self.slotByteCount }
  var featureOffset: Int { outputCapacity * Self.slotByteCount }
  var outputByteCount: Int { featureOffset + outputCapacity * featureStride * 4 }
  /// Events of one call: no more than half of the output ring has room for.
  func batchCountMax(signalsPerEventMax: Int) -> Int {
    max(1, min(256, outputCapacity / 2 / signalsPerEventMax))
  }
}

/// The words at the head of the input ring. The engine writes, the plugin's process can only read.
struct InputHeader: BitwiseCopyable {
  private let base: UnsafeMutableRawPointer
  init(_ base: UnsafeMutableRawPointer) { self.base = base }

  /// Events written so far.
  var published: UnsafeMutablePointer<Atomic<UInt64>> { at(128) }
  /// Changes with every wake-up: what a sleeping plugin waits on.
  var turn: UnsafeMutablePointer<Atomic<UInt32>> { at(256) }
  /// Control messages sent so far; saves the plugin's process a system call per look.
  var messages: UnsafeMutablePointer<Atomic<UInt32>> { at(384) }

  private func at<Word: ~Copyable>(_ offset: Int) -> UnsafeMutablePointer<Word> {
    (base + offset).assumingMemoryBound(to: Word.self)
  }
}

/// The page that exists from the start. The plugin's process writes all but `taken`; nothing in it is believed.
struct StatusPage: BitwiseCopyable {
  private let base: UnsafeMutableRawPointer
  init(_ base: UnsafeMutableRawPointer) { self.base = base }

  /// Events the plugin has seen.
  var consumed: UnsafeMutablePointer<Atomic<UInt64>> { at(128) }
  /// Records written so far.
  var produced: UnsafeMutablePointer<Atomic<UInt64>> { at(256) }
  /// 1 while the plugin's process sleeps or is about to.
  var sleeper: UnsafeMutablePointer<Atomic<UInt32>> { at(384) }
  /// Number of the batch in `process`; 0 between batches.
  var batch: UnsafeMutablePointer<Atomic<UInt64>> { at(512) }
  var lastWords: UnsafeMutablePointer<aegis_last_words> { at(640) }
  /// Records the engine has read: a copy for the plugin's process, never read back.
  var taken: UnsafeMutablePointer<Atomic<UInt64>> { at(768) }

  private func at<Word: ~Copyable>(_ offset: Int) -> UnsafeMutablePointer<Word> {
    (base + offset).assumingMemoryBound(to: Word.self)
  }
}

/// One event on its way to a plugin. 128 bytes.
struct InputSlot {
  /// Longest text of a changed parameter that travels with its event.
  static let textByteCountMax = 39

  var event = aegis_event()
  var nowNanoseconds: Int64 = 0
  var phase: UInt64 = 0
  /// Replaces the pointer of a parameter's text, which means nothing in another process.
  var textByteCount: UInt64 = 0
  var text = InlineArray<40, UInt8>(repeating: 0)
}

/// One record on its way back. 128 bytes.
struct OutputSlot: BitwiseCopyable {
  enum Kind: UInt32 { case signal = 1, annotation, refusal }

  /// Where an annotation has the pointer to its name, which does not travel, and where the name itself goes.
  static let namePosition = 40
  static let nameOffset = 72
  static let nameByteCountMax = 47

  var kind: UInt32 = 0
  /// A refusal's reason; bytes of an annotation's name.
  var detail: UInt32 = 0
  /// A signal; or an annotation without its pointer, and its name.
  var words = InlineArray<15, UInt64>(repeating: 0)
}

/// Why the two processes of an isolated plugin stopped understanding each other.
enum IsolatedTrouble: Error, CustomStringConvertible {
  case system(String, Int32)
  case protocolBroken(String)

  var description: String {
    switch self {
    case .system(let what, let code): "cannot \(what): \(errorText(code))"
    case .protocolBroken(let what): what
    }
  }
}
