import Market
import Simulator

/// A source of prices with everything the exchange must know before its first event.
struct LoadedMarket {
  var table: InstrumentTable
  var history: PriceHistory
  var source: MarketSource
  /// The moment the source's own times begin.
  var sourceStart: Instant
  var isTape: Bool
  /// Price each first candle opens at, and what the exchange quotes before playing starts, by instrument.
  var openings: [Price]
  var openingQuotes: [MarketEvent]
  var openingMarks: [MarketEvent]

  static func load(_ source: SimulatorOptions.Source, start: Instant) throws(SimulatorError) -> LoadedMarket {
    switch source {
    case .generate(let symbolCount, let seed, let rate):
      let market = GeneratedMarket(
        GeneratedMarketSettings(symbolCount: symbolCount, seed: seed, messagesPerSecond: rate, start: start))
      let ids = (0..<symbolCount).map { InstrumentID($0) }
      return LoadedMarket(
        table: market.table, history: .generated(market.history), source: MarketSource(market),
        sourceStart: start, isTape: false, openings: ids.map { market.startPrice($0) },
        openingQuotes: ids.map { market.openingQuote($0) }, openingMarks: ids.map { market.openingMark($0) })
    case .tape(let path):
      let tape = try TapeMarket.load(path: path)
      let openings = tape.tracks.map(\.firstPrice)
      return LoadedMarket(
        table: tape.table, history: .tape(tape.history, end: Timeframe.minute1.openTime(of: start)),
        source: MarketSource(tape, start: start), sourceStart: start, isTape: true, openings: openings,
        openingQuotes: tape.openingQuotes(start), openingMarks: tape.openingMarks(start))
    }
  }
}

extension TapeMarket {
  /// The first quote of each symbol, or one a tick around its first price where the tape has none.
  func openingQuotes(_ start: Instant) -> [MarketEvent] {
    tracks.enumerated().map { index, track in
      if var quote = track.events.first(where: { $0.kind == .quote }) {
        quote.time = start
        return quote
      }
      return .quote(
        InstrumentID(index), time: start, bid: track.firstPrice, bidQuantity: Quantity(steps: 1),
        ask: Price(ticks: track.firstPrice.ticks + 1), askQuantity: Quantity(steps: 1))
    }
  }

  /// The first mark price of each symbol, or its first price.
  func openingMarks(_ start: Instant) -> [MarketEvent] {
    tracks.enumerated().map { index, track in
      if var mark = track.events.first(where: { $0.kind == .mark }) {
        mark.time = start
        return mark
      }
      let e8 = track.firstPrice.ticks * table.instruments[index].rules.tickE8
      return .mark(
        InstrumentID(index), time: start, markE8: e8, indexE8: e8, fundingRateE8: 10_000,
        nextFundingMilliseconds: 0)
    }
  }
}
