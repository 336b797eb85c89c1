import Glibc

/// Runs a short-lived child and collects what it prints, within limits of time and size.
///
/// Spawned with an empty signal mask and default dispositions: a child started from a thread that blocks signals would
/// otherwise never see SIGTERM.
enum ChildProcess {
  enum Ending: Hashable {
    case exited(Int32)
    case killed(Int32)
    case timedOut
  }

  struct Result {
    var ending: Ending
    /// Standard output; anything beyond the limit is dropped.
    var bytes: [UInt8]
    var output: String { String(decoding: bytes, as: UTF8.self) }
  }

  /// Blocks until the child ended and is reaped.   [control]
  ///
  /// - Parameter input: a descriptor it reads as standard input; nil gives it an empty one.
  /// - Throws: `.scannerFailed` when it cannot be started.
  static func run(
    _ path: String, arguments: [String], input: Int32? = nil, timeoutMilliseconds: Int,
    outputByteCountMax: Int
  ) throws(PluginError) -> Result {
    var ends: (read: Int32, write: Int32) = (-1, -1)
    let piped = withUnsafeMutableBytes(of: &ends) { pipe($0.assumingMemoryBound(to: Int32.self).baseAddress) }
    guard piped == 0 else { throw .scannerFailed(path: path, reason: errorText(errno)) }
    defer { close(ends.read) }
    // A child that another thread starts right here may inherit the ends; the time limit bounds that, too.
    _ = fcntl(ends.read, F_SETFD, FD_CLOEXEC)
    _ = fcntl(ends.write, F_SETFD, FD_CLOEXEC)
    let (status, child) = spawn(path, arguments, input: input, output: ends.write)
    close(ends.write)
    guard status == 0 else { throw .scannerFailed(path: path, reason: errorText(status)) }

    let deadline = monotonicMilliseconds() + timeoutMilliseconds
    var bytes: [UInt8] = []
    var isTimedOut = false
    var buffer = [UInt8](repeating: 0, count: 65536)
    reading: while true {
      let left = deadline - monotonicMilliseconds()
      if left <= 0 {
        isTimedOut = true
        break
      }
      var ready = pollfd(fd: ends.read, events: Int16(POLLIN), revents: 0)
      let polled = poll(&ready, 1, Int32(clamping: left))
      if polled < 0, errno != EINTR { break }
      if polled <= 0 { continue }
      let count = read(ends.read, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      if count <= 0 { break reading }
      bytes += buffer[..<min(count, max(0, outputByteCountMax - bytes.count))]
    }
    if isTimedOut { kill(child, SIGKILL) }
    return Result(
      ending: reap(child, deadline: deadline, isTimedOut: &isTimedOut), bytes: bytes)
  }

  /// Waits for the end; a child that closed its output but goes on is killed at the deadline.
  private static func reap(_ child: pid_t, deadline: Int, isTimedOut: inout Bool) -> Ending {
    var status: Int32 = 0
    while true {
      let result = waitpid(child, &status, isTimedOut ? 0 : WNOHANG)
      if result == child { break }
      if result < 0, errno != EINTR { return .exited(-1) }  // reaped elsewhere: nothing more to learn
      if result == 0 {
        if monotonicMilliseconds() >= deadline {
          isTimedOut = true
          kill(child, SIGKILL)
        } else {
          _ = poll(nil, 0, 1)
        }
      }
    }
    if isTimedOut { return .timedOut }
    let signal = status & 0x7F
    return signal == 0 ? .exited((status >> 8) & 0xFF) : .killed(signal)
  }

  private static func spawn(_ path: String, _ arguments: [String], input: Int32?, output: Int32) -> (
    Int32, pid_t
  ) {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if let input {
      posix_spawn_file_actions_adddup2(&actions, input, 0)
    } else {
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    var all = sigset_t()
    sigfillset(&all)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { copyCString($0) }
    words.append(nil)
    defer { for word in words { word?.deallocate() } }
    var child: pid_t = 0
    let status = posix_spawn(&child, path, &actions, &attributes, words, environ)
    return (status, child)
  }

  private static func monotonicMilliseconds() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
  }
}
