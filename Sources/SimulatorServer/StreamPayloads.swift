import Market
import Simulator

// The market stream payloads, member by member in the exchange's order.
extension PayloadWriter {
  @inline(__always)
  private mutating func price(_ ticks: Int64, _ text: InstrumentText) {
    decimal(ticks &* text.price.unitsPerStep, text.price)
  }

  @inline(__always)
  private mutating func quantity(_ steps: Int64, _ text: InstrumentText) {
    decimal(steps &* text.quantity.unitsPerStep, text.quantity)
  }

  mutating func bookTicker(_ event: MarketEvent, updateID: Int64, _ text: InstrumentText) {
    let milliseconds = event.time.milliseconds
    literal("{\"e\":\"bookTicker\",\"u\":")
    integer(updateID)
    literal(",\"s\":\"")
    self.text(text.symbol)
    literal("\",\"b\":\"")
    price(event.word0, text)
    literal("\",\"B\":\"")
    quantity(event.word1, text)
    literal("\",\"a\":\"")
    price(event.word2, text)
    literal("\",\"A\":\"")
    quantity(event.word3, text)
    literal("\",\"T\":")
    integer(milliseconds)
    literal(",\"E\":")
    integer(milliseconds)
    literal("}")
  }

  mutating func aggregateTrade(
    _ event: MarketEvent, aggregateID: Int64, lastTradeID: Int64, _ text: InstrumentText
  ) {
    let milliseconds = event.time.milliseconds
    literal("{\"e\":\"aggTrade\",\"E\":")
    integer(milliseconds)
    literal(",\"s\":\"")
    self.text(text.symbol)
    literal("\",\"a\":")
    integer(aggregateID)
    literal(",\"p\":\"")
    price(event.word0, text)
    literal("\",\"q\":\"")
    quantity(event.word1, text)
    literal("\",\"nq\":\"")
    quantity(event.word1, text)
    literal("\",\"f\":")
    integer(lastTradeID - event.tradeCount + 1)
    literal(",\"l\":")
    integer(lastTradeID)
    literal(",\"T\":")
    integer(milliseconds)
    literal(event.flags.contains(.buyerIsMaker) ? ",\"m\":true}" : ",\"m\":false}")
  }

  mutating func trade(
    _ event: MarketEvent, steps: Int64, tradeID: Int64, _ text: InstrumentText
  ) {
    let milliseconds = event.time.milliseconds
    literal("{\"e\":\"trade\",\"E\":")
    integer(milliseconds)
    literal(",\"T\":")
    integer(milliseconds)
    literal(",\"s\":\"")
    self.text(text.symbol)
    literal("\",\"t\":")
    integer(tradeID)
    literal(",\"p\":\"")
    price(event.word0, text)
    literal("\",\"q\":\"")
    quantity(steps, text)
    literal("\",\"X\":\"MARKET\"")
    literal(event.flags.contains(.buyerIsMaker) ? ",\"m\":true}" : ",\"m\":false}")
  }

  mutating func markPrice(_ event: MarketEvent, _ text: InstrumentText) {
    literal("{\"e\":\"markPriceUpdate\",\"E\":")
    integer(event.time.milliseconds)
    literal(",\"s\":\"")
    self.text(text.symbol)
    literal("\",\"p\":\"")
    decimal(event.markE8, .e8)
    literal("\",\"ap\":\"")
    decimal(event.markE8, .e8)
    literal("\",\"P\":\"")
    decimal(event.indexE8, .e8)
    literal("\",\"i\":\"")
    decimal(event.indexE8, .e8)
    literal("\",\"r\":\"")
    decimal(event.fundingRateE8, .e8)
    literal("\",\"T\":")
    integer(event.word3)
    literal("}")
  }

  /// - Parameter lastTradeID: the newest trade of the symbol; the bar's ids are counted back from it.
  mutating func kline(
    _ bar: HistoryBar, _ timeframe: Timeframe, isClosed: Bool, lastTradeID: Int64, eventTime: Instant,
    name: [UInt8], _ text: InstrumentText
  ) {
    let open = bar.openTime.milliseconds
    let length = timeframe.nanoseconds / 1_000_000
    literal("{\"e\":\"kline\",\"E\":")
    integer(eventTime.milliseconds)
    literal(",\"s\":\"")
    self.text(text.symbol)
    literal("\",\"k\":{\"t\":")
    integer(open)
    literal(",\"T\":")
    integer(open + length - 1)
    literal(",\"s\":\"")
    self.text(text.symbol)
    literal("\",\"i\":\"")
    self.text(name)
    literal("\",\"f\":")
    integer(bar.tradeCount > 0 ? max(1, lastTradeID - bar.tradeCount + 1) : -1)
    literal(",\"L\":")
    integer(bar.tradeCount > 0 ? lastTradeID : -1)
    literal(",\"o\":\"")
    price(bar.openTicks, text)
    literal("\",\"c\":\"")
    price(bar.closeTicks, text)
    literal("\",\"h\":\"")
    price(bar.highTicks, text)
    literal("\",\"l\":\"")
    price(bar.lowTicks, text)
    literal("\",\"v\":\"")
    quantity(bar.volumeSteps, text)
    literal("\",\"n\":")
    integer(bar.tradeCount)
    literal(isClosed ? ",\"x\":true,\"q\":\"" : ",\"x\":false,\"q\":\"")
    decimal(bar.quoteVolume.e8, .e8)
    literal("\",\"V\":\"")
    quantity(bar.takerBuySteps, text)
    literal("\",\"Q\":\"")
    decimal(bar.takerBuyQuote.e8, .e8)
    literal("\",\"B\":\"0\"}}")
  }
}
