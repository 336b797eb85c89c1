import Glibc
import Market
import PluginABI

/// Copies a plugin's C tables into values, trusting none of them: sizes, counts and strings are bounded.
struct PluginTables {
  /// Bounds on what a table may hold; generous for people, small enough that a wild count is caught.
  static let pluginCountMax = 64
  static let parameterCountMax = 256
  static let subscriptionCountMax = 64
  static let featureCountMax = 4096
  static let choiceCountMax = 64
  static let textByteCountMax = 4096
  static let signalsPerEventMax = 256
  static let warmupBarCountMax = 100_000

  var file: String

  /// Copies `min(size, sizeof)` bytes of a size-prefixed table over zeros.
  ///
  /// - Throws: `.malformed` when the pointer is null or the table is smaller than minor 0 had it.
  func copy<Table>(
    _ pointer: UnsafePointer<Table>?, zero: Table, sizeOffset: Int = 0, field: String
  ) throws(PluginError) -> Table {
    guard let pointer else { throw malformed(field, "is NULL") }
    let declared = Int(UnsafeRawPointer(pointer).loadUnaligned(fromByteOffset: sizeOffset, as: UInt32.self))
    let known = MemoryLayout<Table>.size
    guard declared >= known, declared <= 65536 else {
      throw malformed(field, "states a size of \(declared) bytes, the header has \(known)")
    }
    var table = zero
    withUnsafeMutableBytes(of: &table) { $0.copyMemory(from: .init(start: pointer, count: known)) }
    return table
  }

  /// Copies an array of size-prefixed elements, which lie as far apart as the first one's size says.
  func copyArray<Table>(
    _ pointer: UnsafePointer<Table>?, count: UInt32, countMax: Int, zero: Table, field: String
  ) throws(PluginError) -> [Table] {
    guard count > 0 else { return [] }
    guard count <= countMax else { throw malformed(field, "has \(count) elements, at most \(countMax)") }
    guard let pointer else { throw malformed(field, "is NULL with a count of \(count)") }
    let stride = Int(UnsafeRawPointer(pointer).loadUnaligned(as: UInt32.self))
    var result: [Table] = []
    for index in 0..<Int(count) {
      let element = (UnsafeRawPointer(pointer) + index * stride).assumingMemoryBound(to: Table.self)
      result.append(try copy(element, zero: zero, field: "\(field)[\(index)]"))
    }
    return result
  }

  /// A NUL-terminated UTF-8 text; NULL reads as empty.
  func text(_ pointer: UnsafePointer<CChar>?, field: String) throws(PluginError) -> String {
    guard let pointer else { return "" }
    let byteCount = strnlen(pointer, Self.textByteCountMax + 1)
    guard byteCount <= Self.textByteCountMax else {
      throw malformed(field, "is longer than \(Self.textByteCountMax) bytes")
    }
    let bytes = UnsafeRawBufferPointer(start: pointer, count: byteCount)
    guard let text = String(validating: bytes, as: UTF8.self) else { throw malformed(field, "is not UTF-8") }
    return text
  }

  func malformed(_ field: String, _ reason: String) -> PluginError {
    .malformed(file: file, field: field, reason: reason)
  }

  // MARK: Tables

  func entry(_ pointer: UnsafePointer<aegis_entry>?) throws(PluginError) -> aegis_entry {
    guard let pointer else { throw malformed("aegis_plugin_v1()", "returned NULL") }
    let magic = UnsafeRawPointer(pointer).loadUnaligned(as: UInt32.self)
    guard magic == AEGIS_ABI_MAGIC else {
      throw malformed(
        "entry.magic", "is 0x\(String(magic, radix: 16)), not 0x\(String(AEGIS_ABI_MAGIC, radix: 16))")
    }
    // The major sits at a fixed place in every version, so it is read before the size is judged.
    let major = UnsafeRawPointer(pointer).loadUnaligned(fromByteOffset: 8, as: UInt16.self)
    let minor = UnsafeRawPointer(pointer).loadUnaligned(fromByteOffset: 10, as: UInt16.self)
    guard major == AEGIS_ABI_MAJOR else { throw wrongVersion(major, minor) }
    let entry = try copy(pointer, zero: aegis_entry(), sizeOffset: 4, field: "entry")
    if entry.flags & AEGIS_ENTRY_REQUIRE_MINOR != 0, minor > AEGIS_ABI_MINOR {
      throw wrongVersion(major, minor)
    }
    guard (1...Self.pluginCountMax).contains(Int(entry.n_plugins)), entry.plugins != nil else {
      throw malformed("entry.plugins", "has \(entry.n_plugins) plugins, expected 1…\(Self.pluginCountMax)")
    }
    return entry
  }

