internal import CPlatform

/// Where the calling thread runs and what tools call it.
public enum ThreadPlacement {
  /// Binds the calling thread to one processor; false when the machine does not let us (the thread then runs on).
  @discardableResult
  public static func pin(toProcessor processor: Int) -> Bool {
    guard let processor = Int32(exactly: processor) else { return false }
    return aegis_pin_thread(processor) == 0
  }

  /// Names the calling thread in `top`, `perf` and core dumps. The kernel keeps the first 15 bytes.
  public static func name(_ name: String) {
    // The only failure is an unreadable pointer, which a Swift string never is.
    _ = name.withCString { aegis_name_thread($0) }
  }

  /// Processors the calling thread may use, at least 1.
  public static var processorCount: Int { max(1, Int(aegis_cpu_count())) }
}
