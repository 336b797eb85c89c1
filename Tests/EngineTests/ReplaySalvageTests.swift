import Foundation
import Logging
import Market
import SharedMemory
import Tape
import Testing

@testable import Engine

@Suite("The ring of a killed engine")
struct ReplaySalvageTests {
  private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  private func regions(_ fixture: ReplayFixture, _ events: [MarketEvent]) throws -> SharedRegions {
    let regions = SharedRegions(folder: fixture.root.appending(path: "regions").path)
    try regions.prepare()
    try EventRingWriter<MarketEvent>.create(path: regions.ring, capacity: 1024)
    var writer = try EventRingWriter<MarketEvent>(attachingTo: regions.ring)
    for event in events { writer.publish(event) }
    writer.publishCursor()
    return regions
  }

  private func tape(_ fixture: ReplayFixture) throws -> Int {
    var reader = try EngineTapes.marketReader(fixture.directory)
    var count = 0
    while try reader.next() != nil { count += 1 }
    return count
  }

  @Test("what the recorder had not written goes to the tape, under its sequences and its session")
  func salvages() throws {
    let fixture = try ReplayFixture()
    let events = fixture.events(500)
    try fixture.writeMarket(events[..<420])
    let regions = try regions(fixture, events)
    MarketSalvage.run(regions: regions, directory: fixture.directory, logger: Self.logger)
    var market = try ReplayMarket(fixture.directory, session: ReplayFixture.session, from: 0)
    for sequence in UInt64(0)..<500 {
      #expect(try market.event(at: sequence)?.word0 == events[Int(sequence)].word0)
    }
    #expect(try market.event(at: 500) == nil)
    MarketSalvage.run(regions: regions, directory: fixture.directory, logger: Self.logger)
    #expect(try tape(fixture) == 500, "a second time there is nothing left")
  }

  @Test("a ring of another session is left alone")
  func ignoresAnother() throws {
    let fixture = try ReplayFixture()
    try fixture.writeMarket(fixture.events(420))
    let regions = try regions(fixture, fixture.events(500, seed: 2))
    MarketSalvage.run(regions: regions, directory: fixture.directory, logger: Self.logger)
    #expect(try tape(fixture) == 420)
  }
}
