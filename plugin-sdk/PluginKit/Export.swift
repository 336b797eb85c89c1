public import PluginABI

/// Builds the entry for strategy types. Call once, from a global: the tables live as long as the image.
public func export(_ types: any Strategy.Type...) -> UnsafePointer<aegis_entry> {
  let descriptors = UnsafeMutablePointer<UnsafePointer<aegis_descriptor>?>.allocate(capacity: types.count)
  for (index, type) in types.enumerated() {
    (descriptors + index).initialize(to: UnsafePointer(keep(descriptor(of: type))))
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

private func keep<Value>(_ value: Value) -> UnsafeMutablePointer<Value> {
  let memory = UnsafeMutablePointer<Value>.allocate(capacity: 1)
  memory.initialize(to: value)
  return memory
}

private func keep<Element>(_ elements: [Element]) -> UnsafePointer<Element>? {
  guard !elements.isEmpty else { return nil }
  let memory = UnsafeMutableBufferPointer<Element>.allocate(capacity: elements.count)
  _ = memory.initialize(from: elements)
  return UnsafePointer(memory.baseAddress)
}

/// Literals end with a NUL byte, so their storage is a C string already.
private func chars(_ text: StaticString) -> UnsafePointer<CChar> {
  precondition(text.hasPointerRepresentation, "a text of more than one character")
  return UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}

private func descriptor(of type: any Strategy.Type) -> aegis_descriptor {
  let about = type.about
  var descriptor = aegis_descriptor()
  descriptor.size = UInt32(MemoryLayout<aegis_descriptor>.size)
  descriptor.kind = AEGIS_KIND_STRATEGY
  descriptor.capabilities = type.capabilities.rawValue
  descriptor.id = chars(type.id)
  descriptor.name = chars(about.name.utf8CodeUnitCount == 0 ? type.id : about.name)
  descriptor.vendor = chars(about.vendor)
  descriptor.version = chars(type.version)
  descriptor.description = chars(about.summary)
  descriptor.license = chars(about.license)
  descriptor.url = chars(about.url)
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
  descriptor.strategy = UnsafePointer(keep(functions))
  descriptor.user = Unmanaged.passRetained(TypeBox(type)).toOpaque()
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

// MARK: Thunks. C function pointers capture nothing: the type travels in `descriptor.user`, the object in
// `instance.data`. No Swift error leaves them.

private final class TypeBox {
  let type: any Strategy.Type
  init(_ type: any Strategy.Type) { self.type = type }
}

private final class Box {
  let strategy: any Strategy
  let subscriptions: UnsafePointer<aegis_subscription>?
  let subscriptionCount: Int

  init(_ strategy: any Strategy) {
    self.strategy = strategy
    let wishes = strategy.subscriptions
    subscriptionCount = wishes.count
    subscriptions = keep(wishes.map(\.raw))
  }

  deinit { UnsafeMutablePointer(mutating: subscriptions)?.deallocate() }
}

/// Stores the failure where the caller asked for it, cut at the end of a character.
private func report(_ failure: any Error, _ code: aegis_status, to error: UnsafeMutablePointer<aegis_error>?)
  -> aegis_status
{
  let known = failure as? PluginFailure
  let status = known?.code ?? code
  guard let error else { return status }
  error.pointee.code = status
  let text = known?.message ?? "\(failure)"
  withUnsafeMutableBytes(of: &error.pointee.message) { message in
    var count = 0
    for character in text {
      guard count + character.utf8.count < message.count else { break }
      for byte in character.utf8 {
        message[count] = byte
        count += 1
      }
    }
    message[count] = 0
  }
  return status
}

private var functions: aegis_strategy {
  var table = aegis_strategy()
  table.size = UInt32(MemoryLayout<aegis_strategy>.size)
  table.create = { descriptor, host, config, out, error in
    guard let descriptor, let config, let out, let user = descriptor.pointee.user else {
      return AEGIS_E_INVALID
    }
    let type = Unmanaged<TypeBox>.fromOpaque(user).takeUnretainedValue().type
    do {
      let box = Box(try type.init(Config(config, host: host)))
      out.pointee = keep(aegis_instance(data: Unmanaged.passRetained(box).toOpaque()))
      return AEGIS_OK
    } catch let failure {
      return report(failure, AEGIS_E_INVALID, to: error)
    }
  }
  table.destroy = { instance in
    guard let instance else { return }
    Unmanaged<Box>.fromOpaque(instance.pointee.data).release()
    instance.deallocate()
  }
  table.process = { instance, batch in
    guard let instance, let batch, let data = instance.pointee.data else { return AEGIS_E_INVALID }
    // The instance holds the reference, so the call needs none of its own.
    Unmanaged<Box>.fromOpaque(data)._withUnsafeGuaranteedRef { box in
      box.strategy.process(Events(batch), SignalWriter(batch))
    }
    return batch.pointee.out_count > batch.pointee.out_capacity ? AEGIS_E_OVERFLOW : AEGIS_OK
  }
  table.get_extension = { descriptor, id in
    guard let descriptor, let id else { return nil }
    switch String(cString: id) {
    case AEGIS_EXT_SUBSCRIPTIONS: return UnsafeRawPointer(subscriptionTable)
    case AEGIS_EXT_STATE: return descriptor.pointee.state_version == 0 ? nil : UnsafeRawPointer(stateTable)
    default: return nil
    }
  }
  return table
}

// Written once on first use and only read afterwards.
nonisolated(unsafe) private let subscriptionTable = keep(
  aegis_ext_subscriptions(
    size: UInt32(MemoryLayout<aegis_ext_subscriptions>.size), reserved: 0,
    list: { instance, count in
      guard let instance, let count, let data = instance.pointee.data else { return nil }
      let box = Unmanaged<Box>.fromOpaque(data).takeUnretainedValue()
      count.pointee = UInt32(box.subscriptionCount)
      return box.subscriptions
    }))

nonisolated(unsafe) private let stateTable = keep(
  aegis_ext_state(
    size: UInt32(MemoryLayout<aegis_ext_state>.size), reserved: 0,
    save: { instance, sink in
      guard let data = instance?.pointee.data, let sink, let write = sink.pointee.write else {
        return AEGIS_E_INVALID
      }
      var state = StateWriter()
      Unmanaged<Box>.fromOpaque(data).takeUnretainedValue().strategy.save(&state)
      return state.bytes.withUnsafeBytes { write(sink, $0.baseAddress, $0.count) }
    },
    load: { instance, source, version, error in
      guard let data = instance?.pointee.data, let source, let read = source.pointee.read else {
        return AEGIS_E_INVALID
      }
      var bytes: [UInt8] = []
      var piece = [UInt8](repeating: 0, count: 4096)
      while true {
        let count = piece.withUnsafeMutableBytes { read(source, $0.baseAddress, $0.count) }
        guard count >= 0, count <= piece.count else {
          return report(PluginFailure("the state cannot be read"), AEGIS_E_STATE_CORRUPT, to: error)
        }
        if count == 0 { break }
        bytes += piece[..<Int(count)]
        guard bytes.count <= stateByteCountMax else {
          return report(
            PluginFailure("the state is larger than \(stateByteCountMax) bytes", code: AEGIS_E_STATE_CORRUPT),
            AEGIS_E_STATE_CORRUPT, to: error)
        }
      }
      var state = StateReader(bytes)
      do {
        try Unmanaged<Box>.fromOpaque(data).takeUnretainedValue().strategy.load(&state, version: version)
        try state.end()
        return AEGIS_OK
      } catch let failure {
        return report(failure, AEGIS_E_STATE_CORRUPT, to: error)
      }
    }))

/// Larger than any strategy's state, small enough that a damaged length cannot fill memory.
private let stateByteCountMax = 64 << 20
