import CPlatform
import Glibc
import Synchronization

/// Runs one closure in a forked process and one here, each pinned to a processor, and takes the time of both.
struct TwoProcesses {
  var producerProcessor: Int32 = 0
  var consumerProcessor: Int32 = 1

  /// Nanoseconds from the consumer being ready to both being through.
  ///
  /// - Parameter consumer: returns the number of wrong records; any ends the benchmark.
  @inline(__always)
  func measure(consumer: () -> UInt64, producer: () -> Void) -> Double {
    guard let page = mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
      page != MAP_FAILED
    else { fatalError("mmap failed: errno \(errno)") }
    defer { munmap(page, 4096) }
    let isReady = page.assumingMemoryBound(to: Atomic<UInt64>.self)
    let isDone = (page + 256).assumingMemoryBound(to: Atomic<UInt64>.self)
    let child = aegis_fork()
    if child == 0 {
      _ = aegis_pin_thread(consumerProcessor)
      isReady.pointee.store(1, ordering: .releasing)
      let wrong = consumer()
      isDone.pointee.store(1, ordering: .releasing)
      aegis_exit_now(wrong == 0 ? 0 : 1)
    }
    guard child > 0 else { fatalError("fork failed: errno \(-child)") }
    _ = aegis_pin_thread(producerProcessor)
    while isReady.pointee.load(ordering: .acquiring) == 0 { aegis_cpu_pause() }
    let begun = aegis_monotonic_nanoseconds()
    producer()
    while isDone.pointee.load(ordering: .acquiring) == 0 { aegis_cpu_pause() }
    let ended = aegis_monotonic_nanoseconds()
    var status: Int32 = 0
    waitpid(child, &status, 0)
    guard status == 0 else { fatalError("the consumer saw wrong records or died (wait status \(status))") }
    return Double(ended - begun)
  }
}
