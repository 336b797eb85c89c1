import Market

/// The open orders of the account, in slots that are reused; each instrument threads its own list through them.
struct OpenOrderPool: ~Copyable {
  struct Slot: BitwiseCopyable {
    var order: SimulatedOrder
    var next: Int32
    var previous: Int32
  }

  private let slots: FixedBuffer<Slot>
  private let free: FixedBuffer<Int32>
  private var freeCount: Int

  init(capacity: Int) {
    slots = FixedBuffer(count: capacity)
    free = FixedBuffer(count: capacity)
    freeCount = capacity
    for index in 0..<capacity { free[index] = Int32(capacity - 1 - index) }
  }

  var isFull: Bool { freeCount == 0 }

  @inline(__always) func slot(_ index: Int32) -> UnsafeMutablePointer<Slot> { slots.pointer(Int(index)) }

  /// Puts an order at the end of an instrument's list.
  mutating func append(_ order: SimulatedOrder, to state: UnsafeMutablePointer<InstrumentState>) {
    precondition(!isFull, "a free slot")
    freeCount -= 1
    let index = free[freeCount]
    slots[Int(index)] = Slot(order: order, next: -1, previous: state.pointee.lastOpen)
    if state.pointee.lastOpen >= 0 {
      slot(state.pointee.lastOpen).pointee.next = index
    } else {
      state.pointee.firstOpen = index
    }
    state.pointee.lastOpen = index
    state.pointee.openCount += 1
  }

  /// Takes an order out of its instrument's list.
  mutating func remove(_ index: Int32, from state: UnsafeMutablePointer<InstrumentState>) {
    let entry = slots[Int(index)]
    if entry.previous >= 0 {
      slot(entry.previous).pointee.next = entry.next
    } else {
      state.pointee.firstOpen = entry.next
    }
    if entry.next >= 0 {
      slot(entry.next).pointee.previous = entry.previous
    } else {
      state.pointee.lastOpen = entry.previous
    }
    state.pointee.openCount -= 1
    free[freeCount] = index
    freeCount += 1
  }
}
