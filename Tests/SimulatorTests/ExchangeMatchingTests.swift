import Market
import Simulator
import Testing

@Suite("The simulated exchange matches orders")
struct ExchangeMatchingTests {
  @Test("a market buy takes the ask, a market sell the bid, with fee and realised profit to the last decimal")
  func marketTakesTouch() {
    var exchange = Fixture.exchange()
    exchange.observe(Fixture.quote(5_000_000, 5_000_100))
    let bought = exchange.send(Fixture.market(1, .buy, 3))
    #expect(bought.kinds == [.accepted, .filled])
    #expect(bought.map(\.isFinal) == [false, true])
    #expect(bought[1].price == Price(ticks: 5_000_100))
    #expect(bought[1].fee == Fixture.quote("0.0750015"))  // 50001.00 × 0.003 × 0.05 %
    #expect(bought[1].amount == .zero)
    #expect(!bought[1].isMaker)
    let sold = exchange.send(Fixture.market(2, .sell, 3, reduceOnly: true))
    #expect(sold[1].price == Price(ticks: 5_000_000))
    #expect(sold[1].amount == Fixture.quote("-0.003"))
    #expect(sold[1].fee == Fixture.quote("0.075"))
    #expect(exchange.wallet == Fixture.quote("9999.8469985"))
    #expect(exchange.position(Fixture.btc).isFlat)
  }

  @Test("without a quote the last trade's price is taken, with slippage against the taker")
  func marketTakesLastTrade() {
    var exchange = Fixture.exchange { $0.matching.slippageTicks = 3 }
    exchange.observe(Fixture.trade(5_000_000))
    #expect(exchange.send(Fixture.market(1, .buy, 1))[1].price == Price(ticks: 5_000_003))
    #expect(exchange.send(Fixture.market(2, .sell, 1))[1].price == Price(ticks: 4_999_997))
  }

  @Test("a market order without any price waits for the first one")
  func marketWaits() {
    var exchange = Fixture.exchange()
    #expect(exchange.send(Fixture.market(1, .buy, 1, at: 2)).kinds == [.accepted])
    exchange.observe(Fixture.quote(5_000_000, 5_000_100, at: 5))
    let reports = exchange.drain(at: 5)
    #expect(reports.kinds == [.filled])
    #expect(reports[0].isFinal && reports[0].price == Price(ticks: 5_000_100))
    #expect(exchange.openOrders().isEmpty)
  }

  @Test("a market order that waited too long expires, by an event or by the clock", arguments: [true, false])
  func marketGivesUp(byClock: Bool) {
    var exchange = Fixture.exchange { $0.matching.marketWaitNanoseconds = 3_000_000_000 }
    _ = exchange.send(Fixture.market(1, .buy, 1, at: 2))
    #expect(exchange.drain(at: 4).isEmpty)
    if !byClock { exchange.observe(Fixture.trade(5_000_000, at: 6)) }
    let reports = exchange.drain(at: byClock ? 5 : 2)
    #expect(reports.kinds == [.expired])
    #expect(reports[0].isFinal && reports[0].time == Fixture.second(5))
  }

  @Test("with sizes a market order walks the book and what 20 levels cannot fill expires")
  func marketWalks() {
    var exchange = Fixture.exchange { $0.matching.sizeModel = .topOfBook(walkTicks: 10) }
    exchange.observe(Fixture.quote(5_000_000, 5_000_100, askSteps: 2))
    let reports = exchange.send(Fixture.market(1, .buy, 5))
    #expect(reports.kinds == [.accepted, .filled, .filled, .filled])
    #expect(reports.dropFirst().map(\.price.ticks) == [5_000_100, 5_000_110, 5_000_120])
    #expect(reports.map(\.filledTotal.steps) == [0, 2, 4, 5])
    #expect(reports.map(\.isFinal) == [false, false, false, true])
    exchange.observe(Fixture.quote(5_000_000, 5_000_100, askSteps: 1))
    let partial = exchange.send(Fixture.market(2, .buy, 25))
    #expect(partial.count == 22)
    #expect(partial.last?.kind == .expired && partial.last?.isFinal == true)
    #expect(partial.last?.filledTotal.steps == 20)
  }

  @Test("a resting buy is filled as maker at its own price when the ask reaches it")
  func limitRestsAndFills() {
    var exchange = Fixture.exchange()
    exchange.observe(Fixture.quote(5_000_000, 5_000_100))
    #expect(exchange.send(Fixture.limit(1, .buy, 2, 4_999_000)).kinds == [.accepted])
    #expect(exchange.openOrderCount(Fixture.btc) == 1)
    exchange.observe(Fixture.quote(4_999_000, 4_999_100, at: 3))
    #expect(exchange.drain(at: 3).isEmpty)
    exchange.observe(Fixture.quote(4_998_900, 4_998_950, at: 4))
    let reports = exchange.drain(at: 4)
    #expect(reports.kinds == [.filled])
    #expect(reports[0].isMaker && reports[0].isFinal)
    #expect(reports[0].price == Price(ticks: 4_999_000))
    #expect(reports[0].fee == Fixture.quote("0.019996"))  // 99.98 × 0.02 %
    #expect(reports[0].time == Fixture.second(4))
  }

