import Glibc

/// One engine per data directory: an advisory lock that ends with the process, however it ends.
struct DirectoryLock {
  private let descriptor: Int32

  init(_ directory: String) throws(OrchestratorProcess.Failure) {
    descriptor = open("\(directory)/engine.lock", O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
    guard descriptor >= 0, flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      if descriptor >= 0 { close(descriptor) }
      throw .alreadyRunning(dataDirectory: directory)
    }
  }

  func release() { close(descriptor) }
}
