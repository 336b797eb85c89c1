import Foundation
import PluginHost

/// Numbers of a CSV file with a header, plain or gzip, as they are written: other than the candles of a backtest they
/// need lie on no exchange's grid.
enum NumberFile {
  private static let timeNames = ["open_time", "open_time_ms", "time", "timestamp", "date", "datetime"]

  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  /// One column by its name; empty cells are NaN.
  static func column(_ name: String, of file: String) throws(FunctionArguments.Refusal) -> [Double] {
    do throws(Failure) {
      let table = try Table(file)
      let column = try table.column([name])
      var numbers: [Double] = []
      for row in table.rows.indices { numbers.append(try table.number(row, column)) }
      return numbers
    } catch {
      throw FunctionArguments.Refusal(error.description)
    }
  }

  /// Columns open_time (or time), open, high, low, close and volume, in any order; oldest first.
  static func candles(_ file: String) throws(Failure) -> FunctionValue.CandleColumns {
    let table = try Table(file)
    let time = try table.column(timeNames)
    var columns: [Int] = []
    for name in FunctionValue.CandleColumns.columnNames { columns.append(try table.column([name])) }
    var candles = FunctionValue.CandleColumns()
    for row in table.rows.indices {
      guard time < table.rows[row].count,
        let milliseconds = CandleFileLines.epochMilliseconds(table.rows[row][time])
      else {
        throw table.failure(
          row, table.names[time], "is no time; use epoch milliseconds or YYYY-MM-DD HH:MM:SS in UTC")
      }
      let openTime = milliseconds * 1_000_000
      if let last = candles.openTimes.last, openTime <= last {
        throw table.failure(
          row, table.names[time], "is not after the line before; sort the file and drop doubles")
      }
      var values: [Double] = []
      for (name, column) in zip(FunctionValue.CandleColumns.columnNames, columns) {
        let value = try table.number(row, column)
        guard value.isFinite else {
          throw table.failure(row, name, "is empty; give every candle all its numbers")
        }
        values.append(value)
      }
      candles.append(
        openTime: openTime, open: values[0], high: values[1], low: values[2], close: values[3],
        volume: values[4])
    }
    return candles
  }

  /// A file cut into cells.
  private struct Table {
    let file: String
    let names: [String]
    let rows: [[ArraySlice<UInt8>]]

    init(_ file: String) throws(Failure) {
      let bytes: [UInt8]
      do throws(CandleFile.Failure) {
        bytes = try CandleFile.contents(of: file)
      } catch {
        throw Failure(description: "\(error)")
      }
      let lines = bytes.split(separator: UInt8(ascii: "\n")).map { line in
        line.last == UInt8(ascii: "\r") ? line.dropLast() : line
      }.filter { !$0.isEmpty }
      guard let header = lines.first else { throw Failure(description: "\(file): is empty") }
      func cells(_ line: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
      }
      self.file = file
      names = cells(header).map { String(decoding: $0, as: UTF8.self).trimmingCharacters(in: .whitespaces) }
      rows = lines.dropFirst().map(cells)
    }

    func column(_ accepted: [String]) throws(Failure) -> Int {
      let exact = names.firstIndex { accepted.contains($0) }
      guard let column = exact ?? names.firstIndex(where: { accepted.contains($0.lowercased()) }) else {
        throw Failure(
          description:
            "\(file): header: no column \"\(accepted[0])\"; it has \(names.joined(separator: ", "))")
      }
      return column
    }

    func number(_ row: Int, _ column: Int) throws(Failure) -> Double {
      guard column < rows[row].count else {
        throw failure(row, names[column], "is missing; give every line the same columns")
      }
      let text = String(decoding: rows[row][column], as: UTF8.self)
      guard let value = text.isEmpty ? .nan : Double(text) else {
        throw failure(row, names[column], "\(SettingsCheck.shown(text)) is not a number")
      }
      return value
    }

    /// Lines count from 1, and the header is one.
    func failure(_ row: Int, _ field: String, _ what: String) -> Failure {
      Failure(description: "\(file):\(row + 2): \(field): \(what)")
    }
  }
}
