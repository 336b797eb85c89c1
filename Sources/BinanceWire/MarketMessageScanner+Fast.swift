import Market

/// The fast path: straight-line comparison with the key orders the exchange uses.
///
/// Every step moves at most 45 bytes and is followed by a check against the end, so that with 64 bytes of
/// padding no read leaves the caller's memory, whatever stands there. A message is accepted only when its
/// last byte is the message's last byte. Anything unexpected is `.unread` and left to the general path.
extension MarketMessageScanner {
  /// `unread` is left to the general path.
  enum FastOutcome { case event, ignored, unread }

  @inline(__always)
  func fastRead(_ base: Cursor, _ limit: Cursor, _ received: Int64, _ reading: inout Reading) -> FastOutcome {
    guard limit - base > 40 else { return .unread }
    var p = base
    var isCombined = false
    let head = WireBytes.load8(p)
    if head == WireBytes.word("{\"stream"), WireBytes.load4(p + 7) & 0xFFFF_FFFF == 0x223A_226D {
      p += 11
      guard Self.skipName(&p, limit) else { return .unread }
      guard WireBytes.load8(p) == WireBytes.word("\",\"data\""),
        WireBytes.load8(p + 7) == WireBytes.word("\":{\"e\":\"")
      else { return .unread }
      p += 15
      isCombined = true
    } else if head & 0x0000_FFFF_FFFF_FFFF == WireBytes.word("{\"e\":\"\0\0") {
      p += 6
    } else {
      return .unread
    }
    guard p < limit else { return .unread }
    switch WireBytes.load8(p) {
    case WireBytes.word("bookTick"):
      guard WireBytes.load2(p + 8) == 0x7265, p[10] == 0x22 else { return .unread }
      return quote(p + 11, limit, isCombined, received, &reading)
    case WireBytes.word("aggTrade"):
      guard p[8] == 0x22 else { return .unread }
      return aggregateTrade(p + 9, limit, isCombined, received, &reading)
    case WireBytes.word("trade\",\""):
      return singleTrade(p + 6, limit, isCombined, received, &reading)
    case WireBytes.word("markPric"):
      guard WireBytes.load8(p + 8) == WireBytes.word("eUpdate\"") else { return .unread }
      return mark(p + 16, limit, isCombined, received, &reading)
    case WireBytes.word("kline\",\""), WireBytes.word("depthUpd"):
      // Not wanted, so not read: candles are built from trades
      return (limit - 1).pointee == 0x7D ? .ignored : .unread
    default: return .unread
    }
  }

  /// `"e":"bookTicker"` `u s b B a A T E`, or `u E T s b B a A`.
  private func quote(
    _ start: Cursor, _ limit: Cursor, _ isCombined: Bool, _ received: Int64, _ reading: inout Reading
  ) -> FastOutcome {
    var p = start
    var time: Int64 = 0
    guard Self.number(&p, limit, 0x75) else { return .unread }
    let sequence = WireBytes.integer(&p)
    let timesFirst = p[2] == 0x45
    if timesFirst {
      guard Self.number(&p, limit, 0x45), WireBytes.skipTime(&p) else { return .unread }
      guard Self.number(&p, limit, 0x54) else { return .unread }
      time = WireBytes.integer(&p)
    }
    guard Self.text(&p, limit, 0x73), let entry = symbols.find(&p) else { return .unread }
    guard Self.text(&p, limit, 0x62) else { return .unread }
    let bidE8 = WireBytes.decimal(&p)
    guard Self.text(&p, limit, 0x42) else { return .unread }
    let bidQuantityE8 = WireBytes.decimal(&p)
    guard Self.text(&p, limit, 0x61) else { return .unread }
    let askE8 = WireBytes.decimal(&p)
    guard Self.text(&p, limit, 0x41) else { return .unread }
    let askQuantityE8 = WireBytes.decimal(&p)
    if !timesFirst {
      guard Self.number(&p, limit, 0x54) else { return .unread }
      time = WireBytes.integer(&p)
      guard Self.number(&p, limit, 0x45), WireBytes.skipTime(&p) else { return .unread }
    }
    guard (sequence | time | bidE8 | bidQuantityE8 | askE8 | askQuantityE8) >= 0,
      time <= Self.millisecondsMax, Self.end(p, limit, isCombined)
    else { return .unread }
    let bid = entry.pointee.price.quotient(bidE8)
    let ask = entry.pointee.price.quotient(askE8)
    let bidQuantity = entry.pointee.quantity.quotient(bidQuantityE8)
    let askQuantity = entry.pointee.quantity.quotient(askQuantityE8)
    guard (bid | ask | bidQuantity | askQuantity) >= 0 else { return .unread }
    reading.event = .quote(
      entry.pointee.instrument, time: Instant(milliseconds: time), bid: Price(ticks: bid),
      bidQuantity: Quantity(steps: bidQuantity), ask: Price(ticks: ask),
      askQuantity: Quantity(steps: askQuantity),
      receivedNanoseconds: received)
    reading.sequence = sequence
    return .event
  }

