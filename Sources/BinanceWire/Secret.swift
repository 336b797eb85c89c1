/// A text that must not reach logs, dumps or files: it prints as `***` and is not `Codable`.
public struct Secret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible,
  CustomReflectable
{
  /// The text itself, for the one place that needs it.
  public let exposed: String

  public init(_ text: String) { exposed = text }

  public var isEmpty: Bool { exposed.isEmpty }
  public var description: String { "***" }
  public var debugDescription: String { "***" }
  public var customMirror: Mirror { Mirror(self, children: EmptyCollection()) }
}
