/// One column of the feature schema.
public struct Feature: Sendable {
  /// What NaN means: `AEGIS_MISSING_*`.
  public enum Missing: UInt32, Sendable { case never = 0, zero = 1, native = 2, drop = 3 }

  var name: StaticString
  var unit: StaticString
  var help: StaticString
  var missing: Missing
  var range: ClosedRange<Double>?

  public init(
    _ name: StaticString, unit: StaticString = "", in range: ClosedRange<Double>? = nil,
    missing: Missing = .never, help: StaticString = ""
  ) {
    self.name = name
    self.unit = unit
    self.help = help
    self.missing = missing
    self.range = range
  }
}
