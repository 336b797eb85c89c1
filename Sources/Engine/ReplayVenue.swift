import Market
import Simulator
import Trading

/// The venue of a live run that is computed again: orders go nowhere, what it said comes from the journal.
struct ReplayVenue: Exchange {
  mutating func observe(_ event: MarketEvent) {}
  mutating func submit(_ command: OrderCommand) {}
  mutating func poll(now: Instant) -> ExchangeReport? { nil }
}

extension SimulatedExchange {
  /// Puts a paper account where the openings of a run say it was: the same at the start of that run and in its replay.
  ///
  /// - Parameter openings: the first entries of the run; others among them are passed over.
  mutating func restore(from openings: some Sequence<JournalEntry>) {
    var opening: (RunOpening, Instant)?
    var instruments: [RestoredInstrument] = []
    for entry in openings {
      if let found = entry.runOpening { opening = (found, entry.time) }
      guard entry.kind == .openingPosition, let record = entry.positionRecord else { continue }
      instruments.append(
        RestoredInstrument(
          instrument: record.instrument, position: NetPosition(steps: record.steps, cost: record.cost),
          lastTradeID: entry.openingTradeID))
    }
    guard let (opening, time) = opening else { return }
    restore(wallet: opening.wallet, instruments: instruments, lastOrderID: opening.lastOrderID, time: time)
  }
}
