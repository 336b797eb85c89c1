internal import CPlatform
import Glibc

/// A new process of `aegis-plugin-host run` with its six descriptors, and the engine's ends of them.
struct IsolatedSpawn {
  let process: pid_t
  /// Becomes readable when the process ends.
  let ending: Int32
  let control: Int32
  let log: Int32

  /// - Parameters:
  ///   - input, status, output: memory files the process inherits; the caller keeps and closes its own.
  /// - Throws: when the program cannot be started or the machine lacks what watching it needs.
  init(host: String, input: Int32, status: Int32, output: Int32) throws(IsolatedTrouble) {
    var sockets: (own: Int32, other: Int32) = (-1, -1)
    let paired = withUnsafeMutableBytes(of: &sockets) { pair in
      socketpair(
        AF_UNIX, Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue), 0,
        pair.assumingMemoryBound(to: Int32.self).baseAddress)
    }
    guard paired == 0 else { throw .system("make a pair of sockets", errno) }
    defer { close(sockets.other) }
    var ends: (read: Int32, write: Int32) = (-1, -1)
    let piped = withUnsafeMutableBytes(of: &ends) { pipe in
      aegis_pipe(pipe.assumingMemoryBound(to: Int32.self).baseAddress)
    }
    guard piped == 0 else {
      close(sockets.own)
      throw .system("make a pipe", -piped)
    }
    defer { close(ends.write) }
    _ = fcntl(sockets.own, F_SETFL, O_NONBLOCK)
    _ = fcntl(ends.read, F_SETFL, O_NONBLOCK)

    let (code, child) = Self.spawn(
      host, log: ends.write,
      inherited: [
        (sockets.other, IsolatedChild.control), (input, IsolatedChild.input), (status, IsolatedChild.status),
        (output, IsolatedChild.output),
      ])
    let ending = code == 0 ? aegis_open_process(child) : 0
    guard code == 0, ending >= 0 else {
      close(sockets.own)
      close(ends.read)
      guard code == 0 else { throw .system("start \(host)", code) }
      kill(child, SIGKILL)
      waitpid(child, nil, 0)
      throw .system("watch the process (pidfd_open)", -ending)
    }
    process = child
    self.ending = ending
    control = sockets.own
    log = ends.read
  }

  /// Empty signal mask and default dispositions, whatever the calling thread has; a process group of its own, so that
  /// the terminal's Ctrl-C ends the engine first, which then ends the plugins in order.
  private static func spawn(
    _ host: String, log: Int32, inherited: [(from: Int32, to: Int32)]
  ) -> (Int32, pid_t) {
    // Out of the way of the numbers that are assigned below.
    let first: Int32 = 16
    var moved: [Int32] = []
    defer { for descriptor in moved { close(descriptor) } }
    for source in inherited.map(\.from) + [log] {
      let copy = fcntl(source, F_DUPFD_CLOEXEC, first)
      guard copy >= 0 else { return (errno, 0) }
      moved.append(copy)
    }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, moved[inherited.count], 1)
    posix_spawn_file_actions_adddup2(&actions, moved[inherited.count], 2)
    for (index, pair) in inherited.enumerated() {
      posix_spawn_file_actions_adddup2(&actions, moved[index], pair.to)
    }
    _ = aegis_spawn_closing_from(&actions, IsolatedChild.output + 1)  // fails for negative numbers only

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

    // No keys, no settings: only what the runtime needs to be found, and no debugger to be started at a crash.
    var variables = ["SWIFT_BACKTRACE=enable=no"]
    if let path = getenv("LD_LIBRARY_PATH") { variables.append("LD_LIBRARY_PATH=\(String(cString: path))") }
    let words = [host, "run"].map { copyCString($0) }
    let environment = variables.map { copyCString($0) }
    defer { for text in words + environment { text.deallocate() } }
    var child: pid_t = 0
    let code = posix_spawn(&child, host, &actions, &attributes, words + [nil], environment + [nil])
    return (code, child)
  }
}
