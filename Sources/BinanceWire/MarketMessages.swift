import Foundation
public import Market

/// The slow, obvious twin of `MarketMessageScanner`: the same answers through Foundation's JSON decoder.
///
/// Tests hold the scanner against it; tools that read a few messages may use it directly.
public struct MarketMessages: Sendable {
  public let table: InstrumentTable
  private let indices: [String: Int]
  private let decoder: JSONDecoder

  public init(table: InstrumentTable) {
    self.table = table
    indices = Dictionary(uniqueKeysWithValues: table.instruments.enumerated().map { ($1.symbol, $0) })
    decoder = JSONDecoder()
  }

  /// Reads one message, with or without the combined-stream envelope.
  public func scan(_ bytes: [UInt8], receivedNanoseconds: Int64 = 0) -> MarketMessageScanner.Scan {
    // Foundation overlooks bad UTF-8 and control characters in texts that nobody reads; JSON forbids them.
    guard String(validating: bytes, as: UTF8.self) != nil,
      bytes.allSatisfy({ $0 >= 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D })
    else { return .malformed(.syntax) }
    let data = Data(bytes)
    // Each attempt fails on another shape; what none of them reads is malformed, so no error is lost.
    if let envelope = try? decoder.decode(Envelope.self, from: data) {
      return event(envelope.data, receivedNanoseconds)
    }
    if let payload = try? decoder.decode(Payload.self, from: data) {
      return event(payload, receivedNanoseconds)
    }
    if (try? decoder.decode([Payload].self, from: data)) != nil { return .batch }
    if let answer = try? decoder.decode(Answer.self, from: data) {
      if answer.id != nil || answer.hasResult || answer.msg != nil { return .control }
    }
    return .malformed(.shape)
  }

  private func event(_ payload: Payload, _ received: Int64) -> MarketMessageScanner.Scan {
    switch payload.e {
    case "aggTrade", "trade", "bookTicker", "markPriceUpdate": break
    default: return .ignored
    }
    if let st = payload.st {
      if st == 2 { return .ignored }
      guard st >= 0 else { return .malformed(.field) }
    }
    guard let symbol = payload.s else { return .malformed(.field) }
    guard let index = indices[symbol], symbol.utf8.count <= SymbolTable.symbolBytesMax else {
      return .ignored
    }
    let rules = table.instruments[index].rules
    guard let eventTime = payload.E, let time = payload.T, eventTime >= 0, time >= 0,
      max(eventTime, time) <= MarketMessageScanner.millisecondsMax
    else { return .malformed(.field) }
    let instrument = InstrumentID(index)
    switch payload.e {
    case "bookTicker":
      guard let sequence = payload.u, sequence >= 0, let bidE8 = Self.decimal(payload.b),
        let bidQuantityE8 = Self.decimal(payload.B), let askE8 = Self.decimal(payload.a?.text),
        let askQuantityE8 = Self.decimal(payload.A)
      else { return .malformed(.number) }
      guard let bid = rules.price(e8: bidE8), let bidQuantity = rules.quantity(e8: bidQuantityE8),
        let ask = rules.price(e8: askE8), let askQuantity = rules.quantity(e8: askQuantityE8)
      else { return .malformed(.offGrid) }
      return .event(
        .quote(
          instrument, time: Instant(milliseconds: time), bid: bid, bidQuantity: bidQuantity, ask: ask,
          askQuantity: askQuantity, receivedNanoseconds: received), sequence: sequence)
    case "markPriceUpdate":
      guard let markE8 = Self.decimal(payload.p), let indexE8 = Self.decimal(payload.i),
        let rateE8 = Self.decimal(payload.r, signed: true)
      else { return .malformed(.number) }
      return .event(
        .mark(
          instrument, time: Instant(milliseconds: eventTime), markE8: markE8, indexE8: indexE8,
          fundingRateE8: rateE8, nextFundingMilliseconds: time, receivedNanoseconds: received),
        sequence: eventTime)
    default:
      let isSingle = payload.e == "trade"
      guard let id = isSingle ? payload.t : payload.a?.number, id >= 0, let buyerIsMaker = payload.m else {
        return .malformed(.field)
      }
      var count: Int64 = 1
      if isSingle {
        if let type = payload.X, type != "MARKET" { return .ignored }
      } else {
        guard let first = payload.f, let last = payload.l, first >= 0, last >= first, last - first < .max
        else {
          return .malformed(.field)
        }
        count = last - first + 1
      }
      guard let priceE8 = Self.decimal(payload.p), let quantityE8 = Self.decimal(payload.q) else {
        return .malformed(.number)
      }
      if priceE8 == 0 || quantityE8 == 0 { return .ignored }
      guard let price = rules.price(e8: priceE8), let quantity = rules.quantity(e8: quantityE8) else {
        return .malformed(.offGrid)
      }
      var event = MarketEvent.trade(
        instrument, time: Instant(milliseconds: time), price: price, quantity: quantity, aggregateID: id,
        tradeCount: count, buyerIsMaker: buyerIsMaker, receivedNanoseconds: received)
      if isSingle { event.detail = MarketMessageScanner.singleTradeDetail }
      return .event(event, sequence: id)
    }
  }

