public import Market

/// Writes market messages as the exchange words them, appending to a buffer that the caller reuses.
///
/// No string is made and, once the buffer has grown, nothing is allocated. Times are cut to milliseconds.
/// - Precondition of every call: the instrument is in the table; prices and quantities are not negative.
public struct MarketMessageWriter: Sendable {
  /// Room for the longest message; the buffer grows by at most this much a call.
  public static let messageBytesMax = 768

  /// What a message needs of its instrument, as bytes.
  private struct Name: Sendable {
    var symbol: [UInt8]
    var lowercased: [UInt8]
    var tickE8: UInt64
    var stepE8: UInt64
    var priceDecimals: Int
    var quantityDecimals: Int
  }

  /// Members that came in 2025 and 2026.
  public struct NewerFields: OptionSet, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// `nq` of aggregate trades and `ap` of marks.
    public static let values = NewerFields(rawValue: 1)
    /// `st` and `ps` at the end of every message.
    public static let source = NewerFields(rawValue: 2)
  }

  private let names: [Name]
  public let newerFields: NewerFields

  public init(table: InstrumentTable, newerFields: NewerFields = [.values, .source]) {
    self.newerFields = newerFields
    names = table.instruments.map { instrument in
      Name(
        symbol: Array(instrument.symbol.utf8), lowercased: Array(instrument.symbol.lowercased().utf8),
        tickE8: UInt64(instrument.rules.tickE8), stepE8: UInt64(instrument.rules.stepE8),
        priceDecimals: FixedPoint.decimals(ofUnit: instrument.rules.tickE8),
        quantityDecimals: FixedPoint.decimals(ofUnit: instrument.rules.stepE8))
    }
  }

  /// - Parameter isCombined: wrapped as `{"stream":…,"data":…}`.
  public func bookTicker(
    _ instrument: InstrumentID, updateID: Int64, eventTime: Instant, time: Instant, bid: Price,
    bidQuantity: Quantity, ask: Price, askQuantity: Quantity, isCombined: Bool, into buffer: inout [UInt8]
  ) {
    write(instrument, into: &buffer) { name, out in
      out.open(name.lowercased, "@bookTicker", isCombined)
      out.raw("{\"e\":\"bookTicker\",\"u\":")
      out.integer(updateID)
      out.raw(",\"s\":\"")
      out.bytes(name.symbol)
      out.raw("\",\"b\":\"")
      out.decimal(bid.ticks, name.tickE8, name.priceDecimals)
      out.raw("\",\"B\":\"")
      out.decimal(bidQuantity.steps, name.stepE8, name.quantityDecimals)
      out.raw("\",\"a\":\"")
      out.decimal(ask.ticks, name.tickE8, name.priceDecimals)
      out.raw("\",\"A\":\"")
      out.decimal(askQuantity.steps, name.stepE8, name.quantityDecimals)
      out.raw("\",\"T\":")
      out.integer(time.milliseconds)
      out.raw(",\"E\":")
      out.integer(eventTime.milliseconds)
      out.close(name.symbol, newerFields.contains(.source), isCombined)
    }
  }

  public func aggregateTrade(
    _ instrument: InstrumentID, aggregateID: Int64, firstTradeID: Int64, lastTradeID: Int64,
    eventTime: Instant,
    time: Instant, price: Price, quantity: Quantity, buyerIsMaker: Bool, isCombined: Bool,
    into buffer: inout [UInt8]
  ) {
    write(instrument, into: &buffer) { name, out in
      out.open(name.lowercased, "@aggTrade", isCombined)
      out.raw("{\"e\":\"aggTrade\",\"E\":")
      out.integer(eventTime.milliseconds)
      out.raw(",\"s\":\"")
      out.bytes(name.symbol)
      out.raw("\",\"a\":")
      out.integer(aggregateID)
      out.raw(",\"p\":\"")
      out.decimal(price.ticks, name.tickE8, name.priceDecimals)
      out.raw("\",\"q\":\"")
      out.decimal(quantity.steps, name.stepE8, name.quantityDecimals)
      if newerFields.contains(.values) {
        out.raw("\",\"nq\":\"")
        out.decimal(quantity.steps, name.stepE8, name.quantityDecimals)
      }
      out.raw("\",\"f\":")
      out.integer(firstTradeID)
      out.raw(",\"l\":")
      out.integer(lastTradeID)
      out.raw(",\"T\":")
      out.integer(time.milliseconds)
      out.raw(",\"m\":")
      out.flag(buyerIsMaker)
      out.close(name.symbol, newerFields.contains(.source), isCombined)
    }
  }

  public func trade(
    _ instrument: InstrumentID, tradeID: Int64, eventTime: Instant, time: Instant, price: Price,
    quantity: Quantity, buyerIsMaker: Bool, isCombined: Bool, into buffer: inout [UInt8]
  ) {
    write(instrument, into: &buffer) { name, out in
      out.open(name.lowercased, "@trade", isCombined)
      out.raw("{\"e\":\"trade\",\"E\":")
      out.integer(eventTime.milliseconds)
      out.raw(",\"T\":")
      out.integer(time.milliseconds)
      out.raw(",\"s\":\"")
      out.bytes(name.symbol)
      out.raw("\",\"t\":")
      out.integer(tradeID)
      out.raw(",\"p\":\"")
      out.decimal(price.ticks, name.tickE8, name.priceDecimals)
      out.raw("\",\"q\":\"")
      out.decimal(quantity.steps, name.stepE8, name.quantityDecimals)
      out.raw("\",\"X\":\"MARKET\",\"m\":")
      out.flag(buyerIsMaker)
      out.close(name.symbol, newerFields.contains(.source), isCombined)
    }
  }

  /// - Parameters:
  ///   - markE8, indexE8: prices × 10^8, written with eight decimals. The settlement estimate is the index.
  ///   - isFast: the stream's name says `@1s`.
  public func markPrice(
    _ instrument: InstrumentID, eventTime: Instant, markE8: Int64, indexE8: Int64, fundingRateE8: Int64,
    nextFunding: Instant, isFast: Bool = true, isCombined: Bool, into buffer: inout [UInt8]
  ) {
    write(instrument, into: &buffer) { name, out in
      out.open(name.lowercased, isFast ? "@markPrice@1s" : "@markPrice", isCombined)
      out.raw("{\"e\":\"markPriceUpdate\",\"E\":")
      out.integer(eventTime.milliseconds)
      out.raw(",\"s\":\"")
      out.bytes(name.symbol)
      out.raw("\",\"p\":\"")
      out.decimal(markE8, 1, 8)
      if newerFields.contains(.values) {
        out.raw("\",\"ap\":\"")
        out.decimal(markE8, 1, 8)
      }
      out.raw("\",\"P\":\"")
      out.decimal(indexE8, 1, 8)
      out.raw("\",\"i\":\"")
      out.decimal(indexE8, 1, 8)
      out.raw("\",\"r\":\"")
      if fundingRateE8 < 0 { out.raw("-") }
      out.decimal(Int64(clamping: fundingRateE8.magnitude), 1, 8)
      out.raw("\",\"T\":")
      out.integer(nextFunding.milliseconds)
      out.close(name.symbol, newerFields.contains(.source), isCombined)
    }
  }

  /// - Parameters:
  ///   - firstTradeID, lastTradeID: -1 while the candle has no trade.
  ///   - quoteVolume: not negative.
  ///   - takerVolume, takerQuoteVolume: what buyers took; half of both volumes where it is not known.
  public func kline(
    _ instrument: InstrumentID, _ timeframe: Timeframe, _ candle: Candle, eventTime: Instant,
    quoteVolume: Quote, takerVolume: Quantity? = nil, takerQuoteVolume: Quote? = nil,
    firstTradeID: Int64 = -1, lastTradeID: Int64 = -1, isClosed: Bool, isCombined: Bool,
    into buffer: inout [UInt8]
  ) {
    write(instrument, into: &buffer) { name, out in
      let interval = Self.interval(timeframe)
      if isCombined {
        out.raw("{\"stream\":\"")
        out.bytes(name.lowercased)
        out.raw("@kline_")
        out.raw(interval)
        out.raw("\",\"data\":")
      }
      out.raw("{\"e\":\"kline\",\"E\":")
      out.integer(eventTime.milliseconds)
      out.raw(",\"s\":\"")
      out.bytes(name.symbol)
      out.raw("\",\"k\":{\"t\":")
      out.integer(candle.openTime.milliseconds)
      out.raw(",\"T\":")
      out.integer(candle.openTime.milliseconds + timeframe.nanoseconds / 1_000_000 - 1)
      out.raw(",\"s\":\"")
      out.bytes(name.symbol)
      out.raw("\",\"i\":\"")
      out.raw(interval)
      out.raw("\",\"f\":")
      out.signed(firstTradeID)
      out.raw(",\"L\":")
      out.signed(lastTradeID)
      out.raw(",\"o\":\"")
      out.decimal(candle.open.ticks, name.tickE8, name.priceDecimals)
      out.raw("\",\"c\":\"")
      out.decimal(candle.close.ticks, name.tickE8, name.priceDecimals)
      out.raw("\",\"h\":\"")
      out.decimal(candle.high.ticks, name.tickE8, name.priceDecimals)
      out.raw("\",\"l\":\"")
      out.decimal(candle.low.ticks, name.tickE8, name.priceDecimals)
      out.raw("\",\"v\":\"")
      out.decimal(candle.volume.steps, name.stepE8, name.quantityDecimals)
      out.raw("\",\"n\":")
      out.integer(Int64(candle.tradeCount))
      out.raw(",\"x\":")
      out.flag(isClosed)
      out.raw(",\"q\":\"")
      out.decimal(quoteVolume.e8, 1, 8)
      out.raw("\",\"V\":\"")
      out.decimal(takerVolume?.steps ?? candle.volume.steps / 2, name.stepE8, name.quantityDecimals)
      out.raw("\",\"Q\":\"")
      out.decimal(takerQuoteVolume?.e8 ?? quoteVolume.e8 / 2, 1, 8)
      out.raw("\",\"B\":\"0\"}")
      out.close(name.symbol, newerFields.contains(.source), isCombined)
    }
  }

  private static func interval(_ timeframe: Timeframe) -> StaticString {
    switch timeframe {
    case .minute1: "1m"
    case .minute5: "5m"
    case .minute15: "15m"
    case .hour1: "1h"
    case .day1: "1d"
    }
  }

  /// Gives the body room for one message behind what the buffer holds and takes what it wrote.
  @inline(__always)
  private func write(
    _ instrument: InstrumentID, into buffer: inout [UInt8], _ body: (Name, inout ByteWriter) -> Void
  ) {
    let name = names[Int(instrument.index)]
    buffer.append(addingCapacity: Self.messageBytesMax) { target in
      target.withUnsafeMutableBufferPointer { bytes, count in
        // The span has room for `messageBytesMax` bytes, so its base exists.
        var out = ByteWriter(bytes.baseAddress! + count)
        body(name, &out)
        count += out.count
      }
    }
  }
}
