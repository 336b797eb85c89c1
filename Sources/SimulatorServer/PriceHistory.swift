import Market
import Simulator

/// The candles before the market's start, generated or recorded.
enum PriceHistory: Sendable {
  case generated(GeneratedMarketHistory)
  case tape(TapeHistory, end: Instant)

  /// Bars with open times in `[from, to)`, oldest first, the newest `countMax` of them; none at or after the start.
  func bars(
    _ instrument: InstrumentID, _ timeframe: Timeframe, from: Instant, to: Instant, countMax: Int
  ) -> [HistoryBar] {
    switch self {
    case .generated(let history):
      history.bars(instrument, timeframe, from: from, to: to, countMax: countMax)
    case .tape(let history, let end):
      history.bars(instrument, timeframe, from: from, to: to, end: end, countMax: countMax)
    }
  }

  /// What history puts into the bar that contains the start; nil when that bar begins with the market.
  func begun(_ instrument: InstrumentID, _ timeframe: Timeframe, start: Instant) -> HistoryBar? {
    bars(instrument, timeframe, from: timeframe.openTime(of: start), to: start, countMax: 1).first
  }
}
