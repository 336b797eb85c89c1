import PluginABI

/// One parameter of a strategy's schema. The host checks values before the strategy sees them.
public struct Parameter: Sendable {
  enum Default: Sendable {
    case flag(Bool)
    case integer(Int64)
    case number(Double)
    case text(StaticString)
    case choice(Int)
  }

  /// Stable for the plugin's major.
  public let id: UInt32
  let name: StaticString
  let unit: StaticString
  let help: StaticString
  let defaultValue: Default
  var range: ClosedRange<Double>?
  var choices: [StaticString] = []
  var flags: UInt32 = 0

  public static func flag(_ id: UInt32, _ name: StaticString, default value: Bool, help: StaticString)
    -> Parameter
  {
    Parameter(id: id, name: name, unit: "", help: help, defaultValue: .flag(value))
  }

  public static func integer(
    _ id: UInt32, _ name: StaticString, default value: Int64, in range: ClosedRange<Int64>,
    unit: StaticString = "", help: StaticString
  ) -> Parameter {
    Parameter(
      id: id, name: name, unit: unit, help: help, defaultValue: .integer(value),
      range: Double(range.lowerBound)...Double(range.upperBound))
  }

  public static func number(
    _ id: UInt32, _ name: StaticString, default value: Double, in range: ClosedRange<Double>,
    unit: StaticString = "", help: StaticString
  ) -> Parameter {
    Parameter(id: id, name: name, unit: unit, help: help, defaultValue: .number(value), range: range)
  }

  /// A number that may be left out; it then reads as NaN.
  public static func optionalNumber(
    _ id: UInt32, _ name: StaticString, in range: ClosedRange<Double>, unit: StaticString = "",
    help: StaticString
  ) -> Parameter {
    Parameter(
      id: id, name: name, unit: unit, help: help, defaultValue: .number(.nan), range: range,
      flags: AEGIS_PARAM_OPTIONAL)
  }

  public static func text(_ id: UInt32, _ name: StaticString, default value: StaticString, help: StaticString)
    -> Parameter
  {
    Parameter(id: id, name: name, unit: "", help: help, defaultValue: .text(value))
  }

  /// - Parameter index: the default's position in `choices`.
  public static func choice(
    _ id: UInt32, _ name: StaticString, of choices: [StaticString], default index: Int = 0, help: StaticString
  ) -> Parameter {
    Parameter(
      id: id, name: name, unit: "", help: help, defaultValue: .choice(index), range: nil, choices: choices)
  }

  /// The same parameter, changeable while running: the new value arrives as an event with a `parameterChange`.
  public var runtime: Parameter { with(AEGIS_PARAM_RUNTIME) }
  /// The same parameter, marked as one that few people need.
  public var advanced: Parameter { with(AEGIS_PARAM_ADVANCED) }
  /// The same parameter, its value never printed or stored.
  public var secret: Parameter { with(AEGIS_PARAM_SECRET) }

  private func with(_ flag: UInt32) -> Parameter {
    var copy = self
    copy.flags |= flag
    return copy
  }
}
