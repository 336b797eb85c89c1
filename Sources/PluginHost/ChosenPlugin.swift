import Glibc
import Market
import PluginABI

/// One plugin of a mapped image: its tables, checked, and the way to make an instance of it.
struct ChosenPlugin {
  private let image: PluginImage
  /// Where the plugin keeps its descriptor: functions that need context get this pointer, not a copy.
  private let pointer: UnsafePointer<aegis_descriptor>
  private let strategy: aegis_strategy
  private let tables: PluginTables
  private let initialize:
    (@convention(c) (UnsafePointer<aegis_host>?, UnsafeMutablePointer<aegis_error>?) -> aegis_status)?
  var descriptor: PluginDescriptor

  /// - Parameter id: nil when the image has one plugin only.
  init(_ image: PluginImage, id: String?) throws(PluginError) {
    let tables = PluginTables(file: image.file)
    let entry = try tables.entry(image.entry)
    var found: (UnsafePointer<aegis_descriptor>, aegis_descriptor, PluginDescriptor)?
    var known: [String] = []
    for index in 0..<Int(entry.n_plugins) {
      guard let pointer = entry.plugins[index] else {
        throw tables.malformed("entry.plugins[\(index)]", "is NULL")
      }
      let raw = try tables.copy(pointer, zero: aegis_descriptor(), field: "descriptor")
      let descriptor = try tables.descriptor(raw, entry: entry, sha256: image.sha256)
      known.append(descriptor.id)
      if id == nil || descriptor.id == id { found = (pointer, raw, descriptor) }
    }
    guard let found, id != nil || known.count == 1 else {
      throw .unknownPlugin(file: image.file, id: id ?? "(none named)", known: known)
    }
    guard found.2.kind == .strategy else {
      throw tables.malformed("\(found.2.id): descriptor.kind", "is not a strategy")
    }
    self.image = image
    self.tables = tables
    pointer = found.0
    descriptor = found.2
    initialize = entry.`init`
    strategy = try tables.copy(found.1.strategy, zero: aegis_strategy(), field: "\(found.2.id): strategy")
    guard strategy.create != nil, strategy.destroy != nil, strategy.process != nil else {
      throw tables.malformed("\(found.2.id): strategy", "lacks create, destroy or process")
    }
  }

  /// Runs `init` and `create` and asks the instance what it wants.   [control]
  mutating func create(
    values: [PluginParameter.Value], instruments: [String], seed: UInt64, dataDirectory: String?,
    host: UnsafePointer<aegis_host>
  ) throws(PluginError) -> PluginSlot {
    var error = aegis_error()
    if let initialize {
      let status = initialize(host, &error)
      guard status == AEGIS_OK else { throw failure(status, error) }
    }
    let configuration = InstanceConfiguration(
      parameters: descriptor.parameters, values: values, instruments: instruments,
      dataDirectory: dataDirectory, instanceName: descriptor.id, seed: seed)
    var config = configuration.config
    var instance: UnsafeMutablePointer<aegis_instance>?
    let status = strategy.create(pointer, host, &config, &instance, &error)
    _ = consume configuration  // the plugin may read it until create returned, not after
    guard status == AEGIS_OK else { throw failure(status, error) }
    guard let instance else {
      throw tables.malformed("\(descriptor.id): create", "succeeded without an instance")
    }
    do throws(PluginError) {
      descriptor.subscriptions = try subscriptions(of: instance)
      return slot(instance, instrumentCount: instruments.count, state: try stateTable())
    } catch {
      strategy.destroy(instance)
      throw error
    }
  }

  /// The plugin's extension table for an id, or nil.   [any]
  func extensionTable(_ id: String) -> UnsafeRawPointer? { strategy.get_extension?(pointer, id) }

  private func failure(_ status: aegis_status, _ error: aegis_error) -> PluginError {
    .createFailed(plugin: descriptor.id, code: status, message: errorMessage(error))
  }

