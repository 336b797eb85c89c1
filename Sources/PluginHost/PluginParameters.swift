import PluginABI

extension PluginParameter {
  /// The value a configuration text stands for.
  ///
  /// - Throws: `.badParameter` naming the plugin, the parameter, the text and what is allowed. A secret's text is
  ///   not repeated.
  public func parse(_ text: String, plugin: String) throws(PluginError) -> Value {
    let value: Value
    switch defaultValue {
    case .bool:
      switch text {
      case "true", "yes", "on", "1": value = .bool(true)
      case "false", "no", "off", "0": value = .bool(false)
      default: throw refusal(text, plugin, "must be true or false")
      }
    case .integer:
      guard let number = Int64(text) else { throw refusal(text, plugin, "must be a whole number") }
      value = .integer(number)
    case .number:
      if isOptional, text == "nan" || text == "none" || text.isEmpty {
        value = .number(.nan)
      } else if let number = Double(text), number.isFinite {
        value = .number(number)
      } else {
        throw refusal(text, plugin, isOptional ? "must be a number or none" : "must be a number")
      }
    case .text:
      guard text.utf8.count <= PluginTables.textByteCountMax, !text.utf8.contains(0) else {
        throw refusal(text, plugin, "must have at most \(PluginTables.textByteCountMax) bytes and no NUL")
      }
      value = .text(text)
    case .choice:
      guard let index = choices.firstIndex(of: text) else {
        throw refusal(text, plugin, "must be one of \(choices.joined(separator: ", "))")
      }
      value = .choice(index)
    }
    if let reason = objection(to: value) { throw refusal(text, plugin, reason) }
    return value
  }

  /// What is wrong with a value, as the rest of a sentence; nil when it is fine.
  func objection(to value: Value) -> String? {
    switch value {
    case .bool, .text, .choice: return nil
    case .integer(let number):
      guard let range, !range.contains(Double(number)) else { return nil }
      return "must be in \(Int64(range.lowerBound))…\(Int64(range.upperBound))\(unitSuffix)"
    case .number(let number):
      if number.isNaN { return isOptional ? nil : "must be a number" }
      guard number.isFinite else { return "must be finite" }
      guard let range, !range.contains(number) else { return nil }
      return "must be in \(range.lowerBound)…\(range.upperBound)\(unitSuffix)"
    }
  }

  private var unitSuffix: String { unit.isEmpty ? "" : " \(unit)" }

  private func refusal(_ text: String, _ plugin: String, _ reason: String) -> PluginError {
    .badParameter(plugin: plugin, name: name, value: isSecret ? "…" : text, reason: reason)
  }
}

extension PluginDescriptor {
  /// One checked value per parameter of the schema, in schema order: the given text or else the default.
  ///
  /// - Throws: `.unknownParameter` or `.badParameter`, for the first offending name in alphabetical order.
  public func values(_ given: [String: String]) throws(PluginError) -> [PluginParameter.Value] {
    for name in given.keys.sorted() where !parameters.contains(where: { $0.name == name }) {
      throw .unknownParameter(plugin: id, name: name, known: parameters.map(\.name))
    }
    var result: [PluginParameter.Value] = []
    for parameter in parameters {
      if let text = given[parameter.name] {
        result.append(try parameter.parse(text, plugin: id))
      } else {
        result.append(parameter.defaultValue)
      }
    }
    return result
  }
}

/// The C form of an instance's configuration, valid while it lives.
struct InstanceConfiguration: ~Copyable {
  private var texts: [UnsafeMutablePointer<CChar>] = []
  private let values: UnsafeMutableBufferPointer<aegis_param_value>
  private let symbols: UnsafeMutableBufferPointer<UnsafePointer<CChar>?>
  private(set) var config = aegis_config()

  init(
    parameters: [PluginParameter], values given: [PluginParameter.Value], instruments: [String],
    dataDirectory: String?, instanceName: String, seed: UInt64
  ) {
    values = .allocate(capacity: parameters.count)
    symbols = .allocate(capacity: instruments.count)
    for (index, parameter) in parameters.enumerated() {
      var raw = aegis_value()
      switch given[index] {
      case .bool(let flag):
        raw.type = AEGIS_T_BOOL
        raw.v.i64 = flag ? 1 : 0
      case .integer(let number):
        raw.type = AEGIS_T_I64
        raw.v.i64 = number
      case .number(let number):
        raw.type = AEGIS_T_F64
        raw.v.f64 = number
      case .text(let text):
        raw.type = AEGIS_T_STR
        raw.len = UInt32(text.utf8.count)
        raw.v.str = UnsafePointer(keep(text))
      case .choice(let index):
        raw.type = AEGIS_T_ENUM
        raw.v.i64 = Int64(index)
      }
      values.initializeElement(at: index, to: aegis_param_value(id: parameter.id, reserved: 0, value: raw))
    }
    for (index, symbol) in instruments.enumerated() {
      symbols.initializeElement(at: index, to: UnsafePointer(keep(symbol)))
    }
    config.size = UInt32(MemoryLayout<aegis_config>.size)
    config.n_params = UInt32(parameters.count)
    config.params = UnsafePointer(values.baseAddress)
    config.n_instruments = UInt32(instruments.count)
    config.instruments = UnsafePointer(symbols.baseAddress)
    config.data_dir = dataDirectory.map { UnsafePointer(keep($0)) }
    config.instance_name = UnsafePointer(keep(instanceName))
    config.seed = seed
  }

  private mutating func keep(_ text: String) -> UnsafeMutablePointer<CChar> {
    let copy = copyCString(text)
    texts.append(copy)
    return copy
  }

  deinit {
    for text in texts { text.deallocate() }
    values.deallocate()
    symbols.deallocate()
  }
}

/// A NUL-terminated copy on the heap; the caller deallocates it.
func copyCString(_ text: String) -> UnsafeMutablePointer<CChar> {
  let bytes = text.utf8CString
  let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
  // Never empty: it has its NUL.
  bytes.withUnsafeBufferPointer { copy.initialize(from: $0.baseAddress!, count: bytes.count) }
  return copy
}
