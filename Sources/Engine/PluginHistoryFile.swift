import Foundation
import PluginHost

/// A candle file of any interval, read and checked here, written down for the child that runs a plugin over it.
///
/// The child is slim: it has no gzip, no calendar and no way to tell a person which line of a file is wrong.
struct PluginHistoryFile {
  /// Gone with its owner.
  let folder: TemporaryFolder
  let path: String
  let candleCount: Int
  let intervalNanoseconds: Int64

  /// - Parameter candles: a file as `aegis backtest --candles` takes it, but of any interval.
  /// - Throws: `CandleFile.Failure` naming file, line and fix.
  init(candles path: String) throws {
    let bytes = try CandleFile.contents(of: path)
    var lines = CandleFileLines(file: path)
    var rows: [PluginHistory.Candle] = []
    var position = 0
    var interval = Int64.max
    while position < bytes.count {
      let end = bytes[position...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
      if let row = try lines.row(bytes[position..<end]) {
        let openTime = row.milliseconds * 1_000_000
        if let last = rows.last {
          guard openTime > last.openNanoseconds else {
            throw lines.failure(
              "open_time", "is not after the line before", "sort the file by open time and drop doubles")
          }
          interval = min(interval, openTime - last.openNanoseconds)
        }
        guard rows.count < PluginHistory.candleCountMax else {
          throw CandleFile.Failure.unreadable(
            file: path, reason: "more than \(PluginHistory.candleCountMax) candles; split the file")
        }
        // Both are exact below 2^53, so the quotient is the double nearest to the decimal.
        rows.append(
          PluginHistory.Candle(
            openNanoseconds: openTime, open: Double(row.open) / 1e8, high: Double(row.high) / 1e8,
            low: Double(row.low) / 1e8, close: Double(row.close) / 1e8, volume: Double(row.volume) / 1e8))
      }
      position = end + 1
    }
    guard rows.count >= 2 else { throw CandleFile.Failure.empty(file: path) }
    candleCount = rows.count
    intervalNanoseconds = interval
    folder = try TemporaryFolder("aegis-history")
    self.path = folder.path + "/history"
    try Data(
      PluginHistory.bytes(
        symbol: CandleFile.symbol(ofFile: path), intervalNanoseconds: interval, candles: rows)
    ).write(to: URL(filePath: self.path))
  }
}

/// A private folder that goes away with its owner.
final class TemporaryFolder: Sendable {
  let path: String

  init(_ name: String) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "\(name)-\(UUID().uuidString)")
    try FileManager.default.createDirectory(
      at: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    path = folder.path
  }

  // A left-over among the temporary files harms nobody, and nobody could act on the error here.
  deinit { try? FileManager.default.removeItem(atPath: path) }
}
