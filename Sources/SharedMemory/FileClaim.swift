internal import CPlatform
internal import Glibc

/// The exclusive right to something a file stands for; ends with the owner, or with its process however that dies.
public struct FileClaim: ~Copyable, Sendable {
  private let descriptor: Int32

  /// Claims `path`, making an empty file (mode 0600) if there is none. The file stays.
  ///
  /// - Parameter role: what the claim is for, for the message when another holds it.
  public init(path: String, role: String) throws(MapError) {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else {
      throw .system(
        path: path, operation: "open", code: errno,
        fix: "Check that its directory exists and belongs to this user.")
    }
    let code = aegis_lock_byte(descriptor, 0)
    guard code == 0 else {
      close(descriptor)
      if code == -EAGAIN || code == -EACCES { throw .inUse(path: path, role: role, processID: 0) }
      throw .system(
        path: path, operation: "lock", code: -code, fix: "Use a file system with locks (not a network one).")
    }
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }
}
