import Market
import Simulator
import Trading

/// One of the four standard pieces of work that engines are compared by.
///
/// Exact rules: prices on a 0.01 grid, cash 1,000,000, quantity 1, fee 0.04 % a side, long and short. The side is the
/// sign of fast minus slow exponential average; when it changes the position is closed and one on the new side opened
/// at the same price. On bars every position has a stop 0.3 % and a target 0.6 % away. What is open at the end is
/// marked to the last price.
public enum StandardWorkload: String, CaseIterable, Sendable {
  /// 1,000,000 bars of one instrument.
  case w1 = "W1"
  /// 200,000 bars of each of 20 instruments in time order, one account.
  case w2 = "W2"
  /// 10,000,000 trades of one instrument, no bracket.
  case w3 = "W3"
  /// 200 pairs of spans, each over the first 100,000 bars of W1.
  case w4 = "W4"

  /// Reads `W1` or `w1`.
  public init?(name: String) { self.init(rawValue: name.uppercased()) }

  static let balance = Quote(1_000_000)
  /// Tick 0.01, step 0.001.
  static let rules = InstrumentRules(tickE8: 1_000_000, stepE8: 100_000)
  static let feeE8: Int64 = 40_000
  static let instrumentCountOfW2 = 20
  static let defaultSpans = (fast: 10, slow: 30)

  /// The raw files in the data folder, one per instrument.
  var fileNames: [String] {
    switch self {
    case .w1: ["w1.bars"]
    case .w2: (0..<Self.instrumentCountOfW2).map { "w2_\($0 < 10 ? "0" : "")\($0).bars" }
    case .w3: ["w3.ticks"]
    case .w4: ["w4.bars"]
    }
  }

  var table: InstrumentTable {
    InstrumentTable(
      venue: "bench",
      instruments: fileNames.indices.map {
        Instrument(symbol: "BENCH\($0)USDT", baseAsset: "BENCH\($0)", rules: Self.rules)
      })
  }

  /// What the strategy is created with, one element per run.
  var parameters: [[String: String]] {
    switch self {
    case .w1, .w2: [Self.onBars(fast: Self.defaultSpans.fast, slow: Self.defaultSpans.slow)]
    case .w3:
      [["source": "trades", "fast": "200", "slow": "1000", "warmup": "5000", "enter_on_start": "false"]]
    case .w4:
      (5..<25).flatMap { fast in stride(from: 30, to: 80, by: 5).map { Self.onBars(fast: fast, slow: $0) } }
    }
  }

  private static func onBars(fast: Int, slow: Int) -> [String: String] {
    [
      "source": "bars", "timeframe": "1m", "fast": "\(fast)", "slow": "\(slow)", "warmup": "100",
      "enter_on_start": "false",
    ]
  }

  /// Every gate open that the rules do not know, so that the real desk does exactly this work.
  var desk: DeskSettings {
    var desk = DeskSettings()
    desk.sizing = .fixedQuantity(baseQuantity: 1)
    desk.takerFeeE8 = Self.feeE8
    desk.slippageFraction = 0
    desk.minimumConfidence = 0
    desk.requiresNetReturn = false
    desk.openPositionsMax = Self.instrumentCountOfW2
    desk.cooldownNanoseconds = 0
    desk.staleNanosecondsMax = 86_400_000_000_000
    desk.dailyLossFractionMax = 1
    desk.equitySampleNanoseconds = 0
    desk.holdingNanosecondsMax = 30 * 86_400_000_000_000
    desk.bracketRounding = .nearest
    desk.defaultStopFraction = self == .w3 ? 0.99 : 0.003
    desk.defaultTargetFraction = self == .w3 ? 0.99 : 0.006
    return desk
  }

  /// Market orders fill at the bar's close (exits at their level), trades at their own price.
  var exchange: SimulatedExchangeSettings {
    SimulatedExchangeSettings(
      startingBalance: Self.balance, takerFeeE8: Self.feeE8, defaultLeverage: Int64(desk.leverage),
      matching: MatchingRules(fillModel: self == .w3 ? .touch : .barClose), closedOrdersMax: 64,
      tradesMax: 64,
      reportsMax: 1024)
  }

  /// Only what the strategy reads is kept.
  var windowBars: [Timeframe: Int] { self == .w3 ? [:] : [.minute1: 90] }

  /// What a reader of the result must know.
  func note(plugin: String, workerCount: Int) -> String {
    var parts = [
      "event-driven, plugin \(plugin) over the C ABI, desk, ledger and simulated exchange",
      self == .w3
        ? "orders fill at the trade's price, bracket 99 % away"
        : "entries and reversals fill at the bar's close, stop and target at their level",
      "fixed quantity 1, fee 0.04 % a side, no slippage",
    ]
    if self != .w3 { parts.append("bracket 0.3 %/0.6 % rounded to the nearest tick in doubles") }
    parts.append(
      "minimumConfidence 0, requiresNetReturn off, cooldown 0, no daily loss limit, no time stop in the data's reach"
    )
    parts.append("journal counted and not kept, \(self == .w3 ? "no candles" : "1m candles only")")
    if self == .w4 { parts.append("equity is the mean of 200 runs on \(workerCount) threads") }
    return parts.joined(separator: "; ")
  }
}