  private func wrongVersion(_ major: UInt16, _ minor: UInt16) -> PluginError {
    .wrongVersion(file: file, found: "\(major).\(minor)", hosted: "\(AEGIS_ABI_MAJOR).\(AEGIS_ABI_MINOR)")
  }

  func descriptor(
    _ raw: aegis_descriptor, entry: aegis_entry, sha256: String
  ) throws(PluginError) -> PluginDescriptor {
    let id = try text(raw.id, field: "descriptor.id")
    guard (1...64).contains(id.utf8.count), id.utf8.allSatisfy(Self.isIdentifierByte) else {
      throw malformed("descriptor.id", "is \"\(id)\", expected 1–64 of a–z, 0–9, '-', '_' and '.'")
    }
    guard let kind = PluginDescriptor.Kind(rawValue: raw.kind) else {
      throw malformed("\(id): descriptor.kind", "is \(raw.kind), which is not known")
    }
    guard (1...Self.signalsPerEventMax).contains(Int(raw.max_signals_per_event)) else {
      throw malformed(
        "\(id): descriptor.max_signals_per_event",
        "is \(raw.max_signals_per_event), expected 1…\(Self.signalsPerEventMax)")
    }
    let version = try text(raw.version, field: "\(id): descriptor.version")
    guard !version.isEmpty else { throw malformed("\(id): descriptor.version", "is empty") }
    return PluginDescriptor(
      id: id, name: try text(raw.name, field: "\(id): descriptor.name"),
      vendor: try text(raw.vendor, field: "\(id): descriptor.vendor"), version: version,
      summary: try text(raw.description, field: "\(id): descriptor.description"),
      license: try text(raw.license, field: "\(id): descriptor.license"), kind: kind,
      capabilities: PluginCapabilities(rawValue: raw.capabilities),
      parameters: try parameters(raw, id: id),
      subscriptions: try subscriptions(raw.subscriptions, count: raw.n_subscriptions, id: id),
      features: try features(raw, id: id), signalsPerEventMax: Int(raw.max_signals_per_event),
      stateVersion: raw.state_version, stateOldest: raw.state_oldest,
      toolchain: try text(entry.toolchain, field: "entry.toolchain"), abiMajor: entry.abi_major,
      abiMinor: entry.abi_minor, file: file, sha256: sha256)
  }

