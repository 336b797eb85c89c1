import Market
import Testing
import Trading

@Suite("The candle book")
struct CandleBookTests {
  static let windows: [Timeframe: Int] = [.minute1: 100, .minute5: 50, .minute15: 20, .hour1: 10, .day1: 5]
  let minute = Timeframe.minute1.nanoseconds

  func moment(_ second: Double) -> Instant { dayStart.advanced(byNanoseconds: seconds(second)) }

  func book(_ windows: [Timeframe: Int] = CandleBookTests.windows, startsComplete: Bool = true) -> CandleBook
  {
    CandleBook(rules: [sampleRules], windowBars: windows, startsComplete: startsComplete)
  }

  func drain(_ closed: inout ClosedCandles, _ timeframe: Timeframe = .minute1) -> [Candle] {
    var candles: [Candle] = []
    for index in 0..<closed.count where closed[index].timeframe == timeframe {
      candles.append(closed[index].candle)
    }
    closed.removeAll()
    return candles
  }

  /// The closed one-minute candles, oldest first.
  func kept(_ book: borrowing CandleBook) -> [Candle] {
    var candles: [Candle] = []
    for place in 0..<book.count(btc, .minute1) { candles.append(book.candle(btc, .minute1, at: place)) }
    return candles
  }

  @Test("builds open, high, low, close, volume and trade count from trades")
  func buildsCandle() {
    var book = book()
    var closed = ClosedCandles()
    for (second, price) in [(1.0, 100), (10, 105), (20, 98), (59.9, 101)] {
      book.absorb(trade(Int64(price), at: moment(second), steps: 2), closed: &closed)
    }
    #expect(closed.count == 0)
    book.absorb(trade(110, at: moment(60)), closed: &closed)
    let candles = drain(&closed)
    #expect(candles.count == 1)
    #expect(
      candles.first
        == Candle(
          openTime: moment(0), open: Price(ticks: 100), high: Price(ticks: 105), low: Price(ticks: 98),
          close: Price(ticks: 101), volume: Quantity(steps: 8), tradeCount: 4))
    let running = book.running(btc, .minute1)
    #expect(running?.open == Price(ticks: 110))
    let runningFive = book.running(btc, .minute5)
    #expect(runningFive?.high == Price(ticks: 110))
  }

  @Test("a quiet candle closes by time after the grace, as a copy of the previous close without volume")
  func quietCandle() {
    var book = book()
    var closed = ClosedCandles()
    book.absorb(trade(100, at: moment(5)), closed: &closed)
    book.advance(to: moment(60.4), closed: &closed)
    #expect(closed.count == 0)
    book.advance(to: moment(60.5), closed: &closed)
    #expect(drain(&closed).map(\.close.ticks) == [100])
    book.advance(to: moment(180.5), closed: &closed)
    let quiet = drain(&closed)
    #expect(quiet.count == 2)
    #expect(
      quiet.allSatisfy { $0.flags == [.complete, .synthetic] && $0.volume == .zero && $0.high.ticks == 100 })
  }

  @Test("a trade older than the running candle is counted and changes nothing")
  func lateTrade() {
    var book = book()
    var closed = ClosedCandles()
    book.absorb(trade(100, at: moment(50)), closed: &closed)
    book.absorb(trade(101, at: moment(61)), closed: &closed)
    let before = drain(&closed)
    book.absorb(trade(500, at: moment(59)), closed: &closed)
    #expect(book.lateTradeCount == 1)
    #expect(before.first?.high.ticks == 100)
    let first = book.candle(btc, .minute1, at: 0)
    #expect(first.high.ticks == 100)
    let larger = book.running(btc, .minute5)
    #expect(larger?.high.ticks == 500, "the larger candle is still running and takes it")
  }

  @Test("watching that starts inside an interval leaves it incomplete until history covers it")
  func startsIncomplete() {
    var book = book(startsComplete: false)
    var closed = ClosedCandles()
    book.absorb(trade(100, at: moment(30)), closed: &closed)
    book.absorb(trade(101, at: moment(61)), closed: &closed)
    book.absorb(trade(102, at: moment(121)), closed: &closed)
    let candles = drain(&closed)
    #expect(candles.map { $0.flags.contains(.complete) } == [false, true])
    let missing = book.missingRange(btc, .minute1)
    #expect(missing == moment(0)...moment(0))
    let whole = Candle(
      openTime: moment(0), open: Price(ticks: 90), high: Price(ticks: 120), low: Price(ticks: 80),
      close: Price(ticks: 100), volume: Quantity(steps: 9))
    let covered = book.absorbHistory(btc, .minute1, whole)
    #expect(covered == .completed)
    let repeated = book.absorbHistory(btc, .minute1, whole)
    #expect(repeated == .duplicate)
    let stillMissing = book.missingRange(btc, .minute1)
    #expect(stillMissing == nil)
    let whole0 = book.candle(btc, .minute1, at: 0)
    #expect(whole0.low.ticks == 80)
    let flags0 = book.candle(btc, .minute1, at: 0)
    #expect(flags0.flags == [.complete, .backfilled])
  }

  @Test("a gap marks what is running, what follows until its time, and silence made up before it")
  func gapMarks() {
    var book = book()
    var closed = ClosedCandles()
    book.absorb(trade(100, at: moment(10)), closed: &closed)
    book.advance(to: moment(130), closed: &closed)  // 0…60 real, 60…120 made up
    _ = drain(&closed)
    book.absorb(.gap(btc, time: moment(200), cause: .tradeIdentifiers, count: 7), closed: &closed)
    book.absorb(trade(100, at: moment(201)), closed: &closed)
    book.absorb(trade(100, at: moment(241)), closed: &closed)
    book.absorb(trade(100, at: moment(301)), closed: &closed)
    _ = drain(&closed)
    let flags = kept(book).map { $0.flags.contains(.complete) }
    #expect(flags == [true, false, false, false, true])
    let minuteIsComplete = book.lastClosedIsComplete(btc)
    #expect(minuteIsComplete)
    let fiveIsComplete = book.lastClosedIsComplete(btc, .minute5)
    #expect(!fiveIsComplete)
    let missing = book.missingRange(btc, .minute1)
    #expect(missing == moment(60)...moment(180))
  }

  @Test(
    "history is inserted in order from any order, older than the running candle only, bounded by the window")
  func historyInOrder() {
    var book = book([.minute1: 5])
    var closed = ClosedCandles()
    func candle(_ index: Int) -> Candle {
      let price = Price(ticks: Int64(100 + index))
      return Candle(
        openTime: moment(Double(index) * 60), open: price, high: price, low: price, close: price,
        volume: Quantity(steps: 1))
    }
    for index in [3, 1, 2, 5, 4] {
      let outcome = book.absorbHistory(btc, .minute1, candle(index))
      #expect(outcome == .inserted)
    }
    let older = book.absorbHistory(btc, .minute1, candle(0))
    #expect(older == .tooOld)
    let newer = book.absorbHistory(btc, .minute1, candle(6))
    #expect(newer == .inserted)
    let closes = kept(book).map(\.close.ticks)
    #expect(closes == [102, 103, 104, 105, 106])
    book.absorb(trade(200, at: moment(430)), closed: &closed)
    let notOlder = book.absorbHistory(btc, .minute1, candle(7))
    #expect(notOlder == .notOlder)
    let notKept = book.absorbHistory(btc, .minute5, candle(5))
    #expect(notKept == .notKept)
    var crooked = candle(2)
    crooked.openTime = crooked.openTime.advanced(byNanoseconds: 1)
    let misaligned = book.absorbHistory(btc, .minute1, crooked)
    #expect(misaligned == .misaligned)
    let window = book.window(btc, .minute1)
    #expect(window.count == 5)
    #expect(window.close[4] == 1.06)
    #expect(window.openTimes[0] == moment(120).nanoseconds)
    #expect(window.flags[0] == 0x500, "complete and backfilled, as the plugin ABI numbers them")
  }

  @Test("a silence beyond the fill limit starts the window anew, incomplete")
  func longSilence() {
    var book = book([.minute1: 400])
    var closed = ClosedCandles()
    book.absorb(trade(100, at: moment(1)), closed: &closed)
    book.absorb(trade(100, at: moment(60 * 300)), closed: &closed)
    let count = book.count(btc, .minute1)
    #expect(count == 0)
    #expect(book.restartCount == 1)
    closed.removeAll()
    book.absorb(trade(100, at: moment(60 * 301)), closed: &closed)
    #expect(drain(&closed).map { $0.flags.contains(.complete) } == [false])
  }

  @Test(
    "bars close their own timeframe and sum up into the larger ones; a missing bar leaves them incomplete")
  func barsAggregate() {
    var book = book()
    var closed = ClosedCandles()
    for index in 0..<10 where index != 7 {
      let base = Int64(100 + index)
      book.absorb(
        bar(base, base + 3, base - 2, base + 1, openTime: moment(Double(index) * 60)), closed: &closed)
    }
    var fives: [Candle] = []
    for index in 0..<closed.count where closed[index].timeframe == .minute5 {
      fives.append(closed[index].candle)
    }
    #expect(fives.count == 2)
    #expect(
      fives.first
        == Candle(
          openTime: moment(0), open: Price(ticks: 100), high: Price(ticks: 107), low: Price(ticks: 98),
          close: Price(ticks: 105), volume: Quantity(steps: 5_000)))
    #expect(fives.last?.flags == [])
    let hole = book.candle(btc, .minute1, at: 7)
    #expect(hole.flags == .synthetic)
    closed.removeAll()
    book.advance(to: moment(10_000), closed: &closed)
    #expect(closed.count == 0, "bars are never closed by the clock")
  }

  @Test("equals a slow recount of every trade, in every timeframe", arguments: UInt64(0)..<20)
  func equalsRecount(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var book = book()
    var closed = ClosedCandles()
    var time = 0.0
    var trades: [(second: Double, ticks: Int64, steps: Int64)] = []
    var price: Int64 = 10_000
    var live: [Timeframe: [Candle]] = [:]
    for _ in 0..<1_500 {
      time += random.uniform() < 0.01 ? 400 * random.uniform() : 20 * random.uniform()
      price = max(10, price + Int64((random.normal() * 5).rounded()))
      let steps = Int64(1 + random.below(50))
      trades.append((time, price, steps))
      let event = trade(price, at: moment(time), steps: steps)
      if random.below(3) == 0 { book.advance(to: event.time, closed: &closed) }
      book.absorb(event, closed: &closed)
      for index in 0..<closed.count {
        live[closed[index].timeframe, default: []].append(closed[index].candle)
      }
      closed.removeAll()
    }
    for timeframe in Timeframe.allCases {
      let length = timeframe.nanoseconds
      var expected: [Candle] = []
      for (second, ticks, steps) in trades {
        let price = Price(ticks: ticks)
        let openTime = timeframe.openTime(of: moment(second))
        while let last = expected.last, last.openTime < openTime {
          let next = last.openTime.advanced(byNanoseconds: length)
          guard next < openTime else { break }
          expected.append(
            Candle(
              openTime: next, open: last.close, high: last.close, low: last.close, close: last.close,
              volume: .zero, flags: [.complete, .synthetic]))
        }
        if expected.last?.openTime != openTime {
          expected.append(
            Candle(
              openTime: openTime, open: price, high: price, low: price, close: price,
              volume: Quantity(steps: steps), tradeCount: 1))
        } else {
          let place = expected.count - 1
          expected[place].high = max(expected[place].high, price)
          expected[place].low = min(expected[place].low, price)
          expected[place].close = price
          expected[place].volume.steps += steps
          expected[place].tradeCount += 1
        }
      }
      expected.removeLast()
      #expect(live[timeframe, default: []] == expected, "seed \(seed), \(timeframe)")
      // The window holds the newest of them, contiguous.
      let kept = expected.suffix(Self.windows[timeframe] ?? 0)
      let windowCount = book.count(btc, timeframe)
      #expect(windowCount == kept.count)
      for (place, candle) in kept.enumerated() {
        var read = book.candle(btc, timeframe, at: place)
        read.tradeCount = candle.tradeCount
        #expect(read == candle, "seed \(seed), \(timeframe), \(place)")
      }
    }
  }

  @Test("advancing many instruments stops at the room there is and goes on with the next call")
  func advanceInParts() {
    let count = 1_500
    var book = CandleBook(
      rules: Array(repeating: sampleRules, count: count), windowBars: [.minute1: 10], startsComplete: true)
    var closed = ClosedCandles()
    for index in 0..<count {
      book.absorb(trade(100, at: moment(1), instrument: InstrumentID(index)), closed: &closed)
    }
    var seen = 0
    for _ in 0..<2_000 {
      book.advance(to: moment(181), closed: &closed)
      if closed.count == 0 { break }
      seen += closed.count
      closed.removeAll()
    }
    #expect(seen == count * 3)
  }
}

@Suite("Indicators")
struct IndicatorTests {
  @Test("the exponential average starts with the mean and then follows the recurrence")
  func exponentialAverage() {
    var average = ExponentialAverage(period: 3)
    #expect(average.absorb(1).isNaN)
    #expect(average.absorb(2).isNaN)
    #expect(average.absorb(6) == 3)
    #expect(average.absorb(5) == 4)
    #expect(average.absorb(.nan) == 4, "a value that is not finite changes nothing")
  }

  @Test("Wilder's average true range starts after period + 1 candles")
  func averageTrueRange() {
    var range = AverageTrueRange(period: 2)
    #expect(range.absorb(high: 12, low: 10, close: 11).isNaN)
    #expect(range.absorb(high: 13, low: 11, close: 12).isNaN)  // 2
    #expect(range.absorb(high: 16, low: 13, close: 15) == 3)  // 4 from the previous close
    #expect(range.absorb(high: 15, low: 15, close: 15) == 1.5)
  }
}
