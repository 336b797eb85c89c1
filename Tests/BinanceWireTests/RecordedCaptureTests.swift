import BinanceWire
import Market
import Testing

@Suite("Recorded streams")
struct RecordedCaptureTests {
  #if DEBUG
    static let lineCountMax = 60_000
  #else
    static let lineCountMax = 2_000_000
  #endif

  @Test(
    "are read by the fast path, line for line as the twin reads them",
    .enabled(if: RecordedData.isThere, "needs the recorded streams beside the project"),
    arguments: ["btcusdt_20230405", "btcusdt_20240808", "ethusdt_20240718", "ethusdt_20240719"])
  func captures(name: String) throws {
    let bytes = try RecordedData.unpacked("ws/raw/\(name).gz") + [UInt8](repeating: 0x31, count: 64)
    var scanner = MarketMessageScanner(table: sampleTable)
    let twin = MarketMessages(table: sampleTable)
    var firewall = DataFirewall(rules: sampleTable.rules)
    var counts = (lines: 0, wanted: 0, events: 0, spent: 0, compared: 0, refused: 0)
    bytes.withUnsafeBytes { raw in
      var start = 0
      let end = raw.count - 64
      while start < end, counts.lines < Self.lineCountMax {
        var space = start
        while raw[space] != 0x20 { space += 1 }
        var newline = space
        while newline < end, raw[newline] != 0x0A { newline += 1 }
        let line = UnsafeRawBufferPointer(rebasing: raw[(space + 1)..<newline])
        start = newline + 1
        counts.lines += 1
        let result = scanner.scan(line, receivedNanoseconds: 0)
        // …"e":"trade" / "bookTicker" / "markPriceUpdate" stands behind the stream's name.
        let head = String(decoding: line.prefix(60), as: UTF8.self)
        guard head.contains("@trade") || head.contains("@bookTicker") || head.contains("@markPrice") else {
          #expect(result.words == nil)
          continue
        }
        counts.wanted += 1
        switch result {
        case .event(var event, let sequence):
          counts.events += 1
          if firewall.inspect(&event, sequence: sequence, serverNow: event.time) != nil {
            counts.refused += 1
          }
        case .ignored: counts.spent += 1
        case .control, .batch, .malformed:
          Issue.record("\(name): \(result) for \(String(decoding: line, as: UTF8.self))")
        }
        if counts.lines % 97 == 0 {
          counts.compared += 1
          #expect(twin.scan(Array(line)).words == result.words)
        }
      }
    }
    #expect(counts.wanted > 1000 && counts.compared > 5)
    #expect(counts.events + counts.spent == counts.wanted)
    #expect(scanner.fallbackCount == 0, "the fast path reads every one of them")
    #expect(firewall.quarantinedCount == 0)
    #expect(counts.refused * 1000 < counts.events, "\(name): \(counts), by reason \(reasons(firewall))")
  }

  private func reasons(_ firewall: borrowing DataFirewall) -> String {
    var text = ""
    for reason in FirewallRejection.allCases {
      text += "\(reason.name) \(firewall.counts[Int(reason.rawValue)]) "
    }
    return text
  }
}
