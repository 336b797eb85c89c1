import BinanceWire
import Market
import Testing

@Suite("Poison market data")
struct PoisonTests {
  /// Texts no price, quantity, id, time or symbol may be. Raw: the quotes belong to the shape.
  static let shapes: [String] = [
    "NaN", "nan", "Inf", "-Inf", "Infinity", "-Infinity", "null", "true", "false", "[]", "{}", "[1]",
    #"{"a":1}"#, "",
    #""""#, #"" ""#, #""NaN""#, #""nan""#, #""Inf""#, #""-Inf""#, #""Infinity""#, #""1e308""#, #""1E5""#,
    #""1e-5""#,
    #""-1""#, #""-0""#, #""-28155.10""#, #""0x10""#, #""+1""#, #"" 1""#, #""1 ""#, #""1,5""#, #""1_000""#,
    #""1..2""#,
    #""1.2.3""#, #"".5""#, #""5.""#, #"".""#, #""-""#, #""--1""#, #""007""#, #""00.1""#, #""١٢٣""#, #""１２""#,
    #""½""#,
    #""99999999999999999999""#, #""9223372036854775808""#, #""92233720368.54775808""#, #""0.000000001""#,
    #""28155.123456789""#, #""null""#, #""abc""#, #""\u0031""#, #""1\n""#, #""1\""#, "\"1\0\"", "\"\u{7f}\"",
    "-1", "-9223372036854775808", "9223372036854775808", "99999999999999999999999", "1e308", "1E400", "-0",
    "007", "1.5",
    "0.1", ".5", "5.", "+5", "0x5", "1_0", "tru", "nul", "\u{1}", "'1'",
    "[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]",
    "1 2", "1,", #""1""2""#,
  ]

  static let messages: [(name: String, text: String, fields: [String])] = [
    (
      "bookTicker",
      #"{"e":"bookTicker","u":5,"s":"BTCUSDT","b":"28155.10","B":"0.060","a":"28155.20","A":"3.793","T":1795250000000,"E":1795250000000}"#,
      [
        #""u":5"#, #""b":"28155.10""#, #""B":"0.060""#, #""a":"28155.20""#, #""A":"3.793""#,
        #""T":1795250000000"#,
      ]
    ),
    (
      "aggTrade",
      #"{"e":"aggTrade","E":1795250000000,"a":5,"s":"BTCUSDT","p":"28155.10","q":"0.060","f":7,"l":8,"T":1795250000000,"m":true}"#,
      [#""a":5"#, #""p":"28155.10""#, #""q":"0.060""#, #""f":7"#, #""l":8"#, #""T":1795250000000"#]
    ),
    (
      "markPriceUpdate",
      #"{"e":"markPriceUpdate","E":1795250000000,"s":"BTCUSDT","p":"28155.10","P":"1","i":"28150.1","r":"0.0001","T":1795260000000}"#,
      [#""E":1795250000000"#, #""p":"28155.10""#, #""i":"28150.1""#]
    ),
  ]

  /// Values that are whole numbers or decimals of the right kind: poison for sense, not for grammar.
  static let implausible: [(field: String, value: String)] = [
    (#""b":"28155.10""#, #""b":"0""#), (#""b":"28155.10""#, #""b":"0.00""#),
    (#""a":"28155.20""#, #""a":"0.0""#),
    (#""b":"28155.10""#, #""b":"28155.20""#), (#""b":"28155.10""#, #""b":"28155.30""#),
    (#""p":"28155.10""#, #""p":"0""#),
    (#""q":"0.060""#, #""q":"0""#), (#""q":"0.060""#, #""q":"0.000""#),
    (#""q":"0.060""#, #""q":"9999999999999.000""#),
    (#""T":1795250000000"#, #""T":0"#), (#""T":1795250000000"#, #""T":1795250000"#),
    (#""T":1795250000000"#, #""T":1795250000000000"#), (#""T":1795250000000"#, #""T":1795250002001"#),
    (#""T":1795250000000"#, #""T":1795249699999"#), (#""l":8"#, #""l":6"#),
    (#""E":1795250000000,"s""#, #""E":5,"s""#),
    (#""p":"28155.10","P""#, #""p":"0","P""#), (#""r":"0.0001""#, #""r":"0.9""#),
    (#""r":"0.0001""#, #""r":"-5""#),
    (#""b":"28155.10""#, #""b":"28155.15""#), (#""B":"0.060""#, #""B":"0.0605""#),
    (#""q":"0.060""#, #""q":"0.0605""#),
    (#""p":"28155.10""#, #""p":"28155.101""#),
  ]

  static func passes(_ text: String) -> Bool {
    var scanner = MarketMessageScanner(table: sampleTable)
    var firewall = DataFirewall(rules: sampleTable.rules)
    guard case .event(var event, let sequence) = scan(&scanner, text) else { return false }
    let now = Instant(milliseconds: 1_795_250_000_000)
    return firewall.inspect(&event, sequence: sequence, serverNow: now) == nil
  }

  @Test("the clean messages pass")
  func clean() { for message in Self.messages { #expect(Self.passes(message.text), "\(message.name)") } }

  @Test("no shape passes in any field, raw or enveloped")
  func shapes() {
    var count = 0
    for message in Self.messages {
      for field in message.fields {
        guard message.text.contains(field), let colon = field.firstIndex(of: ":") else {
          Issue.record("\(message.name) has no \(field)")
          continue
        }
        for shape in Self.shapes {
          let poisoned = message.text.replacing(field, with: field[...colon] + shape)
          count += 1
          #expect(!Self.passes(poisoned), "\(poisoned)")
          #expect(!Self.passes(#"{"stream":"x@y","data":"# + poisoned + "}"), "\(poisoned)")
        }
      }
    }
    #expect(count >= 1000)
    #expect(Self.shapes.count + Self.implausible.count >= 90)
  }

  @Test("no implausible value passes")
  func implausibleValues() {
    for (field, value) in Self.implausible {
      var applied = 0
      for message in Self.messages where message.text.contains(field) {
        // A mark's T is the next funding, not the fact's time, and its price has no grid.
        if message.name == "markPriceUpdate", field.hasPrefix(#""T""#) || value.hasSuffix(#".101""#) {
          continue
        }
        applied += 1
        let poisoned = message.text.replacing(field, with: value)
        #expect(!Self.passes(poisoned), "\(poisoned)")
      }
      #expect(applied > 0, "\(field) is in no message")
    }
  }
}
