import Glibc

/// Runs short-lived children, a few at once, each in a process group of its own and within limits of time and output.
///
/// Answers come over a pipe that the child inherits as its standard output; what plugin code prints goes over another
/// one, is counted and cut. Children get a clean signal mask and no environment that could hold a secret.
struct ChildCrew {
  enum Ending: Hashable {
    case exited(Int32)
    case killed(Int32)
    case timedOut
    /// It printed more than `printedByteCountMax` and was killed.
    case flooded

    /// As the rest of "the plugin …"; nil for an ordinary exit.
    var explanation: String? {
      switch self {
      case .exited: nil
      case .killed(let signal): "crashed (\(Ending.signalName(signal)))"
      case .timedOut: "took too long and was killed"
      case .flooded: "flooded its output and was killed"
      }
    }

    static func signalName(_ signal: Int32) -> String {
      switch signal {
      case SIGSEGV: "SIGSEGV, invalid memory access"
      case SIGABRT: "SIGABRT, abort, uncaught exception or panic"
      case SIGILL: "SIGILL, illegal instruction or trap"
      case SIGTRAP: "SIGTRAP, trap"
      case SIGBUS: "SIGBUS, invalid memory access"
      case SIGFPE: "SIGFPE, arithmetic fault"
      case SIGKILL: "SIGKILL"
      case SIGXCPU: "SIGXCPU, out of processor time"
      case SIGXFSZ: "SIGXFSZ, file too large"
      case SIGSYS: "SIGSYS, forbidden system call"
      default: "signal \(signal)"
      }
    }
  }

  struct Job {
    var arguments: [String]
    var timeoutMilliseconds: Int
    /// The caller's own mark.
    var mark = 0
  }

  struct Outcome {
    var ending: Ending
    /// Lines of its answers; anything beyond the limit is dropped.
    var answers: [Substring]
    /// What plugin code printed: how much, and the first of it.
    var printedByteCount: Int
    var printed: String
  }

  /// A check answers with some lines; more is not ours.
  private static let answerByteCountMax = 1 << 20
  /// What a plugin may print into a scan or check before it is stopped.
  static let printedByteCountMax = 16 << 20
  private static let printedByteCountKept = 2048
  /// Names that reach a child; everything else could be a secret.
  private static let environmentNames: Set<String> = [
    "PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH",
  ]

  private struct Running {
    var job: Job
    var child: pid_t
    var answers: Int32
    var prints: Int32
    var deadline: Int64
    var answerBytes: [UInt8] = []
    var printedBytes: [UInt8] = []
    var printedByteCount = 0
    var status: Int32?
    var killed: Ending?
  }

  /// Runs jobs until `next` has none; blocks.   [control]
  ///
  /// - Parameters:
  ///   - next: asked whenever a child may start; also after `done`, which may have made more work.
  ///   - done: told of each end, in the order of ends.
  /// - Throws: `.scannerFailed` when a child cannot be started; the others are killed then.
  static func run(
    _ path: String, atOnce: Int, next: () -> Job?, done: (Job, Outcome) -> Void
  ) throws(PluginError) {
    var running: [Running] = []
    while true {
      while running.count < atOnce, let job = next() {
        do throws(PluginError) {
          running.append(try start(path, job))
        } catch {
          for index in running.indices { _ = end(&running[index], by: .timedOut) }
          throw error
        }
      }
      if running.isEmpty { return }
      wait(&running)
      var left: [Running] = []
      for index in running.indices {
        if isOver(&running[index]) {
          done(running[index].job, outcome(&running[index]))
        } else {
          left.append(running[index])
        }
      }
      running = left
    }
  }

  // MARK: Waiting

  /// Until something can be read, some milliseconds passed, or a deadline did.
  private static func wait(_ running: inout [Running]) {
    var polled = running.flatMap {
      [
        pollfd(fd: $0.answers, events: Int16(POLLIN), revents: 0),
        pollfd(fd: $0.prints, events: Int16(POLLIN), revents: 0),
      ]
    }
    // Closed ends are -1, which poll passes over. A child whose own children keep the pipes open ends unseen by poll.
    _ = poll(&polled, UInt(polled.count), 5)
    for index in running.indices {
      if polled[2 * index].revents != 0 { drainAnswers(&running[index]) }
      if polled[2 * index + 1].revents != 0 { drainPrints(&running[index]) }
    }
  }

  private static func drainAnswers(_ child: inout Running) {
    drain(&child.answers) { bytes in
      child.answerBytes += bytes.prefix(max(0, answerByteCountMax - child.answerBytes.count))
    }
  }

  private static func drainPrints(_ child: inout Running) {
    drain(&child.prints) { bytes in
      child.printedBytes += bytes.prefix(max(0, printedByteCountKept - child.printedBytes.count))
      child.printedByteCount += bytes.count
    }
  }

