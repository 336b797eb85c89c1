import CZlib
import Foundation
public import Market

/// A file of candles, read whole and checked line by line.
///
/// Accepted: a header line naming at least an open time, open, high, low, close and volume, or the exchange's own
/// kline dump (twelve columns, with or without its header). Times are epoch milliseconds, microseconds (dumps since
/// 2025) or `YYYY-MM-DD HH:MM:SS` UTC. Plain text or gzip.
public struct CandleFile: Sendable {
  public var symbol: String
  public var timeframe: Timeframe
  /// Tick and step are the coarsest grid on which every price and volume of the file lies.
  public var rules: InstrumentRules
  public var candles: [Candle]

  public enum Failure: Error, CustomStringConvertible, Equatable {
    case unreadable(file: String, reason: String)
    case line(file: String, number: Int, field: String, problem: String, fix: String)
    case spacing(file: String, milliseconds: Int64)
    case empty(file: String)

    public var description: String {
      switch self {
      case .unreadable(let file, let reason): "\(file): cannot be read: \(reason)"
      case .line(let file, let number, let field, let problem, let fix):
        "\(file):\(number): \(field): \(problem); \(fix)"
      case .spacing(let file, let milliseconds):
        "\(file): open_time: candles are \(milliseconds) ms apart; use 1m, 5m, 15m, 1h or 1d candles"
      case .empty(let file): "\(file): has no candles; give a file with at least two"
      }
    }
  }

  /// Candles per file: two years of minutes and some.
  static let candleCountMax = 4_000_000
  static let byteCountMax = 1 << 30

