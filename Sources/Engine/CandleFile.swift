import CZlib
import Foundation
public import Market

/// A file of candles, read whole and checked line by line.
///
/// Accepted: a header line naming at least an open time, open, high, low, close and volume, or the exchange's own
/// kline dump (twelve columns, with or without its header). Times are epoch milliseconds, microseconds (dumps since
/// 2025) or `YYYY-MM-DD HH:MM:SS` UTC. Plain text or gzip.
public struct CandleFile: Sendable {
  /// The file's name up to the first `_`, `-` or `.`, in capitals.
  public var symbol: String
  /// The smallest distance between two candles; larger ones are holes.
  public var timeframe: Timeframe
  /// Tick and step are the coarsest decimal grid on which every price and volume of the file lies.
  public var rules: InstrumentRules
  /// Oldest first.
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
      case .empty(let file): "\(file): has fewer than two candles; give a file with at least two"
      }
    }
  }

  /// Candles per file: seven years of minutes.
  static let candleCountMax = 4_000_000
  static let byteCountMax = 1 << 30

  public init(path: String) throws(Failure) {
    let bytes = try Self.contents(of: path)
    var lines = CandleFileLines(file: path)
    var rows: [CandleFileRow] = []
    var position = 0
    while position < bytes.count {
      let end = bytes[position...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
      if let row = try lines.row(bytes[position..<end]) {
        if let last = rows.last, row.milliseconds <= last.milliseconds {
          throw lines.failure(
            "open_time", "is not after the line before", "sort the file by open time and drop doubles")
        }
        guard rows.count < Self.candleCountMax else {
          throw .unreadable(file: path, reason: "more than \(Self.candleCountMax) candles; split the file")
        }
        rows.append(row)
      }
      position = end + 1
    }
    guard rows.count >= 2 else { throw .empty(file: path) }
    try self.init(rows: rows, path: path)
  }

  private init(rows: [CandleFileRow], path: String) throws(Failure) {
    var tick: Int64 = 0
    var step: Int64 = 0
    var spacing = Int64.max
    for (index, row) in rows.enumerated() {
      tick = Self.gridUnit(of: row.open, Self.gridUnit(of: row.close, tick))
      tick = Self.gridUnit(of: row.high, Self.gridUnit(of: row.low, tick))
      step = Self.gridUnit(of: row.volume, step)
      if index > 0 { spacing = min(spacing, row.milliseconds - rows[index - 1].milliseconds) }
    }
    guard let timeframe = Timeframe.allCases.first(where: { $0.nanoseconds == spacing * 1_000_000 }) else {
      throw .spacing(file: path, milliseconds: spacing)
    }
    if let row = rows.first(where: { $0.milliseconds % spacing != 0 }) {
      throw .line(
        file: path, number: row.line, field: "open_time",
        problem: "is no whole multiple of \(timeframe.name)",
        fix: "give candles that open on the grid of their length, in UTC")
    }
    let rules = InstrumentRules(tickE8: tick, stepE8: step == 0 ? 100_000 : step)
    symbol = Self.symbol(ofFile: path)
    self.timeframe = timeframe
    self.rules = rules
    candles = rows.map { row in
      Candle(
        openTime: Instant(milliseconds: row.milliseconds), open: Price(ticks: row.open / rules.tickE8),
        high: Price(ticks: row.high / rules.tickE8), low: Price(ticks: row.low / rules.tickE8),
        close: Price(ticks: row.close / rules.tickE8), volume: Quantity(steps: row.volume / rules.stepE8),
        flags: [.complete, .backfilled])
    }
  }

  static func symbol(ofFile path: String) -> String {
    let stem = URL(filePath: path).lastPathComponent.prefix { !"_-.".contains($0) }
    return stem.isEmpty ? "UNKNOWN" : stem.uppercased()
  }

  /// The largest power of ten that divides both a value and what is known of the grid (0 = nothing yet): exchanges
  /// quote on decimal grids, and a short file may by chance hold multiples of 5 only.
  static func gridUnit(of value: Int64, _ known: Int64) -> Int64 {
    guard value != 0 else { return known }
    var unit = known == 0 ? gridUnitMax : known
    while value % unit != 0 { unit /= 10 }
    return unit
  }

  private static let gridUnitMax: Int64 = 100_000_000_000

  /// Reads a plain or gzip file; zlib passes plain bytes through.
  static func contents(of path: String) throws(Failure) -> [UInt8] {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
      throw .unreadable(file: path, reason: "it is a folder; name the candle file in it")
    }
    guard let file = gzopen(path, "rb") else {
      throw .unreadable(file: path, reason: String(cString: strerror(errno)))
    }
    defer { gzclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = gzread(file, &buffer, UInt32(buffer.count))
      if count == 0 {
        // A gzip file cut short ends like a whole one and says so here only.
        var code: Int32 = 0
        let reason = String(cString: gzerror(file, &code))
        guard code == Z_OK || code == Z_STREAM_END else { throw .unreadable(file: path, reason: reason) }
        return bytes
      }
      guard count > 0 else {
        var code: Int32 = 0
        throw .unreadable(file: path, reason: String(cString: gzerror(file, &code)))
      }
      guard bytes.count + Int(count) <= byteCountMax else {
        throw .unreadable(file: path, reason: "is larger than \(byteCountMax) bytes; split it")
      }
      bytes.append(contentsOf: buffer[..<Int(count)])
    }
  }
}
