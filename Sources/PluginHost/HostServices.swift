public import PluginABI

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
final class HostServices {
  let host: UnsafeMutablePointer<aegis_host>
  private let candles: UnsafeMutablePointer<aegis_host_candles>
  private let name: UnsafeMutablePointer<CChar>
  private let version: UnsafeMutablePointer<CChar>
  private let log: @Sendable (PluginLogLevel, String) -> Void
  private var provider: CandleWindowProvider?
  private var providerContext: UnsafeMutableRawPointer?

  /// Longer log lines are cut: a plugin must not fill a disk with one call.
  private static let logByteCountMax = 1024

  init(name: String, version: String, log: @escaping @Sendable (PluginLogLevel, String) -> Void) {
    host = .allocate(capacity: 1)
    candles = .allocate(capacity: 1)
    self.name = copyCString(name)
    self.version = copyCString(version)
    self.log = log
    candles.initialize(
      to: aegis_host_candles(
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
        }))
    host.initialize(to: aegis_host())
    host.pointee.size = UInt32(MemoryLayout<aegis_host>.size)
    host.pointee.abi_minor = UInt32(AEGIS_ABI_MINOR)
    host.pointee.ctx = Unmanaged.passUnretained(self).toOpaque()  // cleared with the table in deinit
    host.pointee.name = UnsafePointer(self.name)
    host.pointee.version = UnsafePointer(self.version)
    host.pointee.get_extension = { host, id in
      guard let id, let context = host?.pointee.ctx, String(cString: id) == AEGIS_HOST_CANDLES else {
        return nil
      }
      let services = Unmanaged<HostServices>.fromOpaque(context).takeUnretainedValue()
      return services.provider == nil ? nil : UnsafeRawPointer(services.candles)
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

  /// Call before the first plugin is loaded: a plugin asks for the extension in `create`.
  func provideCandles(context: UnsafeMutableRawPointer?, _ provider: @escaping CandleWindowProvider) {
    self.provider = provider
    providerContext = context
  }

  deinit {
    host.deallocate()
    candles.deallocate()
    name.deallocate()
    version.deallocate()
  }
}
