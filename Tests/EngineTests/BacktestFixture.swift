import Foundation
import Market

/// A private folder with what one test of the backtest needs, removed with its owner.
final class BacktestFixture {
  let folder: String

  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  struct Failure: Error, CustomStringConvertible { var description: String }

  init() throws {
    folder = "\(FileManager.default.temporaryDirectory.path)/aegis-backtest-tests-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  // A left-over folder among the temporary ones harms nobody.
  deinit { try? FileManager.default.removeItem(atPath: folder) }

  /// Runs a program to its end.
  static func run(_ arguments: [String]) throws {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = arguments
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failure(description: text) }
  }

  /// The C trend follower, built by its own Makefile.
  func trendFollower() throws -> String {
    try Self.run(["make", "-s", "-C", "\(Self.root)/Plugins/TrendFollowerC", "OUT=\(folder)"])
    return "\(folder)/libtrend_follower_c.so"
  }

  @discardableResult
  func write(_ name: String, _ text: String) throws -> String {
    let path = "\(folder)/\(name)"
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  @discardableResult
  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let path = "\(folder)/\(name)"
    try Data(bytes).write(to: URL(filePath: path))
    return path
  }

  func files() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder) }

  /// A walk on the 0.01 grid whose candles start where the last one ended.
  static func walk(count: Int, seed: UInt64, start: Int64 = 100_000) -> [(
    open: Int64, high: Int64, low: Int64, close: Int64
  )] {
    var random = SeededRandom(seed: seed)
    var close = start
    return (0..<count).map { _ in
      let open = close
      close = max(1_000, open + Int64((random.normal() * Double(open) * 0.0008).rounded()))
      return (
        open, max(open, close) + Int64(random.below(30)), min(open, close) - Int64(random.below(30)), close
      )
    }
  }

  /// A candle file with a header; `skipped` rows are missing.
  func candles(_ name: String, count: Int, seed: UInt64, skipped: Range<Int> = 0..<0) throws -> String {
    var text = "open_time,open,high,low,close,volume\n"
    for (index, bar) in Self.walk(count: count, seed: seed).enumerated() where !skipped.contains(index) {
      let time = 1_704_067_200_000 + index * 60_000
      func price(_ ticks: Int64) -> String { FixedPoint.text(ticks * 1_000_000, decimals: 2) }
      text +=
        "\(time),\(price(bar.open)),\(price(bar.high)),\(price(bar.low)),\(price(bar.close)),\(index % 7).125\n"
    }
    return try write(name, text)
  }
}
