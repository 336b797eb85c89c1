/// A fixed number of plain values in one allocation, made once and freed with its owner.
///
/// What the decision thread keeps lives here: no reference counts, no copy on write, no growth. [one owner]
struct FixedBlock<Element: BitwiseCopyable>: ~Copyable, @unchecked Sendable {
  // Unchecked because of the pointer; the block is its only holder and cannot be copied, so it moves as a whole.
  let base: UnsafeMutablePointer<Element>
  let count: Int

  /// - Precondition: `count ≥ 0`.
  init(repeating value: Element, count: Int) {
    precondition(count >= 0, "a block has no negative size")
    self.count = count
    base = UnsafeMutablePointer<Element>.allocate(capacity: max(count, 1))
    base.initialize(repeating: value, count: count)
  }

  deinit { base.deallocate() }

  /// - Precondition: `0 ≤ index < count`.
  @inline(__always) subscript(index: Int) -> Element {
    get {
      precondition(index >= 0 && index < count, "index inside the block")
      return base[index]
    }
    nonmutating set {
      precondition(index >= 0 && index < count, "index inside the block")
      base[index] = newValue
    }
  }
}