  /// `"e":"aggTrade"` `E a s p q [nq] f l T m`, or with `s` before `a`.
  private func aggregateTrade(
    _ start: Cursor, _ limit: Cursor, _ isCombined: Bool, _ received: Int64, _ reading: inout Reading
  ) -> FastOutcome {
    var p = start
    guard Self.number(&p, limit, 0x45), WireBytes.skipTime(&p) else { return .unread }
    let sequence: Int64
    let entry: UnsafePointer<SymbolTable.Entry>
    if p[2] == 0x61 {
      guard Self.number(&p, limit, 0x61) else { return .unread }
      sequence = WireBytes.integer(&p)
      guard Self.text(&p, limit, 0x73), let found = symbols.find(&p) else { return .unread }
      entry = found
    } else {
      guard Self.text(&p, limit, 0x73), let found = symbols.find(&p) else { return .unread }
      entry = found
      guard Self.number(&p, limit, 0x61) else { return .unread }
      sequence = WireBytes.integer(&p)
    }
    guard Self.text(&p, limit, 0x70) else { return .unread }
    let priceE8 = WireBytes.decimal(&p)
    guard Self.text(&p, limit, 0x71) else { return .unread }
    let quantityE8 = WireBytes.decimal(&p)
    var ordinaryE8: Int64 = 0
    if WireBytes.load4(p) == 0x716E_222C {  // ,"nq":" the quantity without retail-improvement trades
      guard p < limit, p[4] == 0x22, p[5] == 0x3A, p[6] == 0x22 else { return .unread }
      p += 7
      ordinaryE8 = WireBytes.decimal(&p)
    }
    guard Self.number(&p, limit, 0x66) else { return .unread }
    let first = WireBytes.integer(&p)
    guard Self.number(&p, limit, 0x6C) else { return .unread }
    let last = WireBytes.integer(&p)
    guard Self.number(&p, limit, 0x54) else { return .unread }
    let time = WireBytes.integer(&p)
    guard let buyerIsMaker = Self.maker(&p, limit) else { return .unread }
    guard (sequence | priceE8 | quantityE8 | ordinaryE8 | first | last | time) >= 0,
      last >= first,
      time <= Self.millisecondsMax, Self.end(p, limit, isCombined)
    else { return .unread }
    return trade(
      entry, time, priceE8, quantityE8, sequence, last &- first &+ 1, buyerIsMaker, received, detail: 0,
      &reading)
  }

