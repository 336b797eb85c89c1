import PluginABI

/// A plugin without instances: functions that the command line and expressions call by name.
///
/// ```swift
/// enum Averages: FunctionLibrary {
///   static let id: StaticString = "averages"
///   static let version: StaticString = "1.0.0"
///   static let functions = [
///     TypedFunction(
///       "mean", "f64(f64*, i64)", [.pure, .causal], help: "the arithmetic mean",
///       mean as @convention(c) (UnsafePointer<Double>?, Int64) -> Double)
///   ]
/// }
/// nonisolated(unsafe) private let table = export(functions: Averages.self)
/// ```
public protocol FunctionLibrary: Plugin {}

/// A C function with its type as text.
public struct TypedFunction: Sendable {
  /// `AEGIS_FUNCTION_*`.
  public struct Flags: OptionSet, Sendable {
    public var rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Depends on its arguments only and may be called from every thread.
    public static let pure = Flags(rawValue: AEGIS_FUNCTION_PURE)
    /// Cell i of every output depends on cells 0…i of the inputs only.
    public static let causal = Flags(rawValue: AEGIS_FUNCTION_CAUSAL)
  }

  let name: StaticString
  let signature: StaticString
  let flags: Flags
  let help: StaticString
  /// The function's address; a plain number, because its type is known to the signature only.
  let address: UInt

  /// - Parameters:
  ///   - signature: the grammar of `aegis_function` in the header. One that is not the function's own type is
  ///     undefined behaviour: nothing can check it.
  ///   - function: a C function, written as `name as @convention(c) (…) -> …`.
  /// - Precondition: `function` is one pointer wide, so not a Swift closure.
  public init<Function>(
    _ name: StaticString, _ signature: StaticString, _ flags: Flags = [], help: StaticString,
    _ function: Function
  ) {
    precondition(
      MemoryLayout<Function>.size == MemoryLayout<UInt>.size,
      "a C function: write `name as @convention(c) (…) -> …`")
    self.name = name
    self.signature = signature
    self.flags = flags
    self.help = help
    address = unsafeBitCast(function, to: UInt.self)
  }
}

/// The extension's table, kept for ever; nil without functions.
func functionTable(_ functions: [TypedFunction]) -> UnsafePointer<aegis_ext_functions>? {
  guard !functions.isEmpty else { return nil }
  let elements = functions.map { function in
    aegis_function(
      size: UInt32(MemoryLayout<aegis_function>.size), flags: function.flags.rawValue,
      name: chars(function.name), signature: chars(function.signature), help: chars(function.help),
      fn: unsafeBitCast(function.address, to: (@convention(c) () -> Void).self))
  }
  let table = aegis_ext_functions(
    size: UInt32(MemoryLayout<aegis_ext_functions>.size), count: UInt32(elements.count),
    functions: keep(elements))
  return UnsafePointer(keep(table))
}