  static func isIdentifierByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
    case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."): true
    default: false
    }
  }

  func subscriptions(
    _ pointer: UnsafePointer<aegis_subscription>?, count: UInt32, id: String
  ) throws(PluginError) -> [PluginSubscription] {
    let field = "\(id): subscriptions"
    var result: [PluginSubscription] = []
    for raw in try copyArray(
      pointer, count: count, countMax: Self.subscriptionCountMax, zero: aegis_subscription(), field: field)
    {
      guard raw.warmup_bars <= Self.warmupBarCountMax else {
        throw malformed(field, "asks for \(raw.warmup_bars) warm-up bars, at most \(Self.warmupBarCountMax)")
      }
      let kind: PluginSubscription.Kind
      switch UInt16(truncatingIfNeeded: raw.kind) {
      case AEGIS_EV_BAR:
        guard let timeframe = UInt8(exactly: raw.timeframe).flatMap(Timeframe.init(rawValue:)) else {
          throw malformed(field, "asks for timeframe \(raw.timeframe), which this host does not keep")
        }
        kind = .bars(timeframe)
      case AEGIS_EV_QUOTE: kind = .quotes
      case AEGIS_EV_TRADE: kind = .trades
      case AEGIS_EV_MARK: kind = .marks
      case AEGIS_EV_GAP: kind = .gaps
      default: throw malformed(field, "asks for event kind \(raw.kind), which this host does not send")
      }
      result.append(
        PluginSubscription(
          kind: kind, warmupBarCount: Int(raw.warmup_bars), conflationMilliseconds: Int(raw.interval_ms)))
    }
    return result
  }

  private func features(_ raw: aegis_descriptor, id: String) throws(PluginError) -> [PluginFeature] {
    let field = "\(id): features"
    var result: [PluginFeature] = []
    for feature in try copyArray(
      raw.features, count: raw.n_features, countMax: Self.featureCountMax, zero: aegis_feature(), field: field
    ) {
      guard let missing = PluginFeature.Missing(rawValue: feature.missing) else {
        throw malformed(field, "has the unknown missing rule \(feature.missing)")
      }
      result.append(
        PluginFeature(
          name: try text(feature.name, field: field), unit: try text(feature.unit, field: field),
          help: try text(feature.help, field: field), missing: missing,
          range: try range(feature.minimum, feature.maximum, field: field)))
    }
    return result
  }

  private func parameters(_ raw: aegis_descriptor, id: String) throws(PluginError) -> [PluginParameter] {
    let field = "\(id): params"
    var result: [PluginParameter] = []
    for raw in try copyArray(
      raw.params, count: raw.n_params, countMax: Self.parameterCountMax, zero: aegis_param(), field: field)
    {
      let name = try text(raw.name, field: field)
      guard (1...64).contains(name.utf8.count), name.utf8.allSatisfy(Self.isIdentifierByte) else {
        throw malformed(field, "has the name \"\(name)\", expected 1–64 of a–z, 0–9, '-', '_' and '.'")
      }
      guard !result.contains(where: { $0.name == name || $0.id == raw.id }) else {
        throw malformed(field, "has the name \"\(name)\" or the id \(raw.id) twice")
      }
      let choices = try choices(raw.choices, field: "\(field).\(name)")
      let parameter = PluginParameter(
        id: raw.id, name: name, unit: try text(raw.unit, field: field),
        help: try text(raw.help, field: field),
        defaultValue: try value(raw.def, type: raw.type, choices: choices, field: "\(field).\(name)"),
        range: try range(raw.min, raw.max, field: "\(field).\(name)"), choices: choices,
        isRuntime: raw.flags & AEGIS_PARAM_RUNTIME != 0, isAdvanced: raw.flags & AEGIS_PARAM_ADVANCED != 0,
        isSecret: raw.flags & AEGIS_PARAM_SECRET != 0, isOptional: raw.flags & AEGIS_PARAM_OPTIONAL != 0)
      if let reason = parameter.objection(to: parameter.defaultValue) {
        throw malformed("\(field).\(name)", "has a default that \(reason)")
      }
      result.append(parameter)
    }
    return result
  }

  private func choices(
    _ pointer: UnsafePointer<UnsafePointer<CChar>?>?, field: String
  ) throws(PluginError) -> [String] {
    guard let pointer else { return [] }
    var result: [String] = []
    while let choice = pointer[result.count] {
      guard result.count < Self.choiceCountMax else {
        throw malformed(field, "has more than \(Self.choiceCountMax) choices")
      }
      result.append(try text(choice, field: field))
    }
    return result
  }

  private func range(
    _ lower: Double, _ upper: Double, field: String
  ) throws(PluginError) -> ClosedRange<Double>? {
    if lower == 0, upper == 0 { return nil }
    guard lower <= upper else { throw malformed(field, "has the empty range \(lower)…\(upper)") }
    return lower...upper
  }

  private func value(
    _ raw: aegis_value, type: UInt32, choices: [String], field: String
  ) throws(PluginError) -> PluginParameter.Value {
    guard raw.type == type else {
      throw malformed(field, "has type \(type) but a default of type \(raw.type)")
    }
    switch type {
    case AEGIS_T_BOOL: return .bool(raw.v.i64 != 0)
    case AEGIS_T_I64: return .integer(raw.v.i64)
    case AEGIS_T_F64: return .number(raw.v.f64)
    case AEGIS_T_STR: return .text(try text(raw.v.str, field: field))
    case AEGIS_T_ENUM:
      guard choices.indices.contains(Int(clamping: raw.v.i64)) else {
        throw malformed(field, "has no choice number \(raw.v.i64)")
      }
      return .choice(Int(raw.v.i64))
    default: throw malformed(field, "has the unknown type \(type)")
    }
  }
}
