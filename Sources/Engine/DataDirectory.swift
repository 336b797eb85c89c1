public import Foundation
import Glibc

/// Where everything the engine keeps lies on disk. One folder per venue and mode, so that paper and live, or two
/// venues, can never share a file.
public struct DataDirectory: Sendable {
  public let root: URL
  /// `binance`, `simulator-…`, or host and port of another venue; part of every stored row's key.
  public let venue: String
  public let mode: String

  public enum Failure: Error, CustomStringConvertible {
    case notWritable(path: String, reason: String)

    public var description: String {
      switch self {
      case .notWritable(let path, let reason):
        "dataDirectory: \(path) cannot be written: \(reason); choose another with --data-dir or AEGIS_DATA_DIRECTORY"
      }
    }
  }

  public init(root: String, venue: String, mode: String) {
    self.root = URL(filePath: root, directoryHint: .isDirectory)
    self.venue = venue
    self.mode = mode
  }

  /// Letters, digits, dots and dashes of a venue's address.
  public static func venueKey(_ address: String) -> String {
    String(address.map { $0.isLetter || $0.isNumber || $0 == "." ? $0 : "-" })
  }

  public var base: URL { root.appending(path: "\(venue)-\(mode)") }
  public var journal: URL { base.appending(path: "journal") }
  public var market: URL { base.appending(path: "market") }
  public var runs: URL { base.appending(path: "runs") }
  public var plugins: URL { base.appending(path: "plugins") }
  public var instruments: URL { base.appending(path: "instruments") }
  public var store: URL { root.appending(path: "store.sqlite") }
  /// Addresses and sockets of the engine running now.
  public var runtime: URL { root.appending(path: "run") }
  public var apiAddress: URL { runtime.appending(path: "api.json") }

  public func instrumentTable(version: UInt32) -> URL {
    instruments.appending(path: String(format: "instruments-%06u.json", version))
  }
  public func runRecord(_ run: UInt32) -> URL { runs.appending(path: String(format: "run-%06u.json", run)) }

  /// Makes every folder, readable by the owner only, and proves that a file can be written.
  public func prepare() throws(Failure) {
    for folder in [root, base, journal, market, runs, plugins, instruments, runtime] {
      do {
        try FileManager.default.createDirectory(
          at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      } catch {
        throw .notWritable(path: folder.path, reason: Self.reason(error))
      }
    }
    let probe = runtime.appending(path: ".probe-\(getpid())")
    do {
      try Data().write(to: probe)
      try FileManager.default.removeItem(at: probe)
    } catch {
      throw .notWritable(path: runtime.path, reason: Self.reason(error))
    }
  }

  private static func reason(_ error: any Error) -> String {
    let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
    guard
      let code = underlying?.code
        ?? ((error as NSError).domain == NSPOSIXErrorDomain ? (error as NSError).code : nil)
    else { return error.localizedDescription }
    return String(cString: strerror(Int32(code)))
  }
}

/// The shared regions of one running engine: in memory where the system offers it, else beside the data.
public struct SharedRegions: Sendable {
  public let folder: URL

  /// The name carries the data directory's inode, so that two engines on two directories never meet, and the same
  /// directory always finds its own leftovers.
  public init(for directory: DataDirectory) {
    // What cannot be read of the root leads to the folder beside the data.
    let memory = "/dev/shm"
    if access(memory, W_OK) == 0,
      let attributes = try? FileManager.default.attributesOfItem(atPath: directory.root.path),
      let device = attributes[.systemNumber], let inode = attributes[.systemFileNumber]
    {
      folder = URL(filePath: "\(memory)/aegis-\(getuid())-\(device)-\(inode)-\(directory.mode)")
    } else {
      folder = directory.runtime.appending(path: "regions")
    }
  }

  public init(folder: String) { self.folder = URL(filePath: folder) }

  public var ring: String { folder.appending(path: "ring").path }
  public var lastValues: String { folder.appending(path: "last-values").path }
  public var inputs: String { folder.appending(path: "inputs").path }
  public var control: String { folder.appending(path: "control").path }
  public var counters: String { folder.appending(path: "counters").path }
  public var budget: String { folder.appending(path: "budget").path }

  public func prepare() throws(DataDirectory.Failure) {
    do {
      try FileManager.default.createDirectory(
        at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw .notWritable(path: folder.path, reason: error.localizedDescription)
    }
  }

  public func remove() {
    for path in [ring, lastValues, inputs, control, counters, budget] { unlink(path) }
    rmdir(folder.path)
  }
}