  public init(path: String) throws(Failure) {
    let bytes = try Self.contents(of: path)
    let name = URL(filePath: path).lastPathComponent
    var columns = Columns.dump
    var rows: [(time: Int64, open: Int64, high: Int64, low: Int64, close: Int64, volume: Int64)] = []
    var number = 0
    var isFirst = true
    for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      number += 1
      let text = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
      if text.isEmpty { continue }
      let fields = text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
      if isFirst {
        isFirst = false
        if let header = Columns(header: fields) {
          columns = header
          continue
        }
        guard fields.count == 12 else {
          throw .line(
            file: name, number: number, field: "header",
            problem: "no header line, and \(fields.count) columns are not the exchange's twelve",
            fix: "put a header such as open_time,open,high,low,close,volume in front")
        }
      }
      rows.append(try Self.row(fields, columns, file: name, number: number))
      guard rows.count <= Self.candleCountMax else {
        throw .unreadable(file: name, reason: "more than \(Self.candleCountMax) candles; split the file")
      }
      if rows.count > 1, rows[rows.count - 1].time <= rows[rows.count - 2].time {
        throw .line(
          file: name, number: number, field: "open_time", problem: "is not after the line before",
          fix: "sort the file by open time and drop repeated lines")
      }
    }
    guard rows.count >= 2 else { throw .empty(file: name) }
    try self.init(rows: rows, name: name)
  }

  private init(
    rows: [(time: Int64, open: Int64, high: Int64, low: Int64, close: Int64, volume: Int64)], name: String
  ) throws(Failure) {
    var tick: Int64 = 0
    var step: Int64 = 0
    var spacing = Int64.max
    for (index, row) in rows.enumerated() {
      for price in [row.open, row.high, row.low, row.close] { tick = Self.commonDivisor(tick, price) }
      step = Self.commonDivisor(step, row.volume)
      if index > 0 { spacing = min(spacing, row.time - rows[index - 1].time) }
    }
    guard let timeframe = Timeframe.allCases.first(where: { $0.nanoseconds == spacing * 1_000_000 }) else {
      throw .spacing(file: name, milliseconds: spacing)
    }
    let stem = name.split(separator: ".")[0].split(separator: "_")[0].split(separator: "-")[0]
    symbol = stem.isEmpty ? "UNKNOWN" : stem.uppercased()
    self.timeframe = timeframe
    let rules = InstrumentRules(
      tickE8: Self.gridUnit(tick), stepE8: Self.gridUnit(step == 0 ? 100_000 : step))
    self.rules = rules
    candles = rows.map { row in
      Candle(
        openTime: Instant(milliseconds: row.time), open: Price(ticks: row.open / rules.tickE8),
        high: Price(ticks: row.high / rules.tickE8), low: Price(ticks: row.low / rules.tickE8),
        close: Price(ticks: row.close / rules.tickE8), volume: Quantity(steps: row.volume / rules.stepE8),
        flags: [.complete, .backfilled])
    }
  }

  /// The largest power of ten that divides a common divisor: exchanges quote on decimal grids, and a short file may
  /// by chance hold multiples of 5 only.
  static func gridUnit(_ divisor: Int64) -> Int64 {
    var unit: Int64 = 1
    while divisor % (unit * 10) == 0, unit < 100_000_000_000 { unit *= 10 }
    return unit
  }

  static func commonDivisor(_ a: Int64, _ b: Int64) -> Int64 {
    var (x, y) = (abs(a), abs(b))
    while y != 0 { (x, y) = (y, x % y) }
    return x
  }

  private static func row(
    _ fields: [ArraySlice<UInt8>], _ columns: Columns, file: String, number: Int
  ) throws(Failure) -> (time: Int64, open: Int64, high: Int64, low: Int64, close: Int64, volume: Int64) {
    func text(_ column: Int, _ field: String) throws(Failure) -> String {
      guard column < fields.count else {
        throw .line(
          file: file, number: number, field: field, problem: "is missing",
          fix: "give every line the same columns")
      }
      return String(decoding: fields[column], as: UTF8.self)
    }
    func decimal(_ column: Int, _ field: String, positive: Bool) throws(Failure) -> Int64 {
      let word = try text(column, field)
      guard let value = FixedPoint.parse(word) ?? roundedDecimal(word), positive ? value > 0 : value >= 0
      else {
        throw .line(
          file: file, number: number, field: field,
          problem: "\"\(word.prefix(40))\" is not a \(positive ? "positive " : "")decimal number",
          fix: "write it like 28155.2")
      }
      return value
    }
    let time = try text(columns.time, "open_time")
    guard let milliseconds = epochMilliseconds(time) else {
      throw .line(
        file: file, number: number, field: "open_time", problem: "\"\(time.prefix(40))\" is not a time",
        fix: "use epoch milliseconds or YYYY-MM-DD HH:MM:SS in UTC")
    }
    let open = try decimal(columns.open, "open", positive: true)
    let high = try decimal(columns.high, "high", positive: true)
    let low = try decimal(columns.low, "low", positive: true)
    let close = try decimal(columns.close, "close", positive: true)
    let volume = try decimal(columns.volume, "volume", positive: false)
    guard low <= min(open, close), high >= max(open, close) else {
      throw .line(
        file: file, number: number, field: "high/low", problem: "open or close lies outside high and low",
        fix: "repair the line")
    }
    return (milliseconds, open, high, low, close, volume)
  }

  /// Volumes written with more than eight decimals (or an exponent) are rounded to eight; prices never are on any
  /// real grid, and a price that needs it lands on the 1e-8 grid.
  private static func roundedDecimal(_ word: String) -> Int64? {
    guard let value = Double(word), value.isFinite, value.magnitude < 9e9 else { return nil }
    return Int64((value * 1e8).rounded(.toNearestOrEven))
  }

  /// Epoch milliseconds of the accepted time texts; nil for anything else, and for numbers that cannot be an epoch
  /// time after 2009 (minutes since midnight, row numbers).
  static func epochMilliseconds(_ text: String) -> Int64? {
    if let number = Int64(text) {
      if (1_230_768_000_000...4_102_444_800_000).contains(number) { return number }
      if (1_230_768_000_000_000...4_102_444_800_000_000).contains(number) { return number / 1000 }
      return nil
    }
    let parts = text.split(whereSeparator: { "-: T".contains($0) }).compactMap {
      Int($0.prefix(2 + 2 * ($0.count > 2 ? 1 : 0)))
    }
    guard text.count >= 19, parts.count >= 6, (1...12).contains(parts[1]), (1...31).contains(parts[2]),
      (0..<24).contains(parts[3]), (0..<60).contains(parts[4]), (0..<60).contains(parts[5])
    else { return nil }
    // Days since 1970 in the proleptic Gregorian calendar (Hinnant's civil-days arithmetic).
    let year = parts[1] <= 2 ? parts[0] - 1 : parts[0]
    let era = year / 400
    let yearOfEra = year - era * 400
    let dayOfYear = (153 * (parts[1] + (parts[1] > 2 ? -3 : 9)) + 2) / 5 + parts[2] - 1
    let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    return Int64(((days * 24 + parts[3]) * 60 + parts[4]) * 60 + parts[5]) * 1000
  }

  /// Reads a plain or gzip file; zlib passes plain bytes through.
  static func contents(of path: String) throws(Failure) -> [UInt8] {
    guard let file = gzopen(path, "rb") else {
      throw .unreadable(file: path, reason: String(cString: strerror(errno)))
    }
    defer { gzclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = gzread(file, &buffer, UInt32(buffer.count))
      if count == 0 { return bytes }
      guard count > 0 else {
        var code: Int32 = 0
        throw .unreadable(file: path, reason: String(cString: gzerror(file, &code)))
      }
      guard bytes.count + Int(count) <= byteCountMax else {
        throw .unreadable(file: path, reason: "is larger than \(byteCountMax) bytes")
      }
      bytes.append(contentsOf: buffer[..<Int(count)])
    }
  }

  /// Which column holds what.
  private struct Columns {
    var time: Int, open: Int, high: Int, low: Int, close: Int, volume: Int

    static let dump = Columns(time: 0, open: 1, high: 2, low: 3, close: 4, volume: 5)

    init(time: Int, open: Int, high: Int, low: Int, close: Int, volume: Int) {
      (self.time, self.open, self.high, self.low, self.close, self.volume) = (
        time, open, high, low, close, volume
      )
    }

    /// nil when the line is not a header.
    init?(header fields: [ArraySlice<UInt8>]) {
      let names = fields.map {
        String(decoding: $0, as: UTF8.self).lowercased().trimmingCharacters(in: .whitespaces)
      }
      func column(_ accepted: String...) -> Int? { names.firstIndex { accepted.contains($0) } }
      guard let time = column("open_time", "open_time_ms", "time", "timestamp", "date", "datetime"),
        let open = column("open"), let high = column("high"), let low = column("low"),
        let close = column("close"),
        let volume = column("volume")
      else { return nil }
      self.init(time: time, open: open, high: high, low: low, close: close, volume: volume)
    }
  }
}
