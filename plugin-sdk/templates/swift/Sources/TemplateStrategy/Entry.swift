public import PluginABI
import PluginKit

// Built on the first call and only read afterwards.
nonisolated(unsafe) private let table = export(TemplateStrategy.self)

/// The one exported symbol; the compiler checks it against the header.
@c @implementation public func aegis_plugin_v1() -> UnsafePointer<aegis_entry>? { table }

// `aegis_info` of the header: magic, ABI 1.0, Swift, compiler. Constants only, so that no code runs to read it.
#if compiler(>=6.4)
  @section(".aegis.info") @used private let aegisInfo: (UInt32, UInt16, UInt16, UInt32, UInt32) =
    (0x3153_4745, 1, 0, 3, 60400)
#else
  @section(".aegis.info") @used private let aegisInfo: (UInt32, UInt16, UInt16, UInt32, UInt32) =
    (0x3153_4745, 1, 0, 3, 60300)
#endif
