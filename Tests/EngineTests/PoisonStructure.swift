import BinanceWire
import Market

/// Texts and bytes that are no message, half a message, more than a message, or somebody else's.
enum PoisonStructure {
  static let shapes = cuts + syntax + encodings + envelopes + names + others + depths

  private static let cuts: [PoisonShape] =
    [
      .bytes("nothing", .malformed(.syntax)) { _ in [] },
      .bytes("one brace", .malformed(.syntax)) { _ in [0x7B] },
    ]
    + [2, 7, 13, 27, 40, 61, 80, 100, 120].map { count in
      .text("cut behind byte \(count)", .malformed(.syntax)) { String($0.prefix(count)) }
    }
    + [
      .text("the last brace missing", .malformed(.syntax)) { String($0.dropLast()) },
      .text("cut in a literal", .malformed(.syntax)) { String($0.dropLast(3)) },
      .text("the first byte missing", .malformed(.syntax)) { String($0.dropFirst()) },
      .text("the first half missing", .malformed(.syntax)) { String($0.dropFirst(60)) },
      .text("a second half behind the first", .malformed(.syntax)) { String($0.prefix(70) + $0.prefix(70)) },
    ]

  private static let syntax: [PoisonShape] = [
    .text("one brace more", .malformed(.syntax)) { $0 + "}" },
    .text("a letter behind", .malformed(.syntax)) { $0 + "x" },
    .text("a zero byte behind", .malformed(.syntax)) { $0 + "\0" },
    .text("two messages", .malformed(.syntax)) { $0 + $0 },
    .text("two messages on two lines", .malformed(.syntax)) { $0 + "\n" + $0 },
    .text("comma before the last brace", .malformed(.syntax)) { $0.dropLast() + ",}" },
    .text("comma behind the first brace", .malformed(.syntax)) { "{," + $0.dropFirst() },
    .text("comma for a colon", .malformed(.syntax)) { $0.replacing("\"q\":", with: "\"q\",") },
    .text("no colon", .malformed(.syntax)) { $0.replacing("\"q\":", with: "\"q\"") },
    .text("no comma", .malformed(.syntax)) { $0.replacing(",\"q\"", with: "\"q\"") },
    .text("equals sign", .malformed(.syntax)) { $0.replacing("\"q\":", with: "\"q\"=") },
    .text("key without quotes", .malformed(.syntax)) { $0.replacing("\"q\":", with: "q:") },
    .text("key in single quotes", .malformed(.syntax)) { $0.replacing("\"q\":", with: "'q':") },
    .text("number as a key", .malformed(.syntax)) { $0.replacing("\"q\":", with: "5:") },
    .text("a block comment", .malformed(.syntax)) { $0.replacing("\"q\":", with: "/* q */\"q\":") },
    .text("a line comment", .malformed(.syntax)) { $0.replacing(",\"q\"", with: ", // q\n\"q\"") },
    .text("brackets for braces", .malformed(.syntax)) { "[" + $0.dropFirst().dropLast() + "]" },
    .text("crossed brackets", .malformed(.syntax)) { $0.replacing("\"0.060\"", with: "[{\"x\":1]}") },
    .text("a call around it", .malformed(.syntax)) { "callback(\($0));" },
    .text("vertical tab", .malformed(.syntax)) { $0.replacing(",\"q\"", with: ",\u{0B}\"q\"") },
    .text("form feed", .malformed(.syntax)) { $0.replacing(",\"q\"", with: ",\u{0C}\"q\"") },
    .text("no-break space", .malformed(.syntax)) { $0.replacing(",\"q\"", with: ",\u{A0}\"q\"") },
    .text("blanks, tabs and line breaks between all", .accepted) {
      $0.replacing(",", with: " ,\r\n\t").replacing(":", with: " : ")
    },
    .text("a line break behind", .accepted) { $0 + "\r\n" },
    .text("blanks before", .accepted) { "  \t\n" + $0 },
    .edit("keys in reverse", .accepted, .trade) { draft, _ in draft.fields.reverse() },
    .edit("price twice", .malformed(.field), .trade) { draft, _ in
      draft.fields.append(("p", "\"28155.10\""))
    },
    .edit("price twice, differently", .malformed(.field), .trade) { draft, _ in
      draft.fields.append(("p", "\"1.0\""))
    },
    .edit("symbol twice", .malformed(.field), .trade) { draft, _ in
      draft.fields.append(("s", "\"ETHUSDT\""))
    },
    .edit("event type twice", .malformed(.field), .trade) { draft, _ in
      draft.fields.append(("e", "\"bookTicker\""))
    },
    .edit("key in the wrong case", .malformed(.number), .trade) { draft, _ in draft.rename("p", to: "P") },
    .edit("key with an escape", .malformed(.number), .trade) { draft, _ in
      draft.rename("p", to: #"\u0070"#)
    },
    .edit("a key nobody knows", .accepted, .trade) { draft, _ in draft["zz"] = "{\"x\":[1,null,\"\"]}" },
    .edit("an empty key", .accepted, .trade) { draft, _ in draft[""] = "0" },
    .edit("a long key", .accepted, .trade) { draft, _ in draft[String(repeating: "k", count: 5000)] = "1" },
    .edit("a newer field with nonsense in it", .accepted, .trade) { draft, _ in draft["nq"] = "\"abc\"" },
    .edit("the market's number", .accepted, .trade) { draft, _ in draft["st"] = "1" },
    .edit("the other market", .ignored, .trade) { draft, _ in draft["st"] = "2" },
    .edit("a market as text", .malformed(.field), .trade) { draft, _ in draft["st"] = "\"1\"" },
    .edit("a negative market", .malformed(.field), .trade) { draft, _ in draft["st"] = "-1" },
  ]

  /// `zz` is a field nobody reads; its text must be valid all the same.
  private static func unread(_ name: String, _ outcome: PoisonShape.Outcome, _ text: [UInt8]) -> PoisonShape {
    .bytes(name, outcome) { moment in
      Array("{\"zz\":\"".utf8) + text + Array("\",".utf8) + Array(moment.trade.text.utf8.dropFirst())
    }
  }

  private static let encodings: [PoisonShape] = [
    unread("a lone continuation byte", .malformed(.syntax), [0x80]),
    unread("an overlong slash", .malformed(.syntax), [0xC0, 0xAF]),
    unread("an overlong zero", .malformed(.syntax), [0xC0, 0x80]),
    unread("an overlong three-byte form", .malformed(.syntax), [0xE0, 0x80, 0xAF]),
    unread("an overlong four-byte form", .malformed(.syntax), [0xF0, 0x80, 0x80, 0xAF]),
    unread("a surrogate in UTF-8", .malformed(.syntax), [0xED, 0xA0, 0x80]),
    unread("beyond the last code point", .malformed(.syntax), [0xF4, 0x90, 0x80, 0x80]),
    unread("a byte UTF-8 never has", .malformed(.syntax), [0xFF]),
    unread("a character cut by the quote", .malformed(.syntax), [0xE6, 0xB5]),
    unread("a control byte", .malformed(.syntax), [0x1F]),
    unread("a raw tab", .malformed(.syntax), [0x09]),
    unread("an escape nobody knows", .malformed(.syntax), Array(#"\x41"#.utf8)),
    unread("an escape cut short", .malformed(.syntax), Array(#"\u12"#.utf8)),
    unread("an escape with no digits", .malformed(.syntax), Array(#"\u12G4"#.utf8)),
    unread("half a surrogate pair", .malformed(.syntax), Array(#"\uD83D"#.utf8)),
    unread("an escape before the quote", .malformed(.syntax), [0x5C]),
    unread("every short escape", .accepted, Array(#"\"\\\/\b\f\n\r\t"#.utf8)),
    unread("an escaped letter", .accepted, Array(#"\u0041\u00e9\u6d4B"#.utf8)),
    unread("characters of two, three and four bytes", .accepted, Array("é测😀".utf8)),
    unread("a delete byte, which JSON allows", .accepted, [0x7F]),
    unread("two hundred thousand bytes", .accepted, [UInt8](repeating: 0x61, count: 200_000)),
    unread("more than a megabyte", .malformed(.size), [UInt8](repeating: 0x61, count: 1 << 20)),
    .bytes("a byte order mark", .malformed(.syntax)) { [0xEF, 0xBB, 0xBF] + Array($0.trade.text.utf8) },
    .bytes("UTF-16", .malformed(.syntax)) { moment in
      moment.trade.text.utf16.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
    },
    .bytes("gzip", .malformed(.syntax)) { _ in [0x1F, 0x8B, 0x08, 0, 0, 0, 0, 0, 0, 3, 0x4B, 0x04, 0] },
    .bytes("zero bytes", .malformed(.syntax)) { _ in [UInt8](repeating: 0, count: 200) },
    .bytes("all ones", .malformed(.syntax)) { _ in [UInt8](repeating: 0xFF, count: 200) },
    .bytes("every bit of the message turned", .malformed(.syntax)) { $0.trade.text.utf8.map { ~$0 } },
  ]

  private static let envelopes: [PoisonShape] = [
    .edit("combined stream", .accepted, .trade) { draft, _ in draft.stream = "btcusdt@aggTrade" },
    // The payload names itself; the envelope's name is never used.
    .edit("another symbol's stream name", .accepted, .trade) { draft, _ in draft.stream = "ethusdt@aggTrade"
    },
    .edit("another kind's stream name", .accepted, .trade) { draft, _ in draft.stream = "btcusdt@bookTicker"
    },
    .edit("an empty stream name", .accepted, .trade) { draft, _ in draft.stream = "" },
    .text("data without a stream", .accepted) { "{\"data\":\($0)}" },
    .text("data before the stream", .accepted) { "{\"data\":\($0),\"stream\":\"btcusdt@aggTrade\"}" },
    .text("a stream name without end", .malformed(.syntax)) {
      "{\"stream\":\"btcusdt@aggTrade,\"data\":\($0)}"
    },
    .text("a stream name with a control byte", .malformed(.syntax)) {
      "{\"stream\":\"b\u{1}\",\"data\":\($0)}"
    },
    .text("data twice", .malformed(.field)) { "{\"data\":\($0),\"data\":\($0)}" },
    .text("fields beside the data", .malformed(.field)) { "{\"e\":\"aggTrade\",\"data\":\($0)}" },
    .text("data in data", .malformed(.shape)) { "{\"data\":{\"data\":\($0)}}" },
    .text("data under another name", .malformed(.shape)) { "{\"stream\":\"x\",\"Data\":\($0)}" },
    .text("data as text", .malformed(.shape)) {
      "{\"stream\":\"x\",\"data\":\"\($0.replacing("\"", with: "\\\""))\"}"
    },
    .text("no data", .malformed(.shape)) { _ in "{\"stream\":\"btcusdt@aggTrade\",\"data\":null}" },
    .text("empty data", .malformed(.shape)) { _ in "{\"stream\":\"btcusdt@aggTrade\",\"data\":{}}" },
    .text("a stream and nothing else", .malformed(.shape)) { _ in "{\"stream\":\"btcusdt@aggTrade\"}" },
    .text("an envelope one brace short", .malformed(.syntax)) { "{\"stream\":\"x\",\"data\":\($0)" },
    .text("an array of messages", .batch) { "[\($0),\($0)]" },
    .text("an array in an envelope", .batch) { "{\"stream\":\"!x@arr\",\"data\":[\($0)]}" },
    .text("an empty array", .batch) { _ in "[]" },
    .text("an array without end", .malformed(.syntax)) { "[\($0)" },
    .text("an empty object", .malformed(.shape)) { _ in "{}" },
    .text("null", .malformed(.syntax)) { _ in "null" },
    .text("a flag", .malformed(.syntax)) { _ in "true" },
    .text("a number", .malformed(.syntax)) { _ in "17952500" },
    .text("a text", .malformed(.syntax)) { _ in "\"aggTrade\"" },
  ]

  private static let names: [PoisonShape] = [
    .field("small letters", .ignored, .trade, "s", "\"btcusdt\""),
    .field("a letter less", .ignored, .trade, "s", "\"BTCUSD\""),
    .field("a letter more", .ignored, .trade, "s", "\"BTCUSDTX\""),
    .field("a delivery contract", .ignored, .trade, "s", "\"BTCUSDT_261225\""),
    .field("a blank behind", .ignored, .trade, "s", "\"BTCUSDT \""),
    .field("a zero byte behind", .malformed(.syntax), .trade, "s", "\"BTCUSDT\0\""),
    .field("a letter that looks alike", .ignored, .trade, "s", "\"ВTCUSDT\""),
    .field("empty", .ignored, .trade, "s", "\"\""),
    .field("an escape in the name", .ignored, .trade, "s", #""BTC\u0055SDT""#),
    .field("null", .malformed(.field), .trade, "s", "null"),
    .field("a number", .malformed(.field), .trade, "s", "5"),
    .field("an array", .malformed(.field), .trade, "s", "[\"BTCUSDT\"]"),
    .field(
      "four hundred letters", .ignored, .trade, "s", "\"" + String(repeating: "BTCU", count: 100) + "\""),
    .edit("no symbol", .malformed(.field), .trade) { draft, _ in draft["s"] = nil },
    .edit("no event type", .malformed(.shape), .trade) { draft, _ in draft["e"] = nil },
    .field("null type", .malformed(.field), .trade, "e", "null"),
    .field("number type", .malformed(.field), .trade, "e", "1"),
    .field("empty type", .ignored, .trade, "e", "\"\""),
    .field("type in capitals", .ignored, .trade, "e", "\"AGGTRADE\""),
    .field("type with a blank", .ignored, .trade, "e", "\"aggTrade \""),
    .field("type nobody knows", .ignored, .trade, "e", "\"contractRolled\""),
    .field("type with an escape", .malformed(.field), .trade, "e", #""agg\u0054rade""#),
    .field("a trade's fields as a quote", .malformed(.field), .trade, "e", "\"bookTicker\""),
    .field("a trade's fields as a mark", .malformed(.number), .trade, "e", "\"markPriceUpdate\""),
    .field("a quote's fields as a trade", .malformed(.field), .quote, "e", "\"aggTrade\""),
  ]

  private static let others: [PoisonShape] = [
    .text("a candle with high below low", .ignored) { _ in
      #"{"e":"kline","E":1,"s":"BTCUSDT","k":{"t":0,"T":59999,"o":"5","h":"1","l":"9","c":"5","v":"-7","x":true}}"#
    },
    .text("a candle of nonsense", .ignored) { _ in
      #"{"e":"kline","E":null,"s":5,"k":{"o":"NaN","h":[],"l":{},"c":false,"v":"1e999"}}"#
    },
    .text("a book update", .ignored) { _ in #"{"e":"depthUpdate","E":1,"s":"BTCUSDT","b":[["1","2"]],"a":[]}"#
    },
    .text("a liquidation", .ignored) { _ in #"{"e":"forceOrder","E":1,"o":{"s":"BTCUSDT","p":"1"}}"# },
    .text("an account event on the market stream", .ignored) { _ in #"{"e":"listenKeyExpired","E":1}"# },
    .text("a spot quote", .malformed(.shape)) { _ in
      #"{"u":5,"s":"BTCUSDT","b":"1","B":"1","a":"2","A":"1"}"#
    },
    .edit("a trade of the insurance fund", .ignored, .single) { draft, _ in draft["X"] = "\"INSURANCE_FUND\""
    },
    .edit("a trade that was none", .ignored, .single) { draft, _ in draft["X"] = "\"NA\"" },
    .edit("a trade of no type", .malformed(.field), .single) { draft, _ in draft["X"] = "null" },
    .edit("a trade without a trade id", .malformed(.field), .single) { draft, _ in draft["t"] = nil },
    .text("an answer", .control) { _ in #"{"result":null,"id":7}"# },
    .text("an error", .control) { _ in #"{"code":-1121,"msg":"Invalid symbol."}"# },
    .text("an error in a shell", .control) { _ in #"{"error":{"code":2,"msg":"Invalid request"},"id":3}"# },
    .text("an answer to nothing", .malformed(.shape)) { _ in #"{"id":7}"# },
    .text("a page of a proxy", .malformed(.syntax)) { _ in "<html><body>502 Bad Gateway</body></html>" },
    .text("a plain sentence", .malformed(.syntax)) { _ in "Service unavailable, try again later." },
    .text("an HTTP head", .malformed(.syntax)) { _ in
      "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\n\r\n"
    },
  ]

  /// An extra field nested `count` deep.
  private static func nested(
    _ name: String, _ outcome: PoisonShape.Outcome, _ open: String, _ close: String, _ count: Int
  )
    -> PoisonShape
  {
    .edit(name, outcome, .trade) { draft, _ in
      draft["zz"] = String(repeating: open, count: count) + "1" + String(repeating: close, count: count)
    }
  }

  private static let depths: [PoisonShape] = [
    nested("fifteen arrays", .accepted, "[", "]", 15),
    nested("sixteen arrays", .malformed(.depth), "[", "]", 16),
    nested("a thousand arrays", .malformed(.depth), "[", "]", 1000),
    nested("a thousand objects", .malformed(.depth), "{\"a\":", "}", 1000),
    .text("a hundred thousand brackets", .malformed(.depth)) { _ in String(repeating: "[", count: 100_000) },
    .edit("an array of a thousand", .accepted, .trade) { draft, _ in
      draft["zz"] = "[" + String(repeating: "0,", count: 999) + "0]"
    },
  ]
}
