import Foundation
import Market

/// One candle as a file says it: prices and volume × 10^8.
struct CandleFileRow: BitwiseCopyable {
  var milliseconds: Int64
  var open: Int64
  var high: Int64
  var low: Int64
  var close: Int64
  var volume: Int64
  /// Counted from 1.
  var line: Int
}

/// Turns the lines of a candle file into rows; the first line that is not empty decides which column holds what.
struct CandleFileLines {
  typealias Line = ArraySlice<UInt8>

  let file: String
  private var number = 0
  private var columns: Columns?
  private var fields: [Range<Int>] = []

  init(file: String) { self.file = file }

  /// Which column holds what.
  private struct Columns {
    var time = 0
    var open = 1
    var high = 2
    var low = 3
    var close = 4
    var volume = 5
    /// Of the exchange's kline dumps, whose first six columns are these.
    static let dumpCount = 12
  }

  /// Takes the next line; nil for a header and for empty lines.
  mutating func row(_ line: Line) throws(CandleFile.Failure) -> CandleFileRow? {
    number += 1
    let line = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
    if line.isEmpty { return nil }
    split(line)
    if let columns { return try row(line, columns) }
    if let found = try header(line) {
      columns = found
      return nil
    }
    guard fields.count == Columns.dumpCount else {
      throw failure(
        "header", "no header line, and \(fields.count) columns are not the exchange's \(Columns.dumpCount)",
        "put a header such as open_time,open,high,low,close,volume in front")
    }
    columns = Columns()
    return try row(line, Columns())
  }

  /// An error at the line taken last.
  func failure(_ field: String, _ problem: String, _ fix: String) -> CandleFile.Failure {
    .line(file: file, number: number, field: field, problem: problem, fix: fix)
  }

  private mutating func split(_ line: Line) {
    fields.removeAll(keepingCapacity: true)
    var start = line.startIndex
    for index in line.indices where line[index] == UInt8(ascii: ",") {
      fields.append(start..<index)
      start = index + 1
    }
    fields.append(start..<line.endIndex)
  }

  private static let timeNames = ["open_time", "open_time_ms", "time", "timestamp", "date", "datetime"]

  /// nil when the line holds no names.
  private func header(_ line: Line) throws(CandleFile.Failure) -> Columns? {
    let names = fields.map { range in
      String(decoding: line[range], as: UTF8.self).lowercased().trimmingCharacters(in: .whitespaces)
        .replacing(" ", with: "_")
    }
    guard names.contains(where: { $0.first?.isLetter == true }) else { return nil }
    func column(_ accepted: [String]) throws(CandleFile.Failure) -> Int {
      guard let column = names.firstIndex(where: { accepted.contains($0) }) else {
        throw failure(
          accepted[0], "the header has no such column",
          "name the columns open_time,open,high,low,close,volume, in any order")
      }
      return column
    }
    return Columns(
      time: try column(Self.timeNames), open: try column(["open"]), high: try column(["high"]),
      low: try column(["low"]), close: try column(["close"]), volume: try column(["volume"]))
  }

  private func row(_ line: Line, _ columns: Columns) throws(CandleFile.Failure) -> CandleFileRow {
    let time = try field(line, columns.time, "open_time")
    guard let milliseconds = Self.epochMilliseconds(time) else {
      throw failure(
        "open_time", "\"\(Self.shown(time))\" is not a time",
        "use epoch milliseconds or YYYY-MM-DD HH:MM:SS in UTC")
    }
    let open = try price(line, columns.open, "open")
    let high = try price(line, columns.high, "high")
    let low = try price(line, columns.low, "low")
    let close = try price(line, columns.close, "close")
    let text = try field(line, columns.volume, "volume")
    guard let volume = Self.decimalE8(text) ?? Self.roundedE8(text), volume >= 0 else {
      throw failure(
        "volume", "\"\(Self.shown(text))\" is not a decimal number from 0 on", "write it like 16.536")
    }
    guard low <= min(open, close), high >= max(open, close) else {
      throw failure("high/low", "open or close lies outside low and high", "repair the line")
    }
    return CandleFileRow(
      milliseconds: milliseconds, open: open, high: high, low: low, close: close, volume: volume, line: number
    )
  }

  private func field(_ line: Line, _ column: Int, _ name: String) throws(CandleFile.Failure) -> Line {
    guard column < fields.count else {
      throw failure(name, "is missing", "give every line the same columns")
    }
    return line[fields[column]]
  }

