public import Market

/// Candles that closed during one input, in the order they closed. [decision-thread]
///
/// The caller empties it after each input; `CandleBook.advance` stops early rather than overfill it.
public struct ClosedCandles: ~Copyable, Sendable {
  /// One closed candle and whose it is.
  @frozen public struct Item: Sendable, BitwiseCopyable, Hashable {
    public var instrument: InstrumentID
    public var timeframe: Timeframe
    public var candle: Candle
  }

  /// Room for the fill limit of all five timeframes, three times over.
  public static let countMax = 4096

  private let items: FixedBlock<Item>
  public private(set) var count = 0

  public init() {
    let zero = Price.none
    let candle = Candle(
      openTime: .never, open: zero, high: zero, low: zero, close: zero, volume: .zero, flags: [])
    items = FixedBlock(
      repeating: Item(instrument: .none, timeframe: .minute1, candle: candle), count: Self.countMax)
  }

  /// - Precondition: `0 ≤ index < count`.
  public subscript(index: Int) -> Item {
    precondition(index < count, "index below the count")
    return items[index]
  }

  public mutating func removeAll() { count = 0 }

  var freeCount: Int { Self.countMax - count }

  mutating func append(_ instrument: InstrumentID, _ timeframe: Timeframe, _ candle: Candle) {
    precondition(count < Self.countMax, "the caller empties the closed candles after each input")
    items[count] = Item(instrument: instrument, timeframe: timeframe, candle: candle)
    count += 1
  }
}
