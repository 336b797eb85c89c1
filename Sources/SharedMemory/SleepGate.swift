internal import CPlatform
public import Synchronization

/// Lets readers sleep and lets the writer skip the wake-up call while none does.
///
/// Two words on lines of their own: `sleeper` is 1 while somebody sleeps or is about to, `turn` is the futex word.
/// The handshake is Dekker's: each side writes its own word, then looks at the other's.
///
///     reader                                   writer
///     G1 turn.load                             G5 publish (the record's stamp)
///     G2 sleeper.store(1)                      G6 fence (sequentially consistent)
///     G3 fence (sequentially consistent)       G7 sleeper.load; done if 0
///     G4 look for a record; sleep on `turn`    G8 sleeper.store(0), turn + 1, wake all
///
/// The fences G3 and G6 are totally ordered: either G7 sees G2 and the writer wakes, or G4 sees G5 and the reader does
/// not sleep. Release and acquire would allow both to see the old value, and the reader would sleep over a record.
/// A reader that takes `turn` before G8 and sleeps after it finds the word changed and returns at once; one that takes
/// it after G8 sets `sleeper` after it was cleared. A reader killed in its sleep costs one needless wake-up.
@frozen @usableFromInline struct SleepGate: Sendable {
  @usableFromInline nonisolated(unsafe) let turn: UnsafeMutablePointer<Atomic<UInt32>>
  @usableFromInline nonisolated(unsafe) let sleeper: UnsafeMutablePointer<Atomic<UInt32>>

  @usableFromInline init(turn: UnsafeMutableRawPointer, sleeper: UnsafeMutableRawPointer) {
    self.turn = turn.assumingMemoryBound(to: Atomic<UInt32>.self)
    self.sleeper = sleeper.assumingMemoryBound(to: Atomic<UInt32>.self)
  }

  /// Wakes all sleepers, if any. About 5 ns when there is none: once per batch, not per record.   [writer]
  @inlinable @inline(__always) func wake() {
    atomicMemoryFence(ordering: .sequentiallyConsistent)  // G6
    guard sleeper.pointee.load(ordering: .relaxed) != 0 else { return }  // G7
    wakeSleepers()
  }

  @usableFromInline @inline(never) func wakeSleepers() {
    sleeper.pointee.store(0, ordering: .relaxed)  // G8, before the next line; pairs with G1
    turn.pointee.wrappingAdd(1, ordering: .releasing)
    _ = aegis_futex_wake(UnsafeRawPointer(turn).assumingMemoryBound(to: UInt32.self), Int32.max)
  }

  /// Sleeps until woken, unless `isReady` already holds.   [reader]
  /// - Returns: what `isReady` says in the end.
  @usableFromInline @inline(never) func sleep(
    timeoutNanoseconds: Int64, unless isReady: () -> Bool
  ) -> Bool {
    let ticket = turn.pointee.load(ordering: .acquiring)  // G1
    sleeper.pointee.store(1, ordering: .relaxed)  // G2
    atomicMemoryFence(ordering: .sequentiallyConsistent)  // G3
    if isReady() { return true }  // G4
    _ = aegis_futex_wait(
      UnsafeRawPointer(turn).assumingMemoryBound(to: UInt32.self), ticket, timeoutNanoseconds)
    return isReady()
  }
}
