import Foundation

/// The addresses of an exchange: REST, market and user streams, WebSocket API.
public struct VenueAddress: Sendable, Codable, Equatable {
  /// `http(s)://host[:port]`, no path.
  public var rest: String
  /// `ws(s)://host[:port]`; `/public`, `/market` and `/private` are appended.
  public var streams: String
  /// Full URL of the WebSocket API.
  public var wsApi: String

  public init(rest: String, streams: String, wsApi: String) {
    self.rest = rest
    self.streams = streams
    self.wsApi = wsApi
  }

  public static let binance = VenueAddress(
    rest: "https://fapi.binance.com", streams: "wss://fstream.binance.com",
    wsApi: "wss://ws-fapi.binance.com/ws-fapi/v1")

  public enum Failure: Error, CustomStringConvertible, Equatable {
    case notAnAddress(String)

    public var description: String {
      switch self {
      case .notAnAddress(let text):
        "venue: \"\(text)\" is not an address; use http(s)://host:port for REST and ws(s)://host:port for streams"
      }
    }
  }

  /// A venue given by its REST base. Streams default to one port above it, where `aegis simulate --rest-port P` puts
  /// them when not told otherwise.
  public init(rest text: String, streams streamsText: String?) throws(Failure) {
    guard let url = URL(string: text), let host = url.host(), ["http", "https"].contains(url.scheme ?? "")
    else {
      throw .notAnAddress(text)
    }
    let streams: String
    if let streamsText {
      guard let url = URL(string: streamsText), ["ws", "wss"].contains(url.scheme ?? ""), url.host() != nil
      else {
        throw .notAnAddress(streamsText)
      }
      streams = Self.trimmed(streamsText)
    } else {
      guard let port = url.port else { throw .notAnAddress(text) }
      streams =
        "\(url.scheme == "https" ? "wss" : "ws")://\(host.contains(":") ? "[\(host)]" : host):\(port + 1)"
    }
    self.init(rest: Self.trimmed(text), streams: streams, wsApi: "\(streams)/ws-fapi/v1")
  }

  private static func trimmed(_ text: String) -> String {
    text.hasSuffix("/") ? String(text.dropLast()) : text
  }

  /// Every address is on this machine: the only place where real orders may go before stops live at the venue.
  public var isLoopback: Bool {
    [rest, streams, wsApi].allSatisfy { text in
      guard let host = URL(string: text)?.host() else { return false }
      return host == "localhost" || host == "::1" || host == "[::1]"
        || host.split(separator: ".").count == 4 && host.hasPrefix("127.")
    }
  }

  /// Host and port of the REST address: part of every stored row's key.
  public var key: String {
    guard let url = URL(string: rest), let host = url.host() else { return DataDirectory.venueKey(rest) }
    return DataDirectory.venueKey(url.port.map { "\(host)-\($0)" } ?? host)
  }
}
