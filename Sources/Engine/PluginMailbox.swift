import Glibc
import PluginHost
import SharedMemory
import Synchronization
import Trading

/// One question at a time from the thread that loads plugins to the thread that decides, and its answer.
///
/// The decision thread looks with one load and answers between two events; the asker sleeps in small steps.
final class PluginMailbox: @unchecked Sendable {  // the state says which side may touch question and answer
  enum Question {
    /// Becomes an input of the loop; `candidate` goes with a change that begins a shadow.
    case change(seat: Int, PluginChange, candidate: DetachedPlugin?)
    case look(seat: Int)
    /// The active instance's state, for a rehearsal in a child.
    case saveState(seat: Int)
  }

  struct Answer {
    /// The input's position, and the next market sequence.
    var position: UInt64 = 0
    var ringSequence: UInt64 = 0
    /// How long the decision thread was held up.
    var pauseNanoseconds: Int64 = 0
    var failure: PluginError?
    var shadow: ShadowReport?
    var counters = PluginCounters()
    /// Instruments whose history the candidate still has to be shown.
    var isShowingHistory = false
    /// Instances that left the set, to be ended by the asker.
    var removed: [DetachedPlugin] = []
    /// nil when the plugin keeps none.
    var state: [UInt8]?
  }

  private enum State { static let empty = 0, asked = 1, answering = 2, answered = 3, closed = 4 }

  private let state = Atomic<Int>(State.empty)
  private var question: Question?
  private var answer: Answer?

  /// Asks and waits.   [one control thread]
  ///
  /// - Returns: nil when nobody answered in time, or nobody will; the question is withdrawn then.
  func ask(_ question: Question, patienceNanoseconds: Int64 = 10_000_000_000) -> Answer? {
    self.question = question
    guard state.compareExchange(expected: State.empty, desired: State.asked, ordering: .releasing).exchanged
    else { return nil }
    let deadline = SystemClock.monotonicNanoseconds() + patienceNanoseconds
    while state.load(ordering: .acquiring) != State.answered {
      usleep(20)
      if state.load(ordering: .acquiring) == State.closed { return nil }
      guard SystemClock.monotonicNanoseconds() > deadline else { continue }
      let (isWithdrawn, _) = state.compareExchange(
        expected: State.asked, desired: State.empty, ordering: .acquiringAndReleasing)
      if isWithdrawn { return nil }
    }
    let answer = answer
    self.answer = nil
    state.store(State.empty, ordering: .releasing)
    return answer
  }

  /// Nobody will answer any more.   [decision-thread]
  func close() { state.store(State.closed, ordering: .releasing) }

  /// The question, if there is one; it must be answered.   [decision-thread]
  @inline(__always)
  func take() -> Question? {
    guard state.load(ordering: .relaxed) == State.asked else { return nil }
    return takeWaiting()
  }

  @inline(never)
  private func takeWaiting() -> Question? {
    let (isTaken, _) = state.compareExchange(
      expected: State.asked, desired: State.answering, ordering: .acquiringAndReleasing)
    return isTaken ? question : nil
  }

  func reply(_ answer: Answer) {
    self.answer = answer
    question = nil
    state.store(State.answered, ordering: .releasing)
  }
}
