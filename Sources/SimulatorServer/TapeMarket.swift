import Foundation
public import Market
import Simulator

/// A market made of recorded raw streams, ready to be played from any moment, again and again.
///
/// What is derived, because recordings lack it: ticks and steps are the greatest common divisors of the tape's own
/// prices and quantities; aggregate trades collect fills of one price and side within 100 ms and come with the
/// first message after them; mark prices come from the mid once a second in files without any. Each symbol's files play one after the
/// other and every symbol starts at its own first message, so all symbols begin together.
public struct TapeMarket: Sendable {
  /// One symbol's messages. Times are nanoseconds since the symbol's first message.
  struct Track: Sendable {
    var events: [MarketEvent]
    /// From the first message to the start of the next round.
    var roundNanoseconds: Int64
    /// Trade price at the start, to which history joins.
    var firstPrice: Price
    /// The recordings one behind the other, in order.
    var parts: [Part]
  }

  /// One recording of a symbol within its track.
  struct Part: Sendable {
    /// Of the first event that is not before it.
    var firstEvent: Int
    /// Where it begins in the track.
    var playedNanoseconds: Int64
    /// When its first message was received, since the epoch.
    var receivedNanoseconds: Int64
  }

  public let table: InstrumentTable
  public let history: TapeHistory
  let tracks: [Track]

  /// `detail` of a trade event that is one fill: for the `trade` stream only. Aggregates carry 0.
  static let singleFill: UInt8 = 1
  /// A bound on memory: 56 bytes each.
  static let eventsMax = 20_000_000
  static let filesMax = 1_000

  /// Reads one file, or every recorded file of a folder.
  ///
  /// Candle files (`SYMBOL_1m.csv[.gz]`) of the folder itself or of a `klines` folder in it, beside it or beside its
  /// parent become the symbols' history.
  public static func load(path: String) throws(SimulatorError) -> TapeMarket {
    let files = try recordedFiles(path)
    var recordings: [String: [TapeRecording]] = [:]
    var symbols: [String] = []
    var eventCount = 0
    for file in files {
      for recording in try TapeRecording.read(path: file) {
        eventCount += recording.lines.count
        guard eventCount <= eventsMax else {
          throw .tape(path: file, line: nil, reason: "more than \(eventsMax) messages; play fewer files")
        }
        if recordings[recording.symbol] == nil { symbols.append(recording.symbol) }
        recordings[recording.symbol, default: []].append(recording)
      }
    }
    symbols.sort()
    guard !symbols.isEmpty else {
      throw .tape(
        path: path, line: nil,
        reason: "no recorded quotes or trades in it; expected lines of receive time, a space and stream JSON")
    }
    guard symbols.count <= InstrumentTable.countMax else {
      throw .tape(path: path, line: nil, reason: "more than \(InstrumentTable.countMax) symbols")
    }
    var instruments: [Instrument] = []
    var tracks: [Track] = []
    for (index, symbol) in symbols.enumerated() {
      let own = (recordings[symbol] ?? []).sorted { $0.firstReceived < $1.firstReceived }
      let instrument = try instrument(symbol, own)
      instruments.append(instrument)
      tracks.append(track(InstrumentID(index), own, instrument.rules))
    }
    let table = InstrumentTable(venue: "simulator", instruments: instruments)
    let history = try TapeHistory.load(tapePath: path, table: table, firstPrices: tracks.map(\.firstPrice))
    return TapeMarket(table: table, history: history, tracks: tracks)
  }

