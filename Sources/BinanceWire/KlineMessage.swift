public import Market

extension RestMessages {
  /// One element of klines: twelve members in a fixed order, texts but for times and the trade count.
  public struct Kline: Codable, Sendable, Hashable {
    public var openTime: Int64
    public var open: String
    public var high: String
    public var low: String
    public var close: String
    public var volume: String
    /// Next open less one millisecond.
    public var closeTime: Int64
    public var quoteVolume: String
    public var tradeCount: Int
    public var takerBaseVolume: String
    public var takerQuoteVolume: String

    /// - Parameters:
    ///   - quoteVolume: where it is not known, close × volume stands for it.
    ///   - takerVolume, takerQuoteVolume: what buyers took; half where it is not known.
    public init(
      _ candle: Candle, _ timeframe: Timeframe, rules: InstrumentRules, quoteVolume: Quote? = nil,
      takerVolume: Quantity? = nil, takerQuoteVolume: Quote? = nil
    ) {
      let quote = quoteVolume ?? rules.notional(candle.close, candle.volume)
      openTime = candle.openTime.milliseconds
      open = rules.text(candle.open)
      high = rules.text(candle.high)
      low = rules.text(candle.low)
      close = rules.text(candle.close)
      volume = rules.text(candle.volume)
      closeTime = candle.openTime.milliseconds + timeframe.nanoseconds / 1_000_000 - 1
      self.quoteVolume = quote.description
      tradeCount = Int(candle.tradeCount)
      takerBaseVolume = rules.text(takerVolume ?? Quantity(steps: candle.volume.steps / 2))
      self.takerQuoteVolume = (takerQuoteVolume ?? Quote(e8: quote.e8 / 2)).description
    }

    public init(from decoder: any Decoder) throws {
      var row = try decoder.unkeyedContainer()
      openTime = try row.decode(Int64.self)
      open = try row.decode(String.self)
      high = try row.decode(String.self)
      low = try row.decode(String.self)
      close = try row.decode(String.self)
      volume = try row.decode(String.self)
      closeTime = try row.decode(Int64.self)
      quoteVolume = try row.decode(String.self)
      tradeCount = try row.decode(Int.self)
      takerBaseVolume = try row.decode(String.self)
      takerQuoteVolume = try row.decode(String.self)
    }

    public func encode(to encoder: any Encoder) throws {
      var row = encoder.unkeyedContainer()
      try row.encode(openTime)
      for text in [open, high, low, close, volume] { try row.encode(text) }
      try row.encode(closeTime)
      try row.encode(quoteVolume)
      try row.encode(tradeCount)
      for text in [takerBaseVolume, takerQuoteVolume, "0"] { try row.encode(text) }
    }
  }
}
