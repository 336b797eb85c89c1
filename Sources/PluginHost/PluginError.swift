/// Why a plugin cannot be used. Every case names the file, what was found and what to do.
public enum PluginError: Error, Hashable, Sendable {
  /// The file does not exist or cannot be read.
  case unreadable(file: String, reason: String)
  /// Someone else could change the file or its folder under us.
  case writableByOthers(path: String, mode: String)
  case wrongOwner(path: String)
  case tooLarge(file: String, byteCount: Int, byteCountMax: Int)
  /// Not a shared object for this machine, or not completely written yet.
  case notLoadable(file: String, reason: String)
  case missingSymbol(file: String, symbol: String)
  /// The entry is for another major of the ABI, or asks for a newer minor.
  case wrongVersion(file: String, found: String, hosted: String)
  case missingLibrary(file: String, reason: String)
  /// The dynamic linker refused for another reason.
  case linkerRefused(file: String, reason: String)
  /// A table breaks the header's rules.
  case malformed(file: String, field: String, reason: String)
  case unknownPlugin(file: String, id: String, known: [String])
  case alreadyLoaded(file: String, id: String)
  case unknownParameter(plugin: String, name: String, known: [String])
  case badParameter(plugin: String, name: String, value: String, reason: String)
  case createFailed(plugin: String, code: Int32, message: String)
  case cacheUnusable(path: String, reason: String)
  case limit(what: String, found: Int, max: Int)
  /// What the running instance knows cannot be carried over to a new one.
  case stateRefused(plugin: String, reason: String)
  /// A new version is not fit to replace the running one.
  case unfit(plugin: String, reason: String)
  /// A child process that looks at a plugin could not be used.
  case scannerFailed(path: String, reason: String)
  /// A plugin in a process of its own could not be started, or ended while something was asked of it.
  case isolated(plugin: String, phase: PluginPhase, reason: String)
}

extension PluginError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .unreadable(let file, let reason):
      "plugin \(file): \(reason); check the path in the configuration"
    case .writableByOthers(let path, let mode):
      "plugin \(path): writable by group or others (mode \(mode)); run: chmod go-w \(path)"
    case .wrongOwner(let path):
      "plugin \(path): belongs to another user; it must belong to root or to the user who runs aegis"
    case .tooLarge(let file, let byteCount, let byteCountMax):
      "plugin \(file): \(byteCount) bytes, more than the limit of \(byteCountMax); is it really a plugin?"
    case .notLoadable(let file, let reason):
      "plugin \(file): \(reason); expected a complete shared object built for this machine"
    case .missingSymbol(let file, let symbol):
      "plugin \(file): does not export \(symbol); build it against plugin-sdk/include/aegis_plugin.h"
    case .wrongVersion(let file, let found, let hosted):
      "plugin \(file): made for plugin ABI \(found), this host speaks \(hosted); rebuild it against this host's SDK"
    case .missingLibrary(let file, let reason):
      "plugin \(file): a library it needs is missing (\(reason)); install it"
    case .linkerRefused(let file, let reason):
      "plugin \(file): cannot be loaded (\(reason)); link it completely (-Wl,-z,defs shows what is missing)"
    case .malformed(let file, let field, let reason):
      "plugin \(file): \(field) \(reason); this is a bug in the plugin"
    case .unknownPlugin(let file, let id, let known):
      "plugin \(file): has no plugin \"\(id)\"; it has \(Self.list(known))"
    case .alreadyLoaded(let file, let id):
      "plugin \(file): a plugin \"\(id)\" is loaded already; name each plugin once"
    case .unknownParameter(let plugin, let name, let known):
      "plugin \(plugin): no parameter \"\(name)\"; it has \(Self.list(known))"
    case .badParameter(let plugin, let name, let value, let reason):
      "plugin \(plugin): parameter \(name) = \"\(value)\" \(reason)"
    case .createFailed(let plugin, let code, let message):
      "plugin \(plugin): refused to start (\(code)): \(message)"
    case .cacheUnusable(let path, let reason):
      "plugin cache \(path): \(reason); it must be a folder of mode 0700 owned by the user who runs aegis"
    case .limit(let what, let found, let max):
      "plugins: \(found) \(what), the limit is \(max)"
    case .stateRefused(let plugin, let reason):
      "plugin \(plugin): \(reason). To start empty: aegis plugins reload \(plugin) --fresh-state"
    case .unfit(_, let reason): reason
    case .scannerFailed(let path, let reason):
      "plugin scanner \(path): \(reason)"
    case .isolated(let plugin, let phase, let reason):
      "plugin \(plugin), isolated: \(phase.words): \(reason)"
    }
  }

  private static func list(_ names: [String]) -> String {
    names.isEmpty ? "none" : names.joined(separator: ", ")
  }
}
