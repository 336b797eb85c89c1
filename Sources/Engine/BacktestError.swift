/// Why a backtest cannot run: one line that names file, field and fix.
public enum BacktestError: Error, Equatable, CustomStringConvertible {
  case nothingGiven
  case symbolTwice(symbol: String, file: String, otherFile: String)
  case timeframes(file: String, timeframe: String, otherFile: String, otherTimeframe: String)
  case tooManyFiles(count: Int, max: Int)
  case journal(file: String, reason: String)

  public var description: String {
    switch self {
    case .nothingGiven:
      "--candles, --tape: neither is given; give candle files or a folder of recorded streams"
    case .symbolTwice(let symbol, let file, let otherFile):
      "\(file): symbol: \(symbol) comes with \(otherFile) already; join the files, or name them after their symbols"
    case .timeframes(let file, let timeframe, let otherFile, let otherTimeframe):
      "\(file): open_time: candles of \(timeframe), but \(otherFile) has \(otherTimeframe); "
        + "give files of one timeframe"
    case .tooManyFiles(let count, let max): "--candles: \(count) files, the limit is \(max); give fewer"
    case .journal(let file, let reason): "\(file): journal: \(reason); choose a file that can be written"
    }
  }
}
