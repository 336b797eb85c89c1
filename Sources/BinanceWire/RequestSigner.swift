import Crypto
import Foundation
public import Market

/// Appends `recvWindow`, `timestamp` and `signature` to a call: HMAC-SHA256 over the exact bytes that are
/// sent.
///
/// The window is a safety device: once server time is past `timestamp + recvWindow`, a call that was not
/// accepted cannot be any more.
public struct RequestSigner: Sendable {
  /// Goes into the header `X-MBX-APIKEY`.
  public let apiKey: Secret
  public let recvWindowMilliseconds: Int
  private let key: SymmetricKey

  /// - Parameter recvWindowMilliseconds: 1 to 60 000; 2 000 to 5 000 for orders.
  public init(apiKey: Secret, secret: Secret, recvWindowMilliseconds: Int = 5000) {
    precondition((1...60_000).contains(recvWindowMilliseconds), "recvWindow is 1 to 60000 ms")
    self.apiKey = apiKey
    self.recvWindowMilliseconds = recvWindowMilliseconds
    key = SymmetricKey(data: Data(secret.exposed.utf8))
  }

  /// The query to send. An unsigned call keeps its own.
  /// - Parameter serverNow: the venue's clock, not ours.
  public func query(for request: RestRequest, serverNow: Instant) -> String {
    guard request.isSigned else { return request.query }
    var text = request.query
    if !text.isEmpty { text += "&" }
    text += "recvWindow=\(recvWindowMilliseconds)&timestamp=\(serverNow.milliseconds)"
    return text + "&signature=" + signature(of: text)
  }

  /// Path and query as they stand in the request line.
  public func target(for request: RestRequest, serverNow: Instant) -> String {
    let query = query(for: request, serverNow: serverNow)
    return query.isEmpty ? request.path : request.path + "?" + query
  }

  /// Lower-case hexadecimal HMAC-SHA256 of a payload.
  public func signature(of payload: String) -> String {
    hexadecimal(HMAC<SHA256>.authenticationCode(for: Data(payload.utf8), using: key))
  }
}

func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
  let digits = Array("0123456789abcdef".utf8)
  var text: [UInt8] = []
  text.reserveCapacity(64)
  for byte in bytes {
    text.append(digits[Int(byte >> 4)])
    text.append(digits[Int(byte & 15)])
  }
  return String(decoding: text, as: UTF8.self)
}