  /// `"e":"trade"` `E T s t p q X m`.
  private func singleTrade(
    _ start: Cursor, _ limit: Cursor, _ isCombined: Bool, _ received: Int64, _ reading: inout Reading
  ) -> FastOutcome {
    var p = start
    guard Self.number(&p, limit, 0x45), WireBytes.skipTime(&p) else { return .unread }
    guard Self.number(&p, limit, 0x54) else { return .unread }
    let time = WireBytes.integer(&p)
    guard Self.text(&p, limit, 0x73), let entry = symbols.find(&p) else { return .unread }
    guard Self.number(&p, limit, 0x74) else { return .unread }
    let sequence = WireBytes.integer(&p)
    guard Self.text(&p, limit, 0x70) else { return .unread }
    let priceE8 = WireBytes.decimal(&p)
    guard Self.text(&p, limit, 0x71) else { return .unread }
    let quantityE8 = WireBytes.decimal(&p)
    guard Self.text(&p, limit, 0x58) else { return .unread }
    var isMarket = true
    if WireBytes.load8(p) & 0x00FF_FFFF_FFFF_FFFF == WireBytes.word("MARKET\"\0") {
      p += 7
    } else if WireBytes.load4(p) & 0x00FF_FFFF == 0x0022_414E {
      p += 3
      isMarket = false
    } else {
      return .unread
    }
    guard let buyerIsMaker = Self.maker(&p, limit) else { return .unread }
    guard (time | sequence | priceE8 | quantityE8) >= 0, time <= Self.millisecondsMax,
      Self.end(p, limit, isCombined)
    else { return .unread }
    guard isMarket else {
      return .ignored
    }
    return trade(
      entry, time, priceE8, quantityE8, sequence, 1, buyerIsMaker, received, detail: Self.singleTradeDetail,
      &reading)
  }

  @inline(__always)
  private func trade(
    _ entry: UnsafePointer<SymbolTable.Entry>, _ time: Int64, _ priceE8: Int64, _ quantityE8: Int64,
    _ id: Int64,
    _ count: Int64, _ buyerIsMaker: Bool, _ received: Int64, detail: UInt8, _ reading: inout Reading
  ) -> FastOutcome {
    let price = entry.pointee.price.quotient(priceE8)
    let quantity = entry.pointee.quantity.quotient(quantityE8)
    guard (price | quantity) >= 0 else { return .unread }
    if price == 0 || quantity == 0 {
      return .ignored  // an id spent without a fill
    }
    var event = MarketEvent.trade(
      entry.pointee.instrument, time: Instant(milliseconds: time), price: Price(ticks: price),
      quantity: Quantity(steps: quantity), aggregateID: id, tradeCount: count, buyerIsMaker: buyerIsMaker,
      receivedNanoseconds: received)
    event.detail = detail
    reading.event = event
    reading.sequence = id
    return .event
  }

  /// `"e":"markPriceUpdate"` `E s p [ap] P i r T`, or with `i` before `P`.
  private func mark(
    _ start: Cursor, _ limit: Cursor, _ isCombined: Bool, _ received: Int64, _ reading: inout Reading
  ) -> FastOutcome {
    var p = start
    guard Self.number(&p, limit, 0x45) else { return .unread }
    let eventTime = WireBytes.integer(&p)
    guard Self.text(&p, limit, 0x73), let entry = symbols.find(&p) else { return .unread }
    guard Self.text(&p, limit, 0x70) else { return .unread }
    let markE8 = WireBytes.decimal(&p)
    var averageE8: Int64 = 0
    if WireBytes.load4(p) == 0x7061_222C {  // ,"ap":" the moving average
      guard p < limit, p[4] == 0x22, p[5] == 0x3A, p[6] == 0x22 else { return .unread }
      p += 7
      averageE8 = WireBytes.decimal(&p)
    }
    var indexE8: Int64 = 0
    var settlementE8: Int64 = 0
    if p[2] == 0x50 {
      guard Self.text(&p, limit, 0x50) else { return .unread }
      settlementE8 = WireBytes.decimal(&p)
      guard Self.text(&p, limit, 0x69) else { return .unread }
      indexE8 = WireBytes.decimal(&p)
    } else {
      guard Self.text(&p, limit, 0x69) else { return .unread }
      indexE8 = WireBytes.decimal(&p)
      guard Self.text(&p, limit, 0x50) else { return .unread }
      settlementE8 = WireBytes.decimal(&p)
    }
    guard Self.text(&p, limit, 0x72) else { return .unread }
    let isNegative = p.pointee == 0x2D
    if isNegative { p += 1 }
    let rateE8 = WireBytes.decimal(&p)
    guard Self.number(&p, limit, 0x54) else { return .unread }
    let nextFunding = WireBytes.integer(&p)
    guard (eventTime | markE8 | averageE8 | indexE8 | settlementE8 | rateE8 | nextFunding) >= 0,
      eventTime <= Self.millisecondsMax, nextFunding <= Self.millisecondsMax, Self.end(p, limit, isCombined)
    else { return .unread }
    reading.event = .mark(
      entry.pointee.instrument, time: Instant(milliseconds: eventTime), markE8: markE8, indexE8: indexE8,
      fundingRateE8: isNegative ? -rateE8 : rateE8, nextFundingMilliseconds: nextFunding,
      receivedNanoseconds: received)
    reading.sequence = eventTime
    return .event
  }

