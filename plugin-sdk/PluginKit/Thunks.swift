import PluginABI

// C function pointers capture nothing: the type travels in `descriptor.user`, the object in
// `instance.data`. No Swift error leaves them.

/// What `descriptor.user` holds. Lives as long as the image.
final class TypeBox {
  /// nil for a function library.
  let type: (any Strategy.Type)?
  /// nil when the plugin has no functions.
  let functions: UnsafePointer<aegis_ext_functions>?

  init(_ type: (any Strategy.Type)?, functions: [TypedFunction]) {
    self.type = type
    self.functions = functionTable(functions)
  }
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

/// A function library answers for its extension only.
var libraryFunctions: aegis_strategy {
  var table = aegis_strategy()
  table.size = UInt32(MemoryLayout<aegis_strategy>.size)
  table.get_extension = pluginExtension
  return table
}

var strategyFunctions: aegis_strategy {
  var table = aegis_strategy()
  table.size = UInt32(MemoryLayout<aegis_strategy>.size)
  table.create = { descriptor, host, config, out, error in
    guard let descriptor, let config, let out, let user = descriptor.pointee.user else {
      return AEGIS_E_INVALID
    }
    guard let type = Unmanaged<TypeBox>.fromOpaque(user).takeUnretainedValue().type else {
      return AEGIS_E_UNSUPPORTED
    }
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
  table.get_extension = pluginExtension
  return table
}

private func pluginExtension(
  _ descriptor: UnsafePointer<aegis_descriptor>?, _ id: UnsafePointer<CChar>?
) -> UnsafeRawPointer? {
  guard let descriptor, let id, let user = descriptor.pointee.user else { return nil }
  let box = Unmanaged<TypeBox>.fromOpaque(user).takeUnretainedValue()
  switch String(cString: id) {
  case AEGIS_EXT_FUNCTIONS: return UnsafeRawPointer(box.functions)
  case AEGIS_EXT_SUBSCRIPTIONS: return box.type == nil ? nil : UnsafeRawPointer(subscriptionTable)
  case AEGIS_EXT_STATE: return descriptor.pointee.state_version == 0 ? nil : UnsafeRawPointer(stateTable)
  default: return nil
  }
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
      let strategy = Unmanaged<Box>.fromOpaque(data).takeUnretainedValue().strategy
      let (oldest, newest) = (type(of: strategy).stateOldest, type(of: strategy).stateVersion)
      guard (oldest...max(oldest, newest)).contains(version) else {
        return report(
          PluginFailure(
            "cannot read state version \(version), only \(oldest) to \(newest)", code: AEGIS_E_STATE_VERSION),
          AEGIS_E_STATE_VERSION, to: error)
      }
      var bytes: [UInt8] = []
      var piece = [UInt8](repeating: 0, count: 4096)
      while true {
        let count = piece.withUnsafeMutableBytes { read(source, $0.baseAddress, $0.count) }
        guard count >= 0, count <= piece.count else {
          return report(
            PluginFailure("the state cannot be read", code: AEGIS_E_STATE_CORRUPT), AEGIS_E_STATE_CORRUPT,
            to: error)
        }
        if count == 0 { break }
        bytes += piece[..<Int(count)]
        guard bytes.count <= stateByteCountMax else {
          return report(
            PluginFailure("the state is larger than \(stateByteCountMax) bytes", code: AEGIS_E_STATE_CORRUPT),
            AEGIS_E_STATE_CORRUPT, to: error)
        }
      }
      guard !bytes.isEmpty else {
        return report(
          PluginFailure("the state is empty", code: AEGIS_E_STATE_CORRUPT), AEGIS_E_STATE_CORRUPT, to: error)
      }
      var state = StateReader(bytes)
      do {
        try strategy.load(&state, version: version)
        try state.end()
        return AEGIS_OK
      } catch let failure {
        return report(failure, AEGIS_E_STATE_CORRUPT, to: error)
      }
    }))

/// Larger than any strategy's state, small enough that a damaged length cannot fill memory.
private let stateByteCountMax = 64 << 20
