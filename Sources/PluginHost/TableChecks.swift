import PluginABI

/// Checks of what a file says about itself.
enum TableChecks {
  static func load(_ image: PluginImage) -> PluginCheck {
    let exports = image.elf.exports
    guard exports.isEmpty || exports == [PluginImage.symbol] else {
      let extra = exports.filter { $0 != PluginImage.symbol }
      let shown = extra.prefix(3).joined(separator: ", ") + (extra.count > 3 ? ", …" : "")
      return PluginCheck(
        "load", .warning,
        "RTLD_NOW|RTLD_LOCAL; exports \(exports.count) symbols (\(shown)): link with plugin-sdk/exports.map or -fvisibility=hidden"
      )
    }
    return PluginCheck(
      "load", .ok,
      "RTLD_NOW|RTLD_LOCAL; \(exports.isEmpty ? "no symbol table to read" : "one exported symbol")")
  }

  static func info(_ image: PluginImage) -> PluginCheck {
    guard let info = image.elf.info else {
      return PluginCheck(
        "info", .warning,
        "no record in section .aegis.info: the file cannot be recognised without running its code; add AEGIS_PLUGIN_INFO"
      )
    }
    let entry = image.entry.pointee
    guard info.abiMajor == entry.abi_major, info.abiMinor == entry.abi_minor else {
      return PluginCheck(
        "info", .failed,
        "the record says ABI \(info.abiMajor).\(info.abiMinor), the entry \(entry.abi_major).\(entry.abi_minor)"
      )
    }
    return PluginCheck(
      "info", .ok, "\(PluginScan.languageName(info.language)), ABI \(info.abiMajor).\(info.abiMinor)")
  }

  /// What reading the tables did not refuse already: promises that contradict each other.
  static func descriptor(_ plugin: TrialPlugin) throws -> PluginCheck {
    let descriptor = plugin.descriptor
    var problems: [String] = []
    if descriptor.stateOldest > descriptor.stateVersion {
      problems.append(
        "state_oldest \(descriptor.stateOldest) is newer than state_version \(descriptor.stateVersion)")
    }
    if descriptor.kind != .functions {
      let hasState = try plugin.stateTable() != nil
      if hasState, descriptor.stateVersion == 0 { problems.append("\(AEGIS_EXT_STATE) with state_version 0") }
      if !hasState, descriptor.stateVersion != 0 {
        problems.append("state_version \(descriptor.stateVersion) without \(AEGIS_EXT_STATE)")
      }
      if descriptor.subscriptions.isEmpty, plugin.extensionTable(AEGIS_EXT_SUBSCRIPTIONS) == nil {
        problems.append("no subscriptions: it would never see an event")
      }
    } else if plugin.extensionTable(AEGIS_EXT_FUNCTIONS) == nil {
      problems.append("kind FUNCTIONS without \(AEGIS_EXT_FUNCTIONS)")
    }
    guard problems.isEmpty else {
      return PluginCheck("descriptor", .failed, problems.joined(separator: "; "))
    }
    let count = descriptor.parameters.count
    return PluginCheck(
      "descriptor", .ok,
      "\(descriptor.id) \(descriptor.version), \(count) parameter\(count == 1 ? "" : "s"), \(descriptor.features.count) features, utf-8"
    )
  }

  static func unknownExtension(_ plugin: TrialPlugin) -> PluginCheck {
    let ids = [
      "aegis.nope/1", "\(AEGIS_EXT_STATE)x", "\(AEGIS_EXT_FUNCTIONS)1", "aegis.state/2", "aegis", "",
    ]
    let wrong = ids.filter { plugin.extensionTable($0) != nil }
    return wrong.isEmpty
      ? PluginCheck("unknown-ext", .ok, "\"\(ids[0])\", \"\(ids[1])\" and others -> NULL")
      : PluginCheck(
        "unknown-ext", .failed, "answers \"\(wrong[0])\", an id it cannot know; compare whole ids")
  }
}
