/// A quantity as a count of the instrument's steps. Never negative on an order; a position uses a signed count.
@frozen public struct Quantity: Comparable, Hashable, Sendable, BitwiseCopyable {
  public var steps: Int64
  @inlinable public init(steps: Int64) { self.steps = steps }
  @inlinable public static func < (a: Quantity, b: Quantity) -> Bool { a.steps < b.steps }

  public static let zero = Quantity(steps: 0)
}