  private func price(_ line: Line, _ column: Int, _ name: String) throws(CandleFile.Failure) -> Int64 {
    let text = try field(line, column, name)
    guard let value = Self.decimalE8(text), value > 0 else {
      throw failure(
        name, "\"\(Self.shown(text))\" is not a positive decimal number of at most eight decimals",
        "write it like 28155.2")
    }
    return value
  }

  private static func shown(_ text: Line) -> String { String(decoding: text.prefix(40), as: UTF8.self) }

  // MARK: Values

  /// An exact decimal such as `0.00012` × 10^8; nil for signs, exponents and more than eight decimals.
  static func decimalE8(_ text: Line) -> Int64? {
    var value: Int64 = 0
    var decimals = -1
    for byte in text {
      if byte == UInt8(ascii: ".") {
        guard decimals < 0 else { return nil }
        decimals = 0
        continue
      }
      guard byte >= 0x30, byte <= 0x39 else { return nil }
      if decimals == 8 {
        guard byte == 0x30 else { return nil }
        continue
      }
      let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tenfold.addingReportingOverflow(Int64(byte - 0x30))
      guard !overflow, !carry else { return nil }
      value = sum
      if decimals >= 0 { decimals += 1 }
    }
    guard !text.isEmpty, decimals != 0, text.first != UInt8(ascii: ".") else { return nil }
    for _ in max(decimals, 0)..<8 {
      let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
      guard !overflow else { return nil }
      value = tenfold
    }
    return value
  }

  /// A volume with more decimals or an exponent, rounded to eight decimals.
  private static func roundedE8(_ text: Line) -> Int64? {
    guard let value = Double(String(decoding: text, as: UTF8.self)), value.isFinite, value.magnitude < 9e9
    else {
      return nil
    }
    return Int64((value * 1e8).rounded(.toNearestOrEven))
  }

  /// Epoch milliseconds of an accepted time; nil for anything else, and for numbers that cannot be an epoch time of
  /// the years 2009 to 2099 (milliseconds since midnight, row numbers).
  static func epochMilliseconds(_ text: Line) -> Int64? {
    if text.count >= 19 { return calendarMilliseconds(text) ?? epochNumber(text) }
    return epochNumber(text)
  }

  private static func epochNumber(_ text: Line) -> Int64? {
    guard let number = number(text) else { return nil }
    switch number {
    case 1_230_768_000_000..<4_102_444_800_000: return number
    case 1_230_768_000_000_000..<4_102_444_800_000_000: return number / 1000
    default: return nil
    }
  }

  /// `YYYY-MM-DD HH:MM:SS`, a `T` between, and `Z`, `+00:00`, ` UTC` or a fraction of zeros behind it.
  private static func calendarMilliseconds(_ text: Line) -> Int64? {
    let start = text.startIndex
    func part(_ offset: Int, _ count: Int) -> Int64? {
      number(text[(start + offset)..<(start + offset + count)])
    }
    func mark(_ offset: Int, _ accepted: StaticString) -> Bool {
      accepted.withUTF8Buffer { $0.contains(text[start + offset]) }
    }
    guard mark(4, "-"), mark(7, "-"), mark(10, " T"), mark(13, ":"), mark(16, ":"),
      let year = part(0, 4), let month = part(5, 2), let day = part(8, 2), let hour = part(11, 2),
      let minute = part(14, 2), let second = part(17, 2), (1970...2099).contains(year),
      (1...12).contains(month),
      (1...dayCount(month, year)).contains(day), hour < 24, minute < 60, second < 60,
      isUTC(text[(start + 19)...])
    else { return nil }
    // Days since 1970 in the Gregorian calendar, counted in years that begin in March.
    let shifted = month <= 2 ? year - 1 : year
    let era = shifted / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    return ((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000
  }

  private static func dayCount(_ month: Int64, _ year: Int64) -> Int64 {
    switch month {
    case 4, 6, 9, 11: 30
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    default: 31
    }
  }

  private static func isUTC(_ rest: Line) -> Bool {
    var rest = rest
    if rest.first == UInt8(ascii: ".") { rest = rest.dropFirst().drop { $0 == UInt8(ascii: "0") } }
    return rest.isEmpty || [Array("Z".utf8), Array("+00:00".utf8), Array(" UTC".utf8)].contains(Array(rest))
  }

  private static func number(_ text: Line) -> Int64? {
    guard !text.isEmpty, text.count <= 18 else { return nil }
    var value: Int64 = 0
    for byte in text {
      guard byte >= 0x30, byte <= 0x39 else { return nil }
      value = value * 10 + Int64(byte - 0x30)
    }
    return value
  }
}
