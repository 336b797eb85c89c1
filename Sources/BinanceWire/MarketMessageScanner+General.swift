import Market

/// The general path: any key order, unknown keys skipped but checked, exact about everything else.
extension MarketMessageScanner {
  @inline(never)
  func generalScan(_ base: Cursor, _ limit: Cursor, _ received: Int64) -> Scan {
    var walk = JSONWalk(base, limit)
    do {
      let first = walk.next()
      if first == 0x5B {
        _ = try walk.value(depth: 0, base: base)
        return walk.next() == 0 && walk.p == limit ? .batch : .malformed(.syntax)
      }
      guard first == 0x7B else { return .malformed(.syntax) }
      let outer = try message(&walk, base, depth: 0)
      guard walk.next() == 0, walk.p == limit else { return .malformed(.syntax) }
      switch outer.content {
      case .batch: return .batch
      case .payload: return event(outer.fields, base, received)
      case .answer: return .control
      case .nothing: return .malformed(.shape)
      case .doubled: return .malformed(.field)
      }
    } catch {
      return .malformed(error == .depth ? .depth : .syntax)
    }
  }

  /// Hands out every element of an array that `generalScan` found well-formed.
  @inline(never)
  func generalBatch(_ base: Cursor, _ limit: Cursor, _ received: Int64, _ body: (Scan) -> Void) {
    var walk = JSONWalk(base, limit)
    do {
      if walk.next() == 0x7B {
        walk.p += 1
        while true {  // to the array of "data"
          guard let key = walk.text(), walk.expect(0x3A) else { return body(.malformed(.syntax)) }
          if Self.isData(key.start, key.byteCount), walk.next() == 0x5B { break }
          _ = try walk.value(depth: 1, base: base)
          guard walk.expect(0x2C) else { return body(.malformed(.shape)) }
        }
      }
      guard walk.expect(0x5B) else { return body(.malformed(.shape)) }
      if walk.next() == 0x5D { return }
      repeat {
        guard walk.next() == 0x7B else { return body(.malformed(.shape)) }
        let element = try message(&walk, base, depth: 2)
        body(element.content == .payload ? event(element.fields, base, received) : .malformed(.shape))
      } while walk.expect(0x2C)
    } catch {
      body(.malformed(.syntax))
    }
  }

  private enum Content { case payload, answer, batch, nothing, doubled }

  /// One object: its own fields, or those of its `data`.
  private func message(_ walk: inout JSONWalk, _ base: Cursor, depth: Int) throws(JSONWalk.Failure) -> (
    content: Content, fields: WireFields
  ) {
    var fields = WireFields()
    var inner: WireFields?
    var hasData = false
    var hasBatch = false
    var hasResult = false
    var hasCode = false
    var hasText = false
    var isDoubled = false
    guard walk.expect(0x7B) else { throw .syntax }
    if walk.next() == 0x7D {
      walk.p += 1
      return (.nothing, fields)
    }
    while true {
      guard let key = walk.text(), walk.expect(0x3A) else { throw .syntax }
      if depth == 0, Self.isData(key.start, key.byteCount) {
        if hasData { isDoubled = true }
        hasData = true
        switch walk.next() {
        case 0x7B:
          let (content, found) = try message(&walk, base, depth: 1)
          if content == .doubled { isDoubled = true }
          inner = found
        case 0x5B:
          hasBatch = true
          _ = try walk.value(depth: 1, base: base)
        default: _ = try walk.value(depth: 1, base: base)
        }
      } else {
        let field = try walk.value(depth: depth + 1, base: base)
        switch key.byteCount {
        case 1:
          let letter = key.start.pointee
          if (letter | 0x20) &- 0x61 < 26 { fields.set(letter, field) }
        case 2 where key.start[0] == 0x73 && key.start[1] == 0x74:
          if fields.hasMarket { isDoubled = true }
          fields.hasMarket = true
          fields.market =
            field.kind == WireFields.Kind.integer.rawValue
            ? WireFields.integer(base + Int(field.offset), Int(field.byteCount)) ?? -1 : -1
        case 3: hasText = hasText || Self.equals(key.start, "msg")
        case 4: hasCode = hasCode || Self.equals(key.start, "code")
        case 5: hasResult = hasResult || Self.equals(key.start, "error")
        case 6: hasResult = hasResult || Self.equals(key.start, "result")
        default: break
        }
      }
      switch walk.next() {
      case 0x2C: walk.p += 1
      case 0x7D:
        walk.p += 1
        if isDoubled || fields.isDoubled || (hasData && fields.has(0x65)) { return (.doubled, fields) }
        if hasBatch { return (.batch, fields) }
        if let inner { return (inner.has(0x65) ? .payload : .nothing, inner) }
        if fields.has(0x65) { return (.payload, fields) }
        return (hasResult || (hasCode && hasText) ? .answer : .nothing, fields)
      default: throw .syntax
      }
    }
  }

  private static func isData(_ key: Cursor, _ byteCount: Int) -> Bool {
    byteCount == 4 && equals(key, "data")
  }

  private static func equals(_ key: Cursor, _ text: StaticString) -> Bool {
    for index in 0..<text.utf8CodeUnitCount where key[index] != text.utf8Start[index] { return false }
    return true
  }