  @Test("a trade at the price fills in front of the queue only, a trade through it always")
  func queueModels() {
    for model in [MatchingRules.QueueModel.optimistic, .conservative] {
      var exchange = Fixture.exchange { $0.matching.queueModel = model }
      exchange.observe(Fixture.quote(5_000_000, 5_000_100))
      _ = exchange.send(Fixture.limit(1, .sell, 2, 5_001_000))
      exchange.observe(Fixture.trade(5_001_000, at: 3))
      #expect(exchange.drain(at: 3).count == (model == .optimistic ? 1 : 0))
      exchange.observe(Fixture.trade(5_001_001, at: 4))
      _ = exchange.drain(at: 4)
      #expect(exchange.position(Fixture.btc).steps == -2)
    }
  }

  @Test("with sizes a trade fills makers up to its size, better price first, then older")
  func makerSizes() {
    var exchange = Fixture.exchange { $0.matching.sizeModel = .topOfBook(walkTicks: 1) }
    exchange.observe(Fixture.quote(5_000_000, 5_000_100))
    _ = exchange.send(Fixture.limit(1, .buy, 4, 4_999_000))
    _ = exchange.send(Fixture.limit(2, .buy, 4, 4_999_500))
    _ = exchange.send(Fixture.limit(3, .buy, 4, 4_999_500))
    exchange.observe(Fixture.trade(4_998_000, steps: 6, at: 3))
    let reports = exchange.drain(at: 3)
    #expect(reports.map(\.id.sequence) == [2, 3])
    #expect(reports.map(\.quantity.steps) == [4, 2])
    #expect(reports.map(\.isFinal) == [true, false])
    #expect(exchange.order(id: Fixture.id(3), Fixture.btc)?.status == .partiallyFilled)
    exchange.observe(Fixture.trade(4_998_000, steps: 100, at: 4))
    #expect(exchange.drain(at: 4).map(\.id.sequence) == [3, 1])
  }

  @Test("a marketable limit order takes at the market's price, not its own")
  func marketableLimit() {
    var exchange = Fixture.exchange()
    exchange.observe(Fixture.quote(5_000_000, 5_000_100))
    let reports = exchange.send(Fixture.limit(1, .buy, 2, 5_010_000))
    #expect(reports.kinds == [.accepted, .filled])
    #expect(reports[1].price == Price(ticks: 5_000_100))
    #expect(!reports[1].isMaker)
  }

  @Test("a limit order takes what its price allows and rests with the remainder")
  func limitTakesAndRests() {
    var exchange = Fixture.exchange { $0.matching.sizeModel = .topOfBook(walkTicks: 10) }
    exchange.observe(Fixture.quote(5_000_000, 5_000_100, askSteps: 2))
    #expect(exchange.send(Fixture.limit(1, .buy, 9, 5_000_110)).kinds == [.accepted, .filled, .filled])
    let open = exchange.openOrders(Fixture.btc)
    #expect(open.map(\.remaining.steps) == [5])
    #expect(open[0].averagePriceE8(rules: Fixture.rules) == 5_000_105_000_000)
  }

