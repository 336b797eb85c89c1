import PluginABI

/// Checks that every legal value is accepted or refused with a reason.
enum ParameterChecks {
  static func check(
    _ plugin: TrialPlugin, _ options: ValidationOptions, note: (String) -> Void
  ) throws -> PluginCheck {
    let defaults = plugin.descriptor.parameters.map(\.defaultValue)
    var accepted = 0
    var refused: [String] = []
    var problems: [String] = []
    func attempt(_ values: [PluginParameter.Value], _ what: String) {
      note("create with \(what)")
      do throws(PluginError) {
        _ = try TrialInstance(plugin, values: values, symbols: ["TEST0USDT"], seed: options.seed, events: nil)
        accepted += 1
      } catch {
        switch error {
        case .createFailed(_, let code, let message):
          if code > 0 { problems.append("\(what): create returned \(code), which is neither 0 nor negative") }
          if message == "no reason given" { problems.append("\(what): refused without a message") }
          refused.append(what)
        default: problems.append("\(what): \(error)")
        }
      }
    }
    note("create with defaults")
    do throws(PluginError) {
      _ = try TrialInstance(plugin, values: defaults, symbols: ["TEST0USDT"], seed: options.seed, events: nil)
    } catch {
      return PluginCheck("parameters", .failed, "refuses its own defaults: \(error)")
    }
    for (index, parameter) in plugin.descriptor.parameters.enumerated() {
      for value in parameter.extremes {
        var values = defaults
        values[index] = value
        attempt(values, "\(parameter.name)=\(parameter.text(of: value))")
      }
    }
    guard problems.isEmpty else {
      return PluginCheck("parameters", .failed, problems.joined(separator: "; "))
    }
    let note =
      refused.isEmpty
      ? "" : "; \(refused.count) refused with a message (\(refused.prefix(3).joined(separator: ", ")))"
    return PluginCheck("parameters", .ok, "defaults and \(accepted) extremes accepted\(note)")
  }
}

extension PluginParameter {
  /// The ends of what is legal.
  var extremes: [Value] {
    switch defaultValue {
    case .bool: return [.bool(false), .bool(true)]
    case .integer:
      guard let range else { return [.integer(0)] }
      return [
        .integer(Int64(range.lowerBound.rounded(.up))), .integer(Int64(range.upperBound.rounded(.down))),
      ]
    case .number:
      let missing: [Value] = isOptional ? [.number(.nan)] : []
      guard let range else { return [.number(0)] + missing }
      return [.number(range.lowerBound), .number(range.upperBound)] + missing
    case .text: return [.text(""), .text(String(repeating: "x", count: 255))]
    case .choice: return choices.indices.map { .choice($0) }
    }
  }

  /// The value as it is written in a configuration.
  public func text(of value: Value) -> String {
    if isSecret { return "…" }
    switch value {
    case .bool(let flag): return flag ? "true" : "false"
    case .integer(let number): return String(number)
    case .number(let number): return number.isNaN ? "none" : String(number)
    case .text(let text): return text
    case .choice(let index): return choices.indices.contains(index) ? choices[index] : String(index)
    }
  }
}
