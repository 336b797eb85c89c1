import PluginABI
import Synchronization

/// The plugin's side of the ring that leads back to the engine.   [strategy]
struct IsolatedOutput: BitwiseCopyable {
  private let slots: UnsafeMutablePointer<OutputSlot>
  private let rows: UnsafeMutablePointer<Float>
  private let status: StatusPage
  private let layout: IsolatedLayout
  private var produced: UInt64 = 0

  init(base: UnsafeMutableRawPointer, status: StatusPage, layout: IsolatedLayout) {
    slots = base.assumingMemoryBound(to: OutputSlot.self)
    rows = (base + layout.featureOffset).assumingMemoryBound(to: Float.self)
    self.status = status
    self.layout = layout
  }

  /// Records the ring has room for.
  var roomCount: Int {
    // Acquire: the engine has read a slot before it is written again; pairs with its release of `taken`.
    layout.outputCapacity
      - Int(truncatingIfNeeded: produced &- status.taken.pointee.load(ordering: .acquiring))
  }

  /// - Precondition: there is room.
  mutating func add(_ signal: aegis_signal, features: UnsafePointer<Float>?) {
    let index = Int(produced) & (layout.outputCapacity - 1)
    var slot = OutputSlot()
    slot.kind = OutputSlot.Kind.signal.rawValue
    withUnsafeMutableBytes(of: &slot.words) { words in
      withUnsafeBytes(of: signal) { words.copyMemory(from: $0) }
    }
    if let features, signal.feature_count > 0 {
      let count = min(Int(signal.feature_count), layout.featureCount)
      (rows + index * layout.featureStride).update(from: features, count: count)
    }
    slots[index] = slot
    produced &+= 1
  }

  /// - Returns: false when there is no room.
  mutating func add(_ annotation: aegis_annotation, name: UnsafeRawBufferPointer) -> Bool {
    guard roomCount > 0 else { return false }
    var slot = OutputSlot()
    slot.kind = OutputSlot.Kind.annotation.rawValue
    slot.detail = UInt32(name.count)
    withUnsafeMutableBytes(of: &slot.words) { words in
      withUnsafeBytes(of: annotation) { record in
        words.copyBytes(from: record[..<OutputSlot.namePosition])
        words[OutputSlot.namePosition...].copyBytes(from: record[(OutputSlot.namePosition + 8)...])
      }
      words[OutputSlot.nameOffset...].copyBytes(from: name)
    }
    slots[Int(produced) & (layout.outputCapacity - 1)] = slot
    produced &+= 1
    return true
  }

  /// - Precondition: there is room.
  mutating func add(_ refusal: SignalRefusal) {
    var slot = OutputSlot()
    slot.kind = OutputSlot.Kind.refusal.rawValue
    slot.detail = UInt32(refusal.rawValue)
    slots[Int(produced) & (layout.outputCapacity - 1)] = slot
    produced &+= 1
  }

  /// Makes all records since the last call visible, and with them that these events were seen.
  func publish(consumed: UInt64) {
    // Release: the records are written before the engine can see that they are there; pairs with its acquire.
    status.produced.pointee.store(produced, ordering: .releasing)
    // After `produced`: an engine that sees all events consumed sees all their signals.
    status.consumed.pointee.store(consumed, ordering: .releasing)
  }
}
