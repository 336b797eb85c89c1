import Glibc
public import PluginABI
import Synchronization

/// How urgent a plugin's log line is.
public enum PluginLogLevel: Int32, Sendable { case debug = 0, info, warning, error }

/// Answers a plugin's question for candles: points the last argument at the newest `count` closed candles of
/// (instrument, timeframe). Called on the decision thread from inside `PluginSet.process`; must not allocate.
public typealias CandleWindowProvider =
  @convention(c) (
    _ context: UnsafeMutableRawPointer?, _ instrument: UInt32, _ timeframe: UInt32, _ countMax: UInt32,
    _ window: UnsafeMutablePointer<aegis_candles>
  ) -> aegis_status

/// The tables a plugin sees of its host. Lives as long as the plugin set that owns it.
final class HostServices: Sendable {
  nonisolated(unsafe) let host: UnsafeMutablePointer<aegis_host>
  nonisolated(unsafe) private let candles: UnsafeMutablePointer<aegis_host_candles>
  nonisolated(unsafe) private let annotate: UnsafeMutablePointer<aegis_host_annotate>
  nonisolated(unsafe) private let threadCheck: UnsafeMutablePointer<aegis_host_thread_check>
  nonisolated(unsafe) private let name: UnsafeMutablePointer<CChar>
  nonisolated(unsafe) private let version: UnsafeMutablePointer<CChar>
  private let log: @Sendable (PluginLogLevel, String) -> Void

  // Set before the first plugin is loaded and only read afterwards.
  nonisolated(unsafe) private var provider: CandleWindowProvider?
  nonisolated(unsafe) private var providerContext: UnsafeMutableRawPointer?
  nonisolated(unsafe) private var annotations: AnnotationBuffer?
  nonisolated(unsafe) private var instrumentCount: UInt32 = 0
  nonisolated(unsafe) private var offersThreadCheck = false
  /// What is being processed; nil between calls.   [strategy]
  nonisolated(unsafe) private var batch: UnsafePointer<aegis_batch>?
  /// Whose call it is.   [strategy]
  nonisolated(unsafe) private var plugin: UInt16 = 0

  /// `pthread_self` of the thread inside a call with that tag, 0 when there is none. Relaxed is enough: a thread
  /// compares with its own id, which only it can have stored.
  private let controlThread = Atomic<UInt>(0)
  private let strategyThread = Atomic<UInt>(0)

  private let candleQuestions = Atomic<Bool>(false)

  /// Longer log lines are cut: a plugin must not fill a disk with one call.
  private static let logByteCountMax = 1024

  init(name: String, version: String, log: @escaping @Sendable (PluginLogLevel, String) -> Void) {
    host = .allocate(capacity: 1)
    candles = .allocate(capacity: 1)
    annotate = .allocate(capacity: 1)
    threadCheck = .allocate(capacity: 1)
    self.name = copyCString(name)
    self.version = copyCString(version)
    self.log = log
    candles.initialize(to: Self.candleTable)
    annotate.initialize(to: Self.annotateTable)
    threadCheck.initialize(to: Self.threadCheckTable)
    host.initialize(to: aegis_host())
    host.pointee.size = UInt32(MemoryLayout<aegis_host>.size)
    host.pointee.abi_minor = UInt32(AEGIS_ABI_MINOR)
    host.pointee.ctx = Unmanaged.passUnretained(self).toOpaque()  // cleared with the table in deinit
    host.pointee.name = UnsafePointer(self.name)
    host.pointee.version = UnsafePointer(self.version)
    host.pointee.get_extension = { host, id in
      guard let id, let context = host?.pointee.ctx else { return nil }
      return Unmanaged<HostServices>.fromOpaque(context).takeUnretainedValue().table(String(cString: id))
    }
    host.pointee.log = { host, level, text, byteCount in
      guard let text, let context = host?.pointee.ctx else { return }
      let services = Unmanaged<HostServices>.fromOpaque(context).takeUnretainedValue()
      let bytes = UnsafeRawBufferPointer(start: text, count: min(byteCount, HostServices.logByteCountMax))
      // Control bytes would let a plugin forge lines or drive a terminal.
      let line = String(decoding: bytes.lazy.map { $0 < 0x20 || $0 == 0x7F ? 0x20 : $0 }, as: UTF8.self)
      services.log(PluginLogLevel(rawValue: min(max(level, 0), 3)) ?? .error, line)
    }
  }

  deinit {
    host.deallocate()
    candles.deallocate()
    annotate.deallocate()
    threadCheck.deallocate()
    name.deallocate()
    version.deallocate()
  }

  /// What was not offered before the plugin was loaded does not exist for it.
  private func table(_ id: String) -> UnsafeRawPointer? {
    switch id {
    case AEGIS_HOST_CANDLES:
      candleQuestions.store(true, ordering: .relaxed)
      return provider == nil ? nil : UnsafeRawPointer(candles)
    case AEGIS_HOST_ANNOTATE: return annotations == nil ? nil : UnsafeRawPointer(annotate)
    case AEGIS_HOST_THREAD_CHECK: return offersThreadCheck ? UnsafeRawPointer(threadCheck) : nil
    default: return nil
    }
  }