  /// The event a payload stands for.
  private func event(_ fields: WireFields, _ base: Cursor, _ received: Int64) -> Scan {
    guard !fields.isDoubled, let name = fields.field(0x65, .text) else { return .malformed(.field) }
    let start = base + Int(name.offset)
    let kind: MarketEvent.Kind
    var isSingle = false
    switch name.byteCount {
    case 8 where Self.equals(start, "aggTrade"): kind = .trade
    case 5 where Self.equals(start, "trade"):
      kind = .trade
      isSingle = true
    case 10 where Self.equals(start, "bookTicker"): kind = .quote
    case 15 where Self.equals(start, "markPriceUpdate"): kind = .mark
    default: return .ignored
    }
    if fields.hasMarket {
      if fields.market == 2 { return .ignored }
      guard fields.market >= 0 else { return .malformed(.field) }
    }
    guard let symbol = fields.field(0x73, .text) else {
      return fields.field(0x73, .escapedText) == nil ? .malformed(.field) : .ignored
    }
    var p = base + Int(symbol.offset)  // its closing quote follows, inside the message
    guard let entry = symbols.find(&p) else { return .ignored }
    switch kind {
    case .quote: return quoteEvent(fields, base, entry, received)
    case .mark: return markEvent(fields, base, entry, received)
    default: return tradeEvent(fields, base, entry, isSingle, received)
    }
  }

  private func quoteEvent(
    _ fields: WireFields, _ base: Cursor, _ entry: UnsafePointer<SymbolTable.Entry>, _ received: Int64
  ) -> Scan {
    guard let sequence = fields.integer(0x75, base), let eventTime = fields.integer(0x45, base),
      let time = fields.integer(0x54, base)
    else { return .malformed(.field) }
    guard let bidE8 = fields.decimal(0x62, base), let bidQuantityE8 = fields.decimal(0x42, base),
      let askE8 = fields.decimal(0x61, base), let askQuantityE8 = fields.decimal(0x41, base),
      time <= Self.millisecondsMax, eventTime <= Self.millisecondsMax
    else { return .malformed(.number) }
    let bid = entry.pointee.price.quotient(bidE8)
    let ask = entry.pointee.price.quotient(askE8)
    let bidQuantity = entry.pointee.quantity.quotient(bidQuantityE8)
    let askQuantity = entry.pointee.quantity.quotient(askQuantityE8)
    guard (bid | ask | bidQuantity | askQuantity) >= 0 else { return .malformed(.offGrid) }
    return .event(
      .quote(
        entry.pointee.instrument, time: Instant(milliseconds: time), bid: Price(ticks: bid),
        bidQuantity: Quantity(steps: bidQuantity), ask: Price(ticks: ask),
        askQuantity: Quantity(steps: askQuantity),
        receivedNanoseconds: received), sequence: sequence)
  }

  private func tradeEvent(
    _ fields: WireFields, _ base: Cursor, _ entry: UnsafePointer<SymbolTable.Entry>, _ isSingle: Bool,
    _ received: Int64
  ) -> Scan {
    guard let id = fields.integer(isSingle ? 0x74 : 0x61, base), let eventTime = fields.integer(0x45, base),
      let time = fields.integer(0x54, base), let buyerIsMaker = fields.flag(0x6D)
    else { return .malformed(.field) }
    var count: Int64 = 1
    if isSingle {
      if fields.has(0x58) {
        guard let type = fields.field(0x58, .text) else { return .malformed(.field) }
        guard type.byteCount == 6, Self.equals(base + Int(type.offset), "MARKET") else { return .ignored }
      }
    } else {
      guard let first = fields.integer(0x66, base), let last = fields.integer(0x6C, base) else {
        return .malformed(.field)
      }
      guard last >= first else { return .malformed(.number) }
      let (span, overflow) = (last - first).addingReportingOverflow(1)
      guard !overflow else { return .malformed(.number) }
      count = span
    }
    guard let priceE8 = fields.decimal(0x70, base), let quantityE8 = fields.decimal(0x71, base),
      time <= Self.millisecondsMax, eventTime <= Self.millisecondsMax
    else { return .malformed(.number) }
    if priceE8 == 0 || quantityE8 == 0 { return .ignored }
    let price = entry.pointee.price.quotient(priceE8)
    let quantity = entry.pointee.quantity.quotient(quantityE8)
    guard (price | quantity) >= 0 else { return .malformed(.offGrid) }
    var event = MarketEvent.trade(
      entry.pointee.instrument, time: Instant(milliseconds: time), price: Price(ticks: price),
      quantity: Quantity(steps: quantity), aggregateID: id, tradeCount: count, buyerIsMaker: buyerIsMaker,
      receivedNanoseconds: received)
    if isSingle { event.detail = Self.singleTradeDetail }
    return .event(event, sequence: id)
  }

  private func markEvent(
    _ fields: WireFields, _ base: Cursor, _ entry: UnsafePointer<SymbolTable.Entry>, _ received: Int64
  ) -> Scan {
    guard let eventTime = fields.integer(0x45, base), let nextFunding = fields.integer(0x54, base) else {
      return .malformed(.field)
    }
    guard let markE8 = fields.decimal(0x70, base), let indexE8 = fields.decimal(0x69, base),
      let rateE8 = fields.decimal(0x72, base, signed: true), eventTime <= Self.millisecondsMax,
      nextFunding <= Self.millisecondsMax
    else { return .malformed(.number) }
    return .event(
      .mark(
        entry.pointee.instrument, time: Instant(milliseconds: eventTime), markE8: markE8, indexE8: indexE8,
        fundingRateE8: rateE8, nextFundingMilliseconds: nextFunding, receivedNanoseconds: received),
      sequence: eventTime)
  }
}
