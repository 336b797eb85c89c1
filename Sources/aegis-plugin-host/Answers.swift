import CPluginProbe
import Glibc
import PluginHost

/// Gives the plugin's own prints to standard error, so that they cannot end up among the answers.
func answerDescriptor() -> Int32 {
  // Out of reach of plugins that write to low descriptors, and of the programs they start.
  let answers = fcntl(1, F_DUPFD_CLOEXEC, 100)
  dup2(2, 1)
  return answers
}

func write(_ line: String, to descriptor: Int32) {
  var text = line + "\n"
  text.withUTF8 { bytes in
    var written = 0
    while written < bytes.count {
      // Never empty, so it has an address: there is a newline.
      let count = Glibc.write(descriptor, bytes.baseAddress! + written, bytes.count - written)
      if count < 0, errno == EINTR { continue }
      if count <= 0 { exit(1) }  // nobody listens any more
      written += count
    }
  }
}

/// Bounds on what a plugin may take while it is looked at; the parent kills on time and output.
func limitResources() {
  func set(_ resource: __rlimit_resource, _ value: rlim_t) {
    var limit = rlimit(rlim_cur: value, rlim_max: value)
    setrlimit(__rlimit_resource_t(resource.rawValue), &limit)
  }
  set(RLIMIT_CORE, 0)
  set(RLIMIT_AS, 16 << 30)
  set(RLIMIT_CPU, 600)
  set(RLIMIT_FSIZE, 4 << 30)
}

/// Counts allocations of the calling thread and sockets of the process.
let allocationProbe = PluginProbe(
  begin: { aegis_probe_reset() },
  end: { (Int(aegis_probe_allocations()), Int(aegis_probe_sockets())) })
