import Market

// Funding: at each instrument's funding time the longs pay the shorts, or the other way round.
extension SimulatedExchange {
  /// Takes rate and time of the next funding from a mark event. A time that has passed, or was settled, is ignored.
  func noteFunding(_ state: UnsafeMutablePointer<InstrumentState>, _ event: MarketEvent) {
    state.pointee.fundingRateE8 = event.fundingRateE8
    let next = event.nextFunding.nanoseconds
    guard next > event.time.nanoseconds, next > state.pointee.fundingDoneNanoseconds else { return }
    state.pointee.fundingDueNanoseconds = next
  }

  /// Settles one funding at the first event at or after its time, with the last rate and mark known before it:
  /// payment = amount × mark × rate, the value rounded first, then the payment, half away from zero.
  ///
  /// The report is a `balance` with the instrument, the signed position in `quantity`, the payment in `fee`
  /// (negative was received) and the new wallet in `amount`. A flat account gets none.
  mutating func settleFunding(_ index: Int) {
    let state = states.pointer(index)
    state.pointee.fundingDoneNanoseconds = state.pointee.fundingDueNanoseconds
    state.pointee.fundingDueNanoseconds = .max
    let position = state.pointee.position
    guard !position.isFlat else { return }
    let value = state.pointee.positionNotional
    let signed = position.steps > 0 ? value : -value
    let payment = signed.times(rateE8: state.pointee.fundingRateE8)
    wallet = wallet - payment
    totals.funding = totals.funding + payment
    areSafeBandsStale = true
    push(
      ExchangeReport(
        kind: .balance, instrument: InstrumentID(index), quantity: Quantity(steps: position.steps),
        fee: payment, amount: wallet, time: time))
  }
}
