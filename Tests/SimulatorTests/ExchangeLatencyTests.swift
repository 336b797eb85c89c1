import Market
import Simulator
import Testing

@Suite("The simulated exchange is reached with a delay")
struct ExchangeLatencyTests {
  @Test("a command meets the market as it stands when it arrives")
  func arrival() {
    var exchange = Fixture.exchange { $0.latencyNanoseconds = 2_000_000_000 }
    exchange.observe(Fixture.quote(5_000_000, 5_000_100, at: 1))
    exchange.submit(Fixture.market(1, .buy, 1, at: 2))
    exchange.observe(Fixture.quote(5_000_900, 5_001_000, at: 3))
    #expect(exchange.drain(at: 3).isEmpty)
    exchange.observe(Fixture.quote(5_009_900, 5_010_000, at: 5))  // after its arrival at 4
    let reports = exchange.drain(at: 5)
    #expect(reports.kinds == [.accepted, .filled])
    #expect(reports[1].price == Price(ticks: 5_001_000))
    #expect(reports[1].time == Fixture.second(4))
  }

  @Test("the clock alone lets a command arrive")
  func clock() {
    var exchange = Fixture.exchange { $0.latencyNanoseconds = 2_000_000_000 }
    exchange.observe(Fixture.quote(5_000_000, 5_000_100, at: 1))
    exchange.submit(Fixture.market(1, .buy, 1, at: 2))
    #expect(exchange.drain(at: 3).isEmpty)
    #expect(exchange.drain(at: 4).kinds == [.accepted, .filled])
  }

  @Test("without jitter commands arrive in the order they were sent")
  func order() {
    var exchange = Fixture.exchange { $0.latencyNanoseconds = 1_000_000_000 }
    exchange.observe(Fixture.quote(5_000_000, 5_000_100))
    for sequence in UInt64(1)...50 { exchange.submit(Fixture.limit(sequence, .buy, 1, 4_990_000)) }
    exchange.submit(Fixture.cancel(50, at: 2))
    let reports = exchange.drain(at: 3)
    #expect(reports.map(\.id.sequence) == Array(1...50) + [50])
    #expect(reports.last?.kind == .cancelled)
  }

  @Test("jitter comes from the seed, stays in its range and may overtake", arguments: UInt64(1)...5)
  func jitter(seed: UInt64) {
    func run() -> [ExchangeReport] {
      var exchange = Fixture.exchange {
        $0.latencyNanoseconds = 1_000_000_000
        $0.latencyJitterNanoseconds = 3_000_000_000
        $0.seed = seed
      }
      exchange.observe(Fixture.quote(5_000_000, 5_000_100))
      for sequence in UInt64(1)...50 { exchange.submit(Fixture.limit(sequence, .buy, 1, 4_990_000)) }
      return exchange.drain(at: 100)
    }
    let first = run()
    let second = run()
    #expect(first.count == 50)
    #expect(first.allSatisfy { $0.time >= Fixture.second(3) && $0.time <= Fixture.second(6) }, "seed \(seed)")
    #expect(first.map(\.id) == second.map(\.id) && first.map(\.time) == second.map(\.time))
    #expect(first.map(\.time) == first.map(\.time).sorted())
    #expect(first.map(\.id.sequence) != Array(1...50), "seed \(seed)")
  }

  @Test("more commands on their way than the line holds are refused with -1015")
  func overload() {
    var exchange = Fixture.exchange { $0.latencyNanoseconds = 1_000_000_000 }
    let limit = UInt64(SimulatedExchangeSettings.commandsInFlightMax)
    for sequence in 1...limit + 1 { exchange.submit(Fixture.query(sequence, at: 2)) }
    let refused = exchange.drain(at: 2)
    #expect(refused.codes == [-1015])
    #expect(refused[0].id == Fixture.id(limit + 1))
    #expect(exchange.drain(at: 4).count == Int(limit))
  }
}
