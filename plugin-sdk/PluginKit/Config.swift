import PluginABI

/// Everything an instance may depend on besides its events. Valid while `Strategy.init` runs: copy what you keep.
public struct Config {
  private let raw: UnsafePointer<aegis_config>
  /// Candle windows, annotations and log lines. Unlike the rest of this value it may be kept.
  public let host: Host

  init(_ raw: UnsafePointer<aegis_config>, host: UnsafePointer<aegis_host>?) {
    self.raw = raw
    self.host = Host(host)
  }

  /// The only source of randomness a deterministic strategy may use.
  public var seed: UInt64 { raw.pointee.seed }
  public var instrumentCount: Int { Int(raw.pointee.n_instruments) }

  /// The instance's name, for log lines.
  public var instanceName: String { raw.pointee.instance_name.map { String(cString: $0) } ?? "" }

  /// A folder of this instance's own, without a final `/`; nil unless the plugin states `.files`.
  public var dataDirectory: String? { raw.pointee.data_dir.map { String(cString: $0) } }

  /// The symbol of an instrument index.
  public func symbol(_ instrument: Int) -> String? {
    guard (0..<instrumentCount).contains(instrument), let text = raw.pointee.instruments[instrument] else {
      return nil
    }
    return String(cString: text)
  }

  public func flag(_ id: UInt32) throws(PluginFailure) -> Bool { try value(id, AEGIS_T_BOOL).v.i64 != 0 }
  public func integer(_ id: UInt32) throws(PluginFailure) -> Int64 { try value(id, AEGIS_T_I64).v.i64 }
  public func number(_ id: UInt32) throws(PluginFailure) -> Double { try value(id, AEGIS_T_F64).v.f64 }
  public func choice(_ id: UInt32) throws(PluginFailure) -> Int { Int(try value(id, AEGIS_T_ENUM).v.i64) }
  public func text(_ id: UInt32) throws(PluginFailure) -> String {
    guard let text = try value(id, AEGIS_T_STR).v.str else { return "" }
    return String(cString: text)
  }

  private func value(_ id: UInt32, _ type: UInt32) throws(PluginFailure) -> aegis_value {
    for index in 0..<Int(raw.pointee.n_params) where raw.pointee.params[index].id == id {
      let value = raw.pointee.params[index].value
      guard value.type == type else {
        throw PluginFailure(
          "parameter \(id) has type \(value.type), expected \(type)", code: AEGIS_E_INTERNAL)
      }
      return value
    }
    throw PluginFailure("the host sent no value for parameter \(id)", code: AEGIS_E_INTERNAL)
  }
}
