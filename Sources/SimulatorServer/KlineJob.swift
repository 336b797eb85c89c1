import BinanceWire
import Market
import Simulator

/// A question for candles with the live ones in hand; the older ones are made off the exchange's thread.
struct KlineJob: Sendable {
  var instrument: InstrumentID
  var timeframe: Timeframe
  /// First open time wanted; nil for the newest candles before `to`.
  var from: Instant?
  /// Open times before this, exclusive.
  var to: Instant
  var limit: Int
  /// Closed and running candles since the start.
  var live: [HistoryBar]
  var history: PriceHistory
  var rules: InstrumentRules

  /// The candles, oldest first.
  func bars() -> [HistoryBar] {
    let liveStart = live.first?.openTime ?? to
    let first = from.map { timeframe.openTime(of: $0.advanced(byNanoseconds: timeframe.nanoseconds - 1)) }
    let last = first.map { min(to, $0.advanced(byNanoseconds: Int64(limit) * timeframe.nanoseconds)) } ?? to
    let recent = live.filter { $0.openTime < last && $0.openTime >= first ?? .never }
    guard recent.count < limit, (first ?? .never) < liveStart else {
      return Array(first == nil ? recent.suffix(limit) : recent.prefix(limit))
    }
    let older = history.bars(
      instrument, timeframe, from: first ?? .never, to: min(last, liveStart),
      countMax: limit - recent.count)
    return older + recent
  }

  /// The twelve-element rows.
  func body() -> [UInt8] {
    JSONText.encode(
      bars().map { bar in
        RestMessages.Kline(
          bar.candle, timeframe, rules: rules, quoteVolume: bar.quoteVolume,
          takerVolume: Quantity(steps: bar.takerBuySteps), takerQuoteVolume: bar.takerBuyQuote)
      })
  }
}

extension HistoryBar {
  /// What of it is on the instrument's grid.
  var candle: Candle {
    Candle(
      openTime: openTime, open: Price(ticks: openTicks), high: Price(ticks: highTicks),
      low: Price(ticks: lowTicks), close: Price(ticks: closeTicks), volume: Quantity(steps: volumeSteps),
      tradeCount: Int32(clamping: tradeCount))
  }
}

extension ExchangeCore {
  func klineJob(_ parameters: RequestParameters) throws(RestFailure) -> KlineJob {
    let instrument = try instrument(parameters)
    let name = try parameters.required("interval")
    guard let timeframe = Timeframe(name: name) else {
      throw RestFailure(-1120, "Invalid interval. This simulator keeps 1m, 5m, 15m, 1h and 1d.")
    }
    let limit = try parameters.limit(usual: 500, max: 1_500)
    let start = try parameters.integer("startTime")
    let end = try parameters.integer("endTime")
    // Times beyond these fit no clock of the exchange and would overflow nanoseconds.
    for time in [start, end] {
      if let time, !(0..<9_000_000_000_000).contains(time) {
        throw RestFailure(-1130, "Data sent for parameter 'startTime' or 'endTime' is not valid.")
      }
    }
    if let start, let end, start > end {
      throw RestFailure(-1023, "Start time is greater than end time.")
    }
    let now = clock.now
    let to = end.map { min(Instant(milliseconds: $0 + 1), now) } ?? now
    return KlineJob(
      instrument: instrument, timeframe: timeframe, from: start.map { Instant(milliseconds: $0) },
      to: to.advanced(byNanoseconds: end == nil ? 1 : 0), limit: limit,
      live: candles.bars(instrument, timeframe), history: history, rules: table[instrument].rules)
  }
}
