import Glibc
import PluginABI

/// The checks of a plugin file: what they are, and how one is made in the process that calls.
public enum PluginValidation {
  /// What a check looks at.
  enum Scope {
    /// The file as a whole.
    case file
    /// Each plugin of the file.
    case plugin
    /// Each plugin that takes events.
    case strategy
  }

  struct Kind {
    var name: String
    var scope: Scope
    /// Needs `replay` to have come to an end.
    var replays = false
  }

  /// In the order they are reported.
  static let kinds: [Kind] = [
    Kind(name: "load", scope: .file),
    Kind(name: "info", scope: .file),
    Kind(name: "descriptor", scope: .plugin),
    Kind(name: "unknown-ext", scope: .plugin),
    Kind(name: "parameters", scope: .strategy),
    Kind(name: "replay", scope: .strategy),
    Kind(name: "batch-invariant", scope: .strategy, replays: true),
    Kind(name: "determinism", scope: .strategy, replays: true),
    Kind(name: "causality", scope: .strategy, replays: true),
    Kind(name: "state", scope: .strategy, replays: true),
    Kind(name: "fuzz", scope: .strategy, replays: true),
    Kind(name: "latency", scope: .strategy, replays: true),
    Kind(name: "memory", scope: .strategy, replays: true),
    Kind(name: "threads", scope: .strategy, replays: true),
    Kind(name: "capabilities", scope: .strategy, replays: true),
    Kind(name: "functions", scope: .plugin),
    Kind(name: "isolation", scope: .strategy, replays: true),
  ]

  /// The names of all checks, in the order they are reported.
  public static var names: [String] { kinds.map(\.name) }

  static func isWanted(_ kind: Kind, _ options: ValidationOptions) -> Bool {
    options.only.isEmpty || options.only.contains(kind.name) || kind.name == "load"
  }

  /// Makes one check here: loads the file and runs its code. The work of a child.
  ///
  /// - Parameters:
  ///   - id: which plugin of the file; nil when it has one only.
  ///   - probe: counts allocations and sockets; nil where nothing can count them.
  ///   - note: told what is about to be done, so that a crash can be explained.
  public static func check(
    _ name: String, path: String, id: String?, options: ValidationOptions, probe: PluginProbe? = nil,
    note: (String) -> Void
  ) -> PluginCheck {
    do {
      note("load")
      let image = try PluginImage(path: path, cacheDirectory: nil)
      return try check(name, image: image, id: id, options: options, probe: probe, note: note)
    } catch {
      var check = PluginCheck(name, .failed, "\(error)", plugin: id ?? "")
      check.isInterrupted = true
      return check
    }
  }

  static func check(
    _ name: String, image: PluginImage, id: String?, options: ValidationOptions, probe: PluginProbe?,
    note: (String) -> Void
  ) throws -> PluginCheck {
    switch name {
    case "load": return TableChecks.load(image)
    case "info": return TableChecks.info(image)
    default: break
    }
    note("tables")
    let plugin = try TrialPlugin.one(image, id: id)
    var result: PluginCheck
    switch name {
    case "descriptor": result = try TableChecks.descriptor(plugin)
    case "unknown-ext": result = TableChecks.unknownExtension(plugin)
    case "functions": result = try FunctionChecks.check(plugin, seed: options.seed, note: note)
    case "parameters": result = try ParameterChecks.check(plugin, options, note: note)
    case "memory": result = try ResourceChecks.memory(plugin, options, note: note)
    case "latency": result = try ResourceChecks.latency(plugin, options, note: note)
    case "fuzz": result = try FuzzChecks.check(plugin, options, note: note)
    default:
      let bench = try TrialBench(plugin, options, note: note)
      note("process")
      switch name {
      case "replay": result = try ReplayChecks.replay(bench)
      case "batch-invariant": result = try ReplayChecks.batchInvariance(bench)
      case "determinism": result = try ReplayChecks.determinism(bench)
      case "causality": result = try CausalityChecks.check(bench)
      case "state": result = try StateChecks.check(bench, note: note)
      case "threads": result = try ResourceChecks.threads(bench, note: note)
      case "capabilities": result = try ResourceChecks.capabilities(bench, probe)
      case "isolation": result = try ResourceChecks.isolation(bench, probe, note: note)
      default: return PluginCheck(name, .failed, "there is no such check", plugin: id ?? "")
      }
    }
    result.plugin = plugin.descriptor.id
    note("unload")
    return result
  }

  /// What a child says before it does something that may end it.
  public static func note(_ text: String) -> String { FlatJSON.text([("at", text)]) }

  /// Makes every check in this process, one after the other: for a debugger.   [control]
  public static func inProcess(path: String, options: ValidationOptions, probe: PluginProbe? = nil)
    -> [PluginCheck]
  {
    let image: PluginImage
    do throws(PluginError) {
      image = try PluginImage(path: path, cacheDirectory: nil)
    } catch {
      return [PluginCheck("load", .failed, error.description)]
    }
    var checks: [PluginCheck] = []
    func make(_ name: String, _ id: String?) {
      do {
        checks.append(try check(name, image: image, id: id, options: options, probe: probe, note: { _ in }))
      } catch {
        checks.append(PluginCheck(name, .failed, "\(error)", plugin: id ?? ""))
      }
    }
    for kind in kinds where kind.scope == .file && isWanted(kind, options) { make(kind.name, nil) }
    let plugins: [TrialPlugin]
    do throws(PluginError) {
      plugins = try TrialPlugin.all(image)
    } catch {
      return checks + [PluginCheck("descriptor", .failed, error.description)]
    }
    for plugin in plugins {
      for kind in kinds
      where isWanted(kind, options)
        && (kind.scope == .plugin || kind.scope == .strategy && plugin.descriptor.kind != .functions)
      {
        make(kind.name, plugin.descriptor.id)
      }
    }
    return checks
  }
}