  /// Whether a plugin asked for candle windows.
  var readsCandles: Bool { candleQuestions.load(ordering: .relaxed) }

  // MARK: Offers. Call before the first plugin is loaded: a plugin asks for extensions in `create`.   [control]

  func provideCandles(context: UnsafeMutableRawPointer?, _ provider: @escaping CandleWindowProvider) {
    self.provider = provider
    providerContext = context
  }

  /// Offers `aegis.host.annotate/1`; what plugins say lands in `buffer`, which its owner empties between calls.
  ///
  /// Nothing is taken outside `beginProcess`…`endProcess`.
  func provideAnnotations(into buffer: AnnotationBuffer, instrumentCount: UInt32) {
    annotations = buffer
    self.instrumentCount = instrumentCount
  }

  /// Offers `aegis.host.thread-check/1`. Only a caller that brackets its calls may: see `control` and `beginProcess`.
  func provideThreadCheck() { offersThreadCheck = true }

  // MARK: Around calls

  /// Marks the calling thread as `[control]` while `body` runs.
  func control<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    controlThread.store(pthread_self(), ordering: .relaxed)
    defer { controlThread.store(0, ordering: .relaxed) }
    return try body()
  }

  /// Marks the calling thread as `[strategy]`: before `process` (with its batch), `reset`, `save` and `load`.
  @inline(__always)
  func beginProcess(_ batch: UnsafePointer<aegis_batch>?, plugin: UInt16 = 0) {
    self.batch = batch
    self.plugin = plugin
    strategyThread.store(pthread_self(), ordering: .relaxed)
  }

  @inline(__always)
  func endProcess() {
    batch = nil
    strategyThread.store(0, ordering: .relaxed)
  }

  // MARK: Tables

  private static let candleTable = aegis_host_candles(
    size: UInt32(MemoryLayout<aegis_host_candles>.size), reserved: 0,
    window: { host, instrument, timeframe, countMax, window in
      guard let window else { return AEGIS_E_INVALID }
      let size = window.pointee.size
      window.pointee = aegis_candles()
      window.pointee.size = size
      guard size >= MemoryLayout<aegis_candles>.size, let context = host?.pointee.ctx else {
        return AEGIS_E_INVALID
      }
      return Unmanaged<HostServices>.fromOpaque(context)._withUnsafeGuaranteedRef { services in
        guard let provider = services.provider else { return AEGIS_E_UNSUPPORTED }
        return provider(services.providerContext, instrument, timeframe, countMax, window)
      }
    })

  private static let annotateTable = aegis_host_annotate(
    size: UInt32(MemoryLayout<aegis_host_annotate>.size), reserved: 0,
    annotate: { host, annotation in
      guard let annotation, let context = host?.pointee.ctx else { return AEGIS_E_INVALID }
      return Unmanaged<HostServices>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.take(annotation) }
    })

  private func take(_ raw: UnsafePointer<aegis_annotation>) -> aegis_status {
    guard let annotations else { return AEGIS_E_UNSUPPORTED }
    guard let batch,
      let annotation = PluginAnnotation(
        raw, instrumentCount: instrumentCount, isCause: { Self.holds(batch.pointee, sequence: $0) })
    else {
      annotations.countRefusal()
      return AEGIS_E_INVALID
    }
    var named = annotation
    named.plugin = plugin
    return annotations.take(named) ? AEGIS_OK : AEGIS_E_OVERFLOW
  }

  /// Events of a batch lie in order of their sequence.
  private static func holds(_ batch: aegis_batch, sequence: UInt64) -> Bool {
    guard let events = batch.events else { return false }
    var lower = 0
    var upper = Int(batch.count)
    while lower < upper {
      let middle = (lower + upper) / 2
      if events[middle].seq < sequence { lower = middle + 1 } else { upper = middle }
    }
    return lower < Int(batch.count) && events[lower].seq == sequence
  }

  private static let threadCheckTable = aegis_host_thread_check(
    size: UInt32(MemoryLayout<aegis_host_thread_check>.size), reserved: 0,
    is_control: { host in
      guard let context = host?.pointee.ctx else { return 0 }
      let services = Unmanaged<HostServices>.fromOpaque(context).takeUnretainedValue()
      return services.controlThread.load(ordering: .relaxed) == pthread_self() ? 1 : 0
    },
    is_strategy: { host in
      guard let context = host?.pointee.ctx else { return 0 }
      let services = Unmanaged<HostServices>.fromOpaque(context).takeUnretainedValue()
      return services.strategyThread.load(ordering: .relaxed) == pthread_self() ? 1 : 0
    })
}
