import BinanceWire
import Foundation
import Testing

@Suite("JSON text")
struct JSONTextTests {
  struct Sample: Codable, Equatable {
    var z: String
    var a: Int64
    var missing: String?
    var rows: [[String]]
    var inner: [Inner]
    var last: Double

    struct Inner: Codable, Equatable { var isOn: Bool }
  }

  @Test("members keep the order of their type, and what is nil is left out")
  func order() {
    let sample = Sample(
      z: "1.0", a: -5, rows: [["1", "2"], []], inner: [.init(isOn: true), .init(isOn: false)], last: 0.004)
    #expect(
      String(decoding: JSONText.encode(sample), as: UTF8.self)
        == #"{"z":"1.0","a":-5,"rows":[["1","2"],[]],"inner":[{"isOn":true},{"isOn":false}],"last":0.004}"#)
    #expect(JSONText.encode([String]()) == Array("[]".utf8))
  }

  @Test("any text comes back as it was")
  func escapes() throws {
    let sample = Sample(
      z: "测试 \"quoted\" \\ / \u{0}\u{1F}\n\t\u{7F}", a: .min, missing: "", rows: [], inner: [], last: 0)
    #expect(try JSONDecoder().decode(Sample.self, from: Data(JSONText.encode(sample))) == sample)
  }
}
