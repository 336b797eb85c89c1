import Testing

@testable import Engine

@Suite("The address of a venue")
struct VenueAddressTests {
  @Test("streams default to one port above REST, and a slash at the end is cut")
  func defaults() throws {
    let address = try VenueAddress(rest: "http://127.0.0.1:8000/", streams: nil)
    #expect(address.rest == "http://127.0.0.1:8000" && address.streams == "ws://127.0.0.1:8001")
    #expect(address.wsApi == "ws://127.0.0.1:8001/ws-fapi/v1")
    #expect(address.isLoopback && address.key == "127.0.0.1-8000")
    #expect(try VenueAddress(rest: "https://a.example:1", streams: nil).streams == "wss://a.example:2")
  }

  @Test(
    "what is no address is refused by its text",
    arguments: ["", "nonsense", "ftp://a:1", "http://", "http://a"])
  func refuses(text: String) {
    #expect(throws: VenueAddress.Failure.notAnAddress(text)) { try VenueAddress(rest: text, streams: nil) }
  }

  @Test("streams must be WebSocket addresses")
  func refusesStreams() {
    #expect(throws: VenueAddress.Failure.notAnAddress("http://a:2")) {
      try VenueAddress(rest: "http://a:1", streams: "http://a:2")
    }
  }

  @Test("only this machine is loopback, whatever a name pretends")
  func loopback() throws {
    #expect(!VenueAddress.binance.isLoopback)
    for host in ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"] {
      #expect(try VenueAddress(rest: "http://\(host):1", streams: nil).isLoopback, "\(host)")
    }
    for host in ["127.0.0.1.example.com", "localhost.example.com", "128.0.0.1", "127.example"] {
      #expect(try !VenueAddress(rest: "http://\(host):1", streams: nil).isLoopback, "\(host)")
    }
    #expect(try !VenueAddress(rest: "http://127.0.0.1:1", streams: "ws://example.com:2").isLoopback)
  }
}