  /// Decimal text without leading zeros; a sign only where a field may be negative.
  static func decimal(_ text: String?, signed: Bool = false) -> Int64? {
    guard let text else { return nil }
    var digits = text.utf8[...]
    if digits.first == 0x2D {
      guard signed else { return nil }
      digits = digits.dropFirst()
    }
    if digits.first == 0x30, digits.count > 1, digits.dropFirst().first != 0x2E { return nil }
    return FixedPoint.parse(text)
  }
}

extension MarketMessages {
  private struct Envelope: Decodable { let data: Payload }

  private struct Answer: Decodable {
    let id: Identifier?
    let msg: String?
    let hasResult: Bool

    enum CodingKeys: String, CodingKey { case id, msg, code, result, error }

    init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      id = try values.decodeIfPresent(Identifier.self, forKey: .id)
      msg = values.contains(.code) ? try values.decodeIfPresent(String.self, forKey: .msg) : nil
      hasResult = values.contains(.result) || values.contains(.error)
      if !hasResult, msg == nil {
        throw DecodingError.dataCorruptedError(forKey: .result, in: values, debugDescription: "no answer")
      }
    }
  }

  /// Request ids are numbers or texts.
  private enum Identifier: Decodable {
    case number(Int64)
    case text(String)

    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      if let number = try? value.decode(Int64.self) {  // not a number: the text form follows
        self = .number(number)
      } else {
        self = .text(try value.decode(String.self))
      }
    }
  }

  /// `a` is an id in aggTrade and a price in bookTicker.
  private struct TextOrNumber: Decodable {
    let text: String?
    let number: Int64?

    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      text = try? value.decode(String.self)  // not a text: a number, or neither
      number = text == nil ? try? value.decode(Int64.self) : nil  // neither: refused where it is needed
    }
  }

  private struct Payload: Decodable {
    let e: String
    let E: Int64?
    let T: Int64?
    let s: String?
    let st: Int64?
    let u: Int64?
    let a: TextOrNumber?
    let b: String?
    let A: String?
    let B: String?
    let p: String?
    let q: String?
    let i: String?
    let r: String?
    let t: Int64?
    let f: Int64?
    let l: Int64?
    let m: Bool?
    let X: String?

    enum CodingKeys: String, CodingKey { case e, E, T, s, st, u, a, b, A, B, p, q, i, r, t, f, l, m, X }

    init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      e = try values.decode(String.self, forKey: .e)
      // Other events use the same letters for other types; their fields are not read.
      let isOurs = ["aggTrade", "trade", "bookTicker", "markPriceUpdate"].contains(e)
      func integer(_ key: CodingKeys) throws -> Int64? {
        isOurs && values.contains(key) ? try values.decode(Int64.self, forKey: key) : nil
      }
      func text(_ key: CodingKeys) throws -> String? {
        isOurs && values.contains(key) ? try values.decode(String.self, forKey: key) : nil
      }
      E = try integer(.E)
      T = try integer(.T)
      s = try text(.s)
      st = try integer(.st)
      a = isOurs ? try values.decodeIfPresent(TextOrNumber.self, forKey: .a) : nil
      u = e == "bookTicker" ? try integer(.u) : nil
      b = e == "bookTicker" ? try text(.b) : nil
      A = e == "bookTicker" ? try text(.A) : nil
      B = e == "bookTicker" ? try text(.B) : nil
      p = e == "bookTicker" ? nil : try text(.p)
      i = e == "markPriceUpdate" ? try text(.i) : nil
      r = e == "markPriceUpdate" ? try text(.r) : nil
      let isTrade = e == "aggTrade" || e == "trade"
      q = isTrade ? try text(.q) : nil
      m = isTrade && values.contains(.m) ? try values.decode(Bool.self, forKey: .m) : nil
      X = e == "trade" ? try text(.X) : nil
      t = e == "trade" ? try integer(.t) : nil
      f = e == "aggTrade" ? try integer(.f) : nil
      l = e == "aggTrade" ? try integer(.l) : nil
    }
  }
}
