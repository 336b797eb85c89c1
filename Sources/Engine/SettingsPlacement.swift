import PluginHost

extension Settings {
  /// Where plugins run, and how much of the sandbox must be there.
  static func placementFields() -> [SettingsField] {
    [
      SettingsField(
        "plugins.placement", unit: "auto, inproc or isolated; each of plugins.load may say otherwise",
        kind: .word(PlacementSetting.allCases.map(\.rawValue))
      ) {
        .text($0.plugins.placement.rawValue)
      } set: { settings, value in
        if case .text(let text) = value, let word = PlacementSetting(rawValue: text) {
          settings.plugins.placement = word
        }
      },
      SettingsField(
        "plugins.sandbox", unit: "required, or best-effort where the machine forbids system call filters",
        kind: .word(SandboxMode.allCases.map(\.rawValue))
      ) {
        .text($0.plugins.sandbox.rawValue)
      } set: { settings, value in
        if case .text(let text) = value, let word = SandboxMode(rawValue: text) {
          settings.plugins.sandbox = word
        }
      },
    ]
  }
}
