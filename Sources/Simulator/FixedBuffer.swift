/// Memory for a fixed number of plain values, allocated once and freed with its owner.   [one owner]
struct FixedBuffer<Element: BitwiseCopyable>: ~Copyable {
  private let base: UnsafeMutablePointer<Element>
  let count: Int

  /// Leaves the memory untouched: write an element before reading it.
  init(count: Int) {
    precondition(count > 0, "a buffer holds something")
    base = .allocate(capacity: count)
    self.count = count
  }

  init(count: Int, repeating value: Element) {
    self.init(count: count)
    base.initialize(repeating: value, count: count)
  }

  deinit { base.deallocate() }

  /// Where an element lives, valid as long as the buffer.
  @inline(__always) func pointer(_ index: Int) -> UnsafeMutablePointer<Element> {
    precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "an index inside the buffer")
    return base + index
  }

  @inline(__always) subscript(index: Int) -> Element {
    get { pointer(index).pointee }
    nonmutating set { pointer(index).pointee = newValue }
  }
}

/// A bounded first-in first-out queue of plain values.
struct FixedQueue<Element: BitwiseCopyable>: ~Copyable {
  private let buffer: FixedBuffer<Element>
  private var head = 0
  private(set) var count = 0

  init(capacity: Int) { buffer = FixedBuffer(count: capacity) }

  var isFull: Bool { count == buffer.count }

  /// - Precondition: not full.
  mutating func append(_ element: Element) {
    precondition(!isFull, "room in the queue")
    var tail = head + count
    if tail >= buffer.count { tail -= buffer.count }
    buffer[tail] = element
    count += 1
  }

  /// Drops the oldest element when full.
  mutating func appendDroppingOldest(_ element: Element) {
    if isFull { _ = popFirst() }
    append(element)
  }

  mutating func popFirst() -> Element? {
    guard count > 0 else { return nil }
    let element = buffer[head]
    head += 1
    if head == buffer.count { head = 0 }
    count -= 1
    return element
  }

  /// The element `index` places behind the oldest.
  subscript(index: Int) -> Element {
    precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "an element in the queue")
    let place = head + index
    return buffer[place >= buffer.count ? place - buffer.count : place]
  }
}
