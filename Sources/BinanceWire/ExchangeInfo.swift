import Foundation
public import Market

/// The exchange's list of contracts and limits, read once an hour and at start.
public struct ExchangeInfo: Sendable {
  /// Every trading USDT perpetual, by symbol (UTF-8 order).
  public var table: InstrumentTable
  public var rateLimits: [RateLimit]
  /// Contracts that belong in the table but cannot be traded safely, and why.
  public var skipped: [Skipped]

  public struct Skipped: Sendable, Hashable, CustomStringConvertible {
    public var symbol: String
    public var reason: String
    public var description: String { "\(symbol): \(reason)" }
  }

  /// Reads `/fapi/v1/exchangeInfo`. One bad contract does not spoil the list.
  ///
  /// - Throws: when the document is not one, or has no contract left.
  public static func decode(_ body: [UInt8], venue: String, version: UInt32 = 1) throws(WireError)
    -> ExchangeInfo
  {
    let document = try JSONText.read(Document.self, "exchangeInfo", body)
    var instruments: [String: Instrument] = [:]
    var skipped: [Skipped] = []
    for element in document.symbols {
      guard let contract = element.value else {
        skipped.append(Skipped(symbol: element.symbol ?? "?", reason: element.failure ?? "unreadable"))
        continue
      }
      guard contract.isWanted else { continue }
      if instruments[contract.symbol] != nil {
        skipped.append(Skipped(symbol: contract.symbol, reason: "listed twice"))
        continue
      }
      do throws(ContractProblem) {
        instruments[contract.symbol] = try contract.instrument()
      } catch {
        skipped.append(Skipped(symbol: contract.symbol, reason: error.reason))
      }
    }
    var sorted = instruments.values.sorted { $0.symbol.utf8.lexicographicallyPrecedes($1.symbol.utf8) }
    for extra in sorted.dropFirst(InstrumentTable.countMax) {
      skipped.append(Skipped(symbol: extra.symbol, reason: "more than \(InstrumentTable.countMax) contracts"))
    }
    sorted = Array(sorted.prefix(InstrumentTable.countMax))
    guard !sorted.isEmpty else {
      throw .malformed(
        "exchangeInfo", detail: "no trading USDT perpetual among \(document.symbols.count) contracts")
    }
    let limits = (document.rateLimits ?? []).compactMap(\.value)
    return ExchangeInfo(
      table: InstrumentTable(version: version, venue: venue, instruments: sorted),
      rateLimits: limits.isEmpty ? RateLimit.published : limits, skipped: skipped)
  }

  /// The document for a table, typed and ordered as the exchange writes it.
  ///
  /// - Parameters:
  ///   - openOrdersMax: per instrument.
  ///   - liquidationFeeE8: a share of the notional × 10^8.
  public static func encode(
    _ table: InstrumentTable, serverTime: Instant, rateLimits: [RateLimit] = RateLimit.published,
    openOrdersMax: Int = 200, liquidationFeeE8: Int64 = 1_250_000
  ) -> [UInt8] {
    JSONText.encode(
      Document(
        serverTime: serverTime.milliseconds, rateLimits: rateLimits.map(Document.Limit.init),
        symbols: table.instruments.map {
          Document.Element(
            value: Document.Contract(
              $0, openOrdersMax: openOrdersMax, liquidationFeeE8: liquidationFeeE8))
        }))
  }

  /// Twenty large contracts for the hour in which the list cannot be had. Ticks and steps as published in
  /// 2025; the limits are narrower than the exchange's, so that an order inside them is inside both.
  public static func fallbackMajors(venue: String) -> InstrumentTable {
    let majors: [(String, tick: Int64, step: Int64, notional: Int64)] = [
      ("ADAUSDT", 10_000, 100_000_000, 5), ("APTUSDT", 10_000, 10_000_000, 5),
      ("ATOMUSDT", 100_000, 1_000_000, 5), ("AVAXUSDT", 100_000, 100_000_000, 5),
      ("BCHUSDT", 1_000_000, 100_000, 20), ("BNBUSDT", 1_000_000, 1_000_000, 5),
      ("BTCUSDT", 10_000_000, 100_000, 100), ("DOGEUSDT", 1_000, 100_000_000, 5),
      ("DOTUSDT", 100_000, 10_000_000, 5), ("ETCUSDT", 100_000, 1_000_000, 20),
      ("ETHUSDT", 1_000_000, 100_000, 20), ("FILUSDT", 100_000, 10_000_000, 5),
      ("LINKUSDT", 100_000, 1_000_000, 20), ("LTCUSDT", 1_000_000, 100_000, 20),
      ("NEARUSDT", 100_000, 100_000_000, 5), ("SOLUSDT", 1_000_000, 1_000_000, 5),
      ("TRXUSDT", 1_000, 100_000_000, 5), ("UNIUSDT", 100_000, 100_000_000, 5),
      ("XLMUSDT", 1_000, 100_000_000, 5), ("XRPUSDT", 10_000, 10_000_000, 5),
    ]
    return InstrumentTable(
      venue: venue,
      instruments: majors.map { symbol, tick, step, notional in
        let marketStepsMax = 1_000 * FixedPoint.one / step
        return Instrument(
          symbol: symbol, baseAsset: String(symbol.dropLast(4)),
          rules: InstrumentRules(
            tickE8: tick, stepE8: step, priceTicksMax: 1_000_000 * FixedPoint.one / tick,
            quantityStepsMax: marketStepsMax, marketStepsMax: marketStepsMax,
            notionalMinE8: notional * FixedPoint.one))
      })
  }
}
