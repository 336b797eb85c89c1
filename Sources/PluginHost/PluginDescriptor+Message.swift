import Market
import PluginABI

extension PluginDescriptor {
  /// What the plugin's process tells of the file it loaded.
  func write(to message: inout MessageWriter) {
    for text in [id, name, vendor, version, summary, license, toolchain] { message.text(text) }
    message.number(UInt64(kind.rawValue))
    message.number(capabilities.rawValue)
    message.number(signalsPerEventMax)
    message.number(UInt64(stateVersion))
    message.number(UInt64(stateOldest))
    message.number(UInt64(abiMajor))
    message.number(UInt64(abiMinor))
    message.number(parameters.count)
    for parameter in parameters { parameter.write(to: &message) }
    Self.write(subscriptions, to: &message)
    message.number(features.count)
    for feature in features {
      for text in [feature.name, feature.unit, feature.help] { message.text(text) }
      message.number(UInt64(feature.missing.rawValue))
      Self.write(feature.range, to: &message)
    }
  }

  /// Reads it on the engine's side, where the sender may be hostile: every bound of the header is checked again.
  init(from message: inout MessageReader, file: String, sha256: String) throws(IsolatedTrouble) {
    let id = try message.text(max: 64)
    guard PluginTables.isIdentifier(id) else { throw .protocolBroken("its id is not one") }
    self.id = id
    name = try message.text()
    vendor = try message.text()
    version = try message.text()
    summary = try message.text()
    license = try message.text()
    toolchain = try message.text()
    guard let kind = Kind(rawValue: UInt32(try message.count(max: 3))) else {
      throw .protocolBroken("its kind is not known")
    }
    self.kind = kind
    capabilities = PluginCapabilities(rawValue: try message.number())
    signalsPerEventMax = try message.count(max: PluginTables.signalsPerEventMax)
    guard signalsPerEventMax >= 1 else { throw .protocolBroken("it says it sends no signals") }
    stateVersion = UInt32(try message.count(max: Int(UInt32.max)))
    stateOldest = UInt32(try message.count(max: Int(UInt32.max)))
    abiMajor = UInt16(try message.count(max: Int(UInt16.max)))
    abiMinor = UInt16(try message.count(max: Int(UInt16.max)))
    var parameters: [PluginParameter] = []
    for _ in 0..<(try message.count(max: PluginTables.parameterCountMax)) {
      let parameter = try PluginParameter(from: &message)
      guard !parameters.contains(where: { $0.name == parameter.name || $0.id == parameter.id }) else {
        throw .protocolBroken("it has the parameter \(parameter.name) twice")
      }
      parameters.append(parameter)
    }
    self.parameters = parameters
    subscriptions = try Self.subscriptions(from: &message)
    var features: [PluginFeature] = []
    for _ in 0..<(try message.count(max: PluginTables.featureCountMax)) {
      let (name, unit, help) = (try message.text(), try message.text(), try message.text())
      guard let missing = PluginFeature.Missing(rawValue: UInt32(try message.count(max: 3))) else {
        throw .protocolBroken("a feature has an unknown rule for what is missing")
      }
      features.append(
        PluginFeature(
          name: name, unit: unit, help: help, missing: missing, range: try Self.range(from: &message)))
    }
    self.features = features
    self.file = file
    self.sha256 = sha256
  }

  // MARK: Subscriptions

  static func write(_ subscriptions: [PluginSubscription], to message: inout MessageWriter) {
    message.number(subscriptions.count)
    for wish in subscriptions {
      let (kind, timeframe): (UInt16, UInt8) =
        switch wish.kind {
        case .bars(let timeframe): (AEGIS_EV_BAR, timeframe.rawValue)
        case .quotes: (AEGIS_EV_QUOTE, 0)
        case .trades: (AEGIS_EV_TRADE, 0)
        case .marks: (AEGIS_EV_MARK, 0)
        case .gaps: (AEGIS_EV_GAP, 0)
        }
      message.number(UInt64(kind))
      message.number(UInt64(timeframe))
      message.number(wish.warmupBarCount)
      message.number(wish.conflationMilliseconds)
    }
  }

