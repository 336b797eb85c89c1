/// Room for what plugins say during one `process` call, owned by the caller of the plugins.
///
/// The memory is allocated once; taking an annotation copies it and never allocates.   [decision-thread]
public final class AnnotationBuffer {
  private let records: UnsafeMutablePointer<PluginAnnotation>
  public let capacity: Int
  /// Taken since the last `removeAll`.
  public private(set) var count = 0
  /// Refused for want of room, since the buffer was made.
  public private(set) var droppedCount: UInt64 = 0
  /// Refused because they broke a rule, since the buffer was made.
  public private(set) var refusedCount: UInt64 = 0

  public init(capacity: Int) {
    precondition(capacity > 0, "room for at least one")
    self.capacity = capacity
    records = .allocate(capacity: capacity)
  }

  deinit { records.deallocate() }

  /// In the order they were told.
  public subscript(index: Int) -> PluginAnnotation {
    precondition((0..<count).contains(index), "an annotation that was taken")
    return records[index]
  }

  public func removeAll() { count = 0 }

  /// - Returns: false when there is no room.
  @inline(__always)
  func take(_ annotation: PluginAnnotation) -> Bool {
    guard count < capacity else {
      droppedCount &+= 1
      return false
    }
    (records + count).initialize(to: annotation)
    count += 1
    return true
  }

  func countRefusal() { refusedCount &+= 1 }
}
