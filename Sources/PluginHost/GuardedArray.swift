import Glibc

/// An array that ends at a page nobody may touch: writing past its end ends the process there and then, with the
/// address, instead of changing something else's memory.
struct GuardedArray<Element>: ~Copyable {
  private let base: UnsafeMutableRawPointer
  private let byteCount: Int
  private let capacity: Int

  /// - Parameter element: what every place holds at first.
  init(repeating element: Element, count: Int) throws(IsolatedTrouble) {
    let page = Int(getpagesize())
    let usable = (count * MemoryLayout<Element>.stride + page - 1) / page * page
    let whole = usable + page
    guard let memory = mmap(nil, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | Int32(MAP_ANONYMOUS), -1, 0),
      memory != MAP_FAILED
    else { throw .system("map \(whole) bytes", errno) }
    guard mprotect(memory + usable, page, PROT_NONE) == 0 else {
      let code = errno
      munmap(memory, whole)
      throw .system("protect a page", code)
    }
    base = memory
    byteCount = whole
    capacity = count
    last(count).initialize(repeating: element, count: count)
  }

  /// The last `count` places: the element after them is the guard.
  func last(_ count: Int) -> UnsafeMutablePointer<Element> {
    precondition((0...capacity).contains(count), "no more places than there are")
    let end = base + (byteCount - Int(getpagesize()))
    return (end - count * MemoryLayout<Element>.stride).assumingMemoryBound(to: Element.self)
  }

  deinit { munmap(base, byteCount) }
}
