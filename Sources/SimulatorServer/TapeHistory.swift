import Foundation
import Market
import Simulator

/// Candles before a tape's start, taken from candle files and moved so that they join.
///
/// The finest file of a symbol is used and larger bars are made from it. Its last bar is put right before the minute in
/// which the tape starts, and all prices are multiplied by one factor, so that its last close is the tape's first
/// price: the shape of the past is real, its place and level are not. Symbols without a file have no history.
public struct TapeHistory: Sendable {
  private struct Past: Sendable {
    var timeframe: Timeframe
    /// Oldest first, open times in units of the timeframe before the end: the last one is -1.
    var bars: [HistoryBar]
  }

  private let pasts: [Past?]

  static let none = TapeHistory(pasts: [])

  private init(pasts: [Past?]) { self.pasts = pasts }

  static func load(
    tapePath: String, table: InstrumentTable, firstPrices: [Price]
  ) throws(SimulatorError) -> TapeHistory {
    var isFolder: ObjCBool = false
    _ = FileManager.default.fileExists(atPath: tapePath, isDirectory: &isFolder)
    // Beside a single file its own folder counts. An empty path component is the current folder.
    let parent = (tapePath as NSString).deletingLastPathComponent
    let folder = isFolder.boolValue ? tapePath : parent.isEmpty ? "." : parent
    let candidates = [
      folder, folder + "/klines", folder + "/../klines", folder + "/../../klines",
    ]
    var pasts: [Past?] = []
    for (index, instrument) in table.instruments.enumerated() {
      guard let (path, timeframe) = file(of: instrument.symbol, in: candidates) else {
        pasts.append(nil)
        continue
      }
      let rows = try CandleFile.rows(path: path)
      pasts.append(past(rows, timeframe, instrument.rules, firstPrices[index]))
    }
    return TapeHistory(pasts: pasts)
  }

  private static func file(of symbol: String, in folders: [String]) -> (String, Timeframe)? {
    for timeframe in Timeframe.allCases {
      for folder in folders {
        for suffix in ["", "_long"] {
          for ending in [".csv.gz", ".csv"] {
            let path = "\(folder)/\(symbol)_\(timeframe.name)\(suffix)\(ending)"
            if FileManager.default.fileExists(atPath: path) { return (path, timeframe) }
          }
        }
      }
    }
    return nil
  }

  private static func past(
    _ rows: [CandleFile.Row], _ timeframe: Timeframe, _ rules: InstrumentRules, _ firstPrice: Price
  ) -> Past? {
    guard let last = rows.last else { return nil }
    let target = Int128(firstPrice.ticks) * Int128(rules.tickE8)
    func ticks(_ e8: Int64) -> Int64 {
      max(1, FixedPoint.divided(Int128(e8) * target, by: Int128(last.close) * Int128(rules.tickE8)))
    }
    let milliseconds = timeframe.nanoseconds / 1_000_000
    let bars = rows.map { row in
      let steps = row.volume / rules.stepE8
      let close = ticks(row.close)
      return HistoryBar(
        openTime: Instant(
          nanoseconds: (row.openMilliseconds - last.openMilliseconds) / milliseconds - 1),
        openTicks: ticks(row.open), highTicks: ticks(row.high), lowTicks: ticks(row.low), closeTicks: close,
        volumeSteps: steps, takerBuySteps: steps / 2,
        quoteVolume: rules.notional(Price(ticks: close), Quantity(steps: steps)),
        takerBuyQuote: rules.notional(Price(ticks: close), Quantity(steps: steps / 2)),
        tradeCount: steps > 0 ? max(1, steps / 100) : 0)
    }
    return Past(timeframe: timeframe, bars: bars)
  }

  /// As `GeneratedMarketHistory.bars`: bars with open times in `[from, to)`, oldest first, ending before `end`.
  ///
  /// A timeframe finer than the symbol's file has no bars.
  func bars(
    _ instrument: InstrumentID, _ timeframe: Timeframe, from: Instant, to: Instant, end: Instant,
    countMax: Int
  ) -> [HistoryBar] {
    guard Int(instrument.index) < pasts.count, let past = pasts[Int(instrument.index)],
      timeframe >= past.timeframe
    else { return [] }
    let unit = past.timeframe.nanoseconds
    // History ends at the last whole bar of the file's timeframe before the market starts.
    let lastEnd = end.nanoseconds / unit * unit
    var result: [HistoryBar] = []
    let length = timeframe.nanoseconds
    let earliest = max(from.nanoseconds, (min(to, end).nanoseconds / length - Int64(countMax)) * length)
    let first = past.bars.partitioningIndex { lastEnd + $0.openTime.nanoseconds * unit >= earliest }
    for index in first..<past.bars.count {
      var bar = past.bars[index]
      let open = Instant(nanoseconds: lastEnd + bar.openTime.nanoseconds * unit)
      bar.openTime = timeframe.openTime(of: open)
      guard bar.openTime < to else { break }
      guard bar.openTime >= from else { continue }
      if let last = result.indices.last, result[last].openTime == bar.openTime {
        result[last].append(bar)
      } else {
        result.append(bar)
      }
    }
    return Array(result.suffix(countMax))
  }
}

extension RandomAccessCollection where Index == Int {
  /// The first index whose element satisfies a condition that holds for all elements after it.
  func partitioningIndex(where isAfter: (Element) -> Bool) -> Int {
    var low = startIndex
    var high = endIndex
    while low < high {
      let middle = (low + high) / 2
      if isAfter(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
