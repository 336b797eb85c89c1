import CPlatform
import Glibc
import Synchronization

/// A forked copy of the test that runs one closure and ends. The closure touches shared memory only.
struct ChildProcess: ~Copyable {
  let id: pid_t

  init(_ body: () -> Int32) {
    id = aegis_fork()
    if id == 0 { aegis_exit_now(body()) }
    precondition(id > 0, "fork failed")
  }

  func kill() { _ = Glibc.kill(id, SIGKILL) }

  /// Stops the child and returns when the kernel says that it stands still.
  func stop() {
    _ = Glibc.kill(id, SIGSTOP)
    var status: Int32 = 0
    while waitpid(id, &status, WUNTRACED) < 0, errno == EINTR {}
  }

  func resume() { _ = Glibc.kill(id, SIGCONT) }

  /// Waits for the end; the exit status, or nil when it was killed (by us after `seconds`, or by another).
  consuming func wait(seconds: Double = 180) -> Int32? {
    let deadline = Deadline(seconds: seconds)
    var status: Int32 = 0
    while true {
      let result = waitpid(id, &status, WNOHANG)
      if result == id { return status & 0x7F == 0 ? (status >> 8) & 0xFF : nil }
      if deadline.hasPassed { kill() }
      usleep(200)
    }
  }
}

/// A point in time after which a test gives up. Generous: a busy machine gives a spinning pair of processes little.
struct Deadline {
  let nanoseconds: Int64
  init(seconds: Double = 120) { nanoseconds = aegis_monotonic_nanoseconds() + Int64(seconds * 1e9) }
  var hasPassed: Bool { aegis_monotonic_nanoseconds() > nanoseconds }
}

/// A few numbers shared with a forked child.
final class Scratch {
  private let words: UnsafeMutablePointer<Atomic<UInt64>>
  private let count = 512

  init() {
    let bytes = mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
    guard let bytes, bytes != MAP_FAILED else { fatalError("mmap: errno \(errno)") }
    words = bytes.assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  subscript(index: Int) -> UInt64 {
    get { words[index].load(ordering: .acquiring) }
    set { words[index].store(newValue, ordering: .releasing) }
  }

  deinit { munmap(words, 4096) }
}