  /// Takes what is there, at most 1 MB in a row; the end closes the descriptor.
  private static func drain(_ descriptor: inout Int32, _ take: (ArraySlice<UInt8>) -> Void) {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    for _ in 0..<16 where descriptor >= 0 {
      let count = read(descriptor, &buffer, buffer.count)
      if count > 0 {
        take(buffer[..<count])
      } else if count == 0 || errno != EAGAIN && errno != EINTR {
        close(descriptor)
        descriptor = -1
      } else {
        return
      }
    }
  }

  private static func isOver(_ child: inout Running) -> Bool {
    var status: Int32 = 0
    let reaped = waitpid(child.child, &status, WNOHANG)
    if reaped == child.child {
      child.status = status
      return true
    }
    if reaped < 0, errno != EINTR {
      child.status = 0xFF00  // reaped elsewhere: nothing more to learn
      return true
    }
    if child.printedByteCount > printedByteCountMax { return end(&child, by: .flooded) }
    if ResourceChecks.monotonicNanoseconds() >= child.deadline { return end(&child, by: .timedOut) }
    return false
  }

  private static func end(_ child: inout Running, by ending: Ending) -> Bool {
    kill(-child.child, SIGKILL)
    kill(child.child, SIGKILL)
    var status: Int32 = 0
    while waitpid(child.child, &status, 0) < 0, errno == EINTR {}
    child.status = status
    child.killed = ending
    return true
  }

  private static func outcome(_ child: inout Running) -> Outcome {
    // Whatever it started ends with it; what it said is still in the pipes.
    kill(-child.child, SIGKILL)
    drainAnswers(&child)
    drainPrints(&child)
    for descriptor in [child.answers, child.prints] where descriptor >= 0 { close(descriptor) }
    let status = child.status ?? 0
    let signal = status & 0x7F
    let ending = child.killed ?? (signal == 0 ? .exited((status >> 8) & 0xFF) : .killed(signal))
    return Outcome(
      ending: ending, answers: String(decoding: child.answerBytes, as: UTF8.self).split(separator: "\n"),
      printedByteCount: child.printedByteCount, printed: String(decoding: child.printedBytes, as: UTF8.self))
  }

  // MARK: Starting

  private static func start(_ path: String, _ job: Job) throws(PluginError) -> Running {
    var answers: (read: Int32, write: Int32) = (-1, -1)
    var prints: (read: Int32, write: Int32) = (-1, -1)
    guard openPipe(&answers) == 0 else { throw .scannerFailed(path: path, reason: errorText(errno)) }
    guard openPipe(&prints) == 0 else {
      let reason = errorText(errno)
      close(answers.read)
      close(answers.write)
      throw .scannerFailed(path: path, reason: reason)
    }
    let (status, child) = spawn(path, job.arguments, output: answers.write, error: prints.write)
    close(answers.write)
    close(prints.write)
    guard status == 0 else {
      close(answers.read)
      close(prints.read)
      throw .scannerFailed(path: path, reason: errorText(status))
    }
    _ = fcntl(answers.read, F_SETFL, O_NONBLOCK)
    _ = fcntl(prints.read, F_SETFL, O_NONBLOCK)
    return Running(
      job: job, child: child, answers: answers.read, prints: prints.read,
      deadline: ResourceChecks.monotonicNanoseconds() + Int64(job.timeoutMilliseconds) * 1_000_000)
  }

  private static func openPipe(_ ends: inout (read: Int32, write: Int32)) -> Int32 {
    let result = withUnsafeMutableBytes(of: &ends) {
      pipe($0.assumingMemoryBound(to: Int32.self).baseAddress)
    }
    guard result == 0 else { return result }
    // A child that another thread starts right here may inherit the ends; ours is reaped by its id, so nobody waits.
    _ = fcntl(ends.read, F_SETFD, FD_CLOEXEC)
    _ = fcntl(ends.write, F_SETFD, FD_CLOEXEC)
    return 0
  }

  private static func spawn(
    _ path: String, _ arguments: [String], output: Int32, error: Int32
  ) -> (Int32, pid_t) {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    posix_spawn_file_actions_adddup2(&actions, error, 2)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    var all = sigset_t()
    sigfillset(&all)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
    var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { copyCString($0) }
    words.append(nil)
    defer { for word in words { word?.deallocate() } }
    var variables = environment()
    var child: pid_t = 0
    let status = posix_spawn(&child, path, &actions, &attributes, words, &variables)
    return (status, child)
  }

  /// The lines of this process's environment a child may see, in place.
  private static func environment() -> [UnsafeMutablePointer<CChar>?] {
    var result: [UnsafeMutablePointer<CChar>?] = []
    var position = 0
    while let line = environ[position] {
      let name = String(
        decoding: UnsafeRawBufferPointer(start: line, count: strcspn(line, "=")), as: UTF8.self)
      if environmentNames.contains(name) { result.append(line) }
      position += 1
    }
    return result + [nil]
  }
}