  /// A time in the year 2255: later ones would not fit into nanoseconds.
  static var millisecondsMax: Int64 { 9_000_000_000_000 }

  /// Moves over `,"k":` of a number.
  @inline(__always) private static func number(_ p: inout Cursor, _ limit: Cursor, _ key: UInt8) -> Bool {
    guard p < limit, WireBytes.load4(p) == 0x2200_222C | (UInt32(key) &<< 16), p[4] == 0x3A else {
      return false
    }
    p += 5
    return true
  }

  /// Moves over `,"k":"` of a text.
  @inline(__always) private static func text(_ p: inout Cursor, _ limit: Cursor, _ key: UInt8) -> Bool {
    guard p < limit, WireBytes.load4(p) == 0x2200_222C | (UInt32(key) &<< 16),
      WireBytes.load2(p + 4) == 0x223A
    else { return false }
    p += 6
    return true
  }

  /// `,"m":true` or `,"m":false`.
  @inline(__always) private static func maker(_ p: inout Cursor, _ limit: Cursor) -> Bool? {
    guard number(&p, limit, 0x6D) else { return nil }
    if WireBytes.load4(p) == 0x6575_7274 {
      p += 4
      return true
    }
    guard WireBytes.load4(p) == 0x736C_6166, p[4] == 0x65 else { return nil }
    p += 5
    return false
  }

  /// The stream's name, to its closing quote: printable ASCII without escapes, else the general path decides.
  @inline(__always) private static func skipName(_ p: inout Cursor, _ limit: Cursor) -> Bool {
    while p < limit {
      let word = WireBytes.load8(p)
      let stop = WireBytes.quotes(word)
      let escapes = word ^ 0x5C5C_5C5C_5C5C_5C5C
      let odd =
        (word | (word &- 0x2020_2020_2020_2020) | ((escapes &- 0x0101_0101_0101_0101) & ~escapes))
        & 0x8080_8080_8080_8080
      if stop != 0 {
        // Anything odd below the quote? The lowest set bits of both are exact.
        if odd != 0, odd.trailingZeroBitCount < stop.trailingZeroBitCount { return false }
        p += stop.trailingZeroBitCount &>> 3
        return true
      }
      if odd != 0 { return false }
      p += 8
    }
    return false
  }

  /// What may follow the last field: nothing, `,"st":1`, `,"ps":"…"` or both, then the end of the message.
  @inline(__always) private static func end(_ last: Cursor, _ limit: Cursor, _ isCombined: Bool) -> Bool {
    var p = last
    if p.pointee == 0x2C, !skipNewer(&p, limit) { return false }
    if isCombined { return WireBytes.load2(p) == 0x7D7D && p + 2 == limit }
    return p.pointee == 0x7D && p + 1 == limit
  }

  private static func skipNewer(_ p: inout Cursor, _ limit: Cursor) -> Bool {
    var hasMarket = false
    var hasPair = false
    while p < limit, p.pointee == 0x2C {
      let word = WireBytes.load8(p)
      if !hasMarket, word & 0x00FF_FFFF_FFFF_FFFF == WireBytes.word(",\"st\":1\0") {
        p += 7
        hasMarket = true
      } else if !hasPair, word & 0x00FF_FFFF_FFFF_FFFF == WireBytes.word(",\"ps\":\"\0") {
        p += 7
        guard skipName(&p, limit) else { return false }
        p += 1
        hasPair = true
      } else {
        return false
      }
    }
    return p < limit
  }
}
