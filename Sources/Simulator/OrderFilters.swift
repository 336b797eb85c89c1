public import Market

/// The checks of price, quantity and notional that need nothing but the instrument's rules and its mark price.
public enum OrderFilters {
  /// The grid price of a decimal as it came over the wire.
  ///
  /// - Parameter decimalCount: digits after the point as written; more than the tick has is `precision`.
  public static func price(e8: Int64, decimalCount: Int, rules: InstrumentRules) throws(OrderRefusal) -> Price
  {
    guard decimalCount <= FixedPoint.decimals(ofUnit: rules.tickE8) else { throw .precision }
    guard let price = rules.price(e8: e8) else { throw .priceOffTick }
    return price
  }

  /// The grid quantity of a decimal as it came over the wire.
  ///
  /// - Parameter decimalCount: digits after the point as written; more than the step has is `precision`.
  public static func quantity(
    e8: Int64, decimalCount: Int, rules: InstrumentRules
  ) throws(OrderRefusal) -> Quantity {
    guard decimalCount <= FixedPoint.decimals(ofUnit: rules.stepE8) else { throw .precision }
    guard let quantity = rules.quantity(e8: e8) else { throw .quantityOffStep }
    return quantity
  }

  /// The first filter a placement breaks, or nil.
  ///
  /// - Parameter markE8: mark price × 10^8, or 0 when there is no price yet: then band and market notional pass.
  public static func refusal(
    of command: OrderCommand, rules: InstrumentRules, markE8: Int64
  ) -> OrderRefusal? {
    let isMarket = command.kind == .market
    let steps = command.quantity.steps
    if steps <= 0 { return .quantityNotPositive }
    if steps < rules.quantityStepsMin { return .quantityBelowMinimum }
    if steps > rules.quantityStepsMax || (isMarket && steps > rules.marketStepsMax) {
      return .quantityAboveMaximum
    }
    if !isMarket {
      let ticks = command.price.ticks
      if ticks < max(rules.priceTicksMin, 1) { return .priceBelowMinimum }
      if ticks > rules.priceTicksMax { return .priceAboveMaximum }
    }
    let priceE8 = isMarket ? Int128(markE8) : Int128(command.price.ticks) * Int128(rules.tickE8)
    if !isMarket && markE8 > 0 {
      let scaled = priceE8 * Int128(FixedPoint.one)
      if command.side == .buy && scaled > Int128(markE8) * Int128(rules.multiplierUpE8) {
        return .priceAboveBand
      }
      if command.side == .sell && scaled < Int128(markE8) * Int128(rules.multiplierDownE8) {
        return .priceBelowBand
      }
    }
    // The widest filters allow products beyond 128 bits.
    let (notionalE16, overflow) = priceE8.multipliedReportingOverflow(
      by: Int128(steps) * Int128(rules.stepE8))
    if overflow || notionalE16 > Int128(notionalE8Max) * Int128(FixedPoint.one) {
      return .quantityAboveMaximum
    }
    if !command.reduceOnly && priceE8 > 0
      && notionalE16 < Int128(rules.notionalMinE8) * Int128(FixedPoint.one)
    {
      return .notionalBelowMinimum
    }
    return nil
  }

  /// Largest notional of one order, one billion: keeps every sum of the account within 64 bits.
  public static let notionalE8Max: Int64 = 1_000_000_000 * FixedPoint.one
}
