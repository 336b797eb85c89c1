/// What an HTTP answer says about the call: the four outcomes every order ends in, and what to do next.
public enum HTTPOutcome: Sendable, Equatable {
  /// Done; the body is the answer.
  case confirmed
  /// Definitely not done.
  case refused(code: Int32, message: String)
  /// May or may not be done: ask by client id, never send again.
  case unknown(code: Int32, message: String)
  /// Definitely not done, and may be sent again later.
  case retry(code: Int32, message: String)
  /// Definitely not done; stop and tell a person.
  case halt(code: Int32, message: String)

  /// Our own codes for answers without one: below -100000, the HTTP status in the last digits.
  public static func gatewayCode(status: Int) -> Int32 {
    -100_000 - Int32(clamping: min(max(status, 0), 999))
  }

  /// Reads status and body. `body` may be empty, cut off or HTML.
  public static func classify(status: Int, body: [UInt8]) -> HTTPOutcome {
    let error = ErrorBody.decode(body)
    let code = error?.code ?? gatewayCode(status: status)
    let message = error?.message ?? ""
    switch status {
    case 200..<300:
      // Positive codes, as in {"code":200,"msg":"success"}, are successes.
      guard let error, error.code < 0 else { return .confirmed }
      return outcome(ofCode: error.code, message: error.message)
    case 401: return .halt(code: code, message: message)
    case 403, 418, 429: return .retry(code: code, message: message)
    case 408: return .unknown(code: code, message: message)
    case 400..<500:
      return error == nil ? .refused(code: code, message: "") : outcome(ofCode: code, message: message)
    case 503: return unavailable(code: error?.code, message: message, body: body)
    default: return .unknown(code: code, message: message)
    }
  }

  private static func outcome(ofCode code: Int32, message: String) -> HTTPOutcome {
    switch BinanceErrorCode.errorClass(of: code) {
    case .refused: .refused(code: code, message: message)
    case .unknown: .unknown(code: code, message: message)
    case .retry: .retry(code: code, message: message)
    case .halt: .halt(code: code, message: message)
    case .satisfied: .confirmed
    }
  }

  /// 503 has four meanings; only its words tell them apart. What is not recognised is unknown.
  private static func unavailable(code: Int32?, message: String, body: [UInt8]) -> HTTPOutcome {
    let text = message.isEmpty ? String(decoding: body.prefix(512), as: UTF8.self) : message
    let shown = code ?? gatewayCode(status: 503)
    if code == -1008 { return .retry(code: shown, message: text) }
    if code == -1016 { return .halt(code: shown, message: text) }
    if text.contains("Unknown error, please check your request") {
      return .unknown(code: shown, message: text)
    }
    if text.contains("Service Unavailable") || text.contains("unable to process your request") {
      return .retry(code: shown, message: text)
    }
    return .unknown(code: shown, message: text)
  }
}

/// `{"code":-1121,"msg":"Invalid symbol."}`.
public struct ErrorBody: Codable, Sendable, Hashable {
  public var code: Int32
  public var message: String

  enum CodingKeys: String, CodingKey {
    case code
    case message = "msg"
  }

  public init(code: Int32, message: String) {
    self.code = code
    self.message = message
  }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    // The algo service sends its success code as a text.
    if let number = try? values.decode(Int32.self, forKey: .code) {  // not a number: the text form follows
      code = number
    } else {
      let text = try values.decode(String.self, forKey: .code)
      guard let number = Int32(text) else {
        throw DecodingError.dataCorruptedError(
          forKey: .code, in: values, debugDescription: "not a number: \(text)")
      }
      code = number
    }
    message = try values.decodeIfPresent(String.self, forKey: .message) ?? ""
  }

  /// nil when the body is not an error body.
  public static func decode(_ body: [UInt8]) -> ErrorBody? {
    guard body.count <= 65_536, body.first == 0x7B else { return nil }
    return try? JSONText.decode(ErrorBody.self, from: body)  // any other shape is simply not an error body
  }
}
