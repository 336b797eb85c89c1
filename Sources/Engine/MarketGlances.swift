import Binance
import Market
import SharedMemory

/// The newest price of every instrument for people, from the table of last values.   [any thread]
final class MarketGlances: Sendable {
  private let values: LastValueReader<MarketEvent>
  private let clock: VenueClock

  init(_ regions: SharedRegions, _ clock: VenueClock) throws(MapError) {
    values = try LastValueReader(path: regions.lastValues)
    self.clock = clock
  }

  /// nil before the first quote or trade.
  func glance(_ instrument: InstrumentID) -> MarketGlance? {
    let index = Int(instrument.index)
    let quote = values.value(at: LastValueIndex.of(.quote, index))
    let trade = values.value(at: LastValueIndex.of(.trade, index))
    guard let newest = [quote, trade].compactMap(\.self).max(by: { $0.time < $1.time }) else { return nil }
    let price =
      newest.kind == .trade ? newest.price : Price(ticks: (newest.bid.ticks + newest.ask.ticks) / 2)
    return MarketGlance(price: price, ageNanoseconds: max(0, clock.now().nanoseconds(since: newest.time)))
  }
}
