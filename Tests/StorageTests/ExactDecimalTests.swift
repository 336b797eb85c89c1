import Foundation
import Market
import Storage
import Testing

@Suite("Exact decimals")
struct ExactDecimalTests {
  @Test(
    "grid text reads back to the same count, for any unit and any 64-bit count", arguments: UInt64(0)..<50)
  func gridRoundTrip(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<200 {
      var unit: Int64 = 1
      for _ in 0..<Int(random.below(12)) { unit *= 10 }
      unit *= [1, 2, 5, 25][Int(random.below(4))]
      let count = Int64(bitPattern: random.next()) >> Int64(random.below(64))
      let text = GridText.text(count, unitE8: unit)
      #expect(GridText.count(text, unitE8: unit) == count, "seed \(seed): \(count) × \(unit) is \(text)")
    }
  }

  @Test(
    "text is what the exchange would print",
    arguments: [
      (281_552, 10_000_000, "28155.2"), (-5, 100_000, "-0.005"), (0, 100_000_000, "0"), (0, 10, "0.0000000"),
      (Int64.max, 100_000_000, "9223372036854775807"),
      (Int64.max, 1_000_000_000_000, "92233720368547758070000"),
    ] as [(Int64, Int64, String)])
  func knownTexts(count: Int64, unit: Int64, text: String) {
    #expect(GridText.text(count, unitE8: unit) == text)
  }

  @Test(
    "what is not plain decimal text, or not on the grid, is no count",
    arguments: [
      "", "-", ".", "1.", ".5", "1e3", "+1", " 1", "0.000000001", "1.5", "nan", "١",
      "12345678901234567890123456789",
    ])
  func refusedTexts(text: String) {
    #expect(GridText.count(text, unitE8: 100_000_000) == nil)
  }

  @Test("amounts travel through JSON as text, exactly", arguments: [0, 1, -1, Int64.max, -Int64.max])
  func amountsInJSON(e8: Int64) throws {
    let amount = ExactAmount(e8: e8)
    let data = try JSONEncoder().encode([amount])
    #expect(String(decoding: data, as: UTF8.self) == "[\"\(amount)\"]")
    #expect(try JSONDecoder().decode([ExactAmount].self, from: data) == [amount])
  }
}
