import Foundation
import Market
import PluginHost
import Testing
import Trading

@testable import Engine

@Suite(
  "A recorded run, computed again",
  .enabled(
    if: ReplayFixture.plugin != nil,
    "the sample plugins are not built: make plugins, or set AEGIS_TEST_PLUGINS"))
struct ReplayTests {
  @Test(
    "comes out word for word, over an overrun, controls, clocks and several segments",
    arguments: UInt64(1)...3)
  func isIdentical(seed: UInt64) throws {
    let fixture = try ReplayFixture()
    let events = fixture.events(20_000, seed: seed)
    try fixture.writeMarket(events)
    try fixture.run(events, taken: [500..<9_000, 9_400..<19_000])
    let report = try Replay.run(path: fixture.directory.base.path)
    let journal = try fixture.journal()
    #expect(report.outcome == .identical, "seed \(seed): \(report.text)")
    #expect(report.entriesCompared == journal.count && report.entriesRecorded == journal.count)
    #expect(report.marketEvents == 8_500 + 9_600)
    #expect(report.verdictsCompared == journal.count { $0.kind == .verdict })
    #expect(journal.count { $0.kind == .tradeClosed } > 3, "the run must trade")
    #expect(report.exitCode == 0 && report.text.contains("zero differences"))
    #expect(
      try Replay.run(path: fixture.root.path).outcome == .identical, "the data directory itself does too")
  }

  @Test("makes the same reloads at the same positions: carried state, fresh state, rollback")
  func isIdenticalWithReloads() throws {
    let fixture = try ReplayFixture()
    let events = fixture.events(16_000)
    try fixture.writeMarket(events)
    let file = try #require(ReplayFixture.plugin)
    try fixture.run(events, taken: [0..<16_000]) { loop, loader, sequence in
      let change: PluginChange
      switch sequence % 4_000 {
      case 1_000:
        let candidate = try loader.make(
          path: file, cacheDirectory: fixture.directory.plugins.path, keepsCopy: true, id: nil,
          parameters: ["source": "trades", "fast": "5", "slow": "20"], seed: 1)
        let image = try #require(PluginImageID(candidate.descriptor.sha256))
        #expect(image.text == candidate.descriptor.sha256)
        loop.stage(candidate, at: 0)
        change = .shadowBegan(image, isFresh: sequence > 8_000)
      case 1_001...1_040:
        guard let instrument = loop.instrumentToShow(0) else { return }
        change = .historyShown(instrument)
      case 2_000: change = .promoted
      case 3_000: change = sequence > 4_000 ? .rolledBack : .shadowEnded
      default: return
      }
      loop.take(.plugin(seat: 0, change, time: loop.now))
      let failure = loop.pluginFailure
      #expect(failure == nil)
    }
    let journal = try fixture.journal()
    #expect(journal.count { $0.kind == .plugin } >= 12)
    #expect(journal.count { $0.kind == .tradeClosed } > 3, "the run must trade")
    let report = try Replay.run(path: fixture.directory.base.path)
    #expect(report.outcome == .identical, "\(report.text)")
    #expect(report.entriesCompared == journal.count)
  }

  @Test(
    "names the first entry that differs when one price on the tape is another",
    arguments: [600, 7_000, 18_500])
  func findsAChangedPrice(start: Int) throws {
    let fixture = try ReplayFixture()
    var events = fixture.events(20_000)
    try fixture.run(events, taken: [500..<19_000])
    let changed = try #require(events[start...].firstIndex { $0.kind == .trade })
    events[changed].word0 += 1
    try fixture.writeMarket(events)
    let report = try Replay.run(path: fixture.directory.base.path)
    #expect(report.outcome == .differs && report.exitCode == 1)
    let difference = try #require(report.difference)
    let entry = try fixture.journal()[difference.entry]
    #expect(entry.position == difference.position && "\(entry.kind)" == difference.kind)
    #expect(entry.ringSequence > UInt64(changed), "nothing before the change can differ")
    #expect(
      !difference.fields.isEmpty && report.text.contains("first difference: position \(difference.position)"))
    if difference.kind == "checkpoint" {
      #expect(difference.hint?.contains("the market tape was changed between positions") == true)
    }
  }

  @Test("names the entry and its fields when the journal says something else")
  func findsAChangedEntry() throws {
    let fixture = try ReplayFixture()
    let events = fixture.events(6_000)
    try fixture.writeMarket(events)
    try fixture.run(events, taken: [0..<6_000])
    var journal = try fixture.journal()
    let index = try #require(journal.lastIndex { $0.kind == .verdict })
    journal[index].words.3 += 1
    try fixture.rewriteJournal(journal)
    let report = try Replay.run(path: fixture.directory.base.path)
    let difference = try #require(report.difference)
    #expect(difference.entry == index && difference.kind == "verdict")
    #expect(difference.symbol == fixture.table[journal[index].instrument].symbol)
    #expect(difference.fields.count == 1 && difference.fields[0].hasPrefix("reference price: recorded "))
  }

  @Test("says exactly which market events are missing, in the middle and at the end")
  func findsMissingEvents() throws {
    let fixture = try ReplayFixture()
    let events = fixture.events(8_000)
    try fixture.run(events, taken: [0..<8_000])
    try fixture.writeMarket(events[..<3_000])
    try fixture.writeMarket(events[3_100...], firstSequence: 3_100)
    let report = try Replay.run(path: fixture.directory.base.path)
    #expect(report.outcome == .marketMissing && report.exitCode == 2)
    #expect(report.missing?.first == 3_000 && report.missing?.last == 3_099)
    #expect(report.text.contains("market events 3000 to 3099 (100) are not on the tape"))

    try fixture.removeMarket()
    try fixture.writeMarket(events[..<7_500])
    let cut = try Replay.run(path: fixture.directory.base.path)
    #expect(cut.missing?.first == 7_500 && cut.missing?.last == 7_999)

    try fixture.removeMarket()
    let gone = try Replay.run(path: fixture.directory.base.path)
    #expect(gone.missing?.first == 0)
  }

  @Test("goes as far as the journal of a killed run, wherever it was cut", arguments: UInt64(0)..<6)
  func endsWhereTheJournalEnds(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let fixture = try ReplayFixture()
    let events = fixture.events(6_000)
    try fixture.writeMarket(events)
    try fixture.run(events, taken: [0..<6_000], ends: false)
    let journal = try fixture.journal()
    let cut = 3 + Int(random.below(UInt64(journal.count - 3)))
    try fixture.rewriteJournal(journal[..<cut])
    let report = try Replay.run(path: fixture.directory.base.path)
    #expect(report.outcome == .identical, "seed \(seed), cut at \(cut): \(report.text)")
    #expect(report.entriesCompared == cut)
    #expect(report.notes.contains { $0.contains("did not end in order") })
  }

  @Test(
    "a run that goes on from one that was cut off replays too, with the positions it took over",
    arguments: UInt64(0)..<4)
  func replaysASecondRun(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let fixture = try ReplayFixture()
    let events = fixture.events(9_000)
    try fixture.writeMarket(events)
    try fixture.run(events, taken: [0..<5_000], ends: false)
    let journal = try fixture.journal()
    try fixture.rewriteJournal(journal[..<(journal.count / 2 + Int(random.below(UInt64(journal.count / 2))))])
    try fixture.run(events, taken: [5_200..<9_000])
    for run in UInt32(1)...2 {
      let report = try Replay.run(path: fixture.directory.base.path, run: run)
      #expect(report.outcome == .identical && report.run == run, "seed \(seed): \(report.text)")
    }
  }

  @Test("what is not there is one clear line")
  func failsClearly() throws {
    let fixture = try ReplayFixture()
    func line(_ path: String, run: UInt32? = nil) -> String {
      do {
        return try Replay.run(path: path, run: run).text
      } catch {
        return "\(error)"
      }
    }
    #expect(line("/nowhere/at/all").hasPrefix("/nowhere/at/all: holds no recorded run"))
    #expect(line(fixture.directory.base.path).contains("no run has been recorded"))
    let events = fixture.events(1_000)
    try fixture.writeMarket(events)
    try fixture.run(events, taken: [0..<1_000])
    #expect(line(fixture.directory.base.path, run: 9).contains("there is no run 9"))

    // The kept plugin is what the run is computed with: another file under its name is refused.
    let record = try RunRecord.read(from: fixture.directory.runRecord(1))
    #expect(record.plugins[0].file == "\(record.plugins[0].sha256).so" && record.marketSession == 77)
    let kept = fixture.directory.plugins.appending(path: record.plugins[0].file)
    var bytes = try Data(contentsOf: kept)
    bytes.append(0)
    try FileManager.default.removeItem(at: kept)
    try bytes.write(to: kept)
    try FileManager.default.setAttributes([.posixPermissions: 0o500], ofItemAtPath: kept.path)
    #expect(line(fixture.directory.base.path).contains("restore the file"))
    try FileManager.default.removeItem(at: kept)
    #expect(line(fixture.directory.base.path).contains(record.plugins[0].file))
  }
}
