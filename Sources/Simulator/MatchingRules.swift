/// How orders meet recorded or generated prices. The market does not react to them: sizes taken are not removed.
public struct MatchingRules: Sendable, Hashable {
  /// Where a market order finds its price.
  public enum FillModel: UInt8, Sendable, Hashable {
    /// The last quote's opposite side; before the first quote the last trade (or the last bar's close). Without
    /// any price the order waits, at most `marketWaitNanoseconds`, then expires.
    case touch
    /// For candles as events: the close of the instrument's latest bar.
    ///
    /// A market order that carries a `price` is an exit whose level was crossed inside that bar: it fills at the
    /// level if the bar's range contains it, else at the bar's open, which had jumped over it. A stop whose level
    /// the open had already passed fills at the open too, even if the bar came back to the level.
    /// An instrument without a bar yet follows `touch`.
    case barClose
  }

  /// When a resting order is filled by a trade at exactly its price.
  public enum QueueModel: UInt8, Sendable, Hashable {
    /// We stand first: a trade at the price fills.
    case optimistic
    /// We stand last: only a trade beyond the price fills.
    case conservative
  }

  /// How much a price can fill.
  public enum SizeModel: Sendable, Hashable {
    /// Everything at one price.
    case unlimited
    /// A taker gets the quoted size, then the same size at each `walkTicks` further, up to `walkLevelsMax` levels;
    /// a maker gets at most the size of the trade that reached it.
    case topOfBook(walkTicks: Int64)
  }

  public var fillModel: FillModel
  public var queueModel: QueueModel
  public var sizeModel: SizeModel
  /// Ticks a taker pays beyond the price it saw; a limit order never beyond its limit.
  public var slippageTicks: Int64
  /// How long a market order may wait for a first price.
  public var marketWaitNanoseconds: Int64

  /// Levels a taker walks at most; what is left of a market order then expires.
  public static let walkLevelsMax = 20

  /// - Precondition: ticks and times are not negative.
  public init(
    fillModel: FillModel = .touch, queueModel: QueueModel = .optimistic, sizeModel: SizeModel = .unlimited,
    slippageTicks: Int64 = 0, marketWaitNanoseconds: Int64 = 5_000_000_000
  ) {
    precondition(slippageTicks >= 0 && marketWaitNanoseconds >= 0, "ticks and times are not negative")
    if case .topOfBook(let walkTicks) = sizeModel { precondition(walkTicks > 0, "a walk gets worse") }
    self.fillModel = fillModel
    self.queueModel = queueModel
    self.sizeModel = sizeModel
    self.slippageTicks = slippageTicks
    self.marketWaitNanoseconds = marketWaitNanoseconds
  }
}
