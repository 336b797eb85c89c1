import BinanceWire
import Market

/// Messages of perfect grammar that cannot be true: times, orders, books, bands.
enum PoisonValues {
  static let shapes = times + orders + books + marks + bands

  private static let times: [PoisonShape] = [
    time("five minutes and a millisecond old", .rejected(.time)) { $0 - 300_001 },
    time("a day old", .rejected(.time)) { $0 - 86_400_000 },
    time("2001 ms ahead", .rejected(.time)) { $0 + 2_001 },
    time("an hour ahead", .rejected(.time)) { $0 + 3_600_000 },
    time("zero", .rejected(.time)) { _ in 0 },
    time("one", .rejected(.time)) { _ in 1 },
    time("in seconds", .rejected(.time)) { $0 / 1000 },
    time("in microseconds", .malformed(.number)) { $0 * 1000 },
    time("in nanoseconds", .malformed(.number)) { $0 * 1_000_000 },
    time("the last that fits into nanoseconds", .rejected(.time)) { _ in 9_000_000_000_000 },
    time("the first that does not", .malformed(.number)) { _ in 9_000_000_000_001 },
    time("largest i64", .malformed(.number)) { _ in .max },
    time("negative", .malformed(.field)) { -$0 },
    time("older than the trade before", .rejected(.time)) { $0 - 400 },
    .edit("a quote older than the quote before", .rejected(.time), .quote) { draft, moment in
      draft["T"] = "\(moment.milliseconds - 400)"
    },
    .edit("a quote from the future", .rejected(.time), .quote) { draft, moment in
      draft["T"] = "\(moment.milliseconds + 2_001)"
    },
    .field("no time", .malformed(.field), .trade, "T", "null"),
    .field("time as text", .malformed(.field), .trade, "T", "\"1795250000000\""),
    .field("time as a date", .malformed(.field), .trade, "T", "\"2026-11-21T14:00:00Z\""),
    .field("time with an exponent", .malformed(.field), .trade, "T", "1.79525e12"),
    .field("time with a fraction", .malformed(.field), .trade, "T", "1795250000000.5"),
    .edit("no event time", .malformed(.field), .trade) { draft, _ in draft["E"] = nil },
    .field("event time as text", .malformed(.field), .trade, "E", "\"now\""),
    .field("event time beyond nanoseconds", .malformed(.number), .quote, "E", "9999999999999999"),
    .field("event time that nobody reads", .accepted, .quote, "E", "5"),
    .edit("a mark from the future", .rejected(.time), .mark) { draft, moment in
      draft["E"] = "\(moment.milliseconds + 2_001)"
    },
    .edit("a mark in seconds", .rejected(.time), .mark) { draft, moment in
      draft["E"] = "\(moment.milliseconds / 1000)"
    },
  ]

  private static let orders: [PoisonShape] = [
    .bytes("the last trade again", .rejected(.duplicate)) { Array($0.lastTrade.utf8) },
    .bytes("the last quote again", .rejected(.duplicate), .quote) { Array($0.lastQuote.utf8) },
    .bytes("the last mark again", .rejected(.duplicate), .mark) { Array($0.lastMark.utf8) },
    .bytes("an older trade again", .rejected(.order)) { Array($0.olderTrade.utf8) },
    .edit("the last id with another price", .rejected(.duplicate), .trade) { draft, moment in
      draft["a"] = "\(moment.aggregateID - 1)"
      draft["p"] = "\"28156.00\""
    },
    .edit("an id that went back by one", .rejected(.order), .trade) { draft, moment in
      draft["a"] = "\(moment.aggregateID - 2)"
    },
    .field("an id that began again", .rejected(.order), .trade, "a", "0"),
    .edit("a quote id that went back", .rejected(.order), .quote) { draft, moment in
      draft["u"] = "\(moment.updateID - 100)"
    },
    .field("a quote id of zero", .rejected(.order), .quote, "u", "0"),
    .edit("a mark that went back", .rejected(.order), .mark) { draft, moment in
      draft["E"] = "\(moment.milliseconds - 1_000)"
    },
    jump("one trade missing", .gap(1), by: 1),
    jump("seven trades missing", .gap(7), by: 7),
    jump("ten thousand trades missing", .gap(10_000), by: 10_000),
    jump("more missing than a stream can count", .rejected(.order), by: 100_000_001),
    .edit("a quote id no stream can have reached", .rejected(.order), .quote) { draft, moment in
      draft["u"] = "\(moment.updateID + 100_000_002)"
    },
    .edit("first above last", .malformed(.number), .trade) { draft, _ in
      draft["f"] = "20"
      draft["l"] = "19"
    },
    .field("no first", .malformed(.field), .trade, "f", "null"),
    .field("no last", .malformed(.field), .trade, "l", "\"5\""),
    .field("negative first", .malformed(.field), .trade, "f", "-1"),
    .edit("a count out of i64", .malformed(.number), .trade) { draft, _ in
      draft["f"] = "0"
      draft["l"] = "9223372036854775807"
    },
    .edit("as many single trades as i64", .rejected(.size), .trade) { draft, _ in
      draft["f"] = "1"
      draft["l"] = "9223372036854775807"
    },
    .edit("more single trades than any order meets", .rejected(.size), .trade) { draft, _ in
      draft["f"] = "1"
      draft["l"] = "10000001"
    },
  ]