  static func subscriptions(
    from message: inout MessageReader
  ) throws(IsolatedTrouble) -> [PluginSubscription] {
    var result: [PluginSubscription] = []
    for _ in 0..<(try message.count(max: PluginTables.subscriptionCountMax)) {
      let number = UInt16(try message.count(max: Int(UInt16.max)))
      let timeframe = Timeframe(rawValue: UInt8(try message.count(max: 255)))
      let kind: PluginSubscription.Kind
      switch (number, timeframe) {
      case (AEGIS_EV_BAR, .some(let timeframe)): kind = .bars(timeframe)
      case (AEGIS_EV_QUOTE, _): kind = .quotes
      case (AEGIS_EV_TRADE, _): kind = .trades
      case (AEGIS_EV_MARK, _): kind = .marks
      case (AEGIS_EV_GAP, _): kind = .gaps
      default: throw .protocolBroken("it asks for event kind \(number), which this host does not send")
      }
      result.append(
        PluginSubscription(
          kind: kind, warmupBarCount: try message.count(max: PluginTables.warmupBarCountMax),
          conflationMilliseconds: try message.count(max: Int(UInt32.max))))
    }
    return result
  }

  static func write(_ range: ClosedRange<Double>?, to message: inout MessageWriter) {
    message.flag(range != nil)
    message.number(range?.lowerBound ?? 0)
    message.number(range?.upperBound ?? 0)
  }

  static func range(from message: inout MessageReader) throws(IsolatedTrouble) -> ClosedRange<Double>? {
    let exists = try message.flag()
    let (lower, upper) = (try message.double(), try message.double())
    guard exists else { return nil }
    guard lower <= upper else { throw .protocolBroken("it has the empty range \(lower)…\(upper)") }
    return lower...upper
  }
}

extension PluginParameter {
  func write(to message: inout MessageWriter) {
    message.number(UInt64(id))
    for text in [name, unit, help] { message.text(text) }
    message.number(choices.count)
    for choice in choices { message.text(choice) }
    PluginDescriptor.write(range, to: &message)
    for flag in [isRuntime, isAdvanced, isSecret, isOptional] { message.flag(flag) }
    defaultValue.write(to: &message)
  }

  init(from message: inout MessageReader) throws(IsolatedTrouble) {
    id = UInt32(try message.count(max: Int(UInt32.max)))
    name = try message.text(max: 64)
    guard PluginTables.isIdentifier(name) else { throw .protocolBroken("a parameter has no usable name") }
    unit = try message.text()
    help = try message.text()
    var choices: [String] = []
    for _ in 0..<(try message.count(max: PluginTables.choiceCountMax)) { choices.append(try message.text()) }
    self.choices = choices
    range = try PluginDescriptor.range(from: &message)
    isRuntime = try message.flag()
    isAdvanced = try message.flag()
    isSecret = try message.flag()
    isOptional = try message.flag()
    defaultValue = try Value(from: &message)
    if case .choice(let index) = defaultValue, !choices.indices.contains(index) {
      throw .protocolBroken("parameter \(name) has no choice number \(index)")
    }
    if let reason = objection(to: defaultValue) {
      throw .protocolBroken("parameter \(name) has a default that \(reason)")
    }
  }
}

extension PluginParameter.Value {
  func write(to message: inout MessageWriter) {
    switch self {
    case .bool(let flag):
      message.number(UInt64(AEGIS_T_BOOL))
      message.flag(flag)
    case .integer(let number):
      message.number(UInt64(AEGIS_T_I64))
      message.number(UInt64(bitPattern: number))
    case .number(let number):
      message.number(UInt64(AEGIS_T_F64))
      message.number(number)
    case .text(let text):
      message.number(UInt64(AEGIS_T_STR))
      message.text(text)
    case .choice(let index):
      message.number(UInt64(AEGIS_T_ENUM))
      message.number(index)
    }
  }

  init(from message: inout MessageReader) throws(IsolatedTrouble) {
    switch UInt32(try message.count(max: 255)) {
    case AEGIS_T_BOOL: self = .bool(try message.flag())
    case AEGIS_T_I64: self = .integer(try message.integer())
    case AEGIS_T_F64: self = .number(try message.double())
    case AEGIS_T_STR: self = .text(try message.text())
    case AEGIS_T_ENUM: self = .choice(try message.count(max: PluginTables.choiceCountMax))
    case let type: throw .protocolBroken("a value has the unknown type \(type)")
    }
  }
}

extension PluginTables {
  /// 1–64 of `a`–`z`, `0`–`9`, `-`, `_` and `.`: what names plugins and parameters.
  static func isIdentifier(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count) && text.utf8.allSatisfy(isIdentifierByte)
  }
}
