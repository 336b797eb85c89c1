import Foundation
import Synchronization
import Testing
import Trading

@testable import Engine

@Suite("Questions to the decision thread")
struct PluginMailboxTests {
  /// A decision thread that answers until it is told to end.
  private final class Answerer: Sendable {
    let mailbox = PluginMailbox()
    let answered = Atomic<Int>(0)
    private let isOver = Atomic<Bool>(false)
    private let ended = DispatchSemaphore(value: 0)

    func start() {
      Thread.detachNewThread { [self] in
        while !isOver.load(ordering: .acquiring) {
          guard let question = mailbox.take() else { continue }
          var answer = PluginMailbox.Answer()
          switch question {
          case .look(let seat): answer.position = UInt64(seat)
          case .saveState(let seat):
            answer.state = Array(repeating: UInt8(truncatingIfNeeded: seat), count: 64)
          case .change(let seat, _, _): answer.ringSequence = UInt64(seat)
          }
          answered.add(1, ordering: .relaxed)
          mailbox.reply(answer)
        }
        mailbox.close()
        ended.signal()
      }
    }

    func end() {
      isOver.store(true, ordering: .releasing)
      ended.wait()
    }
  }

  @Test("every question gets its own answer, across threads")
  func answers() {
    let answerer = Answerer()
    answerer.start()
    for index in 0..<2_000 {
      #expect(answerer.mailbox.ask(.look(seat: index))?.position == UInt64(index))
      let state = answerer.mailbox.ask(.saveState(seat: index))?.state
      #expect(state == Array(repeating: UInt8(truncatingIfNeeded: index), count: 64))
      #expect(
        answerer.mailbox.ask(.change(seat: index, .promoted, candidate: nil))?.ringSequence == UInt64(index))
    }
    answerer.end()
    #expect(answerer.answered.load(ordering: .relaxed) == 6_000)
    #expect(answerer.mailbox.ask(.look(seat: 1)) == nil, "after the end nobody answers, at once")
  }

  @Test("a question nobody takes is withdrawn, and the next one is answered")
  func withdrawn() {
    let answerer = Answerer()
    #expect(answerer.mailbox.ask(.look(seat: 1), patienceNanoseconds: 1_000_000) == nil)
    #expect(answerer.mailbox.take() == nil)
    answerer.start()
    #expect(answerer.mailbox.ask(.look(seat: 2))?.position == 2)
    answerer.end()
  }
}