  private func subscriptions(
    of instance: UnsafeMutablePointer<aegis_instance>
  ) throws(PluginError) -> [PluginSubscription] {
    guard let address = extensionTable(AEGIS_EXT_SUBSCRIPTIONS) else {
      return descriptor.subscriptions
    }
    let table = try tables.copy(
      address.assumingMemoryBound(to: aegis_ext_subscriptions.self), zero: aegis_ext_subscriptions(),
      field: "\(descriptor.id): aegis.subscriptions/1")
    guard let list = table.list else {
      throw tables.malformed("\(descriptor.id): aegis.subscriptions/1", "lacks list")
    }
    var count: UInt32 = 0
    let wishes = list(instance, &count)
    return try tables.subscriptions(wishes, count: count, id: descriptor.id)
  }

  /// The functions that carry state; nil when the plugin does not claim to have any.
  private func stateTable() throws(PluginError) -> aegis_ext_state? {
    guard descriptor.capabilities.contains(.stateful) else { return nil }
    let field = "\(descriptor.id): \(AEGIS_EXT_STATE)"
    guard let address = extensionTable(AEGIS_EXT_STATE) else {
      throw tables.malformed(field, "is missing, though the plugin says that it is STATEFUL")
    }
    let table = try tables.copy(
      address.assumingMemoryBound(to: aegis_ext_state.self), zero: aegis_ext_state(), field: field)
    guard table.save != nil, table.load != nil else { throw tables.malformed(field, "lacks save or load") }
    return table
  }

  private func slot(
    _ instance: UnsafeMutablePointer<aegis_instance>, instrumentCount: Int, state: aegis_ext_state?
  ) -> PluginSlot {
    var interest: EventInterest = []
    var quoteIntervalMilliseconds = Int.max
    for wish in descriptor.subscriptions {
      interest.formUnion(EventInterest(wish.kind))
      if wish.kind == .quotes {
        quoteIntervalMilliseconds = min(quoteIntervalMilliseconds, wish.conflationMilliseconds)
      }
    }
    let isConflated = interest.contains(.quotes) && quoteIntervalMilliseconds > 0
    var lastQuotes: UnsafeMutablePointer<Int64>?
    if isConflated {
      let memory = UnsafeMutablePointer<Int64>.allocate(capacity: instrumentCount)
      // So far back that the first quote passes.
      memory.initialize(repeating: .min / 2, count: instrumentCount)
      lastQuotes = memory
    }
    let capacity = descriptor.signalsPerEventMax
    let output = UnsafeMutablePointer<aegis_signal>.allocate(capacity: capacity)
    output.initialize(repeating: aegis_signal(), count: capacity)
    let featureCount = descriptor.features.count
    var features: UnsafeMutablePointer<Float>?
    if featureCount > 0 {
      let memory = UnsafeMutablePointer<Float>.allocate(capacity: capacity * featureCount)
      memory.initialize(repeating: .nan, count: capacity * featureCount)
      features = memory
    }
    let batch = UnsafeMutablePointer<aegis_batch>.allocate(capacity: 1)
    batch.initialize(to: aegis_batch())
    batch.pointee.size = UInt32(MemoryLayout<aegis_batch>.size)
    batch.pointee.count = 1
    batch.pointee.out = output
    batch.pointee.out_capacity = UInt32(capacity)
    batch.pointee.features = features
    batch.pointee.feature_stride = UInt32(featureCount)
    let table = UnsafeMutablePointer<aegis_strategy>.allocate(capacity: 1)
    table.initialize(to: strategy)
    return PluginSlot(
      processFunction: strategy.process, table: UnsafePointer(table), instance: instance, interest: interest,
      capacity: UInt32(capacity), featureCount: UInt16(featureCount),
      quoteIntervalNanoseconds: isConflated ? Int64(quoteIntervalMilliseconds) * 1_000_000 : 0,
      lastQuoteNanoseconds: lastQuotes, batch: batch, output: output, features: features,
      state: state)
  }
}