  private static let books: [PoisonShape] = [
    .field("locked", .rejected(.logic), .quote, "a", "\"28155.10\""),
    .field("crossed by a tick", .rejected(.logic), .quote, "a", "\"28155.00\""),
    .field("crossed by half", .rejected(.logic), .quote, "a", "\"14000.00\""),
    .field("no bid", .rejected(.price), .quote, "b", "\"0.00\""),
    .field("no ask", .rejected(.price), .quote, "a", "\"0\""),
    .edit("no book", .rejected(.price), .quote) { draft, _ in
      draft["b"] = "\"0\""
      draft["a"] = "\"0\""
    },
    .edit("sides changed over", .rejected(.logic), .quote) { draft, _ in
      draft.rename("b", to: "x")
      draft.rename("a", to: "b")
      draft.rename("x", to: "a")
    },
    .field("negative bid", .malformed(.number), .quote, "b", "\"-28155.10\""),
    .field("bid off tick", .malformed(.offGrid), .quote, "b", "\"28155.05\""),
    .field("ask off tick", .malformed(.offGrid), .quote, "a", "\"28155.201\""),
    .field("ask above the largest price", .rejected(.price), .quote, "a", "\"1000000.1\""),
    .edit("no ask field", .malformed(.number), .quote) { draft, _ in draft["a"] = nil },
    .edit("no update id", .malformed(.field), .quote) { draft, _ in draft["u"] = nil },
  ]

  private static let marks: [PoisonShape] = [
    .field("zero", .rejected(.price), .mark, "p", "\"0\""),
    .field("negative", .malformed(.number), .mark, "p", "\"-1\""),
    .field("above the largest price", .rejected(.price), .mark, "p", "\"1000000.1\""),
    .edit("no mark", .malformed(.number), .mark) { draft, _ in draft["p"] = nil },
    .field("negative index", .malformed(.number), .mark, "i", "\"-28150.1\""),
    .field("index above the largest price", .rejected(.price), .mark, "i", "\"90000000000\""),
    .field("ten times the index", .quarantined, .mark, "i", "\"2815.01\""),
    .field("a tenth of the index", .quarantined, .mark, "i", "\"281501\""),
    .edit("no index field", .malformed(.number), .mark) { draft, _ in draft["i"] = nil },
    .legal("no index yet", .accepted, .mark, "i", "\"0\""),
    .edit("no rate field", .malformed(.number), .mark) { draft, _ in draft["r"] = nil },
    .legal("no next funding", .accepted, .mark, "T", "0"),
    .field("next funding in seconds", .rejected(.logic), .mark, "T", "1795260000"),
    .field("next funding in the year 2255", .rejected(.logic), .mark, "T", "8999999999999"),
    .edit("next funding a day ago", .rejected(.logic), .mark) { draft, moment in
      draft["T"] = "\(moment.milliseconds - 86_400_000)"
    },
    .edit("no next funding field", .malformed(.field), .mark) { draft, _ in draft["T"] = nil },
    .field("a settlement price nobody reads", .accepted, .mark, "P", "\"-1e999\""),
  ]

  /// Far from mark and median, and alone with it.
  private static let bands: [PoisonShape] = [
    .field("ten times the price", .quarantined, .trade, "p", "\"281551.0\""),
    .field("a tenth of the price", .quarantined, .trade, "p", "\"2815.5\""),
    .field("a hundred times: the point lost", .rejected(.price), .trade, "p", "\"2815510\""),
    .field("40 % up", .quarantined, .trade, "p", "\"39417.1\""),
    .field("40 % down", .quarantined, .trade, "p", "\"16893.1\""),
    .field("just out of the band", .quarantined, .trade, "p", "\"30975.0\""),
    .legal("just inside the band", .accepted, .trade, "p", "\"28200.0\""),
    .edit("a book ten times the price", .quarantined, .quote) { draft, _ in
      draft["b"] = "\"281551.0\""
      draft["a"] = "\"281552.0\""
    },
    .edit("a book at a tenth of the price", .quarantined, .quote) { draft, _ in
      draft["b"] = "\"2815.5\""
      draft["a"] = "\"2815.6\""
    },
    .field("an ask ten times the bid", .quarantined, .quote, "a", "\"281552.0\""),
    .field("a bid of one tick", .quarantined, .quote, "b", "\"0.1\""),
    .edit("a mark 40 % up, its index too", .quarantined, .mark) { draft, _ in
      draft["p"] = "\"39417.1\""
      draft["i"] = "\"39410\""
    },
    .edit("a mark at a tenth, its index too", .quarantined, .mark) { draft, _ in
      draft["p"] = "\"2815.5\""
      draft["i"] = "\"2815\""
    },
    .edit("a single trade at twice the price", .quarantined, .single) { draft, _ in
      draft["p"] = "\"56310.2\""
    },
  ]

  private static func time(
    _ name: String, _ outcome: PoisonShape.Outcome, _ change: @escaping @Sendable (Int64) -> Int64
  ) -> PoisonShape {
    .edit("a trade's time: \(name)", outcome, .trade) { draft, moment in
      draft["T"] = "\(change(moment.milliseconds))"
    }
  }

  private static func jump(_ name: String, _ outcome: PoisonShape.Outcome, by count: Int64) -> PoisonShape {
    let change: @Sendable (inout Draft, MarketMoment) -> Void = { draft, moment in
      draft["a"] = "\(moment.aggregateID + count)"
    }
    return .edit(name, outcome, .trade, canonical: change, change)
  }
}
