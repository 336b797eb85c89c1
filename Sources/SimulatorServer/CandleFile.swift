import Foundation
import Market
import Simulator

/// Candles from a CSV file, plain or gzip-packed: `open time, open, high, low, close[, volume …]`.
///
/// A header line is allowed. Open times are epoch milliseconds (or microseconds, as newer dumps of the exchange).
/// A file without a header whose times are not epoch times is refused: some archives count milliseconds since
/// midnight, and guessing a day would be wrong.
enum CandleFile {
  struct Row {
    var openMilliseconds: Int64
    /// Prices and volume × 10^8.
    var open: Int64
    var high: Int64
    var low: Int64
    var close: Int64
    var volume: Int64
  }

  static let rowsMax = 5_000_000

  static func rows(path: String) throws(SimulatorError) -> [Row] {
    var lines = try GzipLines(path: path)
    var result: [Row] = []
    while let line = try lines.next() {
      guard line.count > 0 else { continue }
      let fields = String(decoding: line, as: UTF8.self).split(
        separator: ",", omittingEmptySubsequences: false)
      if lines.number == 1, fields.first?.contains(where: \.isLetter) == true { continue }
      let row = try row(fields, path: path, line: lines.number)
      if let previous = result.last, row.openMilliseconds <= previous.openMilliseconds {
        throw .tape(
          path: path, line: lines.number, reason: "open times must rise; sort the rows and remove doubles")
      }
      guard result.count < rowsMax else {
        throw .tape(path: path, line: lines.number, reason: "more than \(rowsMax) rows; split the file")
      }
      result.append(row)
    }
    return result
  }

  /// Reads only as much as is needed to tell whether times are epoch times.
  static func check(path: String) throws(SimulatorError) {
    var lines = try GzipLines(path: path)
    while let line = try lines.next() {
      guard line.count > 0 else { continue }
      let fields = String(decoding: line, as: UTF8.self).split(
        separator: ",", omittingEmptySubsequences: false)
      if fields.first?.contains(where: \.isLetter) == true {
        if lines.number == 1 { return }
      }
      _ = try epochMilliseconds(fields.first ?? "", path: path, line: lines.number)
      return
    }
  }

  private static func row(_ fields: [Substring], path: String, line: Int) throws(SimulatorError) -> Row {
    guard fields.count >= 5 else {
      throw .tape(
        path: path, line: line,
        reason: "\(fields.count) columns; a candle needs open time, open, high, low, close")
    }
    let time = try epochMilliseconds(fields[0], path: path, line: line)
    var values: [Int64] = []
    for (index, name) in ["open", "high", "low", "close"].enumerated() {
      guard let value = FixedPoint.parse(fields[index + 1]), value > 0 else {
        throw .tape(
          path: path, line: line, reason: "\(name) '\(fields[index + 1])' is not a positive decimal")
      }
      values.append(value)
    }
    guard values[1] >= max(values[0], values[3]), values[2] <= min(values[0], values[3]) else {
      throw .tape(path: path, line: line, reason: "high or low does not contain open and close")
    }
    var volume: Int64 = 0
    if fields.count > 5 {
      guard let value = FixedPoint.parse(fields[5]), value >= 0 else {
        throw .tape(path: path, line: line, reason: "volume '\(fields[5])' is not a decimal")
      }
      volume = value
    }
    return Row(
      openMilliseconds: time, open: values[0], high: values[1], low: values[2], close: values[3],
      volume: volume)
  }

  private static func epochMilliseconds(
    _ field: Substring, path: String, line: Int
  ) throws(SimulatorError) -> Int64 {
    guard let number = Int64(field) else {
      throw .tape(
        path: path, line: line,
        reason: "open time '\(field)' is not a number; give open times as epoch milliseconds")
    }
    switch number {
    case 100_000_000_000..<10_000_000_000_000: return number
    case 100_000_000_000_000..<10_000_000_000_000_000: return number / 1_000
    default:
      throw .tape(
        path: path, line: line,
        reason:
          "open time \(number) is not an epoch time (it looks like milliseconds since midnight); add the day's "
          + "epoch milliseconds to the first column, or remove the file")
    }
  }
}
