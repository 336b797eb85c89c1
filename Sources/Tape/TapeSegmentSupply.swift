internal import Glibc
internal import SharedMemory
internal import Synchronization

/// Where a writer gets its next segment from and leaves the full one, so that another thread can do the slow part:
/// allocating, mapping and touching the one, unmapping the other.
final class TapeSegmentSupply: Sendable {
  private struct State: ~Copyable {
    var prepared: MappedRegion?
    var retired: MappedRegion?
    var isEnded = false
  }

  let directory: TapeDirectory
  let segmentByteCount: Int
  private let state = Mutex(State())

  init(directory: TapeDirectory, segmentByteCount: Int) {
    self.directory = directory
    self.segmentByteCount = segmentByteCount
  }

  /// Makes the next segment ready if none is, and lets go of a full one.   [any thread but the writer's]
  ///
  /// Holds the lock while it allocates: a writer that needs a segment just then waits for this one, which is no longer
  /// than making it itself.
  func prepare() throws(TapeError) {
    try state.withLock { state throws(TapeError) in
      guard !state.isEnded else { return }
      state.retired = nil
      if state.prepared == nil { state.prepared = try make() }
    }
  }

  /// Begins the next segment, prepared or made on the spot; `wasReady` tells which.   [writer]
  ///
  /// It gets its name under the lock: otherwise the preparer could put another file in the prepared one's place first.
  func begin(_ header: TapeHeader, wasReady: inout Bool) throws(TapeError) -> MappedRegion {
    var isReady = false
    let region = try state.withLock { state throws(TapeError) -> MappedRegion in
      if let prepared = state.prepared.take() {
        isReady = true
        try TapeSegment.begin(prepared, header, in: directory)
        return prepared
      }
      let made = try make()
      try TapeSegment.begin(made, header, in: directory)
      return made
    }
    wasReady = isReady
    return region
  }

  /// Leaves a full segment to be unmapped.   [writer]
  func retire(_ region: consuming MappedRegion) {
    var region: MappedRegion? = consume region
    state.withLock { state in state.retired = region.take() }
  }

  /// No more segments: removes the prepared one.
  func end() {
    state.withLock { state in
      state.isEnded = true
      state.retired = nil
      if state.prepared != nil {
        state.prepared = nil
        unlink(directory.preparedPath)
      }
    }
  }

  private func make() throws(TapeError) -> MappedRegion {
    do throws(MapError) {
      let region = try MappedRegion.create(path: directory.preparedPath, byteCount: segmentByteCount)
      try region.populate()
      return region
    } catch {
      if case .system(let path, _, let code, _) = error, [ENOSPC, EDQUOT, EFBIG].contains(code) {
        throw .full(path: path, byteCount: segmentByteCount)
      }
      throw .file(error)
    }
  }
}

/// Does the slow part of a writer's segment changes on another thread.   [one thread beside the writer's]
public struct TapePreparer: Sendable {
  let supply: TapeSegmentSupply

  /// Makes the next segment ready if it is not, and unmaps a finished one. Call it every second or so.
  ///
  /// A tape whose writer ended is left alone.
  public func prepareNextSegment() throws(TapeError) { try supply.prepare() }
}

/// The writer's hold on its tape's name and supply; both end with it.
@usableFromInline struct TapeWriterClaim: ~Copyable, Sendable {
  let supply: TapeSegmentSupply
  let claim: FileClaim

  init(supply: TapeSegmentSupply) throws(TapeError) {
    do throws(MapError) {
      claim = try FileClaim(path: supply.directory.lockPath, role: "writer")
    } catch {
      if case .inUse(let path, _, _) = error { throw .inUse(path: path) }
      throw .file(error)
    }
    self.supply = supply
  }

  deinit { supply.end() }
}
