internal import CPlatform
import Glibc

/// Confines this process for good, in two steps, because loading a plugin needs files and running it does not.
///
/// First, before anything of the plugin is mapped: resource limits, no privileges, no change of any file (Landlock),
/// and a filter of system calls without network, other programs and other processes. Loading runs the plugin's
/// constructors, so it happens inside all of that; a constructor can still *read* what this user can read and start
/// threads, but has nowhere to send anything but its own log lines. Second, between load and `create`: no opening of
/// files but for plugins that say `AEGIS_CAP_FILES`, no threads but for plugins that say `AEGIS_CAP_THREADS`.
struct Sandbox {
  private let mode: SandboxMode
  private let hasFilter: Bool
  private let hasLandlock: Bool
  /// What the machine did not allow, for the log.
  private(set) var missing: [String] = []

  /// The first step.
  ///
  /// - Parameter writableFolder: the plugin's own folder; nil = none.
  init(_ mode: SandboxMode, limits: IsolationLimits, writableFolder: String?) throws(IsolatedTrouble) {
    self.mode = mode
    var bounds = aegis_resource_bounds(
      address_space_bytes: UInt64(limits.addressSpaceByteCountMax),
      file_bytes: UInt64(limits.fileByteCountMax),
      open_files: UInt64(limits.openFilesMax), processes: UInt64(limits.processesMax))
    let bounded = aegis_bound_resources(&bounds)
    guard bounded == 0 else { throw .system("set resource limits", -bounded) }
    let dropped = aegis_drop_privileges()
    guard dropped == 0 else { throw .system("drop privileges", -dropped) }

    var missing: [String] = []
    let restricted = aegis_restrict_files(writableFolder)
    hasLandlock = restricted == 0
    if !hasLandlock { missing.append("Landlock (\(errorText(-restricted)))") }
    var rights = AEGIS_MAY_READ_FILES | AEGIS_MAY_START_THREADS | AEGIS_MAY_FILTER
    // Without Landlock no file may be written at all: the filter cannot tell folders apart.
    if hasLandlock { rights |= AEGIS_MAY_WRITE_FILES }
    let filtered = aegis_filter_system_calls(rights)
    hasFilter = filtered == 0
    if !hasFilter {
      guard mode == .bestEffort else {
        throw .system(
          "filter system calls (seccomp); allow it, or set plugins.sandbox: best-effort to run without",
          -filtered)
      }
      missing.append("system call filter (\(errorText(-filtered)))")
    }
    self.missing = missing
  }

  /// The second step, once the plugin has said what it needs.
  func close(for capabilities: PluginCapabilities) throws(IsolatedTrouble) {
    guard !capabilities.contains(.network) else {
      throw .protocolBroken("it asks for the network (AEGIS_CAP_NETWORK), which isolated plugins never get")
    }
    let wantsFiles = capabilities.contains(.files)
    guard !wantsFiles || hasLandlock || mode == .bestEffort else {
      throw .protocolBroken(
        "it asks for files (AEGIS_CAP_FILES), and this kernel has no Landlock to keep it inside its folder")
    }
    guard hasFilter else { return }
    var rights: UInt32 = 0
    if wantsFiles { rights |= AEGIS_MAY_READ_FILES }
    if wantsFiles, hasLandlock { rights |= AEGIS_MAY_WRITE_FILES }
    if capabilities.contains(.threads) { rights |= AEGIS_MAY_START_THREADS }
    let filtered = aegis_filter_system_calls(rights)
    guard filtered == 0 else { throw .system("narrow the filter of system calls", -filtered) }
  }
}
