import Market
import PluginABI

/// Everything a plugin's tables say, as a child read them.
public struct PluginPortrait: Sendable, Hashable, Encodable {
  public struct Parameter: Sendable, Hashable, Encodable {
    public var name: String
    public var type: String
    public var defaultValue: String
    /// `2…500`, or the choices; empty when anything goes.
    public var range: String
    public var unit: String
    public var help: String
    /// `runtime`, `advanced`, `secret`, `optional`.
    public var flags: [String]
  }

  public struct Subscription: Sendable, Hashable, Encodable {
    public var kind: String
    public var warmupBars: String
    public var intervalMilliseconds: String
  }

  public struct Feature: Sendable, Hashable, Encodable {
    public var name: String
    public var unit: String
    public var help: String
    public var missing: String
    public var range: String
  }

  public struct Function: Sendable, Hashable, Encodable {
    public var name: String
    public var signature: String
    public var help: String
    /// `pure`, `causal`.
    public var flags: [String]
  }

  public var file: String
  public var id: String
  public var name: String
  public var vendor: String
  public var version: String
  public var summary: String
  public var license: String
  public var kind: String
  public var abi: String
  public var hostABI: String
  public var language: String
  public var toolchain: String
  public var sha256: String
  public var capabilities: [String]
  public var signalsPerEventMax: String
  public var stateVersion: String
  public var stateOldest: String
  public var extensions: [String]
  public var parameters: [Parameter] = []
  public var subscriptions: [Subscription] = []
  public var features: [Feature] = []
  public var functions: [Function] = []

  // MARK: In the child

  /// Loads the file here; a line of flat JSON per row, or one scan report when it cannot be used.
  public static func lines(of path: String) -> [String] {
    do throws(PluginError) {
      let image = try PluginImage(path: path, cacheDirectory: nil)
      var result: [String] = []
      for plugin in try TrialPlugin.all(image) { result += try lines(plugin) }
      return result
    } catch {
      return [PluginScanReport(file: path, error).json]
    }
  }

  private static func lines(_ plugin: TrialPlugin) throws(PluginError) -> [String] {
    let descriptor = plugin.descriptor
    var rows: [[(name: String, value: String)]] = [
      [
        ("row", "plugin"), ("file", descriptor.file), ("id", descriptor.id), ("name", descriptor.name),
        ("vendor", descriptor.vendor), ("version", descriptor.version), ("summary", descriptor.summary),
        ("license", descriptor.license), ("kind", "\(descriptor.kind)"),
        ("abi", "\(descriptor.abiMajor).\(descriptor.abiMinor)"),
        ("hostABI", "\(AEGIS_ABI_MAJOR).\(AEGIS_ABI_MINOR)"),
        ("language", plugin.image.elf.info.map { PluginScan.languageName($0.language) } ?? ""),
        ("toolchain", descriptor.toolchain), ("sha256", descriptor.sha256),
        ("capabilities", descriptor.capabilities.words.joined(separator: " ")),
        ("signalsPerEventMax", "\(descriptor.signalsPerEventMax)"),
        ("stateVersion", "\(descriptor.stateVersion)"), ("stateOldest", "\(descriptor.stateOldest)"),
        ("extensions", plugin.extensions().joined(separator: " ")),
      ]
    ]
    for parameter in descriptor.parameters {
      let flags = [
        parameter.isRuntime ? "runtime" : nil, parameter.isAdvanced ? "advanced" : nil,
        parameter.isSecret ? "secret" : nil, parameter.isOptional ? "optional" : nil,
      ]
      rows.append([
        ("row", "parameter"), ("name", parameter.name), ("type", parameter.typeName),
        ("default", parameter.text(of: parameter.defaultValue)), ("range", parameter.rangeText),
        ("unit", parameter.unit), ("help", parameter.help),
        ("flags", flags.compactMap { $0 }.joined(separator: " ")),
      ])
    }
    for wish in descriptor.subscriptions {
      let kind =
        switch wish.kind {
        case .bars(let timeframe): "bars \(timeframe.name)"
        case .quotes: "quotes"
        case .trades: "trades"
        case .marks: "marks"
        case .gaps: "gaps"
        }
      rows.append([
        ("row", "subscription"), ("kind", kind), ("warmup", "\(wish.warmupBarCount)"),
        ("interval", "\(wish.conflationMilliseconds)"),
      ])
    }
    for feature in descriptor.features {
      rows.append([
        ("row", "feature"), ("name", feature.name), ("unit", feature.unit), ("help", feature.help),
        ("missing", "\(feature.missing)"),
        (
          "range",
          feature.range.map { "\(ShortDecimal.text($0.lowerBound))…\(ShortDecimal.text($0.upperBound))" }
            ?? ""
        ),
      ])
    }
    for function in try plugin.functions() {
      let flags = [
        function.flags & AEGIS_FUNCTION_PURE != 0 ? "pure" : nil,
        function.flags & AEGIS_FUNCTION_CAUSAL != 0 ? "causal" : nil,
      ]
      rows.append([
        ("row", "function"), ("name", try plugin.tables.text(function.name, field: "function.name")),
        ("signature", try plugin.tables.text(function.signature, field: "function.signature")),
        ("help", try plugin.tables.text(function.help, field: "function.help")),
        ("flags", flags.compactMap { $0 }.joined(separator: " ")),
      ])
    }
    return rows.map { FlatJSON.text($0) }
  }