  private static func recordedFiles(_ path: String) throws(SimulatorError) -> [String] {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw .tape(path: path, line: nil, reason: "no such file or folder; give a recorded file or its folder")
    }
    guard isFolder.boolValue else {
      if isCandleFile(path) {
        try CandleFile.check(path: path)
        throw .tape(path: path, line: nil, reason: "holds candles; a tape needs recorded quotes and trades")
      }
      return [path]
    }
    let names: [String]
    do { names = try FileManager.default.contentsOfDirectory(atPath: path).sorted() } catch {
      throw .tape(path: path, line: nil, reason: "cannot be listed; check its permissions")
    }
    var result: [String] = []
    for name in names where !name.hasPrefix(".") {
      let file = path + "/" + name
      var isInner: ObjCBool = false
      guard FileManager.default.fileExists(atPath: file, isDirectory: &isInner), !isInner.boolValue else {
        continue
      }
      if isCandleFile(name) {
        try CandleFile.check(path: file)
      } else if !name.hasSuffix(".md"), !name.hasSuffix(".json") {
        result.append(file)
      }
    }
    guard !result.isEmpty, result.count <= filesMax else {
      throw .tape(
        path: path, line: nil,
        reason: result.isEmpty
          ? "holds no recorded stream; give the folder of the .gz recordings" : "more than \(filesMax) files")
    }
    return result
  }

  static func isCandleFile(_ name: String) -> Bool { name.hasSuffix(".csv") || name.hasSuffix(".csv.gz") }

  /// The instrument as its own numbers show it: every price a multiple of the tick, every quantity of the step.
  private static func instrument(
    _ symbol: String, _ recordings: [TapeRecording]
  ) throws(SimulatorError) -> Instrument {
    var tick: Int64 = 0
    var step: Int64 = 0
    for recording in recordings {
      tick = divisor(tick, recording.priceDivisor)
      step = divisor(step, recording.quantityDivisor)
    }
    guard tick > 0, step > 0 else {
      throw .tape(
        path: recordings.first?.path ?? symbol, line: nil,
        reason: "\(symbol) has mark prices only; a market needs quotes or trades")
    }
    let base = symbol.hasSuffix("USDT") ? String(symbol.dropLast(4)) : symbol
    // Up to a hundred million quote or base units: their multiples of 1e-8 fit 64 bits with room to spare.
    let unitsMaxE8 = 100_000_000 * FixedPoint.one
    let rules = InstrumentRules(
      tickE8: tick, stepE8: step, priceTicksMin: 1, priceTicksMax: unitsMaxE8 / tick, quantityStepsMin: 1,
      quantityStepsMax: unitsMaxE8 / step, marketStepsMax: unitsMaxE8 / step / 10,
      notionalMinE8: 5 * FixedPoint.one)
    return Instrument(symbol: symbol, baseAsset: base, rules: rules)
  }

  private static func track(
    _ instrument: InstrumentID, _ recordings: [TapeRecording], _ rules: InstrumentRules
  ) -> Track {
    var builder = TapeTrackBuilder(instrument: instrument, rules: rules)
    for recording in recordings { builder.append(recording) }
    return builder.finish()
  }
}

/// The greatest common divisor; 0 stands for "nothing seen yet".
func divisor(_ a: Int64, _ b: Int64) -> Int64 {
  var a = a
  var b = b
  while b != 0 { (a, b) = (b, a % b) }
  return a
}

/// The messages of one symbol in one file.
struct TapeRecording {
  let path: String
  let symbol: String
  var lines: [TapeLine] = []
  var priceDivisor: Int64 = 0
  var quantityDivisor: Int64 = 0

  var firstReceived: Int64 { lines.first?.receivedNanoseconds ?? 0 }

  /// Reads a file; one element per symbol in it, in order of appearance.
  static func read(path: String) throws(SimulatorError) -> [TapeRecording] {
    var lines = try GzipLines(path: path)
    var result: [TapeRecording] = []
    while let bytes = try lines.next() {
      guard bytes.count > 0 else { continue }
      let line: TapeLine?
      do {
        line = try TapeLine(bytes)
      } catch {
        throw .tape(path: path, line: lines.number, reason: Self.reason(error))
      }
      guard let line else { continue }
      let index = result.firstIndex { $0.symbol == line.symbol } ?? result.count
      if index == result.count { result.append(TapeRecording(path: path, symbol: line.symbol)) }
      result[index].lines.append(line)
      switch line.kind {
      case .quote:
        result[index].priceDivisor = divisor(
          divisor(result[index].priceDivisor, line.values.0), line.values.2)
        result[index].quantityDivisor = divisor(
          divisor(result[index].quantityDivisor, line.values.1), line.values.3)
      case .trade:
        result[index].priceDivisor = divisor(result[index].priceDivisor, line.values.0)
        result[index].quantityDivisor = divisor(result[index].quantityDivisor, line.values.1)
      case .mark: break
      }
    }
    return result
  }

