public import PluginABI

/// What every plugin of an image tells about itself.
public protocol Plugin {
  /// Stable name: 1–64 lower-case letters, digits, `-`, `_` and `.`.
  static var id: StaticString { get }
  /// Such as `1.4.0`.
  static var version: StaticString { get }
  /// For people; empty by default.
  static var about: About { get }
  /// Functions that can be called by name; a strategy has none by default.
  static var functions: [TypedFunction] { get }
}

extension Plugin {
  public static var about: About { About() }
}

/// What people read about a plugin.
public struct About: Sendable {
  public var name: StaticString
  public var vendor: StaticString
  public var summary: StaticString
  /// SPDX identifier.
  public var license: StaticString
  public var url: StaticString

  public init(
    name: StaticString = "", vendor: StaticString = "", summary: StaticString = "",
    license: StaticString = "",
    url: StaticString = ""
  ) {
    self.name = name
    self.vendor = vendor
    self.summary = summary
    self.license = license
    self.url = url
  }
}

/// Why something cannot be done, for the operator: one line, no more than 247 bytes cross the boundary.
public struct PluginFailure: Error {
  public var message: String
  public var code: aegis_status
  public init(_ message: String, code: aegis_status = AEGIS_E_INVALID) {
    self.message = message
    self.code = code
  }
}
