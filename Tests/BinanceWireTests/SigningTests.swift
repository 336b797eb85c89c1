import BinanceWire
import Market
import Testing

@Suite("Signing")
struct SigningTests {
  static let secret = Secret("2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9")
  static let published =
    "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000&timestamp=1591702613943"
  let signer = RequestSigner(apiKey: Secret("key"), secret: secret)
  let verifier = SignatureVerifier(apiKey: Secret("key"), secret: secret)
  let now = Instant(milliseconds: 1_591_702_613_943)

  @Test("gives the published signature")
  func vector() {
    #expect(
      signer.signature(of: Self.published)
        == "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9")
  }

  @Test("joins query and body without a separator")
  func mixed() {
    let query = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC"
    let body = "quantity=1&price=9000&recvWindow=5000&timestamp=1591702613943"
    let signature = "30baaf0fab549bbeda7f5ef201898b34122da25fd23c646cac2c529aebe670a4"
    #expect(signer.signature(of: query + body) == signature)
    for hex in [signature, signature.uppercased()] {
      #expect(
        verifier.verdict(apiKey: "key", query: query, body: body + "&signature=" + hex, serverNow: now)
          == .accepted)
    }
  }

  @Test("signs a call so that the other side accepts it, whatever the symbol")
  func roundTrip() {
    let requests = OrderRequests(table: sampleTable)
    for instrument in sampleTable.ids {
      let request = requests.cancel(instrument, ClientOrderID(run: 1, sequence: 2))
      let query = signer.query(for: request, serverNow: now)
      #expect(query.utf8.allSatisfy { $0 < 0x80 })
      #expect(verifier.verdict(apiKey: "key", query: query, body: "", serverNow: now) == .accepted)
      #expect(code(query: query.replacing("recvWindow=5000", with: "recvWindow=5001")) == -1022)
    }
    #expect(signer.query(for: OrderRequests.time(), serverNow: now) == "", "unsigned calls stay as they are")
  }

  @Test("refuses with the exchange's codes")
  func refusals() {
    let good = Self.published + "&signature=" + signer.signature(of: Self.published)
    #expect(code(query: good) == 0)
    #expect(code(key: nil, query: good) == -2014)
    #expect(code(key: "a b", query: good) == -2014)
    #expect(code(key: "other", query: good) == -2015)
    #expect(code(query: good.replacing("price=9000", with: "price=9001")) == -1022)
    #expect(code(query: Self.published) == -1102)
    #expect(code(query: "symbol=BTCUSDT&signature=00") == -1102)
    #expect(code(query: good, at: 1_591_702_613_943 + 5001) == -1021)
    #expect(code(query: good, at: 1_591_702_613_943 + 5000) == 0)
    #expect(code(query: good, at: 1_591_702_613_943 - 999) == 0)
    #expect(code(query: good, at: 1_591_702_613_943 - 1000) == -1021)
  }

  @Test("a secret never prints itself")
  func secrets() {
    let secret = Secret("hunter2")
    var dumped = ""
    dump(secret, to: &dumped)
    for text in ["\(secret)", String(reflecting: secret), dumped, "\(signer)", "\([secret])"] {
      #expect(!text.contains("hunter2") && !text.contains("2b5eb1"))
    }
  }

  private func code(key: String? = "key", query: String, at milliseconds: Int64 = 1_591_702_613_943) -> Int32
  {
    let verdict = verifier.verdict(
      apiKey: key, query: query, body: "", serverNow: Instant(milliseconds: milliseconds))
    if case .refused(_, let code, _) = verdict { return code }
    return 0
  }
}
