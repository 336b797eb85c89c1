import Foundation
import Logging
import Market
import Testing
import Trading

@testable import Engine

@Suite(
  "Recovery from the journal",
  .enabled(
    if: ReplayFixture.plugin != nil,
    "the sample plugins are not built: make plugins, or set AEGIS_TEST_PLUGINS"))
struct RecoveryTests {
  private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
  private static let balance = Quote(e8: 1_000_000_000_000)

  @Test("an empty folder begins with run 1 and the opening balance")
  func beginsEmpty() throws {
    let fixture = try ReplayFixture()
    let recovered = try Recovery.lastRun(
      in: fixture.directory, openingBalance: Self.balance, logger: Self.logger)
    #expect(recovered.nextRun == 1 && recovered.opening.wallet == Self.balance && recovered.state == nil)
    #expect(recovered.openingEntries().map(\.kind) == [.runStarted, .runReady])
  }

  @Test(
    "cut at any entry the next run's desk holds what the journal's last word was", arguments: UInt64(0)..<8)
  func restoresPositions(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let fixture = try ReplayFixture()
    let events = fixture.events(6_000)
    try fixture.run(events, taken: [0..<6_000], ends: false)
    let journal = try fixture.journal()
    let cut = 3 + Int(random.below(UInt64(journal.count - 3)))
    try fixture.rewriteJournal(journal[..<cut])
    // Independent of the fold: the last position entry of each instrument, and the wallet of the last of all.
    var steps: [InstrumentID: Int64] = [:]
    var wallet = Self.balance
    for entry in journal[..<cut] where entry.kind == .positionChanged {
      steps[entry.instrument] = entry.positionRecord?.steps
      wallet = entry.positionRecord?.wallet ?? wallet
    }
    let recovered = try Recovery.lastRun(
      in: fixture.directory, openingBalance: Self.balance, logger: Self.logger)
    var desk = Desk(
      rules: fixture.table.rules, settings: Settings().desk, run: recovered.nextRun,
      openingBalance: Self.balance)
    for entry in recovered.openingEntries() { desk.restore(from: entry) }
    #expect(recovered.nextRun == 2 && desk.portfolio.wallet == wallet, "seed \(seed), cut at \(cut)")
    for id in fixture.table.ids {
      let expected = steps[id] ?? 0
      #expect(
        desk.portfolio.holding(id).position.steps == expected, "seed \(seed), cut at \(cut), \(id)")
    }
    // Restoring twice, as after two crashes in a row, changes nothing.
    try fixture.run(events, taken: [6_000..<6_000], ends: false)
    let again = try Recovery.lastRun(
      in: fixture.directory, openingBalance: Self.balance, logger: Self.logger)
    #expect(again.nextRun == 3 && again.opening.wallet == wallet)
    // A position's entry tells the wallet after it; among the openings the run's first entry does.
    func positions(_ recovery: Recovery) -> [RecoveredState.Position] {
      (recovery.state?.positions ?? []).map { position in
        var position = position
        position.record.wallet = .zero
        return position
      }
    }
    #expect(positions(again) == positions(recovered))
  }
}
