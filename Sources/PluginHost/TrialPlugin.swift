import Market
import PluginABI

/// One plugin of an image, of any kind, to be tried out: its tables, checked, and where they lie.
struct TrialPlugin {
  let image: PluginImage
  let pointer: UnsafePointer<aegis_descriptor>
  let descriptor: PluginDescriptor
  /// nil for a plugin that only offers functions.
  let strategy: aegis_strategy?
  let initialize:
    (@convention(c) (UnsafePointer<aegis_host>?, UnsafeMutablePointer<aegis_error>?) -> aegis_status)?

  var tables: PluginTables { PluginTables(file: image.file) }

  /// Every plugin of an image, in its own order.
  static func all(_ image: PluginImage) throws(PluginError) -> [TrialPlugin] {
    let tables = PluginTables(file: image.file)
    let entry = try tables.entry(image.entry)
    var result: [TrialPlugin] = []
    for index in 0..<Int(entry.n_plugins) {
      guard let pointer = entry.plugins[index] else {
        throw tables.malformed("entry.plugins[\(index)]", "is NULL")
      }
      let raw = try tables.copy(pointer, zero: aegis_descriptor(), field: "entry.plugins[\(index)]")
      let descriptor = try tables.descriptor(raw, entry: entry, sha256: image.sha256)
      var strategy: aegis_strategy?
      if descriptor.kind != .functions || raw.strategy != nil {
        let table = try tables.copy(
          raw.strategy, zero: aegis_strategy(), field: "\(descriptor.id): strategy")
        if descriptor.kind != .functions {
          guard table.create != nil, table.destroy != nil, table.process != nil else {
            throw tables.malformed("\(descriptor.id): strategy", "lacks create, destroy or process")
          }
        }
        strategy = table
      }
      guard !result.contains(where: { $0.descriptor.id == descriptor.id }) else {
        throw tables.malformed("entry.plugins", "has the id \"\(descriptor.id)\" twice")
      }
      result.append(
        TrialPlugin(
          image: image, pointer: pointer, descriptor: descriptor, strategy: strategy,
          initialize: entry.`init`))
    }
    return result
  }

  /// - Parameter id: nil when the image has one plugin only.
  static func one(_ image: PluginImage, id: String?) throws(PluginError) -> TrialPlugin {
    let all = try all(image)
    guard
      let found = id == nil
        ? (all.count == 1 ? all.first : nil) : all.first(where: { $0.descriptor.id == id })
    else {
      throw .unknownPlugin(file: image.file, id: id ?? "(none named)", known: all.map(\.descriptor.id))
    }
    return found
  }

  /// The plugin's extension table for an id, or nil.   [any]
  func extensionTable(_ id: String) -> UnsafeRawPointer? { strategy?.get_extension?(pointer, id) }

  /// `aegis.state/1` with both functions, or nil.
  func stateTable() throws(PluginError) -> aegis_ext_state? {
    guard let address = extensionTable(AEGIS_EXT_STATE) else { return nil }
    let table = try tables.copy(
      address.assumingMemoryBound(to: aegis_ext_state.self), zero: aegis_ext_state(),
      field: "\(descriptor.id): \(AEGIS_EXT_STATE)")
    guard table.save != nil, table.load != nil else {
      throw tables.malformed("\(descriptor.id): \(AEGIS_EXT_STATE)", "lacks save or load")
    }
    return table
  }

  /// `aegis.functions/1`, its functions copied; empty when it offers none.
  func functions() throws(PluginError) -> [aegis_function] {
    guard let address = extensionTable(AEGIS_EXT_FUNCTIONS) else { return [] }
    let field = "\(descriptor.id): \(AEGIS_EXT_FUNCTIONS)"
    let table = try tables.copy(
      address.assumingMemoryBound(to: aegis_ext_functions.self), zero: aegis_ext_functions(), field: field)
    return try tables.copyArray(
      table.functions, count: table.count, countMax: Self.functionCountMax, zero: aegis_function(),
      field: field)
  }

  /// More than any library of indicators has.
  private static let functionCountMax = 1024

  /// Ids of the extensions this host knows and the plugin offers.
  func extensions() -> [String] {
    [
      AEGIS_EXT_SUBSCRIPTIONS, AEGIS_EXT_STATE, AEGIS_EXT_MODEL, AEGIS_EXT_TRAINER, AEGIS_EXT_FUNCTIONS,
    ].filter { extensionTable($0) != nil }
  }
}
