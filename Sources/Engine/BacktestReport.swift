public import Market
import Foundation

/// What a backtest found. Amounts are decimal texts, exact to the last digit.
public struct BacktestReport: Sendable, Codable, Hashable {
  public var plugin: String
  public var pluginVersion: String
  public var symbols: [String]
  /// Of the candles; absent when quotes and trades were played.
  public var timeframe: String?
  /// Time of the first and the last event, epoch milliseconds.
  public var fromMilliseconds: Int64
  public var toMilliseconds: Int64
  public var events: Int
  public var signals: Int
  public var orders: Int
  /// Closed round trips and those with a profit after fees.
  public var trades: Int
  public var wins: Int
  /// Positions still open at the end, at the last price in `finalEquity`.
  public var openPositions: Int
  public var openingEquity: String
  public var finalEquity: String
  /// Final less opening equity: after all fees paid.
  public var net: String
  public var fees: String
  /// The deepest fall below an earlier high of equity, as amount and as a share of that high.
  public var maxDrawdown: String
  public var maxDrawdownFraction: Double
  /// Verdicts that refused, by name, most frequent first.
  public var refusals: [RefusalCount]
  /// The virtual account: one lot for every signal, also of refused ones.
  public var ledgerBalance: String
  public var ledgerLots: Int
  public var runSeconds: Double

  public struct RefusalCount: Sendable, Codable, Hashable {
    public var name: String
    public var count: Int
  }

  /// One object with sorted keys.
  public func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  /// A few lines for a person.
  public var text: String {
    let days = Double(toMilliseconds - fromMilliseconds) / 86_400_000
    let shown =
      symbols.prefix(6).joined(separator: ", ") + (symbols.count > 6 ? " and \(symbols.count - 6) more" : "")
    let rate = runSeconds > 0 ? Double(events) / runSeconds : 0
    var lines = [
      "\(plugin) \(pluginVersion) on \(shown)",
      "period        \(Self.time(fromMilliseconds)) to \(Self.time(toMilliseconds)) UTC (\(Self.rounded(days, 1)) days)",
      "\(timeframe.map { "bars of \($0)" } ?? "events")".padding(toLength: 14, withPad: " ", startingAt: 0)
        + "\(events) in \(Self.rounded(runSeconds, 2)) s (\(Int(rate)) a second)",
      "signals       \(signals)",
      "orders        \(orders)",
      "round trips   \(trades) (\(wins) won), \(openPositions) positions open",
      "fees          \(fees)",
      "PnL           \(net) after fees",
      "equity        \(openingEquity) to \(finalEquity)",
      "drawdown      \(maxDrawdown) (\(Self.rounded(maxDrawdownFraction * 100, 2)) %)",
      "virtual       \(ledgerBalance) from \(ledgerLots) lots",
    ]
    if !refusals.isEmpty {
      lines.append("refused       " + refusals.map { "\($0.name) \($0.count)" }.joined(separator: ", "))
    }
    return lines.joined(separator: "\n")
  }

  /// `2024-12-31 23:59:59`, in UTC.
  public static func time(_ milliseconds: Int64) -> String {
    let style = Date.ISO8601FormatStyle(dateTimeSeparator: .space, timeZone: .gmt)
    return String(Date(timeIntervalSince1970: Double(milliseconds / 1000)).formatted(style).prefix(19))
  }

  private static func rounded(_ value: Double, _ decimals: Int) -> String {
    String(format: "%.\(decimals)f", value)
  }
}

/// How far a backtest is.
public struct BacktestProgress: Sendable {
  public var eventCount: Int
  public var eventTotal: Int
  /// Of the newest event.
  public var time: Instant
  public var elapsedSeconds: Double

  /// ` 43 %  2024-02-28 11:00:00  1843000 events a second`.
  public var text: String {
    let percent = eventTotal > 0 ? eventCount * 100 / eventTotal : 100
    let rate = elapsedSeconds > 0 ? Int(Double(eventCount) / elapsedSeconds) : 0
    return "\(percent < 10 ? "  " : percent < 100 ? " " : "")\(percent) %  "
      + "\(BacktestReport.time(time.milliseconds))  \(rate) events a second"
  }
}
