import Foundation
public import Market
import SimulatorServer
import Trading

/// What a backtest plays: candle files side by side, or recorded streams; events in time order, no clock.
public struct BacktestMarket: Sendable {
  public let table: InstrumentTable
  public let eventCount: Int
  /// Length of the candles; nil when the events are quotes and trades.
  public let timeframe: Timeframe?
  private let source: Source

  private enum Source: Sendable {
    case candles([CandleFile])
    case tape(TapeMarket)
  }

  /// Files at once.
  static let filesMax = 1_000

  /// Reads candle files, one per instrument, all of one timeframe.
  ///
  /// - Throws: `CandleFile.Failure` or `BacktestError`.
  public init(candleFiles: [String]) throws {
    guard !candleFiles.isEmpty else { throw BacktestError.nothingGiven }
    guard candleFiles.count <= Self.filesMax else {
      throw BacktestError.tooManyFiles(count: candleFiles.count, max: Self.filesMax)
    }
    var files: [CandleFile] = []
    for path in candleFiles {
      let file = try CandleFile(path: path)
      if let first = files.first, first.timeframe != file.timeframe {
        throw BacktestError.timeframes(
          file: path, timeframe: file.timeframe.name, otherFile: candleFiles[0],
          otherTimeframe: first.timeframe.name)
      }
      if let other = files.firstIndex(where: { $0.symbol == file.symbol }) {
        throw BacktestError.symbolTwice(symbol: file.symbol, file: path, otherFile: candleFiles[other])
      }
      files.append(file)
    }
    self.init(files: files)
  }

  init(files: [CandleFile]) {
    table = InstrumentTable(
      venue: "backtest",
      instruments: files.map { file in
        let base = file.symbol.hasSuffix("USDT") ? String(file.symbol.dropLast(4)) : file.symbol
        return Instrument(symbol: file.symbol, baseAsset: base, rules: file.rules)
      })
    eventCount = files.reduce(0) { $0 + $1.candles.count }
    timeframe = files.first?.timeframe
    source = .candles(files)
  }

  /// Reads a folder (or one file) of recorded streams.
  ///
  /// - Throws: `SimulatorError`.
  public init(tape path: String) throws {
    let tape = try TapeMarket.load(path: path)
    table = tape.table
    eventCount = tape.passEventCount
    timeframe = nil
    source = .tape(tape)
  }

  /// Shows every event, from the first on.
  func forEachEvent(_ body: (MarketEvent) -> Void) {
    switch source {
    case .candles(let files):
      var merge = CandleMerge(files)
      while let event = merge.next() { body(event) }
    case .tape(let tape):
      var pass = tape.pass()
      while let event = pass.next() { body(event) }
    }
  }

  /// Closed candles before the first event, oldest first; none for candle files, whose first bar is the first there is.
  func history(_ instrument: InstrumentID, _ timeframe: Timeframe, countMax: Int) -> [Candle] {
    guard case .tape(let tape) = source else { return [] }
    return tape.historyBeforePass(instrument, timeframe, countMax: countMax)
  }

  /// Recorded streams are preceded by candles, as a live run is by klines.
  var hasHistory: Bool { timeframe == nil }
}

/// Candles of several files as events in time order; of one moment in the order of the files.
struct CandleMerge: Sendable {
  private let files: [CandleFile]
  private var cursors: [Int]
  private var openTime = Instant.never
  private var file: Int

  /// - Precondition: the files hold candles of one timeframe.
  init(_ files: [CandleFile]) {
    self.files = files
    cursors = Array(repeating: 0, count: files.count)
    file = files.count
  }

  mutating func next() -> MarketEvent? {
    while true {
      while file < files.count {
        let index = file
        file += 1
        let cursor = cursors[index]
        guard cursor < files[index].candles.count, files[index].candles[cursor].openTime == openTime else {
          continue
        }
        cursors[index] += 1
        return .bar(InstrumentID(index), files[index].timeframe, files[index].candles[cursor])
      }
      var earliest: Instant?
      for index in files.indices where cursors[index] < files[index].candles.count {
        let time = files[index].candles[cursors[index]].openTime
        if earliest.map({ time < $0 }) ?? true { earliest = time }
      }
      guard let earliest else { return nil }
      openTime = earliest
      file = 0
    }
  }
}
