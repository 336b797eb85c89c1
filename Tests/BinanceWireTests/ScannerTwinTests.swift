import BinanceWire
import Market
import Testing

@Suite("Scanner and twin")
struct ScannerTwinTests {
  #if DEBUG
    static let mutationCount = 20_000
  #else
    static let mutationCount = 200_000
  #endif

  @Test("agree on generated messages, and with what was written", arguments: UInt64(0)..<8)
  func generated(seed: UInt64) {
    var source = MessageSource(seed: seed, hasNewerFields: seed % 2 == 0)
    var scanner = MarketMessageScanner(table: sampleTable)
    let twin = MarketMessages(table: sampleTable)
    for _ in 0..<400 {
      let (event, sequence, bytes) = source.next()
      let wanted = Scan.event(event, sequence: sequence).words
      #expect(
        scan(&scanner, bytes).words == wanted, "seed \(seed): \(String(decoding: bytes, as: UTF8.self))")
      #expect(twin.scan(bytes, receivedNanoseconds: 77).words == wanted, "seed \(seed)")
    }
  }

  /// The scanner may be stricter than the decoder, never laxer and never different.
  @Test("never disagree on mutated messages", arguments: [UInt64(1), 2])
  func mutated(seed: UInt64) {
    var source = MessageSource(seed: seed)
    var random = SeededRandom(seed: seed &+ 1000)
    var scanner = MarketMessageScanner(table: sampleTable)
    let twin = MarketMessages(table: sampleTable)
    var agreed = 0
    var stricter = 0
    for round in 0..<(Self.mutationCount / 2) {
      var (_, _, bytes) = source.next()
      for _ in 0...random.below(3) { Self.mutate(&bytes, &random) }
      let fast = scan(&scanner, bytes, padding: UInt8(truncatingIfNeeded: random.next()))
      let slow = twin.scan(bytes, receivedNanoseconds: 77)
      let text = String(decoding: bytes, as: UTF8.self)
      switch (fast.words, slow.words) {
      case (let a?, let b?):
        agreed += 1
        if a != b { Issue.record("seed \(seed) round \(round): different events for \(text)") }
      case (_?, nil): Issue.record("seed \(seed) round \(round): only the scanner accepts \(text)")
      case (nil, _?):
        stricter += 1
        if !Self.isKnownStrictness(text) {
          Issue.record("seed \(seed) round \(round): only the twin accepts \(text)")
        }
      case (nil, nil): break
      }
    }
    #expect(agreed > Self.mutationCount / 50, "mutations must leave some messages whole")
    #expect(stricter < Self.mutationCount / 50)
  }

  /// What Foundation accepts and we refuse on purpose: doubled keys, escapes, line breaks inside texts, whole
  /// numbers written with a point or an exponent, and a missing or empty envelope around what it finds.
  static func isKnownStrictness(_ text: String) -> Bool {
    if text.contains(where: { $0 == "\\" || $0.isNewline || $0 == "\t" }) { return true }
    var letters: [String: Int] = [:]
    for part in text.split(separator: "\"") where part.utf8.count <= 4 {
      letters[String(part), default: 0] += 1
    }
    for key in [
      "e", "E", "T", "s", "st", "u", "a", "b", "A", "B", "p", "P", "q", "i", "r", "t", "f", "l", "m", "X",
      "data",
    ]
    where letters[key, default: 0] > 1 { return true }
    return text.contains(/:-?[0-9]+[.eE]/)
  }

  static let interesting: [UInt8] =
    Array("{}[]\":,.-+0123456789eEtrufalsn\\ \n\u{7f}".utf8) + [0, 0xFF, 0xC3, 0x80]

  static func mutate(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
    guard !bytes.isEmpty else { return }
    let position = Int(random.below(UInt64(bytes.count)))
    switch random.below(8) {
    case 0: bytes[position] = UInt8(truncatingIfNeeded: random.next())
    case 1, 2: bytes[position] = interesting[Int(random.below(UInt64(interesting.count)))]
    case 3: bytes.insert(interesting[Int(random.below(UInt64(interesting.count)))], at: position)
    case 4: bytes.remove(at: position)
    case 5: bytes.removeSubrange(position...)
    case 6:
      let end = min(position + Int(random.below(24)), bytes.count)
      bytes.insert(contentsOf: bytes[position..<end], at: position)
    default:  // a digit for a digit: the message stays whole and means something else
      if bytes[position] &- 0x30 < 10 { bytes[position] = 0x30 + UInt8(random.below(10)) }
    }
  }
}
