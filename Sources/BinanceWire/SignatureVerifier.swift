import Crypto
import Foundation
public import Market

/// The exchange's side of signing: checks key, signature and time of a raw request.
public struct SignatureVerifier: Sendable {
  public enum Verdict: Sendable, Equatable {
    case accepted
    /// What to answer: HTTP status, error code and text.
    case refused(status: Int, code: Int32, message: String)
  }

  private let apiKey: Secret
  private let key: SymmetricKey

  public init(apiKey: Secret, secret: Secret) {
    self.apiKey = apiKey
    key = SymmetricKey(data: Data(secret.exposed.utf8))
  }

  /// The key alone, for calls that are not signed.
  public func verdict(onKey presented: String?) -> Verdict {
    guard let presented, (1...128).contains(presented.utf8.count), presented.utf8.allSatisfy(Self.isKeyByte)
    else {
      return .refused(status: 401, code: -2014, message: "API-key format invalid.")
    }
    guard presented == apiKey.exposed else {
      return .refused(
        status: 401, code: -2015, message: "Invalid API-key, IP, or permissions for action.")
    }
    return .accepted
  }

  /// A signed call, from its undecoded query (without `?`) and body. A name present in both counts from the
  /// query.
  public func verdict(apiKey presented: String?, query: String, body: String, serverNow: Instant) -> Verdict {
    let keyVerdict = verdict(onKey: presented)
    guard keyVerdict == .accepted else { return keyVerdict }
    guard let timestampText = Self.value(of: "timestamp", query, body), !timestampText.isEmpty else {
      return Self.missing("timestamp")
    }
    guard let timestamp = Int64(timestampText) else { return Self.illegal("timestamp") }
    guard let signature = Self.value(of: "signature", query, body), !signature.isEmpty else {
      return Self.missing("signature")
    }
    var window: Int64 = 5000
    if let text = Self.value(of: "recvWindow", query, body) {
      guard let value = Int64(text), (1...60_000).contains(value) else { return Self.illegal("recvWindow") }
      window = value
    }
    let payload = Self.withoutSignature(query) + Self.withoutSignature(body)
    guard let expected = Self.bytes(ofHexadecimal: signature),
      HMAC<SHA256>.isValidAuthenticationCode(expected, authenticating: Data(payload.utf8), using: key)
    else {
      return .refused(status: 400, code: -1022, message: "Signature for this request is not valid.")
    }
    let now = serverNow.milliseconds
    guard timestamp < now + 1000 else {
      return .refused(
        status: 400, code: -1021, message: "Timestamp for this request was 1000ms ahead of the server's time."
      )
    }
    guard now - timestamp <= window else {
      return .refused(
        status: 400, code: -1021, message: "Timestamp for this request is outside of the recvWindow.")
    }
    return .accepted
  }

  private static func missing(_ name: String) -> Verdict {
    .refused(
      status: 400, code: -1102,
      message: "Mandatory parameter '\(name)' was not sent, was empty/null, or malformed.")
  }

  private static func illegal(_ name: String) -> Verdict {
    .refused(status: 400, code: -1100, message: "Illegal characters found in parameter '\(name)'.")
  }

  private static func isKeyByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: true
    default: false
    }
  }

  private static func value(of name: String, _ query: String, _ body: String) -> Substring? {
    for part in [query, body] {
      for pair in part.split(separator: "&") where pair.hasPrefix(name) {
        let rest = pair.dropFirst(name.count)
        if rest.first == "=" { return rest.dropFirst() }
      }
    }
    return nil
  }

  private static func withoutSignature(_ part: String) -> String {
    guard part.contains("signature=") else { return part }
    return part.split(separator: "&", omittingEmptySubsequences: false)
      .filter { !$0.hasPrefix("signature=") }.joined(separator: "&")
  }

  private static func bytes(ofHexadecimal text: Substring) -> [UInt8]? {
    guard text.utf8.count == 64 else { return nil }
    var bytes: [UInt8] = []
    var high: UInt8?
    for digit in text.utf8 {
      let value: UInt8
      switch digit {
      case 0x30...0x39: value = digit - 0x30
      case 0x41...0x46: value = digit - 0x37
      case 0x61...0x66: value = digit - 0x57
      default: return nil
      }
      if let first = high {
        bytes.append(first << 4 | value)
        high = nil
      } else {
        high = value
      }
    }
    return bytes
  }
}