  // MARK: In the parent

  /// What a file's plugins say about themselves, read by a child.   [control]
  ///
  /// - Returns: the portraits, or the report of why there are none.
  /// - Throws: `.scannerFailed` when the child cannot be started.
  public static func read(
    _ path: String, host: String, timeoutMilliseconds: Int = 10_000
  ) throws(PluginError) -> (portraits: [PluginPortrait], refusal: PluginScanReport?) {
    do throws(PluginError) {
      _ = try PluginFile(path: path).elf()
    } catch {
      return ([], PluginScanReport(file: path, error))
    }
    var jobs = [ChildCrew.Job(arguments: ["describe", path], timeoutMilliseconds: timeoutMilliseconds)]
    var portraits: [PluginPortrait] = []
    var refusal: PluginScanReport?
    try ChildCrew.run(host, atOnce: 1) {
      jobs.popLast()
    } done: { _, outcome in
      for line in outcome.answers {
        if let report = PluginScanReport(json: line), report.state != .ok { refusal = report }
        guard let fields = FlatJSON.parse(line) else { continue }
        add(fields, to: &portraits)
      }
      if let explanation = outcome.ending.explanation {
        refusal = PluginScanReport(file: path, state: .failed, reason: "\(explanation) while loading")
      } else if portraits.isEmpty, refusal == nil {
        refusal = PluginScanReport(
          file: path, state: .failed, reason: "ended the process that read it (\(outcome.ending))")
      }
    }
    return (portraits, refusal)
  }

  private static func add(_ fields: [String: String], to portraits: inout [PluginPortrait]) {
    func text(_ name: String) -> String { fields[name] ?? "" }
    func words(_ name: String) -> [String] { text(name).split(separator: " ").map(String.init) }
    let last = portraits.count - 1
    switch fields["row"] {
    case "plugin":
      portraits.append(
        PluginPortrait(
          file: text("file"), id: text("id"), name: text("name"), vendor: text("vendor"),
          version: text("version"), summary: text("summary"), license: text("license"), kind: text("kind"),
          abi: text("abi"), hostABI: text("hostABI"), language: text("language"),
          toolchain: text("toolchain"),
          sha256: text("sha256"), capabilities: words("capabilities"),
          signalsPerEventMax: text("signalsPerEventMax"), stateVersion: text("stateVersion"),
          stateOldest: text("stateOldest"), extensions: words("extensions")))
    case "parameter" where last >= 0:
      portraits[last].parameters.append(
        Parameter(
          name: text("name"), type: text("type"), defaultValue: text("default"), range: text("range"),
          unit: text("unit"), help: text("help"), flags: words("flags")))
    case "subscription" where last >= 0:
      portraits[last].subscriptions.append(
        Subscription(kind: text("kind"), warmupBars: text("warmup"), intervalMilliseconds: text("interval")))
    case "feature" where last >= 0:
      portraits[last].features.append(
        Feature(
          name: text("name"), unit: text("unit"), help: text("help"), missing: text("missing"),
          range: text("range")))
    case "function" where last >= 0:
      portraits[last].functions.append(
        Function(name: text("name"), signature: text("signature"), help: text("help"), flags: words("flags")))
    default: break
    }
  }
}

extension PluginCapabilities {
  /// The promises in words, in the header's order.
  public var words: [String] {
    let names: [(PluginCapabilities, String)] = [
      (.deterministic, "deterministic"), (.stateful, "stateful"), (.needsBars, "needs-bars"),
      (.needsQuotes, "needs-quotes"), (.needsTrades, "needs-trades"), (.needsOutcomes, "needs-outcomes"),
      (.realtimeSafe, "rt-safe"), (.threads, "threads"), (.network, "network"), (.files, "files"),
      (.gpu, "gpu"),
      (.unloadable, "unloadable"),
    ]
    return names.filter { contains($0.0) }.map(\.1)
  }
}

extension PluginParameter {
  var typeName: String {
    switch defaultValue {
    case .bool: "bool"
    case .integer: "int"
    case .number: "float"
    case .text: "text"
    case .choice: "choice"
    }
  }

  var rangeText: String {
    if !choices.isEmpty { return choices.joined(separator: "|") }
    guard let range else { return "" }
    return "\(ShortDecimal.text(range.lowerBound))…\(ShortDecimal.text(range.upperBound))"
  }
}
