internal import Synchronization

/// What the orchestrator wants of its children: one page of flags, written by it alone, read by all.
///
/// A child polls it between events: everything but the heartbeat is in one cache line, which stays in its cache until
/// something changes. Each value is complete in itself; a value that announces others (the reload number, the table
/// version) is raised after they are in place, and the release store orders them.
public struct ControlPage: ~Copyable, Sendable {
  /// How much trading is wanted.
  public enum DesiredState: UInt64, Sendable, CaseIterable {
    case normal = 0
    /// Positions may shrink, never grow.
    case reduceOnly = 1
    /// No order but protective ones.
    case halted = 2
  }

  /// A page like every page; one is enough.
  static let byteCount = 4096
  let region: MappedRegion

  private enum Word: Int {
    case desiredState = 128
    case draining = 136
    case reloadNumber = 144
    case instrumentTableVersion = 152
    case shutdown = 160
    case heartbeat = 256
  }

  /// Lays out a page at `path` with everything zero but the state.   [orchestrator]
  public static func create(path: String, desiredState: DesiredState) throws(MapError) {
    _ = try MappedRegion.create(path: path, byteCount: byteCount) { bytes in
      bytes.storeBytes(
        of: RegionHeader(magic: "AEGISCTL", recordByteCount: 8, capacity: 1), as: RegionHeader.self)
      bytes.storeBytes(of: desiredState.rawValue, toByteOffset: Word.desiredState.rawValue, as: UInt64.self)
    }
  }

  /// - Parameter writable: true for the orchestrator only; a child that writes stops at a precondition.
  public init(path: String, writable: Bool) throws(MapError) {
    let region = try MappedRegion.open(path: path, writable: writable)
    _ = try RegionHeader.read(
      from: region, expected: RegionHeader(magic: "AEGISCTL", recordByteCount: 8, capacity: 1),
      capacity: { $0 == 1 }, byteCount: { _ in Self.byteCount })
    self.region = region
  }

  /// A value no program of this version writes reads as `halted`: when in doubt, do not trade.
  public var desiredState: DesiredState {
    get { DesiredState(rawValue: self[.desiredState]) ?? .halted }
    nonmutating set { self[.desiredState] = newValue.rawValue }
  }

  /// Finish what is open, start nothing new.
  public var isDraining: Bool {
    get { self[.draining] != 0 }
    nonmutating set { self[.draining] = newValue ? 1 : 0 }
  }

  /// Leave in good order.
  public var isShutdownRequested: Bool {
    get { self[.shutdown] != 0 }
    nonmutating set { self[.shutdown] = newValue ? 1 : 0 }
  }

  /// Raised by one when plugins or models are to be read again.
  public var reloadNumber: UInt64 {
    get { self[.reloadNumber] }
    nonmutating set { self[.reloadNumber] = newValue }
  }

  /// The newest instrument table on disk.
  public var instrumentTableVersion: UInt64 {
    get { self[.instrumentTableVersion] }
    nonmutating set { self[.instrumentTableVersion] = newValue }
  }

  /// Monotonic nanoseconds at which the orchestrator last finished a round; 0 before the first.
  public var orchestratorHeartbeatNanoseconds: Int64 {
    get { Int64(bitPattern: self[.heartbeat]) }
    nonmutating set { self[.heartbeat] = UInt64(bitPattern: newValue) }
  }

  private subscript(word: Word) -> UInt64 {
    get { pointer(word).pointee.load(ordering: .acquiring) }
    nonmutating set {
      precondition(region.isWritable, "the control page has one writer: the orchestrator")
      pointer(word).pointee.store(newValue, ordering: .releasing)
    }
  }

  private func pointer(_ word: Word) -> UnsafeMutablePointer<Atomic<UInt64>> {
    (region.base + word.rawValue).assumingMemoryBound(to: Atomic<UInt64>.self)
  }
}