  @Test("immediate-or-cancel expires what it cannot take at once")
  func immediateOrCancel() {
    var exchange = Fixture.exchange { $0.matching.sizeModel = .topOfBook(walkTicks: 10) }
    exchange.observe(Fixture.quote(5_000_000, 5_000_100, askSteps: 2))
    let reports = exchange.send(Fixture.limit(1, .buy, 9, 5_000_100, .immediateOrCancel))
    #expect(reports.kinds == [.accepted, .filled, .expired])
    #expect(reports[2].filledTotal.steps == 2 && reports[2].isFinal)
    #expect(
      exchange.send(Fixture.limit(2, .buy, 9, 4_900_000, .immediateOrCancel)).kinds == [.accepted, .expired])
  }

  @Test("fill-or-kill is filled whole or refused with -5021")
  func fillOrKill() {
    var exchange = Fixture.exchange { $0.matching.sizeModel = .topOfBook(walkTicks: 10) }
    exchange.observe(Fixture.quote(5_000_000, 5_000_100, askSteps: 2))
    #expect(exchange.send(Fixture.limit(1, .buy, 5, 5_000_110, .fillOrKill)).codes == [-5021])
    #expect(
      exchange.send(Fixture.limit(2, .buy, 5, 5_000_120, .fillOrKill)).kinds
        == [.accepted, .filled, .filled, .filled])
  }

  @Test("post-only is refused with -5022 when it would take, and rests otherwise")
  func postOnly() {
    var exchange = Fixture.exchange()
    exchange.observe(Fixture.quote(5_000_000, 5_000_100))
    #expect(exchange.send(Fixture.limit(1, .sell, 2, 5_000_000, .postOnly)).codes == [-5022])
    #expect(exchange.send(Fixture.limit(2, .sell, 2, 5_000_001, .postOnly)).kinds == [.accepted])
  }

  @Test("a cancelled order is over, keeps its fills and is never filled again")
  func cancel() {
    var exchange = Fixture.exchange { $0.matching.sizeModel = .topOfBook(walkTicks: 1) }
    exchange.observe(Fixture.quote(5_000_000, 5_000_100))
    _ = exchange.send(Fixture.limit(1, .buy, 5, 4_999_000))
    exchange.observe(Fixture.trade(4_999_000, steps: 2, at: 2))
    _ = exchange.drain()
    let reports = exchange.send(Fixture.cancel(1))
    #expect(reports.kinds == [.cancelled])
    #expect(reports[0].isFinal && reports[0].filledTotal.steps == 2)
    exchange.observe(Fixture.trade(4_000_000, steps: 9, at: 4))
    #expect(exchange.drain(at: 4).isEmpty)
    #expect(exchange.position(Fixture.btc).steps == 2)
  }

  @Test("cancelling or asking for an order that is over repeats its last word; a stranger is missing")
  func lastWords() {
    var exchange = Fixture.exchange()
    exchange.observe(Fixture.quote(5_000_000, 5_000_100))
    let fill = exchange.send(Fixture.market(1, .buy, 5))[1]
    for again in [exchange.send(Fixture.cancel(1))[0], exchange.send(Fixture.query(1))[0]] {
      #expect(again.kind == .filled && again.isFinal)
      #expect(again.tradeID == fill.tradeID && again.fee == fill.fee && again.price == fill.price)
      #expect(again.quantity == fill.quantity && again.orderID == fill.orderID)
    }
    _ = exchange.send(Fixture.limit(2, .buy, 5, 4_990_000))
    #expect(exchange.send(Fixture.query(2)).kinds == [.accepted])
    _ = exchange.send(Fixture.cancel(2))
    #expect(exchange.send(Fixture.query(2)).kinds == [.cancelled])
    let stranger = exchange.send(Fixture.cancel(99))
    #expect(stranger.kinds == [.missing] && stranger.codes == [-2011])
    #expect(exchange.send(Fixture.query(99)).codes == [-2013])
    #expect(exchange.position(Fixture.btc).steps == 5)
  }

  @Test("quarantined prices and prices that are none fill nothing")
  func ignoresPoison() {
    var exchange = Fixture.exchange()
    exchange.observe(Fixture.quote(5_000_000, 5_000_100))
    _ = exchange.send(Fixture.limit(1, .buy, 5, 4_990_000))
    var poison = Fixture.trade(1, at: 3)
    poison.flags = .quarantined
    exchange.observe(poison)
    for ticks in [0, -5, Int64.max, .min] {
      exchange.observe(Fixture.trade(ticks, at: 3))
      exchange.observe(Fixture.quote(ticks, ticks, at: 3))
      exchange.observe(Fixture.bar(ticks, ticks, ticks, ticks))
    }
    exchange.observe(Fixture.mark(-1, at: 3))
    exchange.observe(Fixture.trade(1, InstrumentID(9), at: 3))
    #expect(exchange.drain(at: 3).isEmpty)
    #expect(exchange.lastQuote(Fixture.btc)?.bid == Price(ticks: 5_000_000))
  }

  @Test("trade ids rise by one per instrument, order ids over all")
  func identifiers() {
    var exchange = Fixture.exchange()
    exchange.observe(Fixture.quote(5_000_000, 5_000_100))
    exchange.observe(Fixture.quote(30_000, 30_001, Fixture.eth))
    var fills: [ExchangeReport] = []
    for sequence in UInt64(1)...6 {
      let instrument = sequence % 2 == 0 ? Fixture.btc : Fixture.eth
      fills += exchange.send(Fixture.market(sequence, .buy, 2, instrument)).filter { $0.kind == .filled }
    }
    #expect(fills.map(\.orderID) == [1, 2, 3, 4, 5, 6])
    #expect(fills.map(\.tradeID) == [1, 1, 2, 2, 3, 3])
    let fromSecond = exchange.trades(Fixture.btc, fromID: 2)
    #expect(fromSecond.map(\.tradeID) == [2, 3])
    #expect(exchange.order(orderID: 5)?.id == Fixture.id(5))
  }
}
