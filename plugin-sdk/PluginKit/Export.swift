public import PluginABI

/// Builds the entry of an image from its strategies and function libraries, 1…64 together. Call once, from a
/// global: the tables live as long as the image.
///
/// ```swift
/// nonisolated(unsafe) private let table = export(functions: MyIndicators.self)
/// ```
public func export(
  _ strategies: any Strategy.Type..., functions libraries: any FunctionLibrary.Type...
) -> UnsafePointer<aegis_entry> {
  let types = strategies.map(descriptor) + libraries.map(descriptor)
  let descriptors = UnsafeMutablePointer<UnsafePointer<aegis_descriptor>?>.allocate(capacity: types.count)
  for (index, type) in types.enumerated() {
    (descriptors + index).initialize(to: UnsafePointer(keep(type)))
  }
  var entry = aegis_entry()
  entry.magic = AEGIS_ABI_MAGIC
  entry.size = UInt32(MemoryLayout<aegis_entry>.size)
  entry.abi_major = AEGIS_ABI_MAJOR
  entry.abi_minor = AEGIS_ABI_MINOR
  entry.toolchain = chars(toolchain)
  entry.n_plugins = UInt32(types.count)
  entry.plugins = UnsafePointer(descriptors)
  return UnsafePointer(keep(entry))
}

#if compiler(>=6.4)
  private let toolchain: StaticString = "swift-6.4"
#elseif compiler(>=6.3)
  private let toolchain: StaticString = "swift-6.3"
#else
  private let toolchain: StaticString = "swift-6.2"
#endif

// MARK: Tables. Allocated once per image and never freed: the host may read them until the process ends.

func keep<Value>(_ value: Value) -> UnsafeMutablePointer<Value> {
  let memory = UnsafeMutablePointer<Value>.allocate(capacity: 1)
  memory.initialize(to: value)
  return memory
}

func keep<Element>(_ elements: [Element]) -> UnsafePointer<Element>? {
  guard !elements.isEmpty else { return nil }
  let memory = UnsafeMutableBufferPointer<Element>.allocate(capacity: elements.count)
  _ = memory.initialize(from: elements)
  return UnsafePointer(memory.baseAddress)
}

/// Literals end with a NUL byte, so their storage is a C string already.
func chars(_ text: StaticString) -> UnsafePointer<CChar> {
  precondition(text.hasPointerRepresentation, "a string literal")
  return UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}

/// What both kinds of plugin tell about themselves.
private func descriptor(of type: any Plugin.Type, kind: UInt32) -> aegis_descriptor {
  let about = type.about
  var descriptor = aegis_descriptor()
  descriptor.size = UInt32(MemoryLayout<aegis_descriptor>.size)
  descriptor.kind = kind
  descriptor.id = chars(type.id)
  descriptor.name = chars(about.name.utf8CodeUnitCount == 0 ? type.id : about.name)
  descriptor.vendor = chars(about.vendor)
  descriptor.version = chars(type.version)
  descriptor.description = chars(about.summary)
  descriptor.license = chars(about.license)
  descriptor.url = chars(about.url)
  descriptor.max_signals_per_event = 1
  return descriptor
}

private func descriptor(of type: any FunctionLibrary.Type) -> aegis_descriptor {
  var descriptor = descriptor(of: type, kind: AEGIS_KIND_FUNCTIONS)
  descriptor.capabilities = Capabilities.deterministic.rawValue
  descriptor.strategy = UnsafePointer(keep(libraryFunctions))
  descriptor.user = Unmanaged.passRetained(TypeBox(nil, functions: type.functions)).toOpaque()
  return descriptor
}

private func descriptor(of type: any Strategy.Type) -> aegis_descriptor {
  var descriptor = descriptor(of: type, kind: AEGIS_KIND_STRATEGY)
  descriptor.capabilities = type.capabilities.rawValue
  descriptor.state_version = type.stateVersion
  descriptor.state_oldest = type.stateOldest
  descriptor.max_signals_per_event = UInt32(clamping: type.signalsPerEventMax)
  let parameters = type.parameters
  descriptor.n_params = UInt32(parameters.count)
  descriptor.params = keep(parameters.map(table))
  let subscriptions = type.subscriptions
  descriptor.n_subscriptions = UInt32(subscriptions.count)
  descriptor.subscriptions = keep(subscriptions.map(\.raw))
  let features = type.features
  descriptor.n_features = UInt32(features.count)
  descriptor.features = keep(features.map(table))
  descriptor.strategy = UnsafePointer(keep(strategyFunctions))
  descriptor.user = Unmanaged.passRetained(TypeBox(type, functions: type.functions)).toOpaque()
  return descriptor
}

private func table(_ feature: Feature) -> aegis_feature {
  aegis_feature(
    size: UInt32(MemoryLayout<aegis_feature>.size), missing: feature.missing.rawValue,
    name: chars(feature.name),
    unit: chars(feature.unit), help: chars(feature.help), minimum: feature.range?.lowerBound ?? 0,
    maximum: feature.range?.upperBound ?? 0)
}

private func table(_ parameter: Parameter) -> aegis_param {
  var raw = aegis_param()
  raw.size = UInt32(MemoryLayout<aegis_param>.size)
  raw.id = parameter.id
  raw.flags = parameter.flags
  raw.name = chars(parameter.name)
  raw.unit = chars(parameter.unit)
  raw.help = chars(parameter.help)
  switch parameter.defaultValue {
  case .flag(let flag):
    raw.def.type = AEGIS_T_BOOL
    raw.def.v.i64 = flag ? 1 : 0
  case .integer(let number):
    raw.def.type = AEGIS_T_I64
    raw.def.v.i64 = number
  case .number(let number):
    raw.def.type = AEGIS_T_F64
    raw.def.v.f64 = number
  case .text(let text):
    raw.def.type = AEGIS_T_STR
    raw.def.len = UInt32(text.utf8CodeUnitCount)
    raw.def.v.str = chars(text)
  case .choice(let index):
    raw.def.type = AEGIS_T_ENUM
    raw.def.v.i64 = Int64(index)
    raw.choices = keep(parameter.choices.map { Optional(chars($0)) } + [nil])
  }
  raw.type = raw.def.type
  raw.min = parameter.range?.lowerBound ?? 0
  raw.max = parameter.range?.upperBound ?? 0
  return raw
}