  private static func reason(_ failure: TapeLine.Failure) -> String {
    switch failure {
    case .noReceiveTime(let text):
      "line starts with '\(text)'; expected the receive time, a space and the message"
    case .notEpoch(let text):
      "receive time \(text) is not an epoch time in milliseconds, microseconds or nanoseconds; "
        + "record it as one of them"
    case .malformed(let key): "member \"\(key)\" is missing or no decimal; record the message again"
    }
  }
}

/// Joins one symbol's recordings to a track, deriving what they lack.
struct TapeTrackBuilder {
  let instrument: InstrumentID
  let rules: InstrumentRules
  private var events: [MarketEvent] = []
  private var parts: [TapeMarket.Part] = []
  private var offset: Int64 = 0
  private var clock: Int64 = 0
  private var firstTrade: Price?
  private var firstMid: Price?

  private var run: (price: Price, maker: Bool, steps: Int64, count: Int64, start: Int64, last: Int64)?

  private static let aggregateNanoseconds: Int64 = 100_000_000
  private static let second: Int64 = 1_000_000_000

  init(instrument: InstrumentID, rules: InstrumentRules) {
    self.instrument = instrument
    self.rules = rules
  }

  mutating func append(_ recording: TapeRecording) {
    let needsMarks = !recording.lines.contains { $0.kind == .mark }
    var nextMark = offset
    parts.append(
      TapeMarket.Part(
        firstEvent: events.count, playedNanoseconds: offset, receivedNanoseconds: recording.firstReceived))
    for line in recording.lines {
      // Receive times may step back by a clock correction; played time never does.
      clock = max(clock, offset + (line.receivedNanoseconds - recording.firstReceived))
      if let run, clock - run.start > Self.aggregateNanoseconds { flush(run) }
      let time = Instant(nanoseconds: clock)
      switch line.kind {
      case .quote:
        guard let bid = rules.price(e8: line.values.0), let ask = rules.price(e8: line.values.2),
          let bidSteps = rules.quantity(e8: line.values.1), let askSteps = rules.quantity(e8: line.values.3),
          bid.ticks > 0, ask > bid
        else { continue }
        events.append(
          .quote(instrument, time: time, bid: bid, bidQuantity: bidSteps, ask: ask, askQuantity: askSteps))
        if firstMid == nil { firstMid = bid }
        if needsMarks, clock >= nextMark {
          nextMark = clock / Self.second * Self.second + Self.second
          let mid = (line.values.0 + line.values.2) / 2
          events.append(mark(time, (mid, mid, 10_000)))
        }
      case .trade:
        guard let price = rules.price(e8: line.values.0), let quantity = rules.quantity(e8: line.values.1)
        else { continue }
        trade(price, quantity, line.buyerIsMaker)
      case .mark: events.append(mark(time, (line.values.0, line.values.1, line.values.2)))
      }
    }
    if let run { flush(run) }
    offset = clock + Self.second
  }

  private func mark(_ time: Instant, _ values: (Int64, Int64, Int64)) -> MarketEvent {
    .mark(
      instrument, time: time, markE8: values.0, indexE8: values.1, fundingRateE8: values.2,
      nextFundingMilliseconds: 0)
  }

  private mutating func trade(_ price: Price, _ quantity: Quantity, _ maker: Bool) {
    if firstTrade == nil { firstTrade = price }
    if let run, run.price != price || run.maker != maker { flush(run) }
    var single = MarketEvent.trade(
      instrument, time: Instant(nanoseconds: clock), price: price, quantity: quantity, aggregateID: 0,
      buyerIsMaker: maker)
    single.detail = TapeMarket.singleFill
    events.append(single)
    let start = run?.start ?? clock
    run = (price, maker, (run?.steps ?? 0) + quantity.steps, (run?.count ?? 0) + 1, start, clock)
  }

  /// The aggregate becomes known with the message that ends it, and stands before that message.
  private mutating func flush(
    _ finished: (price: Price, maker: Bool, steps: Int64, count: Int64, start: Int64, last: Int64)
  ) {
    run = nil
    events.append(
      .trade(
        instrument, time: Instant(nanoseconds: clock), price: finished.price,
        quantity: Quantity(steps: finished.steps), aggregateID: 0, tradeCount: finished.count,
        buyerIsMaker: finished.maker))
  }

  consuming func finish() -> TapeMarket.Track {
    TapeMarket.Track(
      events: events, roundNanoseconds: offset, firstPrice: firstTrade ?? firstMid ?? Price(ticks: 1),
      parts: parts)
  }
}
