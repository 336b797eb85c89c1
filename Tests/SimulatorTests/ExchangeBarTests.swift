import Market
import Simulator
import Testing

@Suite("The simulated exchange on bars")
struct ExchangeBarTests {
  private func exchange() -> SimulatedExchange {
    Fixture.exchange {
      $0.matching.fillModel = .barClose
      $0.takerFeeE8 = 40_000
      $0.startingBalance = Fixture.quote("1000000")
    }
  }

  @Test("a market order fills at the bar's close")
  func close() {
    var exchange = exchange()
    exchange.observe(Fixture.bar(10_000, 10_100, 9_900, 10_050))
    let reports = exchange.send(Fixture.market(1, .buy, 1000, at: 120))
    #expect(reports[1].price == Price(ticks: 10_050))
  }

  @Test(
    "an exit fills at its level inside the bar, at the open beyond it",
    arguments: [
      (OrderPurpose.stop, 9_950, 9_950), (.stop, 10_000, 10_000), (.stop, 10_080, 10_000),
      (.stop, 10_500, 10_000), (.target, 10_080, 10_080), (.target, 9_950, 9_950), (.target, 9_000, 10_000),
    ] as [(OrderPurpose, Int64, Int64)])
  func level(purpose: OrderPurpose, level: Int64, expected: Int64) {
    var exchange = exchange()
    exchange.observe(Fixture.bar(10_000, 10_000, 10_000, 10_000))
    _ = exchange.send(Fixture.market(1, .buy, 1000, at: 120))
    exchange.observe(Fixture.bar(10_000, 10_100, 9_900, 10_050, minute: 2))
    let exit = Fixture.market(
      2, .sell, 1000, reduceOnly: true, purpose: purpose, price: Price(ticks: level), at: 180)
    #expect(exchange.send(exit)[1].price == Price(ticks: expected))
  }

  @Test("a resting order fills at its price when a later bar reaches it, not by the bar it was born in")
  func resting() {
    var exchange = exchange()
    exchange.observe(Fixture.bar(10_000, 10_100, 9_900, 10_050, minute: 1))
    _ = exchange.send(Fixture.limit(1, .buy, 1000, 9_950, at: 120))
    _ = exchange.send(Fixture.limit(2, .buy, 1000, 9_940, at: 150))
    exchange.observe(Fixture.bar(10_050, 10_050, 9_930, 10_000, minute: 2))
    let reports = exchange.drain(at: 180)
    #expect(reports.map(\.id.sequence) == [1])
    #expect(reports[0].isMaker && reports[0].price == Price(ticks: 9_950))
  }

  /// The standard bar work in plain binary fractions: 0.3 % stop, 0.6 % target, EMA 10 over EMA 30 from bar 100.
  struct Twin {
    var cash = 1_000_000.0
    var entry = 0.0
    var stop = 0.0
    var target = 0.0
    var side = 0
    var trades = 0
    var relation = 0
    var fast = 0.0
    var slow = 0.0
    var index = 0

    /// What the bar asks for: an exit level that was crossed, and a side to turn to.
    mutating func decide(low: Double, high: Double, close: Double) -> (
      exit: Double?, isStop: Bool, turn: Int?
    ) {
      var exit: Double?
      var isStop = false
      if side > 0 {
        if low <= stop { (exit, isStop) = (stop, true) } else if high >= target { exit = target }
      } else if side < 0 {
        if high >= stop { (exit, isStop) = (stop, true) } else if low <= target { exit = target }
      }
      if let exit { closePosition(exit) }
      if index == 0 {
        (fast, slow) = (close, close)
      } else {
        fast += 2.0 / 11 * (close - fast)
        slow += 2.0 / 31 * (close - slow)
      }
      let now = fast > slow ? 1 : fast < slow ? -1 : relation
      var turn: Int?
      if index >= 100 && now != relation {
        turn = now
        if side != 0 && side != now { closePosition(close) }
        if side == 0 {
          side = now
          entry = close
          cash -= 0.0004 * close
          stop = ((close * (1 - Double(now) * 0.003)) * 100).rounded(.toNearestOrEven) / 100
          target = ((close * (1 + Double(now) * 0.006)) * 100).rounded(.toNearestOrEven) / 100
        }
      }
      relation = now
      index += 1
      return (exit, isStop, turn)
    }

    private mutating func closePosition(_ price: Double) {
      cash += Double(side) * (price - entry) - 0.0004 * price
      side = 0
      trades += 1
    }
  }

  @Test("does the standard bar work to the cent of a slow twin", arguments: [1, 2, 3, 4] as [UInt64])
  func standardWork(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var exchange = exchange()
    var twin = Twin()
    var sequence: UInt64 = 0
    var trades = 0
    var close: Int64 = 1_000_000
    for minute in Int64(0)..<10_000 {
      let open = close
      close = max(open + Int64((random.normal() * 600).rounded()), 1000)
      let high = max(open, close) + Int64(random.below(500))
      let low = min(open, close) - Int64(random.below(500))
      exchange.observe(Fixture.bar(open, high, low, close, minute: minute))
      let end = (minute + 1) * 60
      let wish = twin.decide(low: Double(low) / 100, high: Double(high) / 100, close: Double(close) / 100)
      func order(_ side: Side, reduceOnly: Bool, _ purpose: OrderPurpose, _ price: Price = .none) {
        sequence += 1
        let reports = exchange.send(
          Fixture.market(
            sequence, side, 1000, reduceOnly: reduceOnly, purpose: purpose, price: price, at: end))
        #expect(reports.kinds == [.accepted, .filled], "seed \(seed), minute \(minute)")
        if reduceOnly { trades += 1 }
      }
      if let level = wish.exit {
        let side = exchange.position(Fixture.btc).side.opposite
        guard let price = Fixture.rules.price(level, rounded: .toNearestOrEven) else {
          Issue.record("a level on the grid: \(level)")
          return
        }
        order(side, reduceOnly: true, wish.isStop ? .stop : .target, price)
      }
      if let turn = wish.turn {
        let side: Side = turn > 0 ? .buy : .sell
        if !exchange.position(Fixture.btc).isFlat { order(side, reduceOnly: true, .reversal) }
        order(side, reduceOnly: false, .entry)
      }
    }
    let equity = exchange.marginSummary().marginBalance.amount
    let expected = twin.cash + Double(twin.side) * (Double(close) / 100 - twin.entry)
    #expect(trades == twin.trades && trades > 100, "seed \(seed)")
    #expect(abs(equity - expected) < 0.005, "seed \(seed): \(equity) against \(expected)")
  }
}
